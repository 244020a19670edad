//! A daemon that is stopped (SIGSTOP) for a while, and what happens meanwhile.
//!
//! How long it is stopped does not matter: the kernel queues events. How many there are does.

use super::harness::{CONFIG, DaemonHarness};
use harness::kernel::limits_stand_still;
use harness::kernel::{Lowered, QUEUE};
use std::process::Command;
use std::time::Duration;

/// More than the queue takes: the gap is told, and a scan finds everything that began afterwards. `STOPPED_MS` stops
/// it for longer.
#[test]
fn events_beyond_the_queue_are_a_gap_and_a_scan() {
    let _limits = limits_stand_still();
    let length = std::env::var("STOPPED_MS")
        .ok()
        .and_then(|ms| ms.parse().ok());
    let harness = DaemonHarness::recorded();
    harness.host.shell("truncate -s 6M data/long");
    harness.record();
    let rate = |rate: &str| harness.configure(&format!("{CONFIG}[scan]\nmax_rate = \"{rate}\"\n"));
    rate("1G");
    // An instance keeps the length that it was made with.
    let short = Lowered::to(QUEUE, "64");
    let daemon = harness.start();
    harness.until("watched", |harness| {
        harness.status().1["daemon"]["watch"]["directories"].as_u64() > Some(0)
    });
    drop(short);
    harness.until_scanned();
    // One that takes six seconds, and is not the one that ends the gap.
    rate("1M");
    daemon.signal("HUP");
    harness.until("a slow scan", |harness| {
        harness.status().1["daemon"]["scan"]["running"] == true
    });

    daemon.signal("STOP");
    harness.host.shell(
        "for n in {1..300}; do echo $n > data/n$n; done; mkdir -p data/d1/a/b; echo deep > data/d1/a/b/file
         echo changed >> data/d2/file; rm data/d3/file; mv data/d4 data/e4; chmod 600 data/d5/file",
    );
    std::thread::sleep(Duration::from_millis(length.unwrap_or(1000)));
    daemon.signal("CONT");

    harness.until("a gap and its end", |harness| harness.gaps().len() >= 2);
    let gaps = harness.gaps();
    let message = gaps[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("overflowed"), "{gaps:#?}");
    assert!(gaps[0]["unmapped"]["until"].is_null(), "{gaps:#?}");
    assert!(gaps[1]["unmapped"]["until"].is_number(), "{gaps:#?}");
    assert!(
        gaps[1]["unmapped"]["paths"].as_u64() > Some(300),
        "{gaps:#?}"
    );
    harness.until_as_checked("after the gap");
    // What was made while nobody could see it is watched.
    harness
        .host
        .shell("echo more >> data/d1/a/b/file; echo more >> data/e4/file");
    harness.until_as_checked("afterwards");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// However late the watch tells of it.
#[test]
fn what_was_changed_and_restored_while_it_was_stopped_is_told() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    daemon.signal("STOP");
    harness.change_and_restore("data/d1/file");
    std::thread::sleep(Duration::from_secs(3));
    daemon.signal("CONT");
    harness.until_told("cleared files.changed /data/d1/file");
    let event = harness.event("raised", "/data/d1/file");
    assert_eq!(event["unmapped"]["cause"]["restored"], true, "{event:#}");
    harness.until_as_checked("restored");

    // Opened to be written to, and not written to: it has not changed since it was looked at.
    harness.host.shell(": >> data/d1/file; echo new > data/new");
    harness.until_told("raised files.added /data/new");
    assert_eq!(harness.told().len(), 3, "{:#?}", harness.told());
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// A watch taken away while it is stopped, with the event that says so: the kernel is asked which it still has whenever the
/// canary is changed.
#[test]
fn a_watch_that_another_process_took_away_is_a_gap() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    let taken = Command::new("python3")
        .arg(::harness::project().join("tests/data/unwatch.py"))
        .arg(daemon.id().to_string())
        .arg(harness.path("data/d1"))
        .status();
    assert!(taken.expect("python3").success());
    harness
        .host
        .shell("echo evil > data/d1/file; echo bad > data/d2/file");
    harness.until_told("raised files.changed /data/d2/file");
    assert!(harness.gaps().is_empty());
    harness
        .host
        .shell("echo x >> run/host-integrity-agent/canary");
    harness.until_told("raised files.changed /data/d1/file");
    harness.until("the gap is told", |harness| {
        let gaps = harness.gaps();
        let mut reasons = gaps.iter().map(|gap| gap["message"].to_string());
        reasons.any(|reason| reason.contains("taken away by another process"))
    });
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
