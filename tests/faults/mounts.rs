//! What is mounted in the tree: crossed or named, never silently passed over; loops end.

use harness::Lab;

/// A tree with a directory to mount things on, recorded after `mounts` under a profile that crosses or not.
fn lab(cross: bool, mounts: &str) -> Lab {
    let lab = Lab::new();
    lab.shell("mkdir -p mnt/sub empty; echo a > mnt/a; echo b > mnt/sub/b; echo plain > plain; echo z > z");
    profile(&lab, cross);
    lab.agent_after(
        mounts,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    )
    .expect(0);
    lab
}

fn profile(lab: &Lab, cross: bool) {
    lab.profile(&format!(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\ncross_mounts = {cross}\n"
    ));
}

const NOTHING: &str = "true";
const TMPFS: &str = "mount -t tmpfs -o mode=755 none root/mnt";
const BIND: &str = "mount --bind . root/mnt";
const LOOP: &str = "mount --bind root root/mnt";
const FILE: &str = "echo other > other; mount --bind other root/plain";

/// When it was recorded, when it is checked, what is found, what is named as skipped.
#[test]
fn what_is_mounted_shows() {
    let hidden = "unknown files.unreadable /mnt|unknown files.unreadable /mnt/a|\
                  unknown files.unreadable /mnt/sub|unknown files.unreadable /mnt/sub/b";
    let removed =
        "fail files.removed /mnt/a|fail files.removed /mnt/sub|fail files.removed /mnt/sub/b";
    let added = "fail files.added /mnt/a|fail files.added /mnt/sub|\
                 fail files.added /mnt/sub/b";
    let changed = "fail files.changed /plain mtime,sha256";
    #[rustfmt::skip]
    let cases = [
        // Name, crossing, recorded with, checked with, exit, new mounts, findings below, named mounts.
        ("a tmpfs hides what was recorded", false, NOTHING, TMPFS, 1, "/mnt", hidden, "/mnt"),
        ("a mount where nothing lay", false, NOTHING, "mount -t tmpfs none root/empty", 1, "/empty",
            "unknown files.unreadable /empty", "/empty"),
        ("the same file system again", false, NOTHING, BIND, 1, "/mnt", hidden, "/mnt"),
        ("mounted both times, not crossed", false, TMPFS, TMPFS, 0, "", "", "/mnt"),
        ("mounted then, gone now", false, TMPFS, NOTHING, 1, "", added, ""),
        ("a tmpfs, crossed", true, NOTHING, TMPFS, 1, "/mnt", removed, ""),
        ("a loop", true, NOTHING, LOOP, 1, "/mnt", hidden, ""),
        ("a loop, not crossed", false, NOTHING, LOOP, 1, "/mnt", hidden, "/mnt"),
        ("a file over a file", false, NOTHING, FILE, 1, "/plain", changed, ""),
        ("a file over a file, crossed", true, NOTHING, FILE, 1, "/plain", changed, ""),
        ("a mount over itself", true, NOTHING, "mount --bind root/mnt root/mnt", 0, "", "", ""),
        ("a mount over itself, recorded", true, "mount --bind root/mnt root/mnt",
            "mount --bind root/mnt root/mnt", 0, "", "", ""),
        ("a second one over a recorded one", true, "mount --bind root/mnt root/mnt",
            "mount --bind root/mnt root/mnt; mount --bind root/mnt root/mnt", 0, "", "", ""),
        ("another type than was recorded", false, TMPFS, BIND, 1, "/mnt", "", "/mnt"),
        ("the root itself mounted", false, NOTHING, "mount --bind root root", 0, "", "", ""),
        ("a mount below a mount", false, NOTHING,
            "mount --bind root/mnt root/mnt; mount -t tmpfs none root/mnt/sub", 1, "/mnt", hidden, "/mnt"),
        ("a mount below a mount, crossed", true, NOTHING,
            "mount --bind root/mnt root/mnt; mount --bind root/mnt/sub root/mnt/sub", 0, "", "", ""),
    ];
    for (name, cross, recorded, checked, exit, new, found, mounts) in cases {
        let lab = lab(cross, recorded);
        let ran = lab.check_after(checked, &[]);
        assert_eq!(ran.status, exit, "{name}: {ran:#?}");
        let below = found.split('|').filter(|f| !f.is_empty());
        let new = new.split(' ').filter(|place| !place.is_empty());
        let new = new.map(|place| format!("fail files.mount {place}"));
        let mut told: Vec<String> = below.map(str::to_owned).chain(new).collect();
        told.sort();
        // What the new root of a mount is like is nobody's business here.
        let mut seen = ran.told();
        seen.retain(|told| !told.starts_with("fail files.changed /mnt "));
        assert_eq!(seen, told, "{name}");
        let skipped = ran.summary()["files"]["mounts_skipped"].clone();
        let expected: Vec<&str> = mounts.split(' ').filter(|m| !m.is_empty()).collect();
        assert_eq!(skipped, serde_json::json!(expected), "{name}");
        // People are told of it too.
        let text = lab
            .agent_after(checked, &["check"], &["--manifest", "manifest.mtree"])
            .expect(exit);
        assert!(
            mounts.is_empty() || text.stdout.contains(mounts),
            "{name}: {text:#?}"
        );
    }
}

/// Crossing means that what is mounted is recorded, and any change of it found.
#[test]
fn what_is_crossed_is_recorded_and_judged() {
    let mounts = "mount --bind outside root/mnt; mount --bind outside root/empty";
    let lab = Lab::new();
    lab.shell("mkdir -p mnt empty ../outside/deep; echo x > ../outside/deep/x");
    profile(&lab, true);
    lab.agent_after(
        mounts,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    )
    .expect(0);
    lab.check_after(mounts, &[]).expect(0);
    lab.shell("echo y >> ../outside/deep/x");
    assert_eq!(
        lab.check_after(mounts, &[]).expect(1).told(),
        [
            "fail files.changed /empty/deep/x size,mtime,sha256",
            "fail files.changed /mnt/deep/x size,mtime,sha256"
        ]
    );
}

/// A most specific entry decides: one path of a tree crosses, the rest does not.
#[test]
fn each_entry_decides_for_its_own_paths() {
    let lab = Lab::new();
    lab.shell("mkdir -p var/in usr/in");
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/usr\"\nseverity = \"high\"\ncross_mounts = true\n",
    );
    let mounts = "mount -t tmpfs none root/usr/in; mount -t tmpfs none root/var/in
        echo x > root/usr/in/x; echo y > root/var/in/y
        touch -d @1 root/usr/in/x root/usr/in; chmod 755 root/usr/in";
    let created = lab.agent_after(
        mounts,
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    );
    created.expect(0).complains(&["/var/in", "cross_mounts"]);
    let ran = lab.check_after(mounts, &[]).expect(0);
    assert_eq!(
        ran.summary()["files"]["mounts_skipped"],
        serde_json::json!(["/var/in"])
    );
    let manifest = std::fs::read_to_string(lab.manifest()).expect("text");
    assert!(
        manifest.contains("\n./usr/in/x ")
            && manifest.contains("\n./var/in type=dir tags=,mount,\n")
            && !manifest.contains("./var/in/"),
        "{manifest}"
    );
}

/// A tree that holds itself has no end: it is not recorded.
#[test]
fn a_loop_is_not_recorded() {
    let lab = Lab::new();
    lab.shell("mkdir -p a/b/c");
    profile(&lab, true);
    let created = lab.agent_after(
        "mount --bind root root/a/b/c",
        &["baseline", "create"],
        &["--output", "manifest.mtree"],
    );
    created
        .expect(2)
        .silent()
        .complains(&["/a/b/c", "ancestors"]);
    assert!(!lab.manifest().exists());
}
