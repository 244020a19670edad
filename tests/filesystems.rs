//! An image recorded on one file system and launched on another, with the kernel's own; subvolumes of btrfs.
//!
//! Needs their mkfs (tests/run installs them), loop devices, and a kernel that knows them, as Debian's does by its modules.

use harness::{Lab, private};

/// A tree of all kinds of files, with times to the nanosecond.
const TREE: &str = r"
    mkdir -p etc/ssh/deep/deeper usr/bin usr/lib/empty
    echo root:x:0:0 > etc/passwd; echo k > etc/ssh/deep/deeper/k
    echo program > usr/bin/true; ln usr/bin/true usr/bin/hard; ln -s true usr/bin/false; mkfifo usr/lib/pipe
    cp usr/bin/true usr/bin/su; chmod 4755 usr/bin/su
    setfattr -n user.note -v text etc/passwd; setcap cap_net_raw+ep usr/bin/su
    find . -exec touch -h -d '2026-01-01 00:00:01.123456789' {} +";

/// Shell: `image TYPE FROM` makes a file system of what lies in FROM and mounts it on the tree.
const IMAGE: &str = r#"
    image() {
        local file=$1.img at=$PWD/at-$1
        mkdir -p "$at"
        grep -qw "$1" /proc/filesystems || modprobe "$1" || { echo "this kernel knows no $1" >&2; exit 9; }
        case $1 in
            erofs) [ -e "$file" ] || mkfs.erofs "$file" "$2" >/dev/null 2>&1 ;;
            squashfs) [ -e "$file" ] || mksquashfs "$2" "$file" -quiet -no-progress >/dev/null ;;
            tmpfs) mount -t tmpfs -o mode=755 none "$at"; cp -a "$2/." "$at/" ;;
            overlay) mount -t tmpfs none "$at"; mkdir "$at/up" "$at/work"; touch -h -r "$2" "$at/up"
                mount -t overlay -o "lowerdir=$2,upperdir=$at/up,workdir=$at/work" none root; return ;;
            *) if [ ! -e "$file" ]; then
                    truncate -s 320M "$file"
                    "mkfs.$1" -q "$file" >/dev/null
                    mount -o loop "$file" "$at"; rm -rf "$at/lost+found"; cp -a "$2/." "$at/"; umount "$at"
                fi ;;
        esac
        [ "$1" = tmpfs ] || mount -o loop "$file" "$at"
        mount --bind "$at" root
    }
"#;

fn lab() -> Lab {
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\ncross_mounts = true\n",
    );
    lab
}

/// What is found of the tree on each file system when it was recorded on `recorded`.
fn launched(recorded: &str, tree: &str) {
    let lab = lab();
    lab.shell(&format!("mkdir ../tree; cd ../tree; {tree}"));
    let on = |what: &str| format!("{IMAGE}\nimage {what} tree");
    let create = ["baseline", "create"];
    lab.agent_after(&on(recorded), &create, &["--output", "manifest.mtree"])
        .expect(0);
    for now in [
        "ext4", "xfs", "btrfs", "erofs", "squashfs", "tmpfs", "overlay",
    ] {
        let ran = lab.check_after(&on(now), &[]);
        let mut told = ran.told();
        if now == "squashfs" && tree == TREE {
            // Which keeps whole seconds; nothing else of it differs.
            told.retain(|told| !told.ends_with(" mtime"));
        } else {
            assert_eq!(ran.status, 0, "{recorded}, then {now}: {ran:#?}");
        }
        assert!(told.is_empty(), "{recorded}, then {now}: {told:#?}");
        // And each is looked at.
        let touched = format!(
            "{}; mount -o remount,rw root 2>/dev/null || true; {MEND}",
            on(now)
        );
        let ran = lab.check_after(&touched, &[]).expect(1);
        assert!(
            ran.told().iter().any(|told| {
                told.starts_with("fail files.changed /etc/passwd ") && told.ends_with("sha256")
            }),
            "{recorded}, then {now}: {ran:#?}"
        );
    }
}

/// Another text of the same length and time, from below where the file system cannot be written.
const MEND: &str = "sed s/root/toor/ root/etc/passwd > other; touch -r root/etc/passwd other
    setfattr -n user.note -v text other; mount --bind other root/etc/passwd";

#[test]
fn an_image_recorded_on_ext4_holds_on_every_file_system() {
    launched("ext4", TREE);
}

/// Whose directories all have one link.
#[test]
fn an_image_recorded_on_btrfs_holds_on_every_file_system() {
    launched("btrfs", TREE);
}

#[test]
fn an_image_with_whole_seconds_recorded_on_xfs_holds_on_squashfs_too() {
    launched(
        "xfs",
        &format!("{TREE}; find . -exec touch -h -d @1700000000 {{}} +"),
    );
}

/// A btrfs with a subvolume at /etc that nobody mounts, and one more beside the tree, mounted over /srv.
const SUBVOLUMES: &str = "mount -o loop,subvol=tree btrfs.img root";

fn subvolumes(cross: bool) -> Lab {
    let lab = Lab::new();
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\ncross_mounts = {cross}\n"
    ));
    let make = "truncate -s 128M btrfs.img; mkfs.btrfs -q btrfs.img >/dev/null; mkdir at; mount -o loop btrfs.img at
        for place in tree tree/etc other; do btrfs -q subvolume create at/$place; done
        echo root:x:0:0 > at/tree/etc/passwd; mkdir at/tree/srv; echo below > at/tree/srv/below; echo over > at/other/over
        btrfs -q subvolume snapshot at/tree/etc at/etc.old; umount at";
    private(lab.path(), make, &[]).expect(0);
    lab
}

fn record(lab: &Lab, mounts: &str) {
    lab.agent_after(
        mounts,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    )
    .expect(0);
    lab.check_after(mounts, &[]).expect(0);
}

/// It has a device number of its own and is no mount: it is entered, whatever the profile says of mounts.
#[test]
fn a_change_in_a_subvolume_that_nobody_mounted_is_found() {
    for cross in [false, true] {
        let lab = subvolumes(cross);
        record(&lab, SUBVOLUMES);
        let changed = format!("{SUBVOLUMES}; echo evil:x:0:0 >> root/etc/passwd");
        let told = lab.check_after(&changed, &[]).expect(1).told();
        assert_eq!(told, ["fail files.changed /etc/passwd size,mtime,sha256"]);
    }
}

/// One that takes the place of a directory, and a snapshot of an older state in place of a subvolume.
#[test]
fn a_subvolume_that_takes_a_place_is_entered() {
    let lab = subvolumes(false);
    record(&lab, SUBVOLUMES);
    let placed = format!(
        "{SUBVOLUMES}; rm -r root/srv; btrfs -q subvolume create root/srv; echo changed > root/srv/below"
    );
    let told = lab.check_after(&placed, &[]).expect(1).told();
    let below = "fail files.changed /srv/below size,mtime,sha256".to_owned();
    assert!(told.contains(&below), "{told:#?}");
}

/// A subvolume mounted over a covered path: looked at where the profile crosses, named in any case.
#[test]
fn a_subvolume_over_a_covered_path_is_told_and_entered() {
    let over = format!("{SUBVOLUMES}; mount -o loop,subvol=other btrfs.img root/srv");
    let lab = subvolumes(true);
    record(&lab, SUBVOLUMES);
    let told = lab.check_after(&over, &[]).expect(1).told();
    for expected in [
        "fail files.mount /srv",
        "fail files.added /srv/over",
        "fail files.removed /srv/below",
    ] {
        assert!(told.contains(&expected.to_owned()), "{told:#?}");
    }
    // Recorded so, it is part of the tree.
    record(&lab, &over);
    let changed = format!("{over}; echo more >> root/srv/over");
    let told = lab.check_after(&changed, &[]).expect(1).told();
    assert_eq!(told, ["fail files.changed /srv/over size,mtime,sha256"]);

    // Not crossed: what it hides was not looked at, and that is no pass.
    let lab = subvolumes(false);
    record(&lab, SUBVOLUMES);
    let told = lab.check_after(&over, &[]).expect(1).told();
    for expected in [
        "fail files.mount /srv",
        "unknown files.unreadable /srv/below",
    ] {
        assert!(told.contains(&expected.to_owned()), "{told:#?}");
    }
}

/// Of what the image in `tests/data/composefs` was made: this, for a file that is too long to lie in the image itself,
/// and TREE, by `mkcomposefs --digest-store=objects tree image` of composefs 1.0.8 (Debian's unstable).
const COMPOSED: &str = "umask 022; mkdir -p usr/lib; yes line | head -c 5000 > usr/lib/long";

/// Shell: mounts it as mount.composefs does, metadata by erofs, contents by the digests that name them.
fn composed() -> String {
    let data = harness::project().join("tests/data/composefs");
    format!(
        "grep -qw erofs /proc/filesystems || modprobe erofs || {{ echo 'this kernel knows no erofs' >&2; exit 9; }}
        mkdir metadata; cp -r {0}/objects .; mount -o ro,loop -t erofs {0}/image metadata
        mount -t overlay -o ro,lowerdir=metadata::objects,metacopy=on,redirect_dir=on none root",
        data.display()
    )
}

/// Recorded as a tree and launched as a composefs, as image-mode hosts are, and the other way; an object that was edited
/// is the file that is made of it. mkcomposefs makes files of their own of names of one file: their link count differs,
/// and nothing else.
#[test]
fn an_image_holds_as_a_composefs() {
    let lab = lab();
    lab.shell(&format!("mkdir ../tree; cd ../tree; {COMPOSED}; {TREE}"));
    let tree = format!("{IMAGE}\nimage ext4 tree");
    let image = composed();
    let clear = "rm -rf metadata objects";
    let edited = format!("{clear}; {image}; sed -i 1s/line/evil/ $(find objects -type f)");
    let names = ["hard", "true"].map(|name| format!("fail files.changed /usr/bin/{name} nlink"));
    for (recorded, now, differs) in [
        (&tree, &image, &names[..]),
        (&image, &tree, &names),
        (&image, &image, &[]),
    ] {
        let (recorded, now) = (format!("{clear}; {recorded}"), format!("{clear}; {now}"));
        let create = ["baseline", "create"];
        lab.agent_after(&recorded, &create, &["--output", "manifest.mtree"])
            .expect(0);
        assert_eq!(lab.check_after(&now, &[]).told(), differs);
        let mut told = lab.check_after(&edited, &[]).expect(1).told();
        told.retain(|told| !told.ends_with(" nlink"));
        assert_eq!(told, ["fail files.changed /usr/lib/long sha256"]);
    }
}
