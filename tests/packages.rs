//! With no manifest, files are verified against dpkg's own database, made here by dpkg itself from packages
//! of the test's own.
// Long: one table of damage to a package database.

use harness::{Lab, Ran, agent_path, run, shell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The packages, built once a run: `demo` with programs, a setuid helper, data and two conffiles, `rival`
/// with a program of the same name.
fn packages() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        std::fs::create_dir_all(&place).expect("a place to build");
        shell(
            &place,
            "rm -rf demo rival *.deb; umask 022
            control() { printf 'Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: nobody <n@example.org>\\nDescription: a test\\n' $1 > $1/DEBIAN/control; }
            mkdir -p demo/DEBIAN demo/usr/bin demo/usr/lib/demo demo/usr/share/demo demo/bin demo/etc/demo.d demo/opt/demo
            echo program > demo/usr/bin/demo; echo tool > demo/bin/tool; echo helper > demo/usr/lib/demo/helper
            chmod 755 demo/usr/bin/demo demo/bin/tool; chmod 4755 demo/usr/lib/demo/helper
            echo data > demo/usr/share/demo/data; echo outside > demo/opt/demo/data
            echo conf > demo/etc/demo.conf; echo extra > 'demo/etc/demo.d/ex tra.conf'
            printf '/etc/demo.conf\\n/etc/demo.d/ex tra.conf\\n' > demo/DEBIAN/conffiles
            (cd demo; find * -type f ! -path 'DEBIAN/*' ! -path 'etc/*' -print0 | xargs -0 md5sum > DEBIAN/md5sums)
            control demo
            mkdir -p rival/DEBIAN rival/usr/bin; echo rival > rival/usr/bin/demo; chmod 755 rival/usr/bin/demo
            (cd rival; md5sum usr/bin/demo > DEBIAN/md5sums)
            control rival
            for package in demo rival; do dpkg-deb --root-owner-group -Zgzip --build $package $package.deb; done",
        );
        place
    })
}

/// A merged-/usr tree with `demo` installed, under a profile that covers all but /opt and /var.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/usr\"\nseverity = \"medium\"\n\
         [[paths]]\npath = \"/etc\"\nseverity = \"critical\"\n[[paths]]\npath = \"/bin\"\nseverity = \"high\"\n",
    );
    lab.shell(
        "umask 022; mkdir -p usr/bin usr/lib etc var/log var/lib/dpkg/{info,updates,triggers,alternatives,parts}
         ln -s usr/bin bin; ln -s usr/lib lib; : > var/lib/dpkg/status; : > var/lib/dpkg/available",
    );
    install(&lab, "demo");
    lab
}

fn install(lab: &Lab, package: &str) {
    let root = lab.root();
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()))
        .arg("--install")
        .arg(packages().join(format!("{package}.deb")));
    run(&mut dpkg).expect(0);
}

fn check(lab: &Lab, more: &[&str]) -> Ran {
    lab.agent(&["check"], &[&["--format", "json"], more].concat())
}

/// Findings with their severity: `SEVERITY CHECK SUBJECT`.
fn told(ran: &Ran) -> Vec<String> {
    let mut all: Vec<String> = ran
        .findings()
        .iter()
        .map(|f| {
            let word = |key: &str| f[key].as_str().expect("text").to_owned();
            format!("{} {} {}", word("severity"), word("check"), word("subject"))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn an_untouched_tree_is_clean_and_says_on_what_evidence() {
    let lab = lab();
    let ran = check(&lab, &[]).expect(0);
    assert_eq!(ran.told(), [""; 0]);
    let summary = ran.summary();
    assert!(summary["manifest"].is_null(), "{summary}");
    assert_eq!(summary["files"]["against"], "dpkg");
    assert_eq!(summary["verdict"], "pass");
    let notes = summary["notes"].to_string();
    assert!(
        notes.contains("weaker evidence than a sealed manifest"),
        "{notes}"
    );
    assert!(notes.contains("agent baseline create"), "{notes}");
    let text = lab.agent(&["check"], &[]).expect(0).stdout;
    for words in ["PASS", "weaker evidence", "agent baseline create"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn each_change_is_found_for_what_it_is() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "a program modified",
            "echo evil > usr/bin/demo",
            &["high files.changed /usr/bin/demo"],
        ),
        (
            "one of the same size and time",
            "touch -r usr/bin/demo t; printf 'Program\\n' > usr/bin/demo; touch -r t usr/bin/demo",
            &["high files.changed /usr/bin/demo"],
        ),
        (
            "shipped in /bin, lying in /usr/bin",
            "echo evil > bin/tool",
            &["high files.changed /usr/bin/tool"],
        ),
        (
            "data modified",
            "echo more >> usr/share/demo/data",
            &["high files.changed /usr/share/demo/data"],
        ),
        (
            "a setuid helper modified",
            "echo evil > usr/lib/demo/helper",
            &["high files.changed /usr/lib/demo/helper"],
        ),
        (
            "a conffile modified",
            "echo mine > etc/demo.conf",
            &["low files.changed /etc/demo.conf"],
        ),
        (
            "a conffile with a blank modified",
            "echo mine > 'etc/demo.d/ex tra.conf'",
            &["low files.changed /etc/demo.d/ex tra.conf"],
        ),
        (
            "a program missing",
            "rm usr/bin/demo",
            &["high files.removed /usr/bin/demo"],
        ),
        (
            "a conffile deleted",
            "rm etc/demo.conf",
            &["low files.removed /etc/demo.conf"],
        ),
        (
            "a directory missing",
            "rm -r usr/lib/demo etc/demo.d",
            &[
                "high files.removed /usr/lib/demo/helper",
                "low files.removed /etc/demo.d/ex tra.conf",
            ],
        ),
        (
            "a program become a link",
            "mv usr/bin/demo x; ln -s ../../x usr/bin/demo",
            &["high files.changed /usr/bin/demo"],
        ),
        (
            "a program become a fifo",
            "rm usr/bin/demo; mkfifo usr/bin/demo",
            &["high files.changed /usr/bin/demo"],
        ),
        (
            "an unowned setuid file",
            "cp usr/bin/demo usr/bin/su2; chmod 4755 usr/bin/su2",
            &["medium files.added /usr/bin/su2"],
        ),
        (
            "an unowned setgid file",
            "echo x > etc/x; chmod 2755 etc/x",
            &["critical files.added /etc/x"],
        ),
        (
            "an unowned file with capabilities",
            "cp usr/bin/demo usr/bin/ping2; setcap cap_net_raw+ep usr/bin/ping2",
            &["medium files.added /usr/bin/ping2"],
        ),
        (
            "unowned plain files",
            "echo x > usr/bin/local; mkdir etc/local; echo y > etc/local/y; ln -s x usr/z",
            &[],
        ),
        (
            "a setgid directory",
            "mkdir usr/share/group; chmod 2775 usr/share/group",
            &[],
        ),
        (
            "outside of the profile",
            "echo evil > opt/demo/data; rm -r opt/demo; cp usr/bin/demo opt/s; chmod 4755 opt/s",
            &[],
        ),
        (
            "times and modes, which dpkg does not know",
            "touch usr/bin/demo; chmod 700 usr/bin/demo",
            &[],
        ),
    ];
    for (name, change, expected) in cases {
        let lab = lab();
        lab.shell(change);
        let ran = check(&lab, &[]).expect(i32::from(!expected.is_empty()));
        assert_eq!(told(&ran), *expected, "{name}");
    }
}

/// MD5 under its own name, the package, and how to get the file back.
#[test]
fn the_evidence() {
    let lab = lab();
    let was = lab.shell("md5sum < usr/bin/demo");
    lab.shell("echo evil > usr/bin/demo; echo mine > etc/demo.conf; rm usr/lib/demo/helper");
    let is = lab.shell("md5sum < usr/bin/demo");
    let ran = check(&lab, &[]).expect(1);
    let finding = ran.one("files.changed", "/usr/bin/demo");
    let md5 = |sum: &str| sum.split(' ').next().expect("a digest").to_owned();
    assert_eq!(finding["expected"]["md5"], md5(&was));
    assert_eq!(finding["observed"]["md5"], md5(&is));
    assert_eq!(finding["expected"]["package"], "demo");
    assert!(finding["observed"]["sha256"].is_null(), "{finding}");
    let remedy = finding["remediation"].as_str().expect("text");
    assert!(
        remedy.contains("apt-get install --reinstall demo"),
        "{remedy}"
    );
    let finding = ran.one("files.changed", "/etc/demo.conf");
    let message = finding["message"].as_str().expect("text");
    assert!(
        message.contains("demo") && message.contains("configuration"),
        "{message}"
    );
    assert_eq!(
        ran.one("files.removed", "/usr/lib/demo/helper")["expected"]["package"],
        "demo"
    );
}

/// A diverted file lies elsewhere, and the diverting package's in its place.
#[test]
fn diversions_are_respected() {
    let lab = lab();
    let divert = |by: &str, from: &str, to: &str| {
        let root = lab.root();
        let mut command = Command::new("dpkg-divert");
        command
            .arg("--root")
            .arg(root)
            .args(by.split(' '))
            .args(["--rename", "--divert", to, "--add", from]);
        run(&mut command).expect(0);
    };
    divert("--package rival", "/usr/bin/demo", "/usr/bin/demo.real");
    install(&lab, "rival");
    divert(
        "--local",
        "/usr/share/demo/data",
        "/usr/share/demo/data.kept",
    );
    assert_eq!(
        lab.shell("cat usr/bin/demo usr/bin/demo.real"),
        "rival\nprogram\n"
    );
    assert_eq!(told(&check(&lab, &[]).expect(0)), [""; 0]);
    lab.shell("echo mine > usr/share/demo/data");
    assert_eq!(
        told(&check(&lab, &[]).expect(0)),
        [""; 0],
        "what is local is nobody's"
    );
    lab.shell(
        "echo evil >> usr/bin/demo; echo evil >> usr/bin/demo.real; rm usr/share/demo/data.kept",
    );
    let ran = check(&lab, &[]).expect(1);
    assert_eq!(
        told(&ran),
        [
            "high files.changed /usr/bin/demo",
            "high files.changed /usr/bin/demo.real",
            "high files.removed /usr/share/demo/data.kept"
        ]
    );
    assert_eq!(
        ran.one("files.changed", "/usr/bin/demo")["expected"]["package"],
        "rival"
    );
    assert_eq!(
        ran.one("files.changed", "/usr/bin/demo.real")["expected"]["package"],
        "demo"
    );
}

/// A package that was removed leaves its conffiles, which nobody needs; one that was purged leaves nothing.
#[test]
fn packages_that_are_gone_are_missed_by_nobody() {
    for (how, left) in [
        ("--remove", "etc/demo.conf"),
        ("--purge", "var/lib/dpkg/status"),
    ] {
        let lab = lab();
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", lab.root().display()))
            .args([how, "demo"]);
        run(&mut dpkg).expect(0);
        assert!(lab.root().join(left).exists());
        assert_eq!(told(&check(&lab, &[]).expect(0)), [""; 0], "{how}");
    }
}

/// The profile in force says what is looked at, what of it, and which checks are made.
#[test]
fn the_profile_decides_what_is_judged() {
    let lab = lab();
    lab.shell("echo evil > usr/bin/demo; echo mine > etc/demo.conf; rm bin/tool");
    let entry = |text: &str| format!("name = \"lab\"\n[[paths]]\n{text}\n");
    let cases: [(&str, String, &[&str]); 5] = [
        (
            "etc alone",
            entry("path = \"/etc\"\nseverity = \"low\""),
            &["low files.changed /etc/demo.conf"],
        ),
        (
            "one file",
            entry("path = \"/usr/bin/demo\"\nseverity = \"critical\""),
            &["critical files.changed /usr/bin/demo"],
        ),
        (
            "all but programs",
            entry(
                "path = \"/\"\nseverity = \"low\"\n[[exclude]]\npath = \"/usr/bin/**\"\nreason = \"test\"",
            ),
            &["low files.changed /etc/demo.conf"],
        ),
        (
            "modes alone",
            entry("path = \"/usr\"\nseverity = \"low\"\nattributes = [\"mode\"]"),
            &["high files.removed /usr/bin/tool"],
        ),
        (
            "nothing that is there",
            entry("path = \"/srv\"\nseverity = \"low\""),
            &[],
        ),
    ];
    for (name, profile, expected) in cases {
        lab.profile(&profile);
        let ran = check(&lab, &[]).expect(i32::from(!expected.is_empty()));
        assert_eq!(told(&ran), expected, "{name}");
    }
    lab.profile(&entry("path = \"/\"\nseverity = \"high\""));
    let ran = check(&lab, &["--skip", "files.changed"]).expect(1);
    assert_eq!(told(&ran), ["high files.removed /usr/bin/tool"]);
}

/// Where there is nothing to compare with, nothing is judged and the report says why.
#[test]
fn without_a_database_nothing_is_clean() {
    let cases = [
        (
            "rpm",
            "mkdir -p var/lib/rpm; echo x > var/lib/rpm/rpmdb.sqlite",
            "rpm",
        ),
        (
            "rpm in its new place",
            "mkdir -p usr/lib/sysimage/rpm; echo x > usr/lib/sysimage/rpm/rpmdb.sqlite",
            "rpm",
        ),
        (
            "neither",
            "mkdir -p usr/bin; echo x > usr/bin/x",
            "neither a manifest nor a package database",
        ),
    ];
    for (name, tree, why) in cases {
        let lab = Lab::new();
        lab.shell(tree);
        let ran = check(&lab, &[]).expect(3);
        assert_eq!(ran.told(), ["unknown files.unreadable /"], "{name}");
        let finding = ran.one("files.unreadable", "/");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(why), "{name}: {message}");
        let remedy = finding["remediation"].as_str().expect("text");
        assert!(remedy.contains("agent baseline create"), "{name}: {remedy}");
        assert_eq!(ran.summary()["verdict"], "unknown", "{name}");
        let text = lab.agent(&["check"], &[]).expect(3).stdout;
        assert!(
            text.starts_with("UNKNOWN") && text.contains(why),
            "{name}: {text}"
        );
    }
}

/// A damaged database is no clean one: what it can't speak of is unknown, the rest is judged.
#[test]
fn a_damaged_database_is_unknown() {
    let cases = [
        ("digests gone", "rm var/lib/dpkg/info/demo.md5sums", 3),
        (
            "digests garbled",
            "echo 'zz usr/bin/demo' >> var/lib/dpkg/info/demo.md5sums",
            3,
        ),
        (
            "a path that climbs",
            "echo \"$(md5sum < etc/demo.conf | cut -c1-32)  ../../etc/passwd\" >> var/lib/dpkg/info/demo.md5sums",
            3,
        ),
        ("status garbled", "echo nonsense >> var/lib/dpkg/status", 3),
        (
            "a diversion torn",
            "echo /usr/bin/demo >> var/lib/dpkg/diversions",
            3,
        ),
    ];
    for (name, damage, exit) in cases {
        let lab = lab();
        lab.shell(damage);
        let ran = check(&lab, &[]);
        assert_eq!(ran.status, exit, "{name}: {ran:#?}");
        lab.shell("echo mine > etc/demo.conf");
        let ran = check(&lab, &[]).expect(1);
        assert!(
            told(&ran).contains(&"low files.changed /etc/demo.conf".to_owned()),
            "{name}: {ran:#?}"
        );
    }
}

/// What a half-installed package owns cannot be judged, and is not said to be nobody's either.
#[test]
fn a_half_installed_package_is_unknown() {
    let lab = lab();
    lab.shell(
        "sed -i 's/install ok installed/install reinstreq half-installed/' var/lib/dpkg/status",
    );
    let ran = check(&lab, &[]).expect(3);
    assert_eq!(
        ran.told(),
        ["unknown files.unreadable /var/lib/dpkg/status"]
    );
    let finding = ran.one("files.unreadable", "/var/lib/dpkg/status");
    assert!(
        finding["message"]
            .as_str()
            .expect("text")
            .contains("package demo is half installed"),
        "{finding}"
    );
    lab.shell("cp usr/bin/demo usr/bin/su2; chmod 4755 usr/bin/su2");
    let told = check(&lab, &[]).expect(1).told();
    assert!(
        told.contains(&"fail files.added /usr/bin/su2".to_owned()),
        "{told:?}"
    );
}

/// A manifest is the better evidence: where there is one the packages are not asked.
#[test]
fn a_manifest_in_the_tree_comes_first() {
    let lab = lab();
    lab.shell("echo evil > usr/bin/demo");
    check(&lab, &[]).expect(1);
    lab.shell("mkdir -p usr/share/host-integrity-agent");
    lab.create().expect(0);
    lab.shell("mv ../manifest.mtree usr/share/host-integrity-agent/");
    let ran = check(&lab, &[]);
    assert_eq!(ran.summary()["files"]["against"], "manifest");
    assert!(
        !ran.told().iter().any(|told| told.contains("/usr/bin/demo")),
        "{:?}",
        ran.told()
    );
    let auto = run(Command::new(agent_path())
        .args(["check", "--root", "root", "--format", "json"])
        .current_dir(lab.path()));
    assert_eq!(auto.summary()["profile"], "default");
}
