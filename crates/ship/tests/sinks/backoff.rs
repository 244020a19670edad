//! How long events stay away after a fault has ended, in real time.

use super::fixture::{Fixture, parcels};
use harness::front::{Fault, Rules};
use std::time::{Duration, Instant};

/// How long the faults last.
const FAULT: Duration = Duration::from_secs(10);
/// What may pass beyond twice that.
const MORE: Duration = Duration::from_secs(2);

/// Hands parcels over until all are settled, and waits as it is told to.
fn deliver_patiently(fixture: &mut Fixture, count: u64) {
    let parcels = parcels(count);
    while fixture.send(&parcels) {
        let last = fixture.sends.last().expect("a send");
        std::thread::sleep(last.again.expect("something is left"));
    }
    fixture.holds(&parcels, false);
}

/// Whatever a fault that lasted ten seconds was: all is delivered before it would have lasted twice as long.
#[test]
fn what_a_fault_held_up_is_delivered_soon_after_it() {
    // Nobody may do anything; even the present is refused as too old.
    let denied: fn(&mut Rules, bool) = |rules, faulty| rules.denied = faulty;
    let rejected: fn(&mut Rules, bool) =
        |rules, faulty| rules.retention = faulty.then_some(-60_000);
    let throttled: fn(&mut Rules, bool) = |rules, faulty| rules.rate = faulty.then_some(0);
    let faults = [denied, rejected, throttled];
    std::thread::scope(|scope| {
        for (seed, fault) in (0..9).zip(faults.into_iter().cycle()) {
            scope.spawn(move || {
                let mut fixture = Fixture::with(|options| options.seed = seed);
                let begin = Instant::now();
                fixture.front.rules(|rules| fault(rules, true));
                let end = fixture.front.later(FAULT, move |rules| fault(rules, false));
                deliver_patiently(&mut fixture, 60);
                let (ended, delivered) = (end.join().expect("it ends"), Instant::now());
                let lasted = ended - begin;
                assert!(
                    fixture.sends.len() > 2,
                    "seed {seed}: the fault was not met: {:#?}",
                    fixture.sends
                );
                assert!(
                    delivered - begin <= lasted * 2 + MORE,
                    "seed {seed}: lasted {lasted:?}, delivered after {:?}: {:#?}",
                    delivered - begin,
                    fixture.sends
                );
            });
        }
    });
}

/// What a service takes of a batch does not make it try the rest without a pause.
#[test]
fn what_is_rejected_in_part_is_tried_with_growing_pauses() {
    let mut fixture = Fixture::new();
    // Half of the batch lies in what is to come, and is taken.
    fixture.front.rules(|rules| rules.retention = Some(-60_000));
    let mut parcels = parcels(60);
    for parcel in &mut parcels[30..] {
        parcel.time += 30 * 60_000;
    }
    let begin = Instant::now();
    let end = fixture.front.later(FAULT, |rules| rules.retention = None);
    while fixture.send(&parcels) {
        let last = fixture.sends.last().expect("a send");
        std::thread::sleep(last.again.expect("something is left"));
        let calls = fixture.front.calls("PutLogEvents").len();
        assert!(calls < 100, "{calls} calls in {:?}", begin.elapsed());
    }
    let lasted = end.join().expect("it ends") - begin;
    assert!(begin.elapsed() <= lasted * 2 + MORE, "{:#?}", fixture.sends);
    assert_eq!(fixture.sends[0].delivery.accepted.len(), 30);
    fixture.holds(&parcels, false);
}

#[test]
fn a_service_that_asks_for_a_pause_gets_it() {
    for fault in [Fault::Busy(503, 20), Fault::Busy(429, 20)] {
        let mut fixture = Fixture::new();
        fixture.front.fail("PutLogEvents", &[fault]);
        let parcels = parcels(3);
        assert!(fixture.send(&parcels));
        let again = fixture.sends[0].again.expect("something is left").as_secs();
        assert!((20..=40).contains(&again), "{again} s");
        fixture.deliver(&parcels);
        fixture.holds(&parcels, false);
    }
}
