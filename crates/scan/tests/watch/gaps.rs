//! Each known hole of watches by inotify, with the real kernel.

use super::ledger::{assert_same, fresh};
use super::sentry::Sentry;
use harness::Lab;
use harness::kernel::limits_stand_still;

/// Directories made faster than they can be watched (beats#39125, osquery#1969).
#[test]
fn no_file_in_new_directories_is_missed() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    lab.shell("for i in {1..500}; do mkdir -p top$i/b/c/d/e && echo $i >top$i/b/c/d/e/file; done");
    sentry.catch_up();
    for i in 1..=500 {
        let path = format!("top{i}/b/c/d/e/file");
        assert!(sentry.ledger.open().contains_key(path.as_bytes()), "{path}");
    }
    assert_same(&sentry.ledger, &lab, "all at once");
    assert_eq!(sentry.watch.directories(), 1 + 500 * 5);
    // And all of them are watched now.
    lab.shell("for i in {1..500}; do echo more >>top$i/b/c/d/e/file; done");
    sentry.touched.clear();
    sentry.catch_up();
    let files = sentry
        .touched
        .iter()
        .filter(|path| path.ends_with(b"/file"));
    assert_eq!(files.count(), 500);
    assert_same(&sentry.ledger, &lab, "written to later");
    assert_eq!(fresh(&lab).len(), 500 * 6);
}

/// Excluded trees cost no watch and no wakeup (osquery#4296).
#[test]
fn what_is_excluded_wakes_nobody() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n\
         [[exclude]]\npath = \"/var/log/**\"\nreason = \"logs\"\n",
    );
    lab.shell(
        "mkdir -p var/log/{a..z}/{0..9} etc; echo x | tee etc/conf var/log/a/log var/log/log",
    );
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    // The root, etc, var, var/log itself: a new entry there is nobody's business, its mode is.
    assert_eq!(sentry.watch.directories(), 4);
    lab.shell("for i in {1..300}; do echo x >>var/log/a/log; done; mkdir var/log/b/new; echo x >var/log/b/new/x");
    sentry.catch_up();
    assert_eq!(
        (sentry.wakeups, &sentry.touched.len()),
        (0, &1),
        "the canary alone: {:?}",
        sentry.touched
    );
    lab.shell("chmod 700 var/log");
    sentry.catch_up();
    assert_eq!(sentry.ledger.open().len(), 1);
    assert_same(&sentry.ledger, &lab, "the directory's own mode");
}

/// Our own scans wake nobody: reading is no change.
#[test]
fn reading_wakes_nobody() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("mkdir -p a/b; echo x | tee a/b/{0..99} >/dev/null; ln -s b a/link; mkfifo a/fifo");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    fresh(&lab);
    lab.shell("find . -type f -exec cat {} + | wc -c; ls -laR");
    sentry.catch_up();
    assert_eq!(sentry.wakeups, 0, "{:?}", sentry.touched);
}

/// A tree that moves out is forgotten, and what happens there with it; moved back it is looked at whole.
#[test]
fn a_tree_moves_out_and_in() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("mkdir -p a/{b,c}/{d,e} z; echo x | tee a/{b,c}/{d,e}/f >/dev/null");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    assert_eq!(sentry.watch.directories(), 9);
    lab.shell("mv a ../outside");
    sentry.catch_up();
    assert_eq!(sentry.watch.directories(), 2);
    assert_same(&sentry.ledger, &lab, "moved out");
    let wakeups = sentry.wakeups;
    lab.shell("echo y >>../outside/b/d/f; mkdir ../outside/b/new");
    sentry.catch_up();
    assert_eq!(sentry.wakeups, wakeups, "what lies outside wakes nobody");
    lab.shell("mv ../outside a");
    sentry.catch_up();
    assert_eq!(sentry.watch.directories(), 10);
    assert_same(&sentry.ledger, &lab, "moved back");
    for step in [
        "echo y >>a/b/new/file",
        "mv a/b z/b2",
        "echo y >>z/b2/d/f",
        "mv z/b2 a/b; mv a z; mv z/a/b .; mv b z/a",
        "echo y >>z/a/b/e/f",
        "rm -r z; mkdir -p z/a/b/e; echo y >z/a/b/e/f",
        "echo y >>z/a/b/e/f",
    ] {
        lab.shell(step);
        sentry.catch_up();
        assert_same(&sentry.ledger, &lab, step);
    }
}

/// Directories change places all the time while files in them are written.
#[test]
fn rename_storms() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("for i in {0..9}; do mkdir -p d$i/e/f; echo x >d$i/e/f/file; done");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    let tree = lab.root();
    let storm = std::thread::spawn(move || {
        let at = |i: u64| tree.join(format!("d{}", i % 10));
        for i in 0..3000 {
            let spare = tree.join("spare");
            std::fs::rename(at(i), &spare).expect("renamed");
            std::fs::rename(at(i * 7 + 3), at(i)).map_or_else(
                |_| (),
                |()| {
                    std::fs::rename(&spare, at(i * 7 + 3)).expect("renamed");
                },
            );
            // It was its own place.
            if spare.exists() {
                std::fs::rename(&spare, at(i)).expect("renamed");
            }
            let file = at(i * 3).join("e/f/file");
            std::fs::write(file, format!("{i}")).expect("written");
        }
    });
    sentry.run_while(|_| !storm.is_finished());
    storm.join().expect("a storm");
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "after the storm");
    assert_eq!(sentry.watch.directories(), 31);
    lab.shell("for i in {0..9}; do echo end >d$i/e/f/file; done");
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "and after it");
}

/// Replacing by rename, in place and back (osquery#1720, #6495): the path stays watched.
#[test]
fn what_is_replaced_stays_watched() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc/sub; echo x | tee etc/conf etc/sub/file; touch -d @1000 etc/conf etc/sub etc",
    );
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    for step in [
        "echo y >etc/.new; mv etc/.new etc/conf",
        "echo z >>etc/conf",
        "rm etc/conf",
        "mkdir etc/conf; echo x >etc/conf/x",
        "echo y >>etc/conf/x",
        "rm -r etc/conf; ln -s /etc/passwd etc/conf",
        "rm etc/conf; mkfifo etc/conf",
        "rm -r etc",
        "mkdir -p etc/sub; echo x | tee etc/conf etc/sub/file",
        "echo y >>etc/sub/file",
        "rm -r etc; echo x >etc",
        "rm etc; ln -s .. etc",
        "chmod 700 .; setfattr -n user.x -v y .",
    ] {
        lab.shell(step);
        sentry.catch_up();
        assert_same(&sentry.ledger, &lab, step);
    }
}

/// A tree that is replaced as a whole is watched as the new one; while there is none, it is awaited.
#[test]
fn a_tree_that_is_replaced_is_noticed() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("mkdir d; echo x >d/file");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    harness::shell(
        lab.path(),
        "mv root old; mkdir -p root/d; echo other >root/d/file",
    );
    sentry.run_while(|sentry| sentry.replaced < 1);
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "replaced");
    harness::shell(lab.path(), "rm -r root");
    sentry.run_while(|sentry| sentry.coverage.left_out.is_empty());
    assert!(sentry.coverage.reason.is_some());
    harness::shell(lab.path(), "mv old root");
    sentry.run_while(|sentry| sentry.replaced < 2);
    assert_eq!(sentry.coverage.left_out.len(), 0);
    lab.shell("echo y >>d/file");
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "back again");
}

/// Names hold any bytes but `/` and NUL, and up to 255 of them.
#[test]
fn names_of_any_bytes() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    lab.shell(
        r#"for i in {1..255}; do
             name=$(printf '\\x%02x' "$i"); name=$(printf "n${name}_"); mkdir -p "$name" 2>/dev/null && echo x >"$name/$name" || true
           done
           long=$(printf 'n%.0s' {1..255}); mkdir -p "$long/$long/$long/$long"; echo x >"$long/$long/$long/$long/$long""#,
    );
    sentry.catch_up();
    assert!(sentry.ledger.open().len() > 500);
    assert_same(&sentry.ledger, &lab, "made");
    lab.shell("find . -type f -exec sh -c 'for f; do echo y >>\"$f\"; done' sh {} +");
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "written to");
}

/// A path deeper than any system call takes, and more levels than descriptors are kept for.
#[test]
fn deep_trees_are_watched_or_said_not_to_be() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    let name = "n".repeat(100);
    lab.shell(&format!(
        "for i in {{1..60}}; do mkdir {name} && cd {name}; done; echo x >file"
    ));
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "made");
    lab.shell(&format!(
        "for i in {{1..60}}; do cd {name}; done; echo y >>file; echo x >new"
    ));
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "changed at the bottom");
    lab.shell("for i in {1..6}; do mkdir -p $(printf 'd/%.0s' {1..100}) && cd $(printf 'd/%.0s' {1..100}); done; echo x >file");
    sentry.catch_up();
    assert_eq!(sentry.coverage.left_out.len(), 1);
    assert_same(&sentry.ledger, &lab, "with what is left out looked at");
}

/// What inotify does not show is found by the next whole look, and that is said in docs/watch.md.
#[test]
fn what_is_not_shown_is_found_by_the_next_scan() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("mkdir d; echo x | tee d/linked d/plain");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    // Recorded with one name.
    lab.shell("ln d/linked ../outside");
    lab.shell("echo y >>../outside");
    sentry.catch_up();
    assert!(
        sentry.ledger.open().is_empty(),
        "a hard link outside the tree, made since"
    );
    sentry.ledger.judge([super::sentry::all()]);
    assert_same(&sentry.ledger, &lab, "by a scan");
    assert_eq!(sentry.ledger.open().len(), 1);
}

/// A write through a memory mapping is seen when the mapping goes, if not before.
#[test]
fn a_memory_mapping_is_seen_when_it_ends() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("head -c 8192 /dev/zero >file; touch -d @1000 file");
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    lab.shell(
        "python3 -c 'import mmap, os
fd = os.open(\"file\", os.O_RDWR)
m = mmap.mmap(fd, 8192)
os.close(fd)
m[5000] = 1
m.close()'",
    );
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "unmapped");
    assert_eq!(sentry.ledger.open().len(), 1);
}

/// A path that is as recorded when it is looked at, and was changed meanwhile, is told with its ctime.
#[test]
fn changed_and_restored_is_told() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell("mkdir d; echo x | tee d/a d/b; touch -d @1000 d/a d/b d");
    lab.create().expect(0);
    let before = agent_core::attributes::Timestamp {
        seconds: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
            .try_into()
            .expect("small"),
        nanoseconds: 0,
    };
    let mut sentry = Sentry::of(&lab);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    lab.shell("echo evil >d/a; echo x >d/a; touch -d @1000 d/a");
    sentry.held.clear();
    sentry.catch_up();
    assert!(sentry.ledger.open().is_empty());
    let held: Vec<&[u8]> = sentry.held.iter().map(|(path, _)| &path[..]).collect();
    assert_eq!(held, [b"d/a"]);
    assert!(sentry.held[0].1 > before);
}
