//! Random edits while the daemon looks on: what it holds as open at the end is what a fresh check finds.

use super::harness::DaemonHarness;
use harness::edits::storms;
use harness::edits::{Edits, PROFILES, Rules};
use harness::kernel::limits_stand_still;
use std::time::Duration;

/// `WATCH_STORMS=50` runs fifty of them, one after the other; each prints its seed.
#[test]
fn after_a_random_storm_open_findings_are_those_of_a_fresh_check() {
    let _limits = limits_stand_still();
    let (storms, first) = storms(1);
    for seed in first..first + storms {
        let number = usize::try_from(seed % 3).expect("small");
        let rules = &PROFILES[number];
        let Rules { name, profile, .. } = rules;
        println!("{name}, WATCH_SEED={seed}");
        let harness = DaemonHarness::new();
        // The same rules one level deeper.
        let deeper = profile
            .replace("\"/\"", "\"/data\"")
            .replace("\"/", "\"/data/")
            .replace("/data/data", "/data");
        let place = harness.path("etc/host-integrity-agent/profile.toml");
        std::fs::write(place, deeper).expect("the profile");
        harness.host.shell("rm data/one");
        let pristine = harness.host.lab().path().join("pristine");
        let mut edits = Edits::new(&harness.path("data"), &pristine, seed, rules);
        harness.record();
        let daemon = harness.start();
        harness.until_scanned();
        for round in 0..4 {
            for _ in 0..60 {
                edits.edit();
                if edits.random.u8(..8) == 0 {
                    std::thread::sleep(Duration::from_millis(edits.random.u64(..60)));
                }
            }
            let about = format!("{name}, WATCH_SEED={seed}, round {round}");
            harness.until_as_checked(&about);
        }
        // Nothing was found by a scan that hides what the watch misses.
        assert_eq!(harness.gaps(), [0; 0], "the queue is long enough for this");
        assert_eq!(daemon.stop(), 0);
        harness.verify();
    }
}

/// Whoever may make directories makes very many within one another.
#[test]
fn directories_without_end_hold_nothing_up() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness.host.shell(
        r#"perl -e 'chdir "data/d1"; for (1..700) { mkdir "directory"; chdir "directory" or die $! }'; echo more >> data/d2/file"#,
    );
    harness.until_told("raised files.changed /data/d2/file");
    harness.until("what is not watched is told", |harness| {
        let (_, status) = harness.status();
        status.to_string().contains("nested more than 512 deep")
    });
    harness.host.shell("echo more >> data/d3/file");
    harness.until_told("raised files.changed /data/d3/file");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
