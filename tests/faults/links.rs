//! `--root`: no symbolic link leads out of the tree, and nothing in the tree vouches for it.

use harness::{Lab, agent_path, run, shell};
use std::fs;
use std::process::Command;

/// Links that would leave a tree if they were followed from outside it.
const LINKS: &str =
    "ln -s /etc etc; ln -s ../../../../../../../../etc up; ln -s /proc/self/root/etc magic
    ln -s / all; ln -s loop loop; mkdir dir; ln -s ../../.. dir/above; ln -s /etc/passwd dir/file
    ln -s dir inside; ln -s /nowhere dangling";

/// Links are recorded as links: what they point to is neither read nor reported.
#[test]
fn links_are_looked_at_and_never_followed() {
    let lab = Lab::new();
    lab.shell(LINKS);
    // Entries that name what lies behind a link find the link.
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"low\"\n\
         [[paths]]\npath = \"/etc/passwd\"\nseverity = \"critical\"\n\
         [[paths]]\npath = \"/all/etc\"\nseverity = \"critical\"\n\
         [[paths]]\npath = \"/up/*\"\nseverity = \"critical\"\n",
    );
    lab.create().expect(0);
    let manifest = fs::read_to_string(lab.manifest()).expect("text");
    let entries: Vec<&str> = manifest
        .lines()
        .filter(|line| line.starts_with('.'))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let expected = [
        ".",
        "./all",
        "./dangling",
        "./dir",
        "./dir/above",
        "./dir/file",
        "./etc",
        "./inside",
        "./loop",
        "./magic",
        "./up",
    ];
    assert_eq!(entries, expected);
    lab.check(&[]).expect(0);
    // A target of the same length.
    lab.shell("ln -sfn /usr etc");
    assert_eq!(
        lab.check(&[]).expect(1).told(),
        ["fail files.changed /etc mtime,link"]
    );
}

/// Only what is covered behind links: nothing of the host is found, and the links themselves are judged.
#[test]
fn entries_that_lead_through_a_link_stop_at_it() {
    let lab = Lab::new();
    lab.shell("ln -s /etc etc; mkdir -p real/dir; echo x > real/dir/x; ln -s real alias");
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/etc/passwd\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/etc/ssh\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/alias/dir\"\nseverity = \"high\"\n",
    );
    lab.create().expect(0);
    let manifest = fs::read_to_string(lab.manifest()).expect("text");
    assert!(
        !manifest.contains("./etc/") && !manifest.contains("./alias/"),
        "{manifest}"
    );
    let ran = lab.check(&[]).expect(0);
    assert_eq!(ran.told(), [""; 0]);
    lab.shell("rm etc; mkdir etc; echo x > etc/passwd");
    let told = lab.check(&[]).expect(1).told();
    assert!(
        told.contains(&"fail files.added /etc/passwd".to_owned()),
        "{told:?}"
    );
}

/// The tree's own manifest is found in its default place, through links as the tree itself would follow them.
#[test]
fn the_trees_own_manifest() {
    for (name, links) in [
        ("plain", "mkdir -p usr/share/host-integrity-agent"),
        (
            "an absolute link",
            "mkdir -p usr real/agent; ln -s /real usr/share; ln -s agent real/host-integrity-agent",
        ),
        (
            "a link that climbs",
            "mkdir -p usr x/host-integrity-agent; ln -s ../../../../../x usr/share",
        ),
    ] {
        let lab = Lab::new();
        lab.shell(&format!("{links}; mkdir data; echo x > data/x"));
        lab.profile("name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\n");
        // No manifest, no package database.
        let bare = lab.agent(&["check"], &["--format", "json"]).expect(3);
        assert!(bare.summary()["manifest"].is_null(), "{name}");
        lab.create().expect(0);
        let place = lab.shell("find -type d -name '*agent' -printf '%P'");
        lab.shell(&format!("mv ../manifest.mtree {place}/manifest.mtree"));
        let ran = lab.agent(&["check"], &["--format", "json"]).expect(0);
        let path = ran.summary()["manifest"]["path"].clone();
        assert_eq!(
            path, "root/usr/share/host-integrity-agent/manifest.mtree",
            "{name}"
        );
        lab.shell("echo y > data/x");
        lab.agent(&["check"], &["--format", "json"]).expect(1);
        // A seal beside it is seen as well.
        lab.shell(&format!("echo seal > {place}/manifest.mtree.sig"));
        let told = lab
            .agent(&["check"], &["--format", "json"])
            .expect(1)
            .told();
        assert!(
            told.iter()
                .any(|told| told.starts_with("unknown files.profile")),
            "{name}: {told:?}"
        );
    }
}

/// What of the tree would be trusted, were it the host, is not even opened.
#[test]
fn nothing_in_the_tree_vouches_for_it() {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p data etc/host-integrity-agent usr/share/host-integrity-agent var/lib/host-integrity-agent
         echo x > data/x; echo ID=debian > etc/os-release; echo VERSION_ID=12 >> etc/os-release
         cd etc/host-integrity-agent; for name in trusted_signers profile.toml agent.toml; do
             echo 'not anything' > $name; chmod 666 $name; done
         echo garbage > ../../var/lib/host-integrity-agent/launch.mtree",
    );
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\n");
    lab.create().expect(0);
    shell(
        lab.path(),
        "mv manifest.mtree root/usr/share/host-integrity-agent/
         ssh-keygen -q -t ed25519 -N '' -f key; ssh-keygen -q -t ed25519 -N '' -f evil
         ssh-keygen -q -Y sign -n host-integrity-agent -f evil root/usr/share/host-integrity-agent/manifest.mtree
         echo \"evil $(cat evil.pub)\" > root/etc/host-integrity-agent/trusted_signers
         echo \"builder $(cat key.pub)\" > signers",
    );
    // The tree's signers trust the seal; the host has none, so it proves nothing.
    let ran = lab.agent(&["check"], &["--format", "json"]).expect(3);
    assert_eq!(ran.summary()["manifest"]["trusted"], false);
    assert!(
        ran.stderr.contains("launch.mtree is not used unless named"),
        "{ran:#?}"
    );
    assert!(ran.summary()["launch"].is_null());
    lab.agent(&["check"], &["--trust", "signers"])
        .expect(4)
        .silent();
    // auto takes a shipped profile by the tree's os-release, not the tree's own.
    let auto = run(Command::new(agent_path())
        .args([
            "check",
            "--root",
            "root",
            "--format",
            "json",
            "--only",
            "files.*",
            "--skip",
            "files.added",
        ])
        .current_dir(lab.path()));
    assert_eq!(auto.summary()["profile"], "debian-12", "{auto:#?}");
}

/// Links in the place of what says which host it is: not followed out, and never fatal.
#[test]
fn identity_comes_from_the_tree_or_not_at_all() {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc usr/lib data; ln -s /../../../../../../etc/hostname etc/hostname
         ln -s ../../../../../../etc/machine-id etc/machine-id
         ln -s ../usr/lib/os-release etc/os-release; echo ID=ubuntu > usr/lib/os-release",
    );
    lab.profile("name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\n");
    lab.create().expect(0);
    let mut host = lab.check(&[]).expect(0).summary()["host"].clone();
    assert_eq!(host["os"].take(), "ubuntu");
    let keys = host.as_object().expect("an object");
    assert!(keys.contains_key("machine_id"), "{keys:?}");
    assert!(keys.values().all(serde_json::Value::is_null), "{keys:?}");
}

/// The record of a first boot is written into the tree, never through one of its links out of it.
#[test]
fn a_launch_record_is_not_written_outside() {
    let lab = Lab::new();
    lab.shell("mkdir -p etc var data; echo 0123456789abcdef0123456789abcdef > etc/machine-id; echo x > data/x");
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/data\"\nseverity = \"high\"\nlaunch = \"record\"\n",
    );
    lab.create().expect(0);
    lab.shell("echo y > data/x");
    let outside = lab.path().join("outside");
    for link in ["var/lib", "var/lib/host-integrity-agent"] {
        fs::create_dir(&outside).expect("outside");
        lab.shell(&format!(
            "mkdir -p $(dirname {link}); ln -s {} {link}",
            outside.display()
        ));
        let ran = lab.agent(&["baseline", "launch"], &["--manifest", "manifest.mtree"]);
        assert_eq!(
            fs::read_dir(&outside).expect("listed").count(),
            0,
            "{link}: {ran:#?}"
        );
        let inside = lab
            .root()
            .join(outside.strip_prefix("/").expect("absolute"));
        match ran.status {
            0 => assert!(
                inside.join("launch.mtree").exists()
                    || inside.join("host-integrity-agent").exists()
            ),
            status => assert_eq!(status, 2, "{ran:#?}"),
        }
        lab.shell("rm -rf var tmp");
        fs::remove_dir(&outside).expect("empty");
    }
    // A link in the record's own place is replaced, not written through.
    fs::write(&outside, "precious").expect("written");
    lab.shell(&format!(
        "mkdir -p var/lib/host-integrity-agent; ln -s {} var/lib/host-integrity-agent/launch.mtree",
        outside.display()
    ));
    lab.agent(&["baseline", "launch"], &["--manifest", "manifest.mtree"]);
    assert_eq!(fs::read_to_string(&outside).expect("text"), "precious");
}
