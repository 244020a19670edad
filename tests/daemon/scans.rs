//! Whole scans and what is touched meanwhile.

use super::harness::{CONFIG, DaemonHarness};

#[test]
fn the_end_of_a_scan_clears_nothing_that_was_raised_meanwhile() {
    let harness = DaemonHarness::new();
    harness
        .host
        .shell("mkdir data/d; echo one > data/d/file; head -c 3000000 /dev/zero > data/long");
    harness.record();
    // Three seconds.
    harness.configure(&format!("{CONFIG}[scan]\nmax_rate = \"1M\"\n"));
    let daemon = harness.start();
    let scans = |harness: &DaemonHarness| harness.status().1["daemon"]["scan"].clone();
    harness.until("a scan", |harness| scans(harness)["running"] == true);
    harness.until("watched", |harness| {
        harness.status().1["daemon"]["watch"]["directories"] == 3
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    harness
        .host
        .shell("echo more >> data/d/file; echo new > data/d/new");
    harness.until_told("raised files.changed /data/d/file");
    harness.until_told("raised files.added /data/d/new");
    assert!(scans(&harness)["ended"].is_null(), "the scan was too short");
    harness.until_scanned();
    // What was touched meanwhile is looked at once more.
    std::thread::sleep(std::time::Duration::from_millis(500));
    harness.until_as_checked("after the scan");
    let told = harness.told();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
