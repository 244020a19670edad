//! A fleet in one process: the ledger, store, chain and heartbeats that make events, the packer and the schedule of
//! retries are the agent's own; the clock is virtual and seeded, and the service a model of CloudWatch Logs' quotas.
//!
//! `cargo run --release -p agent-ship --example fleet -- [--hosts 10000,100000] [--stores 1000] [--interval 300] [--seed 1]
//! [--svg FILE] [--check]`. The same arguments give the same figures. Of `--hosts` all ship what the store of one said; of
//! `--stores` each has a store of its own, in the temporary directory, and what the service was sent is judged
//! as `agent log verify` does. `--check` panics where a host is not heard in time. `--svg` draws `--hosts`, a column for each size.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod fleet;
mod plot;
mod sample;
mod scenario;
mod service;
mod spools;
mod stores;

use agent_outbox::parcel::Parcel;
use agent_ship::pack::OVERHEAD;
use sample::Sample;
use scenario::{ALL, DOLLARS, Outcome, Scenario};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// The virtual clock begins here, in milliseconds since 1970.
const EPOCH: i64 = 1_795_310_000_000;

struct Arguments {
    hosts: Vec<usize>,
    stores: usize,
    interval: u64,
    seed: u64,
    svg: Option<String>,
    check: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        hosts: vec![10_000],
        stores: 0,
        interval: 300,
        seed: 1,
        svg: None,
        check: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: what?"));
        let number = |text: &str| -> u64 { text.parse().unwrap_or_else(|e| panic!("{text}: {e}")) };
        let count = |text: &str| usize::try_from(number(text)).unwrap_or(usize::MAX);
        match word.as_str() {
            "--hosts" => found.hosts = value().split(',').map(count).collect(),
            "--stores" => found.stores = count(&value()),
            "--interval" => found.interval = number(&value()),
            "--seed" => found.seed = number(&value()),
            "--svg" => found.svg = Some(value()),
            "--check" => found.check = true,
            _ => panic!("{word}: no such argument"),
        }
    }
    found
}

/// What an untouched host ships in 30 days, in dollars: brief heartbeats, and a full one every six hours.
fn dollars(sample: &Sample, interval: u64) -> f64 {
    let month = 30.0 * 86_400.0;
    let (beats, full) = (month / interval as f64, month / 21_600.0);
    let weigh = |bytes: &[u8]| (bytes.len() + OVERHEAD) as f64;
    ((beats - full) * weigh(&sample.brief) + full * weigh(&sample.full)) * DOLLARS
}

/// Ingestion in dollars.
fn ingestion(parcels: &[Parcel]) -> f64 {
    let weigh = |parcel: &Parcel| parcel.bytes.len() + OVERHEAD;
    parcels.iter().map(weigh).sum::<usize>() as f64 * DOLLARS
}

fn upgrade(check: bool) {
    // A quick look takes fewer paths: a build for tests tells a thousand in a second.
    let (packages, paths) = (300, if check { 4 } else { 64 });
    let told = sample::upgrade(packages, paths);
    let cost = ingestion(&told);
    println!(
        "an upgrade of {packages} packages, {} paths: {} events, {cost:.5} $",
        packages * paths,
        told.len()
    );
    assert!(
        cost <= 0.001 && told.len() >= packages,
        "an upgrade costs more than it may"
    );
}

/// Tells what came of a scenario, as soon as that is known.
fn told(outcome: Outcome, check: bool) -> Outcome {
    println!("{}", outcome.row());
    if check {
        outcome.check();
    }
    outcome
}

/// Lets each scenario happen to so many hosts, all at once.
fn of_many(hosts: usize, arguments: &Arguments) -> Vec<Outcome> {
    let (interval, seed) = (arguments.interval * SECOND, arguments.seed);
    let one = &|scenario: Scenario| told(scenario.of_many(hosts, interval, seed), arguments.check);
    std::thread::scope(|scope| {
        let running = ALL.map(|scenario| scope.spawn(move || one(scenario)));
        let outcomes = running.into_iter().map(|one| one.join().expect("it ended"));
        outcomes.collect()
    })
}

fn main() {
    let arguments = arguments();
    println!("{}", scenario::HEAD);
    let drawn: Vec<Vec<Outcome>> = (arguments.hosts.iter())
        .map(|hosts| of_many(*hosts, &arguments))
        .collect();
    if arguments.stores > 0 {
        // One after the other: a store is 0.2 MB of memory, and 0.14 MB of the temporary directory.
        let (interval, seed) = (arguments.interval * SECOND, arguments.seed);
        for scenario in ALL {
            let outcome = scenario.of_stores(arguments.stores, interval, seed);
            told(outcome, arguments.check);
        }
    }
    let sample = Sample::make();
    println!(
        "\nheartbeats: {} bytes, full ones {}; an untouched host {:.4} $ in 30 days",
        sample.brief.len(),
        sample.full.len(),
        dollars(&sample, arguments.interval)
    );
    upgrade(arguments.check);
    if let Some(path) = arguments.svg {
        std::fs::write(&path, plot::svg(&drawn)).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}
