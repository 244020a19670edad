//! Random edits while the watch looks on: what is open at the end is what a fresh check finds.

use super::ledger::assert_same;
use super::sentry::Sentry;
use harness::Lab;
use harness::edits::{Edits, PROFILES, Rules, storms};
use harness::kernel::limits_stand_still;
use std::time::Duration;

/// Eighty edits, with pauses of up to 30 ms.
fn rage(mut edits: Edits) -> Edits {
    for _ in 0..80 {
        edits.edit();
        if edits.random.u8(..8) == 0 {
            std::thread::sleep(Duration::from_millis(edits.random.u64(..30)));
        }
    }
    edits
}

#[test]
fn after_a_storm_open_findings_are_those_of_a_fresh_check() {
    let _limits = limits_stand_still();
    let (storms, first) = storms(4);
    for seed in first..first + storms {
        for rules in &PROFILES {
            let Rules { name, profile, .. } = rules;
            // A manifest that holds still and a tree on a disk, where inodes are taken again.
            let lab = Lab::new();
            lab.profile(profile);
            let mut edits = Edits::new(&lab.root(), &lab.path().join("pristine"), seed, rules);
            lab.create().expect(0);
            let mut sentry = Sentry::of(&lab);
            for round in 0..6 {
                let storm = std::thread::spawn(move || rage(edits));
                sentry.run_while(|_| !storm.is_finished());
                edits = storm.join().expect("edits");
                sentry.catch_up();
                let about = format!("{name}, WATCH_SEED={seed}, round {round}");
                assert_same(&sentry.ledger, &lab, &about);
            }
            assert_eq!(sentry.overflows, 0, "the queue is long enough for this");
        }
    }
}
