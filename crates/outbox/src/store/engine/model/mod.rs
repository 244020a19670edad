//! The store against a model: the same random operations on both, on a disk that loses power, fails and fills up.
//!
//! `AGENT_TEST_STEPS` sets how many steps are taken, `AGENT_TEST_SEED` with which seed the first episode begins.

mod capacity;
mod disk;
mod drive;
mod end;
mod ledger;
mod log;
mod memory;
mod named;
mod stand_in;
mod tables;
mod truth;
mod world;

use drive::Episode;

/// Steps of one episode: a store from its beginning until nothing waits.
const EPISODE: u64 = 1500;
/// Steps where nothing else is said: a store of each kind, a minute on two idle cores, unoptimised.
const STEPS: u64 = 4 * EPISODE;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn the_store_does_what_the_model_does() {
    let steps = number("AGENT_TEST_STEPS").unwrap_or(STEPS);
    let first = number("AGENT_TEST_SEED").unwrap_or(1);
    let mut totals = drive::Totals::default();
    let mut seed = first;
    while totals.steps < steps {
        Episode::run(seed, EPISODE.min(steps), &mut totals);
        seed += 1;
    }
    println!("seeds {first} to {}: {totals:?}", seed - 1);
    // What never happened was not tested.
    if steps >= STEPS {
        for (what, count) in totals.all() {
            assert!(count > 0, "not one {what} in {steps} steps");
        }
    }
}
