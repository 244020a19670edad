//! Real dpkg under a running daemon: an upgrade has a cause, may have its findings wait a little, and hides nothing.

use super::harness::{Daemon, DaemonHarness};
use harness::kernel::limits_stand_still;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Files of the package: 40 below `/data/package`, with what the version says in them, and one there that is setuid;
/// one that is critical.
const FILES: usize = 42;
/// Half of what a finding may wait for evidence: what is told within it did not wait.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Builds version 1 and 2, and makes the host's tree one that dpkg installs into. Unpacking the second over the first
/// waits, with all files in place, until `tmp/unpack` is there, and configuring it until `tmp/go` is.
pub(super) fn packages(harness: &DaemonHarness) {
    harness.host.shell(
        "printf '[[paths]]\\npath = \"/data/critical\"\\nseverity = \"critical\"\\n' \
           >> etc/host-integrity-agent/profile.toml
         mkdir -p var/lib/dpkg/{info,updates,triggers}; touch var/lib/dpkg/{status,available}
         for version in 1 2; do
           built=../build-$version; mkdir -p $built/DEBIAN $built/data/{package,critical}
           for n in {1..40}; do echo $version $n > $built/data/package/$n; done
           echo $version > $built/data/critical/tool
           echo $version > $built/data/package/suid; chmod 4755 $built/data/package/suid
           printf 'Package: sample\\nVersion: %s\\nArchitecture: all\\nMaintainer: Nobody <nobody@example.com>\\nDescription: sample\\n' \
             $version > $built/DEBIAN/control
         done
         wait_for() {
           printf '%s\\n' '#!/bin/sh' \"$2\" 'n=0' \
             \"while [ ! -e \\\"\\$DPKG_ROOT/tmp/$1\\\" ] && [ \\$n -lt 1200 ]; do sleep 0.1; n=\\$((n + 1)); done\"
         }
         wait_for unpack '[ \"$1\" = upgrade ] || exit 0' > ../build-1/DEBIAN/postrm
         wait_for go '' > ../build-2/DEBIAN/postinst
         chmod 755 ../build-1/DEBIAN/postrm ../build-2/DEBIAN/postinst
         for version in 1 2; do dpkg-deb --root-owner-group -b ../build-$version ../sample-$version.deb >/dev/null; done",
    );
}

/// `dpkg -i` of a version, into the host's tree.
fn dpkg(harness: &DaemonHarness, version: u8) -> Command {
    let root = harness.path("");
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
            harness
                .host
                .lab()
                .path()
                .join(format!("sample-{version}.deb")),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// A host with version 1 of the package, and a file of nobody's.
fn with_package() -> DaemonHarness {
    let harness = DaemonHarness::new();
    packages(&harness);
    install(&harness, 1);
    harness.host.shell("echo 1 > data/one");
    harness
}

/// Ends it in good order, with a whole chain.
fn end(harness: &DaemonHarness, daemon: Daemon<'_>) {
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

pub(super) fn install(harness: &DaemonHarness, version: u8) {
    let status = dpkg(harness, version).status().expect("dpkg");
    assert!(status.success());
}

/// The upgrade under way: all files are in place, and dpkg says that the package is in that state.
fn upgrade(harness: &DaemonHarness, state: &str) -> Child {
    let child = dpkg(harness, 2).spawn().expect("dpkg");
    harness.until(state, |harness| {
        let text = std::fs::read_to_string(harness.path("data/package/40"));
        text.is_ok_and(|text| text == "2 40\n") && journal(harness).contains(state)
    });
    child
}

/// What dpkg's journal says last.
fn journal(harness: &DaemonHarness) -> String {
    let entries = std::fs::read_dir(harness.path("var/lib/dpkg/updates")).expect("the journal");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("read").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "tmp.i"));
    let last = paths.into_iter().max();
    last.and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default()
}

fn finish(harness: &DaemonHarness, mut dpkg: Child) {
    harness.host.shell("touch tmp/unpack tmp/go");
    assert!(dpkg.wait().expect("dpkg").success());
}

fn transaction(event: &serde_json::Value) -> &serde_json::Value {
    &event["unmapped"]["cause"]["transaction"]
}

/// The agent's steps of that name.
fn steps(harness: &DaemonHarness, name: &str) -> Vec<serde_json::Value> {
    let mut events = harness.events();
    events.retain(|event| event["activity_name"] == name);
    events
}

/// What was told of the package's files that are neither critical nor setuid.
fn plain(harness: &DaemonHarness) -> Vec<String> {
    let mut told = harness.told();
    told.retain(|told| told.contains(" /data/package/") && !told.contains("/suid"));
    told
}

/// Waits until it is told, which must be well before anything that waits for evidence is.
fn told_at_once(harness: &DaemonHarness, line: &str, since: Instant) {
    harness.until_told(line);
    let waited = since.elapsed();
    assert!(waited < AT_ONCE, "{line}: after {waited:?}");
}

/// A process that holds a lock for writing until it is dropped.
struct Holder(Child);

impl Holder {
    fn new(harness: &DaemonHarness, lock: &str) -> Holder {
        let path = harness.path(lock);
        std::fs::create_dir_all(path.parent().expect("below the tree")).expect("a directory");
        std::fs::write(&path, "").expect("a lock");
        let script = "import fcntl, sys, time\nf = open(sys.argv[1], 'r+')\n\
                      fcntl.lockf(f, fcntl.LOCK_EX)\nprint(flush=True)\ntime.sleep(600)";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let out = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "\n", "held");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

/// Against a manifest every change deviates. What is in the package's list waits until the package is done, with the
/// cause; what is critical, gives privileges, or is in no list is told at once.
#[test]
fn an_upgrade_has_its_findings_wait_until_the_package_is_done() {
    let _limits = limits_stand_still();
    let harness = with_package();
    harness.record();
    let daemon = harness.start_scanned();

    let since = Instant::now();
    let running = upgrade(&harness, "half-installed");
    told_at_once(&harness, "raised files.changed /data/critical/tool", since);
    told_at_once(&harness, "raised files.changed /data/package/suid", since);
    // Somebody else's change, meanwhile: one behind the package's, so that those have been looked at.
    let since = Instant::now();
    harness
        .host
        .shell("echo evil > data/evil; echo evil >> data/one");
    told_at_once(&harness, "raised files.added /data/evil", since);
    told_at_once(&harness, "raised files.changed /data/one", since);
    assert_eq!(plain(&harness), [""; 0], "it is being unpacked");
    let begun = steps(&harness, "Package transaction begun");
    assert_eq!(begun.len(), 1, "{begun:#?}");
    assert_eq!(begun[0]["unmapped"]["transaction"]["holder"], "dpkg");
    assert_eq!(begun[0]["unmapped"]["transaction"]["pid"], running.id());
    harness.host.shell("touch tmp/unpack");
    harness.until("configured", |harness| {
        journal(harness).contains("half-configured")
    });
    let since = Instant::now();
    harness.host.shell("echo more >> data/evil");
    harness.until_told("changed files.added /data/evil");
    assert!(since.elapsed() < AT_ONCE);
    assert_eq!(plain(&harness), [""; 0], "it is not done");
    finish(&harness, running);

    harness.until_told("raised files.changed /data/package/1");
    harness.until_as_checked("upgraded");
    for n in 1..=40 {
        let event = harness.event("raised", &format!("/data/package/{n}"));
        assert_eq!(transaction(&event), "dpkg", "{event:#}");
        assert_eq!(event["actor"]["process"]["name"], "dpkg", "{event:#}");
    }
    let event = harness.event("raised", "/data/critical/tool");
    assert_eq!(transaction(&event), "dpkg", "{event:#}");
    // What is no part of the package is told as well, with who did it.
    for path in ["/data/evil", "/data/one"] {
        let event = harness.event("raised", path);
        assert_ne!(event["actor"]["process"]["name"], "dpkg", "{event:#}");
    }
    let told = harness.told();
    let files = told.iter().filter(|told| told.starts_with("raised"));
    assert!(files.count() >= FILES + 2, "{told:#?}");
    let mut cleared = told.iter().filter(|told| told.starts_with("cleared"));
    assert!(cleared.all(|told| told.contains(".dpkg-")), "{told:#?}");
    harness.until("its end", |harness| {
        !steps(harness, "Package transaction ended").is_empty()
    });
    let ended = steps(&harness, "Package transaction ended").remove(0);
    assert!(
        ended["unmapped"]["waited"].as_u64() >= Some(40),
        "{ended:#}"
    );
    assert!(ended["duration"].as_u64() > Some(0), "{ended:#}");
    assert_eq!(steps(&harness, "Package transaction begun").len(), 1);
    end(&harness, daemon);
}

/// Against the package database nothing deviates after it, and what somebody else changed meanwhile does.
#[test]
fn without_a_manifest_an_upgrade_leaves_nothing_open() {
    let _limits = limits_stand_still();
    let harness = DaemonHarness::new();
    packages(&harness);
    install(&harness, 1);
    let daemon = harness.start_scanned();
    let (_, status) = harness.status();
    assert_eq!(
        status["daemon"]["ground"]["against"], "packages",
        "{status:#}"
    );

    harness.host.shell("touch tmp/unpack");
    let running = upgrade(&harness, "half-configured");
    harness.until_told("raised files.changed /data/critical/tool");
    harness.until_told("raised files.changed /data/package/suid");
    harness.host.shell("echo evil >> data/package/7");
    finish(&harness, running);
    harness.until_told("raised files.changed /data/package/7");
    // By what the packages say now it is as it should be.
    harness.until_told("cleared files.changed /data/critical/tool");
    harness.until_told("cleared files.changed /data/package/suid");
    harness.until_as_checked("upgraded");
    // What a setuid file is called meanwhile is none of this test's business, nor whether the last change was looked at
    // before the lock was free: then it is first compared with the package before.
    let mut told = harness.told();
    told.retain(|told| !told.contains(".dpkg-") && !told.starts_with("changed"));
    assert_eq!(told.len(), 5, "{told:#?}");

    // So short that nobody sees the lock when what it touched has settled.
    harness.host.shell("rm tmp/go");
    install(&harness, 1);
    harness.host.shell("echo evil >> data/package/8");
    harness.until_told("raised files.changed /data/package/8");
    harness.until_as_checked("downgraded");
    let expected: Vec<String> = harness.check().into_iter().collect();
    assert_eq!(expected, ["files.changed /data/package/8"]);
    end(&harness, daemon);
}

/// Whoever holds a lock, dpkg's with no package being unpacked or rpm's with whatever dpkg's database says: what
/// changes is told as if nobody did.
#[test]
fn a_lock_alone_delays_nothing() {
    let _limits = limits_stand_still();
    let harness = with_package();
    harness.record();
    let daemon = harness.start_scanned();

    let holder = Holder::new(&harness, "var/lib/dpkg/lock-frontend");
    let since = Instant::now();
    harness.host.shell("echo evil >> data/package/1");
    told_at_once(&harness, "raised files.changed /data/package/1", since);
    let event = harness.event("raised", "/data/package/1");
    assert_eq!(transaction(&event), "python3", "{event:#}");
    drop(holder);

    harness
        .host
        .shell("sed -i s/installed$/unpacked/ var/lib/dpkg/status");
    let holder = Holder::new(&harness, "var/lib/rpm/.rpm.lock");
    let since = Instant::now();
    harness.host.shell("echo evil >> data/package/2");
    told_at_once(&harness, "raised files.changed /data/package/2", since);
    harness.until("both are told", |harness| {
        steps(harness, "Package transaction begun").len() == 2
    });
    let managers: Vec<_> = steps(&harness, "Package transaction begun")
        .iter()
        .map(|event| event["unmapped"]["transaction"]["manager"].clone())
        .collect();
    assert_eq!(managers, ["dpkg", "rpm"]);
    drop(holder);
    harness.until("both are over", |harness| {
        steps(harness, "Package transaction ended").len() == 2
    });
    for event in steps(&harness, "Package transaction ended") {
        assert_eq!(event["unmapped"]["waited"], 0, "{event:#}");
    }
    end(&harness, daemon);
}

/// Who forges dpkg's database, holds its lock and kills the agent gains at most a minute.
#[test]
fn who_forges_a_transaction_hides_nothing() {
    let _limits = limits_stand_still();
    let harness = with_package();
    harness.record();
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("sed -i s/installed$/unpacked/ var/lib/dpkg/status");
    let holder = Holder::new(&harness, "var/lib/dpkg/lock");

    let since = Instant::now();
    harness.host.shell(
        "echo evil >> data/package/1; chmod 4755 data/package/2; echo evil >> data/package/suid
         echo evil >> data/critical/tool",
    );
    told_at_once(&harness, "raised files.changed /data/package/2", since);
    told_at_once(&harness, "raised files.changed /data/package/suid", since);
    told_at_once(&harness, "raised files.changed /data/critical/tool", since);
    harness.host.shell("echo evil > data/one");
    told_at_once(&harness, "raised files.changed /data/one", since);
    let is_told = |path: &str| harness.told().iter().any(|told| told.contains(path));
    assert!(!is_told("/data/package/1 "), "{:#?}", harness.told());
    // It is told in time, whoever still holds the lock.
    harness.until_told("raised files.changed /data/package/1");
    let waited = since.elapsed();
    assert!(waited < Duration::from_secs(75), "{waited:?}");

    // One that waits survives the agent.
    harness.host.shell("echo evil >> data/package/3");
    harness.host.shell("echo evil >> data/one");
    harness.until_told("changed files.changed /data/one");
    assert!(!is_told("/data/package/3 "), "{:#?}", harness.told());
    daemon.kill();
    let daemon = harness.start();
    harness.until_told("raised files.changed /data/package/3");
    harness.until_scanned();

    // At the end nothing waits.
    harness.host.shell("echo evil >> data/package/4");
    harness.host.shell("chmod 600 data/one");
    harness.until("looked at", |harness| {
        let told = harness.told();
        told.iter()
            .any(|told| told.contains("/data/one") && told.contains("mode"))
    });
    assert!(!is_told("/data/package/4 "), "{:#?}", harness.told());
    assert_eq!(daemon.stop(), 0);
    assert!(is_told("/data/package/4 "), "{:#?}", harness.told());
    drop(holder);
    harness.verify();
}
