//! Whole scans and what is touched meanwhile.

use super::house::{CONFIG, House};

#[test]
fn the_end_of_a_scan_clears_nothing_that_was_raised_meanwhile() {
    let house = House::new();
    house
        .host
        .shell("mkdir data/d; echo one > data/d/file; head -c 3000000 /dev/zero > data/long");
    house.record();
    // Three seconds.
    house.configure(&format!("{CONFIG}[scan]\nmax_rate = \"1M\"\n"));
    let daemon = house.start();
    let scans = |house: &House| house.status().1["daemon"]["scan"].clone();
    house.until("a scan", |house| scans(house)["running"] == true);
    house.until("watched", |house| {
        house.status().1["daemon"]["watch"]["directories"] == 3
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    house
        .host
        .shell("echo more >> data/d/file; echo new > data/d/new");
    house.until_told("raised files.changed /data/d/file");
    house.until_told("raised files.added /data/d/new");
    assert!(scans(&house)["ended"].is_null(), "the scan was too short");
    house.until_scanned();
    // What was touched meanwhile is looked at once more.
    std::thread::sleep(std::time::Duration::from_millis(500));
    house.until_as_checked("after the scan");
    let told = house.told();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!(daemon.stop(), 0);
    house.verify();
}
