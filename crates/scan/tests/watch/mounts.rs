//! Mounts, which inotify does not show: tmpfs, bind mounts, overlays, over the tree and in it.

use super::ledger::assert_same;
use super::sentry::Sentry;
use harness::kernel::limits_stand_still;
use harness::{Lab, shell};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::fs;
use std::time::Duration;

/// Runs a test in a mount namespace of its own, which ends with it.
fn in_own_mounts(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: of this thread nothing is shared any more but memory and descriptors, which this flag leaves alone;
        // its working directory becomes its own, and nobody here relies on one.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
            .expect("root may");
        shell("/".as_ref(), "mount --make-rprivate /");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn profile(cross: bool) -> String {
    format!(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\ncross_mounts = {cross}\n"
    )
}

/// What is mounted over a watched directory, and taken away again, is told as a check tells it.
#[test]
fn mounts_come_and_go() {
    let _limits = limits_stand_still();
    for cross in [false, true] {
        in_own_mounts(move || {
            let lab = Lab::new();
            lab.profile(&profile(cross));
            lab.shell("mkdir -p mnt/sub other ../outside/deep; echo x | tee mnt/a mnt/sub/b other/c ../outside/deep/d");
            lab.create().expect(0);
            // With attribution on nothing may be kept open: it could not be unmounted.
            let mut sentry = Sentry::with(&lab, cross.then(Default::default));
            let steps = [
                "mount -t tmpfs none mnt",
                "mkdir mnt/inside; echo y >mnt/inside/y",
                "echo more >>mnt/inside/y",
                "umount mnt",
                "mount --bind ../outside mnt",
                "echo y >>../outside/deep/d",
                "mount --bind other mnt/deep",
                "echo through >>mnt/deep/c",
                "umount mnt/deep; umount mnt",
                "mount --bind mnt/a other/c",
                "umount other/c",
                "mkdir ../up ../work; mount -t overlay -o lowerdir=other,upperdir=../up,workdir=../work none other",
                "echo y >>other/c; mkdir other/new; echo z >other/new/z",
                "umount other",
                "mount --bind . .; umount .",
            ];
            for step in steps {
                lab.shell(step);
                sentry.catch_up();
                assert_same(&sentry.ledger, &lab, &format!("cross {cross}: {step}"));
            }
        });
    }
}

/// A program runs from a mount that is gone before anything is opened to look.
#[test]
fn what_is_mounted_for_a_moment_is_told() {
    let _limits = limits_stand_still();
    in_own_mounts(|| {
        let lab = Lab::new();
        lab.profile(&profile(false));
        lab.shell(
            "mkdir sub; echo good | tee prog sub/file; echo evil >../evil; mkdir ../elsewhere",
        );
        lab.create().expect(0);
        let mut sentry = Sentry::of(&lab);
        let root = lab.root();
        let none = UnmountFlags::empty();
        for (path, shown) in [("prog", "evil"), ("sub", "elsewhere")] {
            let place = root.join(path);
            let told = |sentry: &Sentry| sentry.brief.iter().any(|b| b.path == path.as_bytes());
            // A busy machine may let the watch sleep through one.
            while !told(&sentry) {
                mount_bind(lab.path().join(shown), &place).expect("mounted");
                std::thread::sleep(Duration::from_millis(20));
                unmount(&place, none).expect("unmounted");
                sentry.catch_up();
            }
        }
        // Outside the tree nobody asks.
        mount_bind(&root, lab.path().join("elsewhere")).expect("mounted");
        std::thread::sleep(Duration::from_millis(20));
        unmount(lab.path().join("elsewhere"), none).expect("unmounted");
        sentry.catch_up();
        let brief = sentry.brief.iter();
        let mut brief: Vec<&[u8]> = brief.map(|brief| brief.path.as_slice()).collect();
        brief.dedup();
        assert_eq!(brief, [&b"prog"[..], b"sub"]);
        assert!(sentry.brief[0].layer.shown.ends_with("/evil"));
        assert_same(&sentry.ledger, &lab, "afterwards");
    });
}

/// Attribution, which no canary waits for, opens what was mounted 150 ms later at most.
const ATTRIBUTED: Duration = Duration::from_millis(300);

/// An administrator who unmounts one file system after the other, or right after the last write, is not held up: the
/// watch keeps nothing open meanwhile. Often, since what it opens is open for microseconds.
#[test]
fn nobody_is_kept_from_unmounting() {
    let _limits = limits_stand_still();
    in_own_mounts(|| {
        let lab = Lab::new();
        lab.profile(&profile(true));
        lab.shell("mkdir -p mnt other ../outside/deep");
        lab.create().expect(0);
        let mut sentry = Sentry::with(&lab, Some(Default::default()));
        let (mnt, root) = (lab.root().join("mnt"), lab.root());
        let deep = mnt.join("deep");
        let none = UnmountFlags::empty();
        for round in 0..40 {
            mount_bind(lab.path().join("outside"), &mnt).expect("mounted");
            mount_bind(root.join("other"), &deep).expect("mounted");
            // Until the watch has seen to it, and looked at it.
            sentry.catch_up();
            std::thread::sleep(ATTRIBUTED);
            unmount(&deep, none).unwrap_or_else(|e| panic!("round {round}: inner: {e}"));
            std::thread::sleep(Duration::from_micros(round * 30));
            unmount(&mnt, none).unwrap_or_else(|e| panic!("round {round}: outer: {e}"));
            mount("none", &mnt, "tmpfs", MountFlags::empty(), None).expect("mounted");
            sentry.catch_up();
            std::thread::sleep(ATTRIBUTED);
            fs::create_dir_all(mnt.join("a/b/c")).expect("made");
            fs::write(mnt.join("a/b/c/file"), "x").expect("written");
            unmount(&mnt, none).unwrap_or_else(|e| panic!("round {round}: written to: {e}"));
        }
        sentry.catch_up();
        assert_same(&sentry.ledger, &lab, "afterwards");
    });
}

/// A tree that is an overlay, as a container's is.
#[test]
fn an_overlay_is_watched() {
    let _limits = limits_stand_still();
    in_own_mounts(|| {
        let lab = Lab::new();
        lab.shell("mkdir -p ../lower/d/e ../up ../work; echo x | tee ../lower/d/e/f ../lower/g");
        // An upper layer must lie on a file system that is no overlay itself.
        lab.shell("mount -t tmpfs none ../up; mkdir ../up/up ../up/work");
        lab.shell(
            "mount -t overlay -o lowerdir=../lower,upperdir=../up/up,workdir=../up/work none .",
        );
        lab.create().expect(0);
        let mut sentry = Sentry::of(&lab);
        for step in [
            "echo y >>d/e/f",
            "rm g",
            "mkdir d/new; echo z >d/new/z",
            "echo z >>d/new/z",
            "mv d/new d/e/newer",
            "echo z >>d/e/newer/z",
            "rm -r d",
        ] {
            lab.shell(step);
            sentry.catch_up();
            assert_same(&sentry.ledger, &lab, step);
        }
    });
}

/// The tree itself mounted over, and uncovered again.
#[test]
fn a_tree_that_is_mounted_over_is_noticed() {
    let _limits = limits_stand_still();
    in_own_mounts(|| {
        let lab = Lab::new();
        lab.shell("mkdir d; echo x >d/file");
        lab.create().expect(0);
        let mut sentry = Sentry::of(&lab);
        let root = lab.root();
        let root = root.display();
        for (step, times) in [
            (format!("mount -t tmpfs none {root}"), 1),
            (format!("mkdir {root}/d; echo other >{root}/d/file"), 1),
            // Both this test and the watch have the tree open.
            (format!("umount -l {root}"), 2),
        ] {
            shell(lab.path(), &step);
            sentry.run_while(|sentry| sentry.replaced < times);
            sentry.catch_up();
            assert_same(&sentry.ledger, &lab, &step);
        }
    });
}
