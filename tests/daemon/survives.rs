//! What a power failure leaves.

use super::house::House;
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
    let house = House::recorded();
    let daemon = house.start();
    house.until_scanned();
    daemon.kill();
    for (round, wait) in (0..20).zip(waits()) {
        let daemon = house.start();
        house.host.shell(&format!(
            "for n in $(seq 10); do echo {round} > data/r{round}-$n; done; echo {round} > data/d1/file"
        ));
        std::thread::sleep(wait);
        daemon.kill();
    }
    let daemon = house.start();
    let expected = house.check();
    assert!(expected.len() > 200, "{expected:#?}");
    house.until("the same as a check", |house| house.open() == expected);
    assert_eq!(daemon.stop(), 0);
    house.verify();
    let mut seen = BTreeSet::new();
    let events = house.events();
    let numbers = events
        .iter()
        .filter_map(|event| event["metadata"]["sequence"].as_u64());
    seen.extend(numbers);
    let last = seen.last().copied().expect("events");
    assert_eq!(seen.len() as u64, last, "a hole in the sequence");
}

#[test]
fn what_was_delivered_is_not_delivered_again() {
    let house = House::recorded();
    let daemon = house.start();
    house.until_scanned();
    house.host.shell("echo changed > data/d1/file");
    house.until_told("raised files.changed /data/d1/file");
    let told = jiff::Timestamp::now().to_string();
    house.until("nothing waits", |house| {
        let status = house.status().1["daemon"].clone();
        let later = status["updated"].as_str().is_some_and(|at| at > &*told);
        later && status["spool"]["events"] == 0
    });
    daemon.kill();
    let before = house.events().len();
    let daemon = house.start();
    house.until("started again", |house| {
        let start = |event: &&serde_json::Value| event["activity_name"] == "Start";
        house.events().iter().filter(start).count() == 2
    });
    assert_eq!(daemon.stop(), 0);
    house.verify();
    let mut uids = BTreeSet::new();
    for event in house.events() {
        let uid = event["metadata"]["uid"].to_string();
        assert!(uids.insert(uid), "told again: {event}");
    }
    assert!(uids.len() > before);
}
