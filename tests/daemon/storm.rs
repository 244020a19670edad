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
