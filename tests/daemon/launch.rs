//! The launch record that a run finds: written by one that was killed, or by a person.

use super::harness::{Daemon, DaemonHarness};
use serde_json::Value;
use std::collections::BTreeSet;

const RECORD: &str = "var/lib/host-integrity-agent/launch.mtree";

/// A host whose first boot has added an account with a key, and there is no cloud-init to wait for.
fn booted() -> DaemonHarness {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "printf '[[paths]]\\npath = \"/etc/passwd\"\\nseverity = \"critical\"\\nlaunch = \"record\"\\n[[paths]]\\npath = \"/home\"\\nseverity = \"high\"\\nlaunch = \"record\"\\n' >> etc/host-integrity-agent/profile.toml
         mkdir home; printf 'root:x:0:0::/root:/bin/sh\\n' > etc/passwd",
    );
    harness.record();
    harness.host.shell(
        "mkdir -p home/admin/.ssh
         cp -p etc/passwd etc/passwd-; printf 'admin:x:1000:1000::/home/admin:/bin/sh\\n' >> etc/passwd
         ssh-keygen -q -t ed25519 -N '' -f ../key; cp ../key.pub home/admin/.ssh/authorized_keys",
    );
    harness
}

/// Each once, though what a kill keeps the agent from noting as delivered is delivered again.
fn records(harness: &DaemonHarness) -> Vec<Value> {
    let mut uids = BTreeSet::new();
    let mut events = harness.events();
    events.retain(|event| {
        event["activity_name"] == "Launch record"
            && uids.insert(event["metadata"]["uid"].to_string())
    });
    events
}

/// What a record tells must not depend on who wrote it, or on which run tells it.
pub(super) fn is_whole(harness: &DaemonHarness, event: &Value) {
    let record = std::fs::read(harness.path(RECORD)).expect("a record");
    let digest = harness::sha256(&record);
    assert_eq!(event["unmapped"]["sha256"], digest, "{event:#}");
    let listing = event["unmapped"]["listing"].as_str().unwrap_or_default();
    let print = harness
        .host
        .shell("ssh-keygen -l -f ../key.pub | cut -d' ' -f2");
    for word in [
        "account admin",
        &format!("key admin {}", print.trim()),
        "~ /etc/passwd",
        "+ /home/admin/.ssh/authorized_keys",
    ] {
        assert!(listing.contains(word), "{word} in {listing}");
    }
}

/// Waits until this run, and not one before it, has ended a whole scan.
fn until_scanned_by(harness: &DaemonHarness, daemon: &Daemon<'_>) {
    harness.until("a whole scan", |harness| {
        let (_, status) = harness.status();
        let says = &status["daemon"];
        says["pid"] == daemon.id() && says["scan"]["ended"].is_string()
    });
}

#[test]
fn a_record_whose_memory_was_lost_with_a_kill_is_told_once_more() {
    let harness = booted();
    let daemon = harness.start();
    harness.until("on record", |harness| records(harness).len() == 1);
    daemon.kill();
    // As if the end had come after the record was in its place and before anything was remembered of it.
    std::fs::remove_file(harness.path("var/lib/host-integrity-agent/run.json")).expect("removed");

    let daemon = harness.start();
    harness.until("told again", |harness| records(harness).len() == 2);
    until_scanned_by(&harness, &daemon);
    assert_eq!(daemon.stop(), 0);
    for event in records(&harness) {
        is_whole(&harness, &event);
    }
    let daemon = harness.start();
    until_scanned_by(&harness, &daemon);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(records(&harness).len(), 2, "remembered from then on");
    // Neither the record nor what is on it is a deviation.
    assert_eq!(harness.told(), [""; 0]);
    harness.verify();
}

#[test]
fn a_record_made_by_hand_before_the_first_start_is_told_once() {
    let harness = booted();
    harness.host.agent(&["baseline", "launch"]).expect(0);
    let before = std::fs::read(harness.path(RECORD)).expect("a record");
    for _ in 0..2 {
        let daemon = harness.start();
        until_scanned_by(&harness, &daemon);
        assert_eq!(daemon.stop(), 0);
        let told = records(&harness);
        assert_eq!(told.len(), 1, "{told:#?}");
        is_whole(&harness, &told[0]);
    }
    let after = std::fs::read(harness.path(RECORD)).expect("a record");
    assert_eq!(before, after, "the daemon leaves it as it is");
    assert_eq!(harness.told(), [""; 0]);
    harness.verify();
}
