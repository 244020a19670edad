//! What a power failure leaves.

use super::harness::DaemonHarness;
use std::collections::BTreeSet;
use std::time::Duration;

/// Pseudo-random waits, the same in every run.
fn waits() -> impl Iterator<Item = Duration> {
    let mut state = 0x9e37_79b9_u64;
    std::iter::from_fn(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(Duration::from_millis((state >> 33) % 700))
    })
}

#[test]
fn killed_at_any_moment_it_loses_nothing() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    daemon.kill();
    for (round, wait) in (0..20).zip(waits()) {
        let daemon = harness.start();
        harness.host.shell(&format!(
            "for n in $(seq 10); do echo {round} > data/r{round}-$n; done; echo {round} > data/d1/file"
        ));
        std::thread::sleep(wait);
        daemon.kill();
    }
    let daemon = harness.start();
    let expected = harness.check();
    assert!(expected.len() > 200, "{expected:#?}");
    harness.until("the same as a check", |harness| harness.open() == expected);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
    let mut seen = BTreeSet::new();
    let events = harness.events();
    let numbers = events
        .iter()
        .filter_map(|event| event["metadata"]["sequence"].as_u64());
    seen.extend(numbers);
    let last = seen.last().copied().expect("events");
    assert_eq!(seen.len() as u64, last, "a hole in the sequence");
}

#[test]
fn what_was_delivered_is_not_delivered_again() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    harness.host.shell("echo changed > data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    let told = jiff::Timestamp::now().to_string();
    harness.until("nothing waits", |harness| {
        let status = harness.status().1["daemon"].clone();
        let later = status["updated"].as_str().is_some_and(|at| at > &*told);
        later && status["spool"]["events"] == 0
    });
    daemon.kill();
    let before = harness.events().len();
    let daemon = harness.start();
    harness.until("started again", |harness| {
        let start = |event: &&serde_json::Value| event["activity_name"] == "Start";
        harness.events().iter().filter(start).count() == 2
    });
    assert_eq!(daemon.stop(), 0);
    harness.verify();
    let mut uids = BTreeSet::new();
    for event in harness.events() {
        let uid = event["metadata"]["uid"].to_string();
        assert!(uids.insert(uid), "told again: {event}");
    }
    assert!(uids.len() > before);
}
