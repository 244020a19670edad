//! What happens to a fleet, and what came of it.

use crate::fleet::Fleet;
use crate::sample::Sample;
use crate::service::{Fault, Second, Service};
use crate::spools::{Alike, Spools};
use crate::stores::Stores;
use crate::{HOUR, MINUTE, SECOND};
use std::time::Instant;

/// What may happen.
#[derive(Clone, Copy)]
pub(crate) enum Scenario {
    /// All hosts boot within a minute, for the first time: none has a stream.
    Boot,
    /// A file of the image deviates on all hosts, found within two seconds.
    Deviation,
    /// The service gives no answer for an hour.
    Outage,
    /// It takes a tenth of what it should, for half an hour.
    Throttling,
}

/// All of them.
pub(crate) const ALL: [Scenario; 4] = [
    Scenario::Boot,
    Scenario::Deviation,
    Scenario::Outage,
    Scenario::Throttling,
];

/// Hosts are waited for no longer than this.
const MOST: u64 = 12 * HOUR;

/// What came of a scenario.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) hosts: usize,
    /// From what happened until the last host was heard, in milliseconds.
    pub(crate) last: u64,
    /// When that happened.
    since: u64,
    pub(crate) unheard: usize,
    pub(crate) seconds: Vec<Second>,
    bytes: u64,
    events: u64,
    /// What the simulation itself took, in seconds.
    took: f64,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Scenario::Boot => "first boot within a minute",
            Scenario::Deviation => "the same deviation everywhere",
            Scenario::Outage => "no answer for an hour",
            Scenario::Throttling => "a tenth of the quota for half an hour",
        }
    }

    fn fault(self) -> Option<Fault> {
        let begin = 10 * MINUTE;
        match self {
            Scenario::Boot | Scenario::Deviation => None,
            Scenario::Outage => Some(Fault::Down(begin..begin + HOUR)),
            Scenario::Throttling => Some(Fault::Slow(begin..begin + HOUR / 2, 0.1)),
        }
    }

    /// Lets it happen; returns when it did, or was over.
    fn happen<S: Spools>(self, fleet: &mut Fleet<S>, service: &mut Service) -> u64 {
        let since = match self {
            Scenario::Boot => {
                fleet.boot_within(MINUTE);
                MINUTE
            }
            Scenario::Deviation => {
                fleet.settle(service);
                fleet.deviate(10 * MINUTE, 2 * SECOND);
                10 * MINUTE
            }
            Scenario::Outage | Scenario::Throttling => {
                let end = match self.fault() {
                    Some(Fault::Down(time) | Fault::Slow(time, _)) => time.end,
                    None => 0,
                };
                fleet.settle(service);
                fleet.run(service, u64::MAX, end);
                fleet.await_all();
                end
            }
        };
        fleet.run(service, since + 15 * MINUTE, since + MOST);
        since
    }

    fn outcome<S: Spools>(
        self,
        hosts: usize,
        fleet: &mut Fleet<S>,
        mut service: Service,
    ) -> Outcome {
        let began = Instant::now();
        let since = self.happen(fleet, &mut service);
        service.flush();
        Outcome {
            name: self.name(),
            hosts,
            last: fleet.last.saturating_sub(since),
            since,
            unheard: hosts - fleet.heard,
            seconds: service.seconds,
            bytes: service.bytes,
            events: service.events,
            took: began.elapsed().as_secs_f64(),
        }
    }

    fn service(self, hosts: usize) -> Service {
        Service::new(hosts, !matches!(self, Scenario::Boot), self.fault())
    }

    /// Of hosts that all ship the same.
    pub(crate) fn of_many(self, hosts: usize, interval: u64, seed: u64) -> Outcome {
        let spools = Alike::new(Sample::make(), hosts);
        let mut fleet = Fleet::new(spools, hosts, interval, seed);
        self.outcome(hosts, &mut fleet, self.service(hosts))
    }

    /// Of hosts with a store each. What the service was sent is judged as `agent log verify` does: panics where an event
    /// was lost.
    pub(crate) fn of_stores(self, hosts: usize, interval: u64, seed: u64) -> Outcome {
        let received = tempfile::NamedTempFile::new().expect("a file");
        let mut fleet = Fleet::new(Stores::new(hosts), hosts, interval, seed);
        let service = self.service(hosts).keep(received.reopen().expect("a file"));
        let outcome = self.outcome(hosts, &mut fleet, service);
        let totals = fleet.spools.judge(received.path());
        eprintln!(
            "{}: {hosts} stores told {} events in {} chains: all received, {} lines more than once, {} heartbeats",
            self.name(),
            totals.events,
            totals.chains,
            totals.repeated,
            totals.heartbeats
        );
        outcome
    }
}

impl Outcome {
    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let sum = |of: fn(&Second) -> u32| self.seconds.iter().map(|s| u64::from(of(s))).sum();
        let (requests, refused): (u64, u64) = (sum(|s| s.requests), sum(|s| s.refused));
        let peak = self.seconds.iter().map(|s| s.requests).max().unwrap_or(0);
        let last_refused = self.seconds.iter().rposition(|s| s.refused > 0);
        let calm = last_refused.map_or(0, |second| second as u64 + 1);
        format!(
            "| {} | {} | {:.0} | {} | {} | {peak} | {:.1} | {:.1} | {:.0} | {:.2} | {:.0} |",
            self.hosts,
            self.name,
            self.last as f64 / 1000.0,
            self.unheard,
            calm.saturating_sub(self.since / SECOND),
            100.0 * refused as f64 / requests.max(1) as f64,
            self.events as f64 / self.hosts as f64,
            self.bytes as f64 / self.hosts as f64,
            self.bytes as f64 * DOLLARS,
            self.took,
        )
    }

    /// Panics where a host was not heard, or later than the documents promise.
    pub(crate) fn check(&self) {
        let creating = self.hosts as u64 / 50 * SECOND;
        // A fault is noticed before it has lasted twice as long, within 5 minutes; what was refused meanwhile is a fault.
        let most = 2 * creating + 2 * 5 * MINUTE;
        assert_eq!(self.unheard, 0, "{}", self.name);
        assert!(self.last <= most, "{}: {} ms", self.name, self.last);
    }
}

/// Names of the columns.
pub(crate) const HEAD: &str = "\
| hosts | what happens | s until the last is heard | never heard | s until nothing is refused | most requests a second | \
refused, % | events a host | bytes a host | $ | s that this took |
|---|---|---|---|---|---|---|---|---|---|---|";

/// Ingestion of a byte, at 0.50 a GB.
pub(crate) const DOLLARS: f64 = 0.5e-9;
