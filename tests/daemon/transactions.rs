//! Real dpkg under a running daemon: an upgrade is one burst with a cause, and hides nothing beside it.

use super::house::House;
use crate::watch::limits_stand_still;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Files of the package: 40 below `/data/package`, with what the version says in them, and one that is critical.
const FILES: usize = 41;

/// Builds version 1 and 2, and makes the house's tree one that dpkg installs into. The second waits while it is
/// configured until `tmp/go` is there.
pub(super) fn packages(house: &House) {
    house.host.shell(
        "printf '[[paths]]\\npath = \"/data/critical\"\\nseverity = \"critical\"\\n' \
           >> etc/host-integrity-agent/profile.toml
         mkdir -p var/lib/dpkg/{info,updates,triggers}; touch var/lib/dpkg/{status,available}
         for version in 1 2; do
           built=../build-$version; mkdir -p $built/DEBIAN $built/data/{package,critical}
           for n in {1..40}; do echo $version $n > $built/data/package/$n; done
           echo $version > $built/data/critical/tool
           printf 'Package: sample\\nVersion: %s\\nArchitecture: all\\nMaintainer: Nobody <nobody@example.com>\\nDescription: sample\\n' \
             $version > $built/DEBIAN/control
         done
         printf '%s\\n' '#!/bin/sh' 'n=0' \
           'while [ ! -e \"$DPKG_ROOT/tmp/go\" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done' \
           > ../build-2/DEBIAN/postinst
         chmod 755 ../build-2/DEBIAN/postinst
         for version in 1 2; do dpkg-deb --root-owner-group -b ../build-$version ../sample-$version.deb >/dev/null; done",
    );
}

/// `dpkg -i` of a version, into the house's tree.
fn dpkg(house: &House, version: u8) -> Command {
    let root = house.path("");
    let mut command = Command::new("dpkg");
    command
        .arg(format!("--root={}", root.display()))
        .args([
            "--force-script-chrootless",
            "--force-not-root",
            "--force-unsafe-io",
            "-i",
        ])
        .arg(
            house
                .host
                .lab()
                .path()
                .join(format!("sample-{version}.deb")),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

pub(super) fn install(house: &House, version: u8) {
    let status = dpkg(house, version).status().expect("dpkg");
    assert!(status.success());
}

/// The upgrade under way: all is unpacked, and not yet configured.
fn upgrade(house: &House) -> Child {
    let child = dpkg(house, 2).spawn().expect("dpkg");
    let is_there = |name: &str| Path::new(&house.path(name)).exists();
    house.until("unpacked", |house| {
        let text = std::fs::read_to_string(house.path("data/package/40"));
        text.is_ok_and(|text| text == "2 40\n") && is_there("var/lib/dpkg/info/sample.postinst")
    });
    child
}

fn finish(house: &House, mut dpkg: Child) {
    house.host.shell("touch tmp/go");
    assert!(dpkg.wait().expect("dpkg").success());
}

fn transaction(event: &serde_json::Value) -> &serde_json::Value {
    &event["unmapped"]["cause"]["transaction"]
}

/// Against a manifest every change deviates: each is told once, when dpkg is done, with the cause.
#[test]
fn an_upgrade_is_one_burst_with_a_cause() {
    let _limits = limits_stand_still();
    let house = House::new();
    packages(&house);
    install(&house, 1);
    house.record();
    let daemon = house.start();
    house.until_scanned();

    let running = upgrade(&house);
    // What is critical does not wait, whoever holds the lock.
    house.until_told("raised files.changed /data/critical/tool");
    // Somebody else's change, meanwhile.
    house
        .host
        .shell("echo evil > data/evil; echo evil >> data/one");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let told = house.told();
    let before: Vec<_> = told
        .iter()
        .filter(|told| !told.contains("critical"))
        .collect();
    assert_eq!(before, [""; 0], "dpkg is not done");
    finish(&house, running);

    house.until_told("raised files.changed /data/package/1");
    house.until_as_checked("upgraded");
    for n in 1..=40 {
        let event = house.event("raised", &format!("/data/package/{n}"));
        assert_eq!(transaction(&event), "dpkg", "{event:#}");
        assert_eq!(event["actor"]["process"]["name"], "dpkg", "{event:#}");
    }
    let event = house.event("raised", "/data/critical/tool");
    assert_eq!(transaction(&event), "dpkg", "{event:#}");
    // What is no part of the package is told as well, with who did it.
    for path in ["/data/evil", "/data/one"] {
        let event = house.event("raised", path);
        assert_ne!(event["actor"]["process"]["name"], "dpkg", "{event:#}");
    }
    let files = house
        .told()
        .iter()
        .filter(|told| told.starts_with("raised"))
        .count();
    assert!(files >= FILES + 2, "{:#?}", house.told());
    assert!(
        !house.told().iter().any(|told| told.starts_with("cleared")),
        "{:#?}",
        house.told()
    );
    assert_eq!(daemon.stop(), 0);
    house.verify();
}

/// Against the package database nothing deviates after it, and what somebody else changed meanwhile does.
#[test]
fn without_a_manifest_an_upgrade_leaves_nothing_open() {
    let _limits = limits_stand_still();
    let house = House::new();
    packages(&house);
    install(&house, 1);
    let daemon = house.start();
    house.until_scanned();
    let (_, status) = house.status();
    assert_eq!(
        status["daemon"]["ground"]["against"], "packages",
        "{status:#}"
    );

    let running = upgrade(&house);
    house.until_told("raised files.changed /data/critical/tool");
    house.host.shell("echo evil >> data/package/7");
    finish(&house, running);
    house.until_told("raised files.changed /data/package/7");
    // By what the packages say now it is as it should be.
    house.until_told("cleared files.changed /data/critical/tool");
    house.until_as_checked("upgraded");
    assert_eq!(house.told().len(), 3, "{:#?}", house.told());

    // So short that nobody sees the lock when what it touched has settled.
    house.host.shell("rm tmp/go");
    install(&house, 1);
    house.host.shell("echo evil >> data/package/8");
    house.until_told("raised files.changed /data/package/8");
    house.until_as_checked("downgraded");
    let expected: Vec<String> = house.check().into_iter().collect();
    assert_eq!(expected, ["files.changed /data/package/8"]);
    assert_eq!(daemon.stop(), 0);
    house.verify();
}
