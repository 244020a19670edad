//! The launch record: what the first boot may change it changes once, on the record; everything else, and
//! everything later, shows.

mod refused;

use harness::{Host, Lab, Ran, run, shell};
use std::fs;
use std::process::Command;

const PROFILE: &str = r#"
name = "image"
[[paths]]
path = "/"
severity = "medium"
[[paths]]
path = "/etc/hostname"
severity = "low"
launch = "record"
[[paths]]
path = "/etc/machine-id"
severity = "low"
launch = "record"
[[paths]]
path = "/etc/passwd"
severity = "critical"
launch = "record"
[[paths]]
path = "/etc/netplan"
severity = "high"
launch = "record"
[[paths]]
path = "/etc/ssh/ssh_host_*"
severity = "high"
launch = "record"
[[exclude]]
path = "/var/**"
reason = "state"
"#;

/// An image, recorded before its first boot.
fn image() -> Lab {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p etc/ssh etc/netplan/old opt var/lib
         echo uninitialized > etc/machine-id; echo localhost > etc/hostname; echo root > etc/passwd
         echo dhcp > etc/netplan/50.yaml; echo a > etc/netplan/old/a; echo PermitRootLogin no > etc/ssh/sshd_config
         echo x > opt/program",
    );
    lab.profile(PROFILE);
    lab.create().expect(0);
    lab
}

/// What cloud-init does: rewrites, adds, removes, with directories among it.
const BOOT: &str =
    "echo 0123456789abcdef0123456789abcdef > etc/machine-id; echo web-1 > etc/hostname
    echo admin >> etc/passwd; rm -r etc/netplan/50.yaml etc/netplan/old
    mkdir -p etc/netplan/new/deep; echo static > etc/netplan/new/deep/x
    echo key > etc/ssh/ssh_host_ed25519_key; chmod 600 etc/ssh/ssh_host_ed25519_key";

/// Paths that the boot above changed, all marked.
const CHANGED: [&str; 10] = [
    "added /etc/netplan/new",
    "added /etc/netplan/new/deep",
    "added /etc/netplan/new/deep/x",
    "added /etc/ssh/ssh_host_ed25519_key",
    "changed /etc/hostname",
    "changed /etc/machine-id",
    "changed /etc/passwd",
    "removed /etc/netplan/50.yaml",
    "removed /etc/netplan/old",
    "removed /etc/netplan/old/a",
];

/// An instance after its first boot, with its record.
fn instance() -> Lab {
    let lab = image();
    lab.shell(BOOT);
    launch(&lab, &[]).expect(0);
    lab
}

fn launch(lab: &Lab, more: &[&str]) -> Ran {
    let arguments = [
        &["--manifest", "manifest.mtree", "--output", "launch.mtree"],
        more,
    ]
    .concat();
    lab.agent(&["baseline", "launch"], &arguments)
}

fn check(lab: &Lab) -> Ran {
    lab.check(&["--launch", "launch.mtree"])
}

fn record(lab: &Lab) -> String {
    fs::read_to_string(lab.path().join("launch.mtree")).expect("a record")
}

/// Without the attributes that changed.
fn in_short(ran: &Ran) -> Vec<String> {
    let short = |told: &String| {
        told.split(' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
            .replace("fail files.", "")
    };
    let mut all: Vec<String> = ran.told().iter().map(short).collect();
    all.sort();
    all
}

#[test]
fn what_the_first_boot_may_change_goes_on_record() {
    let lab = image();
    lab.shell(BOOT);
    assert_eq!(in_short(&lab.check(&[]).expect(1)), CHANGED);
    let ran = launch(&lab, &[]).expect(0);
    assert!(
        ran.stdout.contains(&format!("{} paths", CHANGED.len())),
        "{ran:?}"
    );
    let ran = check(&lab).expect(0);
    let summary = ran.summary();
    assert_eq!(summary["launch"]["files"], CHANGED.len());
    assert_eq!(summary["launch"]["path"], "launch.mtree");
    let sum = shell(lab.path(), "sha256sum < launch.mtree");
    assert_eq!(
        summary["launch"]["sha256"],
        sum.split(' ').next().expect("a digest")
    );

    let text = record(&lab);
    for line in [
        "# launch 0123456789abcdef0123456789abcdef",
        "./etc type=dir tags=,parent,",
        "./etc/netplan/50.yaml type=file optional tags=,removed,",
        "./etc/netplan/old type=dir optional tags=,removed,",
        "./etc/netplan/old/a type=file optional tags=,removed,",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "no {line} in {text}"
        );
    }
    let paths = text.lines().filter(|line| line.starts_with('.')).count();
    // And the directories that lead to them: `.`, etc, etc/netplan, etc/ssh.
    assert_eq!(paths, CHANGED.len() + 4, "{text}");
    assert!(
        !text.contains("PermitRootLogin") && !text.contains("static"),
        "no contents"
    );
    assert_eq!(shell(lab.path(), "stat -c %a launch.mtree").trim(), "600");
    // It is a manifest of sorts, and holds for people what it is.
    let verified = run(Command::new(harness::agent_path())
        .args(["baseline", "verify", "launch.mtree"])
        .current_dir(lab.path()))
    .expect(0);
    assert!(
        verified
            .stdout
            .contains("launch record of 0123456789abcdef"),
        "{verified:?}"
    );
}

#[test]
fn what_it_may_not_change_stays_a_deviation() {
    let lab = image();
    lab.shell(BOOT);
    lab.shell(
        "echo evil > opt/evil; echo PermitRootLogin yes > etc/ssh/sshd_config; rm opt/program",
    );
    let ran = launch(&lab, &[]).expect(0);
    assert!(ran.stdout.contains("3 other deviations"), "{ran:?}");
    let others = [
        "added /opt/evil",
        "changed /etc/ssh/sshd_config",
        "removed /opt/program",
    ];
    let ran = check(&lab).expect(1);
    assert_eq!(in_short(&ran), others);
    assert_eq!(ran.summary()["launch"]["files"], CHANGED.len());
    assert!(!record(&lab).contains("evil"));
}

/// A boot that changes nothing has a record that says so.
#[test]
fn an_empty_record() {
    let lab = image();
    lab.shell("echo 0123456789abcdef0123456789abcdef > etc/machine-id");
    launch(&lab, &[]).expect(0);
    let ran = check(&lab).expect(0);
    assert_eq!(ran.summary()["launch"]["files"], 1);
}

/// After the first boot the record is what counts, the image's own state included.
#[test]
fn later_changes_are_found_against_the_record() {
    let cases = [
        (
            "changed again",
            "echo evil >> etc/passwd",
            "changed /etc/passwd",
        ),
        (
            "as the image had it",
            "echo root > etc/passwd",
            "changed /etc/passwd",
        ),
        ("mode alone", "chmod 666 etc/passwd", "changed /etc/passwd"),
        (
            "what was added is gone",
            "rm etc/ssh/ssh_host_ed25519_key",
            "removed /etc/ssh/ssh_host_ed25519_key",
        ),
        (
            "what was removed is back",
            "echo dhcp > etc/netplan/50.yaml",
            "added /etc/netplan/50.yaml",
        ),
        (
            "a further one",
            "echo key > etc/ssh/ssh_host_rsa_key",
            "added /etc/ssh/ssh_host_rsa_key",
        ),
        (
            "in a new directory",
            "echo y > etc/netplan/new/deep/y",
            "added /etc/netplan/new/deep/y",
        ),
        (
            "a new directory's mode",
            "chmod 777 etc/netplan/new",
            "changed /etc/netplan/new",
        ),
        (
            "another type",
            "rm etc/hostname; mkfifo etc/hostname",
            "changed /etc/hostname",
        ),
    ];
    for (name, change, told) in cases {
        let lab = instance();
        check(&lab).expect(0);
        lab.shell(change);
        let ran = check(&lab).expect(1);
        assert_eq!(in_short(&ran), [told], "{name}");
        let finding = &ran.findings()[0];
        let message = finding["message"].as_str().expect("text");
        assert!(
            told.starts_with("added") || message.contains("since the first boot"),
            "{name}: {message}"
        );
    }
    // What was expected is what the record says.
    let lab = instance();
    let sum = lab.shell("sha256sum < etc/passwd; echo evil >> etc/passwd");
    let finding = check(&lab).one("files.changed", "/etc/passwd");
    assert_eq!(
        finding["expected"]["sha256"],
        sum.split(' ').next().expect("a digest")
    );
    assert_eq!(finding["severity"], "critical");
}

/// A tree's own record vouches for nothing: it is used only when it is named.
#[test]
fn a_trees_own_record_is_used_only_when_named() {
    let lab = image();
    lab.shell(BOOT);
    lab.agent(&["baseline", "launch"], &["--manifest", "manifest.mtree"])
        .expect(0);
    let own = "root/var/lib/host-integrity-agent/launch.mtree";
    assert!(lab.path().join(own).exists());
    let ran = lab.check(&[]).expect(1).complains(&[own, "--launch"]);
    assert_eq!(in_short(&ran), CHANGED);
    assert!(ran.summary()["launch"].is_null());
    lab.check(&["--launch", own]).expect(0);
    lab.agent(&["baseline", "launch"], &["--manifest", "manifest.mtree"])
        .expect(2);
}

/// On a live host everything lies at its default place, and needs no option.
#[test]
fn a_live_host_uses_its_own_record() {
    let host = Host::new();
    let manifest = "/usr/share/host-integrity-agent/manifest.mtree";
    host.shell(
        "printf '[[paths]]\\npath = \"/data/two\"\\nseverity = \"low\"\\nlaunch = \"record\"\\n' \
         >> etc/host-integrity-agent/profile.toml",
    );
    host.agent(&["baseline", "create", "--output", manifest])
        .expect(0);
    let check = || host.agent(&["check", "--format", "json"]);
    assert!(check().expect(0).summary()["launch"].is_null());
    host.shell("echo two > data/two");
    assert_eq!(check().expect(1).told(), ["fail files.added /data/two"]);
    host.agent(&["baseline", "launch"]).expect(0);
    let summary = check().expect(0).summary();
    assert_eq!(
        summary["launch"]["path"],
        "/var/lib/host-integrity-agent/launch.mtree"
    );
    assert_eq!(summary["launch"]["files"], 1);
    let text = host.agent(&["check"]).expect(0).stdout;
    assert!(text.contains("launch.mtree"), "{text}");

    host.shell("echo more >> data/two");
    assert_eq!(
        check().expect(1).told(),
        ["fail files.changed /data/two size,mtime,sha256"]
    );
    host.agent(&["baseline", "launch"]).expect(2).silent();
    host.agent(&["baseline", "launch", "--again", "--reason", "meant"])
        .expect(0);
    check().expect(0);

    // A copy of the disk, started as another instance.
    host.shell("echo ffff456789abcdef0123456789abcdef > etc/machine-id");
    let told = check().expect(1).told();
    assert_eq!(
        told,
        [
            "fail files.added /data/two",
            "fail files.launch_record /var/lib/host-integrity-agent/launch.mtree"
        ]
    );
}

/// NetBSD's mtree and libarchive read the record, and agree with the tree it was made of.
#[test]
fn mtree_readers_take_the_record() {
    let lab = instance();
    lab.shell("touch 'etc/netplan/new/a b\\c'; mkdir etc/netplan/new/ü");
    launch(&lab, &["--again", "--reason", "odd names"]).expect(0);
    check(&lab).expect(0);
    let read = run(Command::new("mtree")
        .args(["-f", "launch.mtree", "-p", "root"])
        .current_dir(lab.path()));
    let read = read.expect(0);
    // The rest of the tree is not on the record.
    assert!(
        read.stdout.lines().all(|line| line.starts_with("extra: ")),
        "{read:#?}"
    );
    lab.shell("echo evil >> etc/passwd");
    let read = run(Command::new("mtree")
        .args(["-f", "launch.mtree", "-p", "root"])
        .current_dir(lab.path()));
    assert!(read.expect(2).stdout.contains("etc/passwd"));
    let listed = run(Command::new("bsdtar")
        .args(["-tf", "launch.mtree"])
        .env("LC_ALL", "C")
        .current_dir(lab.path()))
    .expect(0);
    assert_eq!(listed.stderr, "");
    let entries = record(&lab)
        .lines()
        .filter(|line| line.starts_with('.'))
        .count();
    assert_eq!(listed.stdout.lines().count(), entries, "{listed:#?}");
}
