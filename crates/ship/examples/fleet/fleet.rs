//! The hosts: each with the real packer and the real schedule of retries, told the time by a virtual clock.

use crate::service::{Reply, Service};
use crate::spools::Spools;
use crate::{EPOCH, MINUTE, SECOND};
use agent_core::finding::Severity;
use agent_ship::pack::{self, TimestampChoice};
use agent_ship::retry::Schedule;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// A call takes so long, in milliseconds.
pub(crate) const CALL: u64 = 50;
/// One without an answer is given up after this: no connection comes about (agent-ship's `connect`).
const NO_ANSWER: u64 = 5 * SECOND;
/// The first send of a boot waits for as long as this at random, unless something is urgent (agent-ship's `spread`).
const SPREAD: u64 = 30 * SECOND;
/// The first heartbeat comes after this.
const FIRST_HEARTBEAT: u64 = 10 * SECOND;
/// Between two heartbeats of a host whose sink fails, unless they are more frequent anyway.
const AMISS: u64 = MINUTE;

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
    /// The first send of a boot waits until then.
    begin: u64,
    /// Nothing is sent before then: a send failed.
    again: u64,
    /// The last send failed.
    failing: bool,
    /// The next heartbeat but one comes at the host's own moment.
    unphased: bool,
    /// The scenario waits to hear of it.
    awaited: bool,
}

/// A fleet that is simulated.
pub(crate) struct Fleet<S> {
    pub(crate) spools: S,
    hosts: Vec<Host>,
    steps: BinaryHeap<Reverse<(u64, u32, Step)>>,
    random: fastrand::Rng,
    /// Between two heartbeats where nothing is amiss, in milliseconds.
    interval: u64,
    base: Instant,
    /// When the last host was heard of what the scenario is about.
    pub(crate) last: u64,
    /// Hosts of which that was heard.
    pub(crate) heard: usize,
}

impl<S: Spools> Fleet<S> {
    /// So many hosts, none of which does anything yet. `interval`: between two heartbeats, in milliseconds.
    pub(crate) fn new(spools: S, hosts: usize, interval: u64, seed: u64) -> Fleet<S> {
        let mut random = fastrand::Rng::with_seed(seed);
        let host = |_| Host {
            schedule: Schedule::new(random.u64(..)),
            begin: 0,
            again: 0,
            failing: false,
            unphased: true,
            awaited: false,
        };
        Fleet {
            spools,
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
    pub(crate) fn settle(&mut self, service: &mut Service) {
        for host in 0..self.hosts.len() {
            let at = self.random.u64(0..self.interval);
            self.spools.settle(host, service);
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

    /// From now on the scenario waits to hear of every host.
    pub(crate) fn await_all(&mut self) {
        for host in &mut self.hosts {
            host.awaited = true;
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
        match step {
            Step::Boot => {
                self.spools.boot(index, at);
                let begin = at + self.random.u64(0..=SPREAD);
                let host = &mut self.hosts[index];
                host.awaited = true;
                host.begin = begin;
                self.plan(begin, index, Step::Send);
                self.plan(at + FIRST_HEARTBEAT, index, Step::Heartbeat);
            }
            Step::Deviate => {
                self.spools.deviate(index, at);
                self.hosts[index].awaited = true;
                self.send(service, at, index);
            }
            Step::Heartbeat => {
                self.beat(at, index);
                self.send(service, at, index);
            }
            Step::Send => self.send(service, at, index),
        }
    }

    /// As the agent's timers do: the second heartbeat at the host's own moment, more of them while something is amiss.
    fn beat(&mut self, at: u64, index: usize) {
        let host = &mut self.hosts[index];
        let mut next = self.interval;
        if std::mem::take(&mut host.unphased) {
            next = self.random.u64(0..self.interval);
        }
        let mut last = at;
        if host.failing {
            let amiss = self.interval.min(AMISS);
            next = next.min(amiss);
            // Each takes the place of the one before: of those that come while nothing is sent, the last one counts.
            last += host.again.saturating_sub(at + 1) / amiss * amiss;
        }
        self.spools.beat(index, last, host.failing);
        self.plan(last + next, index, Step::Heartbeat);
    }

    /// As the sink does: put first, create what is missing, wait after a failure as the schedule says.
    fn send(&mut self, service: &mut Service, at: u64, index: usize) {
        let host = &self.hosts[index];
        if at < host.again {
            return;
        }
        let parcels = self.spools.waiting(index);
        let is_urgent = || parcels.iter().any(|one| one.severity >= Severity::High);
        if parcels.is_empty() || (at < host.begin && !is_urgent()) {
            return;
        }
        let clock = EPOCH.saturating_add_unsigned(at);
        let mut now = at;
        let mut reply = Reply::Done;
        for batch in pack::pack(&parcels, clock, |_| TimestampChoice::Own).batches {
            reply = service.put(now, index, &parcels, &batch);
            now += CALL;
            if reply == Reply::Missing {
                reply = service.create(now, index);
                now += CALL;
                if reply == Reply::Done {
                    reply = service.put(now, index, &parcels, &batch);
                    now += CALL;
                }
            }
            if reply != Reply::Done {
                break;
            }
            let accepted = batch.iter().map(|entry| parcels[entry.index].key).collect();
            self.spools.accepted(index, accepted, now);
        }
        match reply {
            Reply::Done => self.sent(index, now),
            Reply::None => self.failed(index, at + NO_ANSWER),
            Reply::Missing | Reply::Throttled => self.failed(index, now),
        }
    }

    fn failed(&mut self, index: usize, now: u64) {
        let host = &mut self.hosts[index];
        let known = self.base + Duration::from_millis(now);
        let wait = host.schedule.wait(known, None);
        host.again = now + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        host.failing = true;
        let again = host.again;
        self.plan(again, index, Step::Send);
    }

    fn sent(&mut self, index: usize, now: u64) {
        let host = &mut self.hosts[index];
        host.schedule.reset();
        host.failing = false;
        if std::mem::take(&mut host.awaited) {
            self.last = self.last.max(now);
            self.heard += 1;
        }
    }
}
