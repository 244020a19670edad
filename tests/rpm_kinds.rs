//! What rpm's databases and headers come as beside SQLite and SHA-256: ndb, other digests, owners that the tree lacks.

use crate::rpm::{DEMO, Differences, check, lab, ours, theirs};
use harness::rpm::{build_digested, redigest, rpm, to_ndb};
use harness::{Lab, run};

/// A tree with `demo`, its files digested by the kind that rpm counts so.
fn digested(number: u32) -> Lab {
    let place = tempfile::tempdir().expect("a directory");
    build_digested(place.path(), DEMO, number);
    let lab = lab();
    run(rpm(&lab.root()).args(["--erase", "demo", "other"])).expect(0);
    let mut install = rpm(&lab.root());
    install
        .args(["--install", "--nodeps"])
        .arg(place.path().join("rpms/demo.rpm"));
    run(&mut install).expect(0);
    lab
}

/// Kinds of digest by rpm's number, and the key of evidence.
const KINDS: [(u32, &str, usize); 5] = [
    (1, "md5", 32),
    (2, "sha1", 40),
    (9, "sha384", 96),
    (10, "sha512", 128),
    (11, "sha224", 56),
];

#[test]
fn contents_are_compared_by_every_kind_of_digest() {
    for (number, name, length) in KINDS {
        let lab = digested(number);
        let ran = check(&lab).expect(0);
        assert_eq!(ran.told(), [""; 0], "{name}");
        lab.shell("touch -r usr/bin/demo t; printf 'usr/bin/demX\\n' > usr/bin/demo; touch -r t usr/bin/demo; rm t");
        let ran = check(&lab).expect(1);
        let expected = theirs(&lab);
        assert_eq!(expected.len(), 1, "{name}: {expected:?}");
        assert_eq!(ours(&ran), expected, "{name}");
        let finding = ran.one("files.changed", "/usr/bin/demo");
        let digest = finding["expected"][name].as_str().expect("a digest");
        assert_eq!(digest.len(), length, "{name}: {finding:#?}");
    }
}

/// rpm 4 has no SHA-3: the digests of a real package are put into its header.
#[test]
fn contents_are_compared_by_sha_3() {
    let lab = lab();
    redigest(&lab.root(), "demo", 12, "sha3_256");
    assert_eq!(check(&lab).expect(0).told(), [""; 0]);
    lab.shell("touch -r usr/bin/demo t; printf 'usr/bin/demX\\n' > usr/bin/demo; touch -r t usr/bin/demo; rm t");
    let ran = check(&lab).expect(1);
    assert_eq!(ran.told(), ["fail files.changed /usr/bin/demo sha256"]);
    let finding = ran.one("files.changed", "/usr/bin/demo");
    let digest = lab.shell("openssl dgst -sha3-256 -r usr/bin/demo | cut -d' ' -f1");
    assert_eq!(finding["observed"]["sha3-256"], digest.trim());
}

/// A kind that nobody knows yet.
#[test]
fn what_is_not_compared_is_told() {
    let lab = lab();
    redigest(&lab.root(), "demo", 99, "sha3_256");
    let ran = check(&lab);
    assert_ne!(ran.status, 0, "{ran:#?}");
}

#[test]
fn an_ndb_says_the_same() {
    let lab = lab();
    to_ndb(&lab.root());
    assert_eq!(ours(&check(&lab).expect(0)), Differences::new());
    lab.shell("echo evil > usr/bin/demo; chmod 4755 usr/bin/gcc");
    let found = ours(&check(&lab).expect(1));
    let paths: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/usr/bin/demo", "/usr/bin/gcc"]);
    let only = ["--only", "packages.minimal", "--format", "json"];
    let finding = lab
        .agent(&["check"], &only)
        .expect(0)
        .one("packages.minimal", "packages");
    assert_eq!(finding["verdict"], "pass");
}

/// Cut off, a byte of a package changed, a slot that leads elsewhere, a version of tomorrow: never half a database.
#[test]
fn a_damaged_ndb_is_unknown() {
    for (damage, words) in [
        ("truncate -s -16 $db", "outside the file"),
        ("truncate -s 4000 $db", "cut off"),
        (
            "printf X | dd of=$db bs=1 seek=4200 conv=notrunc status=none",
            "not whole",
        ),
        (
            "printf '\\377\\377' | dd of=$db bs=1 seek=40 conv=notrunc status=none",
            "outside the file",
        ),
        (
            "printf '\\1' | dd of=$db bs=1 seek=4 conv=notrunc status=none",
            "version 1",
        ),
        (
            "printf '\\377\\377\\377\\377' | dd of=$db bs=1 seek=12 conv=notrunc status=none",
            "cut off",
        ),
    ] {
        let lab = lab();
        to_ndb(&lab.root());
        lab.shell(&format!("db=var/lib/rpm/Packages.db; {damage}"));
        let ran = check(&lab).expect(3);
        assert_eq!(ran.told(), ["unknown files.unreadable /"], "{damage}");
        let finding = ran.one("files.unreadable", "/");
        let message = finding["message"].as_str().expect("text");
        assert!(message.contains(words), "{damage}: {message}");
    }
}

/// Packages of formats 4 and 6, digests of three kinds, in an ndb: what the real rpm 6 of a root makes and says.
///
/// The root is one of Debian's unstable with rpm in it; left out where there is none.
#[test]
fn as_rpm_6_says() {
    let Some(root) = std::env::var_os("AGENT_TEST_RPM6_ROOT") else {
        println!("left out: AGENT_TEST_RPM6_ROOT names no root with rpm 6");
        return;
    };
    const SPEC: &str = "Name: NAME\nVersion: 1\nRelease: 1\nSummary: a test\nLicense: none\nBuildArch: noarch\n%description\na test\n%install\nmkdir -p %{buildroot}/opt/NAME; for f in a b c d e; do echo $f > %{buildroot}/opt/NAME/$f; done; ln -s a %{buildroot}/opt/NAME/link\n%files\n/opt/NAME\n";
    let root = std::path::Path::new(&root);
    let place = tempfile::tempdir_in(root.join("tmp")).expect("a directory");
    let inside = format!(
        "/{}",
        place.path().strip_prefix(root).expect("below").display()
    );
    std::fs::write(place.path().join("spec"), SPEC).expect("a spec");
    let script = format!(
        "cd {inside}; mkdir tree
         for format in 4 6; do for kind in 8 10 12; do
           sed s/NAME/p$format-$kind/g spec > it.spec
           rpmbuild -bb --define \"_rpmformat $format\" --define \"_binary_filedigest_algorithm $kind\" --define \"_topdir $PWD/top\" it.spec
         done; done > built 2>&1
         q() {{ rpm --root $PWD/tree --dbpath /usr/lib/sysimage/rpm --define '_db_backend ndb' \"$@\"; }}
         q --nosignature -i top/RPMS/noarch/*.rpm; test -s tree/usr/lib/sysimage/rpm/Packages.db
         for directory in tree/opt/*; do printf x >> $directory/c; rm $directory/d; chmod 4755 $directory/e; done
         q -Va --nomtime || :"
    );
    let verified = run(std::process::Command::new("chroot")
        .arg(root)
        .args(["bash", "-eu", "-c", &script]));
    let mut theirs: Vec<String> = verified
        .stdout
        .lines()
        .filter_map(|line| Some(format!("/{}", line.split_once('/')?.1)))
        .collect();
    theirs.sort();
    assert_eq!(theirs.len(), 18, "{verified:#?}");
    let tree = place.path().join("tree");
    let tree = tree.to_str().expect("text");
    let ran = harness::agent([
        "check", "--root", tree, "--only", "files.*", "--format", "json",
    ]);
    let mut found: Vec<String> = ran
        .findings()
        .iter()
        .map(|finding| finding["subject"].as_str().expect("text").to_owned())
        .collect();
    found.sort();
    assert_eq!(found, theirs, "{ran:#?}");
}
