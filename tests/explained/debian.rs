//! An update that comes the way it should explains itself, and nothing beyond that.

use super::repository::{Repository, keeps, on, verdict};

#[test]
fn an_upgrade_from_the_signed_repository_is_explained_whole() {
    let repository = Repository::new();
    repository.check().expect(0);
    repository.upgrade("1.1", "");
    let ran = repository.check().expect(1);
    let signed = (
        "low".to_owned(),
        Some("high".to_owned()),
        Some("signed".to_owned()),
    );
    for path in [
        "/usr/bin/tool",
        "/usr/lib/tool/data",
        "/usr/lib/tool/link-1.1",
        "/etc/tool.conf",
    ] {
        let finding = on(&ran, path);
        assert_eq!(verdict(&finding), signed, "{finding}");
        let by = &finding["explained_by"];
        assert_eq!(by["kind"], "package");
        assert_eq!(
            (by["package"].as_str(), by["version"].as_str()),
            (Some("tool"), Some("1.1"))
        );
        let transaction = by["transaction"].as_str().expect("a command");
        assert!(
            transaction.contains("apt-get") && transaction.contains("install tool=1.1"),
            "{transaction}"
        );
        assert!(
            by["at"].as_str().is_some_and(|at| at.starts_with("20")),
            "{by}"
        );
        assert!(by["reason"].is_null(), "{by}");
    }
    // What went with the old version: that is signed, and lies in the cache still.
    let gone = on(&ran, "/usr/lib/tool/link-1.0");
    assert_eq!(gone["check"], "files.removed");
    assert_eq!(verdict(&gone), signed, "{gone}");
    // What somebody else removed stays, and so does all of it when nothing tells who had it.
    repository.run("rm $ROOT/usr/lib/tool/data");
    let gone = on(&repository.check().expect(1), "/usr/lib/tool/data");
    assert_eq!(verdict(&gone), ("high".into(), None, None), "{gone}");
    repository.run("rm $ROOT/var/cache/apt/archives/tool_1.0_all.deb");
    let ran = repository.check().expect(1);
    let gone = on(&ran, "/usr/lib/tool/link-1.0");
    assert_eq!(verdict(&gone), ("high".into(), None, None), "{gone}");
    assert_eq!(
        ran.findings()
            .iter()
            .filter(|f| f["subject"].as_str().is_some_and(|s| s.contains("other")))
            .count(),
        0
    );
}

#[test]
fn without_the_package_in_the_cache_the_database_is_told_and_lowers_nothing() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run("rm $ROOT/var/cache/apt/archives/*.deb");
    let ran = repository.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("md5"),
        "no .deb of tool 1.1",
    );
    keeps(
        &on(&ran, "/etc/tool.conf"),
        Some("md5"),
        "no signature by a recorded key",
    );
}

#[test]
fn what_changed_beyond_the_package_keeps_its_severity() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    repository.run("chmod 777 $ROOT/usr/bin/tool; chown 7 $ROOT/usr/lib/tool/data");
    let ran = repository.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "not as shipped: a maintainer script or somebody else set it, which is not signed: mode",
    );
    keeps(&on(&ran, "/usr/lib/tool/data"), Some("signed"), "uid");
}

#[test]
fn a_new_package_and_a_new_privilege_keep_their_severity() {
    let repository = Repository::new();
    repository.upgrade("1.1", "chmod 4755 usr/bin/tool");
    repository.run("make fresh 1.0; publish distribution; apt update; apt install fresh");
    let ran = repository.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "it gives a new privilege",
    );
    keeps(
        &on(&ran, "/usr/bin/fresh"),
        Some("signed"),
        "the package is new on this host",
    );
    assert_eq!(verdict(&on(&ran, "/usr/lib/tool/data")).0, "low");
}

#[test]
fn a_manifest_without_packages_says_what_is_missing() {
    let repository = Repository::new();
    let manifest = repository.lab.manifest();
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    assert!(text.contains("# package tool 1.0 all\n"), "{text}");
    let without: String = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("# package "))
        .collect();
    std::fs::write(&manifest, without).expect("written");
    repository.upgrade("1.1", "");
    let ran = repository.check().expect(1);
    keeps(
        &on(&ran, "/usr/bin/tool"),
        Some("signed"),
        "the manifest does not say which packages there were",
    );
}

#[test]
fn damaged_databases_leave_findings_as_they_were() {
    let repository = Repository::new();
    repository.upgrade("1.1", "");
    let cases = [
        (
            "echo rubbish > $ROOT/var/lib/dpkg/info/tool.md5sums; rm $ROOT/var/cache/apt/archives/*.deb",
            "/usr/bin/tool",
        ),
        (
            "head -c 300 /dev/urandom > $ROOT/var/log/dpkg.log",
            "/usr/bin/tool",
        ),
        (
            "for f in $ROOT/var/lib/apt/lists/*InRelease; do head -c 200 $f > $f.new; mv $f.new $f; done",
            "/usr/bin/tool",
        ),
    ];
    for (damage, path) in cases {
        repository.run(damage);
        let finding = on(&repository.check().expect(1), path);
        assert_eq!(finding["severity"], "high", "{damage}: {finding}");
    }
}
