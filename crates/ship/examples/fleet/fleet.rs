//! The hosts: each with the real packer and the real schedule of retries, told the time by a virtual clock.

use crate::sample::{EPOCH, Sample};
use crate::service::{Reply, Service};
use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;
use agent_ship::pack::{self, OVERHEAD, Stamp};
use agent_ship::retry::Schedule;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// A call takes so long, in milliseconds.
const CALL: u64 = 50;
/// The first send of a boot waits for as long as this at random, unless something is urgent (agent-ship's `spread`).
const SPREAD: u64 = 30_000;
/// The first heartbeat comes after this.
const FIRST_HEARTBEAT: u64 = 10_000;

/// What a host does next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Boot,
    Deviate,
    Heartbeat,
    Send,
}

struct Host {
    schedule: Schedule,
    start: bool,
    deviation: bool,
    /// A heartbeat waits: a full one or a brief one.
    heartbeat: Option<bool>,
    /// The first send of a boot waits until then.
    begin: u64,
    /// Nothing is sent before then: a send failed.
    again: u64,
    /// The next heartbeat says everything.
    full: bool,
    /// The next heartbeat but one comes at the host's own moment.
    unphased: bool,
    /// The scenario waits to hear of it.
    awaited: bool,
}

/// A fleet that is simulated.
pub(crate) struct Fleet<'a> {
    sample: &'a Sample,
    hosts: Vec<Host>,
    steps: BinaryHeap<Reverse<(u64, u32, Step)>>,
    random: fastrand::Rng,
    /// Between two heartbeats, in milliseconds.
    interval: u64,
    base: Instant,
    /// When the last host was heard of what the scenario is about.
    pub(crate) last: u64,
    /// Hosts of which that was heard.
    pub(crate) heard: usize,
}

impl<'a> Fleet<'a> {
    /// So many hosts, none of which does anything yet. `interval`: between two heartbeats, in milliseconds.
    pub(crate) fn new(sample: &'a Sample, hosts: usize, interval: u64, seed: u64) -> Fleet<'a> {
        let mut random = fastrand::Rng::with_seed(seed);
        let host = |_| Host {
            schedule: Schedule::new(random.u64(..)),
            start: false,
            deviation: false,
            heartbeat: None,
            begin: 0,
            again: 0,
            full: true,
            unphased: true,
            awaited: false,
        };
        Fleet {
            sample,
            hosts: (0..hosts).map(host).collect(),
            steps: BinaryHeap::new(),
            random: fastrand::Rng::with_seed(!seed),
            interval,
            base: Instant::now(),
            last: 0,
            heard: 0,
        }
    }

    fn plan(&mut self, at: u64, host: usize, step: Step) {
        let host = u32::try_from(host).unwrap_or(u32::MAX);
        self.steps.push(Reverse((at, host, step)));
    }

    /// All boot for the first time within that time.
    pub(crate) fn boot_within(&mut self, time: u64) {
        for host in 0..self.hosts.len() {
            let at = self.random.u64(0..time);
            self.plan(at, host, Step::Boot);
        }
    }

    /// All run since long: heartbeats are spread evenly, and brief.
    pub(crate) fn settle(&mut self) {
        for host in 0..self.hosts.len() {
            let at = self.random.u64(0..self.interval);
            self.hosts[host].full = false;
            self.hosts[host].unphased = false;
            self.plan(at, host, Step::Heartbeat);
        }
    }

    /// The same deviation on all hosts, told within that time of one another.
    pub(crate) fn deviate(&mut self, at: u64, within: u64) {
        for host in 0..self.hosts.len() {
            let at = at + self.random.u64(0..within);
            self.plan(at, host, Step::Deviate);
        }
    }

    /// Lets time pass until then, or until nothing is left to be heard after `least`.
    pub(crate) fn run(&mut self, service: &mut Service, least: u64, most: u64) {
        while let Some(Reverse((at, host, step))) = self.steps.pop() {
            if at > most || (at > least && self.heard == self.hosts.len()) {
                self.steps.push(Reverse((at, host, step)));
                return;
            }
            let host = usize::try_from(host).unwrap_or(usize::MAX);
            self.step(service, at, host, step);
        }
    }

    fn step(&mut self, service: &mut Service, at: u64, index: usize, step: Step) {
        let spread = self.random.u64(0..=SPREAD);
        let phase = self.random.u64(0..self.interval);
        let interval = self.interval;
        let host = &mut self.hosts[index];
        match step {
            Step::Boot => {
                host.start = true;
                host.awaited = true;
                host.begin = at + spread;
                self.plan(at + spread, index, Step::Send);
                self.plan(at + FIRST_HEARTBEAT, index, Step::Heartbeat);
            }
            Step::Deviate => {
                host.deviation = true;
                host.awaited = true;
                host.full = true;
                self.send(service, at, index);
            }
            Step::Heartbeat => {
                host.heartbeat = Some(host.full || host.heartbeat == Some(true));
                let next = if std::mem::take(&mut host.unphased) {
                    phase
                } else {
                    interval
                };
                self.plan(at + next, index, Step::Heartbeat);
                self.send(service, at, index);
            }
            Step::Send => self.send(service, at, index),
        }
    }

    /// As the sink does: put first, create what is missing, wait after a failure as the schedule says.
    fn send(&mut self, service: &mut Service, at: u64, index: usize) {
        let parcels = self.waiting(index, at);
        let host = &mut self.hosts[index];
        let urgent = parcels
            .iter()
            .any(|parcel| parcel.severity >= Severity::High);
        if parcels.is_empty() || at < host.again || (at < host.begin && !urgent) {
            return;
        }
        let clock = EPOCH.saturating_add_unsigned(at);
        let mut now = at;
        let mut reply = Reply::Done;
        for batch in pack::pack(&parcels, clock, |_| Stamp::Own).batches {
            let weight = |entry: &pack::Entry| parcels[entry.index].bytes.len() + OVERHEAD;
            let bytes = batch.iter().map(weight).sum::<usize>() as u64;
            let events = batch.len() as u64;
            reply = service.put(now, index, events, bytes);
            now += CALL;
            if reply == Reply::Missing {
                reply = service.create(now, index);
                now += CALL;
                if reply == Reply::Done {
                    reply = service.put(now, index, events, bytes);
                    now += CALL;
                }
            }
            if reply != Reply::Done {
                break;
            }
        }
        if reply == Reply::Done {
            self.sent(index, now);
            return;
        }
        let known = self.base + Duration::from_millis(now);
        let wait = host.schedule.wait(known, None);
        host.again = now + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        // Something is amiss now: the next heartbeat says everything.
        host.full = true;
        let again = host.again;
        self.plan(again, index, Step::Send);
    }

    fn sent(&mut self, index: usize, now: u64) {
        let host = &mut self.hosts[index];
        host.schedule.reset();
        // What was found, and that all is well again, is in the next heartbeat.
        host.full = host.deviation || host.start;
        if std::mem::take(&mut host.awaited) {
            self.last = self.last.max(now);
            self.heard += 1;
        }
        (host.start, host.deviation, host.heartbeat) = (false, false, None);
    }

    /// From now on the scenario waits to hear of every host.
    pub(crate) fn await_all(&mut self) {
        for host in &mut self.hosts {
            host.awaited = true;
        }
    }

    fn waiting(&self, index: usize, at: u64) -> Vec<Parcel> {
        let host = &self.hosts[index];
        let time = EPOCH.saturating_add_unsigned(at);
        let mut parcels = Vec::new();
        if host.start {
            parcels.extend(self.sample.start.iter().cloned());
        }
        if host.deviation {
            parcels.extend(self.sample.deviation.iter().cloned());
        }
        if let Some(full) = host.heartbeat {
            let bytes = if full {
                &self.sample.full
            } else {
                &self.sample.brief
            };
            parcels.push(Parcel {
                key: u64::MAX,
                time,
                severity: Severity::Low,
                bytes: bytes.clone(),
            });
        }
        parcels
    }
}
