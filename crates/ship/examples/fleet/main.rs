//! A fleet in one process: the ledger, store, chain and heartbeats that make events, the packer and the schedule of
//! retries are the agent's own; the clock is virtual and seeded, and the service a model of CloudWatch Logs' quotas.
//!
//! `cargo run --release -p agent-ship --example fleet -- [--hosts 10000,100000] [--interval 300] [--seed 1] [--svg FILE]
//! [--check]`. The same arguments give the same figures. `--check` panics where a host is not heard in time.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod fleet;
mod plot;
mod sample;
mod service;

use fleet::Fleet;
use sample::Sample;
use service::{Fault, Second, Service};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// What came of a scenario.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) hosts: usize,
    /// From what happened until the last host was heard, in milliseconds.
    last: u64,
    unheard: usize,
    pub(crate) seconds: Vec<Second>,
    bytes: u64,
    events: u64,
}

struct Arguments {
    hosts: Vec<usize>,
    interval: u64,
    seed: u64,
    svg: Option<String>,
    check: bool,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        hosts: vec![10_000],
        interval: 300,
        seed: 1,
        svg: None,
        check: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word}: what?"));
        let number = |text: &str| -> u64 { text.parse().unwrap_or_else(|e| panic!("{text}: {e}")) };
        match word.as_str() {
            "--hosts" => {
                found.hosts = value()
                    .split(',')
                    .map(|n| usize::try_from(number(n)).unwrap_or(usize::MAX))
                    .collect()
            }
            "--interval" => found.interval = number(&value()),
            "--seed" => found.seed = number(&value()),
            "--svg" => found.svg = Some(value()),
            "--check" => found.check = true,
            _ => panic!("{word}: no such argument"),
        }
    }
    found
}

/// All hosts boot within a minute, for the first time: none has a stream.
fn boot(mut fleet: Fleet<'_>, mut service: Service) -> (Fleet<'_>, Service, u64) {
    fleet.boot_within(MINUTE);
    fleet.run(&mut service, 15 * MINUTE, 12 * HOUR);
    (fleet, service, MINUTE)
}

/// A file of the image deviates on all hosts, found within two seconds.
fn deviation(mut fleet: Fleet<'_>, mut service: Service) -> (Fleet<'_>, Service, u64) {
    fleet.settle();
    fleet.deviate(10 * MINUTE, 2 * SECOND);
    fleet.run(&mut service, 20 * MINUTE, 12 * HOUR);
    (fleet, service, 10 * MINUTE)
}

/// The service gives no answer for an hour, or takes a tenth of what it should for half an hour.
fn fault(mut fleet: Fleet<'_>, mut service: Service, end: u64) -> (Fleet<'_>, Service, u64) {
    fleet.settle();
    fleet.run(&mut service, u64::MAX, end);
    fleet.await_all();
    fleet.run(&mut service, end + 15 * MINUTE, end + 12 * HOUR);
    (fleet, service, end)
}

fn scenarios(sample: &Sample, hosts: usize, interval: u64, seed: u64) -> Vec<Outcome> {
    let fleet = || Fleet::new(sample, hosts, interval * SECOND, seed);
    let out = (10 * MINUTE, 70 * MINUTE);
    let slow = (10 * MINUTE, 40 * MINUTE);
    let service = |fault| Service::new(hosts, true, fault);
    let runs = [
        (
            "first boot within a minute",
            boot(fleet(), Service::new(hosts, false, None)),
        ),
        (
            "the same deviation everywhere",
            deviation(fleet(), service(None)),
        ),
        (
            "no answer for an hour",
            fault(fleet(), service(Some(Fault::Down(out.0..out.1))), out.1),
        ),
        (
            "a tenth of the quota for half an hour",
            fault(
                fleet(),
                service(Some(Fault::Slow(slow.0..slow.1, 0.1))),
                slow.1,
            ),
        ),
    ];
    let outcome = |(name, (fleet, service, since)): (_, (Fleet<'_>, Service, u64))| Outcome {
        name,
        hosts,
        last: fleet.last.saturating_sub(since),
        unheard: hosts - fleet.heard,
        seconds: service.seconds,
        bytes: service.bytes,
        events: service.events,
    };
    runs.into_iter().map(outcome).collect()
}

fn show(outcome: &Outcome) {
    let sum = |of: fn(&Second) -> u32| {
        outcome
            .seconds
            .iter()
            .map(|s| u64::from(of(s)))
            .sum::<u64>()
    };
    let (requests, refused) = (sum(|s| s.requests), sum(|s| s.refused));
    let peak = outcome
        .seconds
        .iter()
        .map(|s| s.requests)
        .max()
        .unwrap_or(0);
    println!(
        "| {} | {} | {:.0} | {} | {peak} | {:.1} | {} | {:.0} |",
        outcome.hosts,
        outcome.name,
        outcome.last as f64 / 1000.0,
        outcome.unheard,
        100.0 * refused as f64 / requests.max(1) as f64,
        outcome.events / outcome.hosts as u64,
        outcome.bytes as f64 / outcome.hosts as f64,
    );
}

/// What an untouched host ships in 30 days, in dollars at 0.50 a GB: brief heartbeats, and a full one every six hours.
fn dollars(sample: &Sample, interval: u64) -> f64 {
    let month = 30.0 * 86_400.0;
    let (beats, full) = (month / interval as f64, month / 21_600.0);
    let weigh = |bytes: &[u8]| (bytes.len() + agent_ship::pack::OVERHEAD) as f64;
    ((beats - full) * weigh(&sample.brief) + full * weigh(&sample.full)) * 0.5e-9
}

/// Panics where a host was not heard, or later than the documents promise.
fn check(outcome: &Outcome) {
    let creating = outcome.hosts as u64 / 50 * SECOND;
    // A fault is noticed before it has lasted twice as long, within 5 minutes; what was refused meanwhile is a fault.
    let most = 2 * creating + 2 * 5 * MINUTE;
    assert_eq!(outcome.unheard, 0, "{}", outcome.name);
    assert!(
        outcome.last <= most,
        "{}: {} ms",
        outcome.name,
        outcome.last
    );
}

fn main() {
    let arguments = arguments();
    let sample = Sample::make();
    println!(
        "| hosts | what happens | s until the last is heard | never heard | most requests a second | refused, % | events a host | bytes a host |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut drawn = Vec::new();
    for hosts in &arguments.hosts {
        let outcomes = scenarios(&sample, *hosts, arguments.interval, arguments.seed);
        outcomes.iter().for_each(show);
        if arguments.check {
            outcomes.iter().for_each(check);
        }
        if drawn.is_empty() {
            drawn = outcomes;
        }
    }
    println!(
        "\nheartbeats: {} bytes, full ones {}; an untouched host {:.4} $ in 30 days",
        sample.brief.len(),
        sample.full.len(),
        dollars(&sample, arguments.interval)
    );
    if let Some(path) = arguments.svg {
        std::fs::write(&path, plot::svg(&drawn)).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}
