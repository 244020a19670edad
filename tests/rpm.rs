//! With no manifest, files are verified against rpm's own database, made here by rpm itself from packages of the
//! test's own; what is found is what `rpm --verify` finds.

use harness::rpm::{build, rpm, to_berkeley};
use harness::{Lab, Ran, run, shell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// `demo` with a file of every kind that verification treats otherwise; `other` shares a file and a directory with it.
pub(crate) const DEMO: &str = "Name: demo
Version: 1.0
Release: 2.lab
Epoch: 3
Summary: a test
License: none
BuildArch: noarch
%description
a test
%install
cd %{buildroot}
mkdir -p usr/bin usr/lib/demo usr/share/demo etc var/lib/demo var/log lib
for f in usr/bin/demo usr/lib/demo/helper usr/share/demo/data usr/share/demo/common usr/share/demo/volatile \\
  etc/demo.conf etc/demo.opt usr/bin/ping2 var/log/demo.log lib/old 'usr/share/demo/a b'; do echo \"$f\" > \"$f\"; done
ln -s demo usr/bin/also
%files
%attr(0755,root,root) /usr/bin/demo
%attr(4755,root,root) /usr/lib/demo/helper
%dir %attr(0755,root,root) /usr/share/demo
%attr(0644,root,root) /usr/share/demo/data
%attr(0644,root,root) /usr/share/demo/common
%attr(0644,root,root) \"/usr/share/demo/a b\"
%verify(not md5 size mtime) %attr(0644,root,root) /usr/share/demo/volatile
%config(noreplace) %attr(0640,root,daemon) /etc/demo.conf
%config(missingok) %attr(0644,root,root) /etc/demo.opt
%attr(0755,root,root) %caps(cap_net_raw=ep) /usr/bin/ping2
%dir %attr(0750,root,daemon) /var/lib/demo
%ghost %attr(0600,root,root) /var/log/demo.log
%attr(0644,root,root) /lib/old
/usr/bin/also
";
const OTHER: &str = "Name: other
Version: 1.0
Release: 1
Summary: a test
License: none
BuildArch: noarch
%description
a test
%install
cd %{buildroot}
mkdir -p usr/share/demo usr/bin
echo usr/share/demo/common > usr/share/demo/common
echo gcc > usr/bin/gcc
%files
%dir %attr(0755,root,root) /usr/share/demo
%attr(0644,root,root) /usr/share/demo/common
%attr(0755,root,root) /usr/bin/gcc
";

/// The packages, built once a run.
fn packages() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpms");
        std::fs::create_dir_all(&place).expect("a place to build");
        shell(&place, "rm -rf *");
        for spec in [DEMO, OTHER] {
            build(&place, spec);
        }
        place
    })
}

/// A tree with both packages, with `/lib` a link as distributions have it.
pub(crate) fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell(
        "umask 022; mkdir -p etc usr/lib; ln -s usr/lib lib
         printf 'root:x:0:0::/root:/bin/sh\\nann:x:7:7::/:/bin/sh\\n' > etc/passwd
         printf 'root:x:0:\\ndaemon:x:1:\\n' > etc/group
         printf 'ID=amzn\\nVERSION_ID=2023\\n' > etc/os-release",
    );
    for package in ["demo", "other"] {
        let mut rpm = rpm(&lab.root());
        rpm.args(["--install", "--nodeps"])
            .arg(packages().join(format!("rpms/{package}.rpm")));
        run(&mut rpm).expect(0);
    }
    lab
}

pub(crate) fn check(lab: &Lab) -> Ran {
    lab.agent(&["check"], &["--format", "json"])
}

/// Path to what differs, in rpm's letters; `missing` alone where it is not there. Times are left out.
pub(crate) type Differences = BTreeMap<String, BTreeSet<char>>;

const MISSING: char = '-';

/// By `rpm --verify`.
pub(crate) fn theirs(lab: &Lab) -> Differences {
    let ran = run(rpm(&lab.root()).args(["--verify", "--all", "--nodeps"]));
    let mut found = Differences::new();
    for line in ran.stdout.lines() {
        let (flags, path) = line.split_once('/').expect("a path");
        // Of a ghost rpm compares the mode that a package thinks it may have once it is there; we do not.
        if flags.ends_with(" g ") {
            continue;
        }
        let letters: BTreeSet<char> = match flags.starts_with("missing") {
            true => [MISSING].into(),
            // The kind of file, as `c`, stands behind the flags.
            false => flags
                .chars()
                .take_while(|c| *c != ' ')
                .filter(|c| !matches!(c, '.' | 'T'))
                .collect(),
        };
        if !letters.is_empty() {
            found.insert(format!("/{path}"), letters);
        }
    }
    found
}

/// By our findings.
pub(crate) fn ours(ran: &Ran) -> Differences {
    let mut found = Differences::new();
    for finding in ran.findings() {
        let subject = finding["subject"].as_str().expect("a subject").to_owned();
        let letters = match finding["check"].as_str().expect("a check") {
            "files.removed" => [MISSING].into(),
            "files.changed" => finding["changed"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|name| match name.as_str().expect("text") {
                    "size" => 'S',
                    "mode" => 'M',
                    "sha256" => '5',
                    "link" => 'L',
                    "uid" => 'U',
                    "gid" => 'G',
                    "xattrs" => 'P',
                    other => panic!("{other}: {finding}"),
                })
                .collect(),
            other => panic!("{other}: {finding}"),
        };
        found.insert(subject, letters);
    }
    found
}

#[test]
fn an_untouched_tree_is_clean_and_says_on_what_evidence() {
    let lab = lab();
    let ran = check(&lab).expect(0);
    assert_eq!(ran.told(), [""; 0]);
    let summary = ran.summary();
    assert_eq!(summary["files"]["against"], "rpm");
    let notes = summary["notes"].to_string();
    assert!(
        notes.contains("weaker evidence than a sealed manifest"),
        "{notes}"
    );
    assert_eq!(theirs(&lab), Differences::new());
}

#[test]
fn each_change_is_what_rpm_says_it_is() {
    for change in [
        "echo evil > usr/bin/demo",
        "touch -r usr/bin/demo t; printf 'usr/bin/demX\\n' > usr/bin/demo; touch -r t usr/bin/demo; rm t",
        "chmod 4755 usr/bin/demo",
        "chmod 0755 usr/lib/demo/helper",
        "chown 7 usr/bin/demo",
        "chgrp 1 usr/bin/demo",
        "chown 7:1 usr/bin/demo; chmod 755 usr/bin/demo",
        "rm usr/bin/demo",
        "rm -r usr/share/demo",
        "ln -sf /bin/sh usr/bin/also",
        "chown -h 7 usr/bin/also",
        "chmod 0777 usr/share/demo",
        "chmod 0755 var/lib/demo; chgrp 0 var/lib/demo",
        "rmdir var/lib/demo",
        "rmdir var/lib/demo; mkdir data; chmod 750 data; chgrp 1 data; ln -s ../../data var/lib/demo",
        "rmdir var/lib/demo; mkdir data; ln -s ../../data var/lib/demo; chmod 0700 data; chgrp 1 data; mv data var; rm var/lib/demo; ln -s ../data var/lib/demo",
        "echo more >> usr/share/demo/volatile",
        "chmod 0600 usr/share/demo/volatile",
        "echo mine >> etc/demo.conf",
        "rm etc/demo.conf",
        "rm etc/demo.opt",
        "echo mine > etc/demo.opt",
        "setcap cap_setuid+ep usr/bin/demo",
        "setcap cap_net_raw,cap_net_admin+ep usr/bin/ping2",
        "setcap cap_net_raw+p usr/bin/ping2",
        "setcap -r usr/bin/ping2",
        "sed -i /daemon/d etc/group",
        "sed -i /root/d etc/passwd",
        "setfattr -n user.note -v x usr/bin/demo",
        "mkdir -p var/log; echo x > var/log/demo.log",
        "mkdir -p var/log/demo.log",
        "echo evil > lib/old",
        "echo evil > usr/share/demo/common",
        "echo evil > 'usr/share/demo/a b'",
        "echo local > usr/bin/local; touch usr/bin/demo",
    ] {
        let lab = lab();
        lab.shell(change);
        let mut expected = theirs(&lab);
        // Where the link leads is what we name; rpm names the link.
        if let Some(letters) = expected.remove("/lib/old") {
            expected.insert("/usr/lib/old".into(), letters);
        }
        if let Some(letters) = expected.remove("/var/lib/demo") {
            let there = lab.root().join("var/lib/demo");
            let name = match std::fs::canonicalize(&there) {
                Ok(place) => format!(
                    "/{}",
                    place
                        .strip_prefix(lab.root().canonicalize().expect("there"))
                        .expect("below")
                        .display()
                ),
                Err(_) => "/var/lib/demo".into(),
            };
            expected.insert(name, letters);
        }
        let ran = check(&lab).expect(i32::from(!expected.is_empty()));
        assert_eq!(ours(&ran), expected, "{change}: {ran:#?}");
    }
}

/// What became another kind of thing has more to it than letters.
#[test]
fn another_kind_of_file() {
    for (change, path) in [
        ("rm usr/bin/demo; mkfifo usr/bin/demo", "/usr/bin/demo"),
        (
            "mv usr/bin/demo x; ln -s ../../x usr/bin/demo",
            "/usr/bin/demo",
        ),
        ("rm usr/bin/also; echo x > usr/bin/also", "/usr/bin/also"),
        ("rmdir var/lib/demo; echo x > var/lib/demo", "/var/lib/demo"),
    ] {
        let lab = lab();
        lab.shell(change);
        let told: Vec<String> = theirs(&lab).into_keys().collect();
        assert_eq!(told, [path], "{change}");
        let finding = check(&lab).expect(1).one("files.changed", path);
        assert_eq!(finding["changed"][0], "type", "{change}");
    }
}

/// SHA-256 as such, the package, how to get it back; configuration weighs less; rights of its own weigh more.
#[test]
fn the_evidence() {
    let lab = lab();
    let was = lab.shell("sha256sum < usr/bin/demo");
    lab.shell("echo evil > usr/bin/demo; echo mine > etc/demo.conf; cp usr/bin/demo usr/bin/su2; chmod 4755 usr/bin/su2");
    let ran = check(&lab).expect(1);
    let finding = ran.one("files.changed", "/usr/bin/demo");
    assert_eq!(finding["expected"]["sha256"], was[..64]);
    assert_eq!(finding["expected"]["package"], "demo");
    let remedy = finding["remediation"].as_str().expect("text");
    assert!(remedy.contains("dnf reinstall demo"), "{remedy}");
    let conf = ran.one("files.changed", "/etc/demo.conf");
    assert_eq!(conf["severity"], "low");
    assert_eq!(
        ran.one("files.added", "/usr/bin/su2")["check"],
        "files.added"
    );
}

/// The list of packages: what the profile's checks see of it.
#[test]
fn the_packages_are_those_that_rpm_lists() {
    let lab = lab();
    let listed = run(rpm(&lab.root()).args(["--query", "--all", "--queryformat", "%{NAME}\\n"]));
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    let only = ["--only", "packages.minimal", "--format", "json"];
    assert_eq!(
        lab.agent(&["check"], &only).expect(0).summary()["counts"]["pass"],
        1
    );
    let mut erase = rpm(&lab.root());
    run(erase.args(["--erase", "demo"])).expect(0);
    let gcc = OTHER
        .replace("Name: other", "Name: gcc")
        .replace("/usr/", "/opt/")
        .replace("usr/", "opt/");
    let place = tempfile::tempdir().expect("a directory");
    build(place.path(), &gcc);
    let mut install = rpm(&lab.root());
    install
        .args(["--install", "--nodeps"])
        .arg(place.path().join("rpms/gcc.rpm"));
    run(&mut install).expect(0);
    let finding = lab
        .agent(&["check"], &only)
        .expect(1)
        .one("packages.minimal", "compilers");
    assert_eq!(finding["observed"]["packages"][0], "gcc");
    assert!(
        finding["remediation"]
            .as_str()
            .expect("text")
            .starts_with("dnf remove gcc")
    );
}

/// Advisories of dnf's cache against the database.
#[test]
fn advisories_against_the_database() {
    for (version, release, epoch, verdict) in [
        ("1.0", "2.lab", "3", "pass"),
        ("1.0", "3.lab", "3", "fail"),
        ("9.0", "1", "2", "pass"),
        ("1.0~rc1", "9", "3", "pass"),
        ("1.0^git", "1", "3", "fail"),
    ] {
        let lab = lab();
        let xml = format!(
            "<updates><update type=\"security\"><id>ALAS-1</id><severity>important</severity><pkglist><collection><package name=\"demo\" arch=\"noarch\" epoch=\"{epoch}\" version=\"{version}\" release=\"{release}\"/></collection></pkglist></update></updates>"
        );
        lab.shell("mkdir -p var/cache/dnf/amazonlinux-1/repodata; touch var/cache/dnf/amazonlinux-1/repodata/repomd.xml");
        let path = lab
            .root()
            .join("var/cache/dnf/amazonlinux-1/repodata/1-updateinfo.xml");
        std::fs::write(&path, xml).expect("advisories");
        lab.shell("gzip var/cache/dnf/amazonlinux-1/repodata/1-updateinfo.xml");
        let ran = lab.agent(
            &["check"],
            &["--only", "packages.security_pending", "--format", "json"],
        );
        let finding = ran.one("packages.security_pending", "packages");
        assert_eq!(finding["verdict"], verdict, "{version}: {finding:#?}");
    }
    let ran = lab().agent(
        &["check"],
        &["--only", "packages.security_pending", "--format", "json"],
    );
    ran.expect(3);
}

/// A database that cannot be read whole judges nothing, and says why.
#[test]
fn a_damaged_database_is_unknown() {
    for (damage, words) in [
        ("truncate -s 5000 var/lib/rpm/rpmdb.sqlite", "damaged"),
        ("echo nonsense > var/lib/rpm/rpmdb.sqlite", "cut off"),
        (
            "head -c 8192 /dev/zero > var/lib/rpm/rpmdb.sqlite",
            "no SQLite database",
        ),
        ("echo x > var/lib/rpm/rpmdb.sqlite-journal", "broken off"),
        (
            "rm var/lib/rpm/rpmdb.sqlite*; head -c 4096 /dev/zero > var/lib/rpm/Packages",
            "no hash of Berkeley DB",
        ),
        (
            "rm var/lib/rpm/rpmdb.sqlite*; echo x > var/lib/rpm/Packages.db",
            "cut off",
        ),
        (
            "rm var/lib/rpm/rpmdb.sqlite*; head -c 8192 /dev/zero > var/lib/rpm/Packages.db",
            "kind ndb",
        ),
    ] {
        let lab = lab();
        lab.shell(damage);
        let ran = check(&lab).expect(3);
        assert_eq!(ran.told(), ["unknown files.unreadable /"], "{damage}");
        let finding = ran.one("files.unreadable", "/");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(words), "{damage}: {message}");
    }
}

/// The same packages in a Berkeley DB, as Amazon Linux 2 has it, loaded by its own tool.
#[test]
fn a_berkeley_db_says_the_same() {
    for page in [512, 4096, 16384] {
        let lab = lab();
        to_berkeley(&lab.root(), page);
        assert_eq!(ours(&check(&lab).expect(0)), Differences::new(), "{page}");
        lab.shell("echo evil > usr/bin/demo; chmod 4755 usr/bin/gcc");
        let found = ours(&check(&lab).expect(1));
        let paths: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(paths, ["/usr/bin/demo", "/usr/bin/gcc"], "{page}");
        let size = std::fs::metadata(lab.root().join("var/lib/rpm/Packages"))
            .expect("there")
            .len();
        for cut in [100, size / 2, size - 1] {
            lab.shell(&format!(
                "cp var/lib/rpm/Packages kept; truncate -s {cut} var/lib/rpm/Packages"
            ));
            assert_eq!(check(&lab).expect(3).told(), ["unknown files.unreadable /"]);
            lab.shell("mv kept var/lib/rpm/Packages");
        }
    }
}

/// A page of damaged type would hide what lies on it: libdb refuses to go by it, and so does the agent, by its number.
#[test]
fn a_berkeley_db_with_a_page_of_damaged_type_is_unknown() {
    let lab = lab();
    to_berkeley(&lab.root(), 512);
    lab.shell("echo evil > usr/bin/demo");
    let place = lab.root().join("var/lib/rpm/Packages");
    let good = std::fs::read(&place).expect("the database");
    let hash = |page: &usize| matches!(good[page * 512 + 25], 2 | 13) && good[page * 512 + 20] != 0;
    let pages: Vec<usize> = (1..good.len() / 512).filter(hash).collect();
    assert!(!pages.is_empty());
    for page in pages {
        for kind in [0, 1, 7, 99] {
            let mut bytes = good.clone();
            bytes[page * 512 + 25] = kind;
            std::fs::write(&place, bytes).expect("written");
            let ran = check(&lab).expect(3);
            assert_eq!(
                ran.told(),
                ["unknown files.unreadable /"],
                "page {page} type {kind}"
            );
            let message = ran.one("files.unreadable", "/")["message"].to_string();
            assert!(message.contains(&format!("page {page}:")), "{message}");
        }
    }
}
