//! One task a sink: it is handed events, ships them, and says what became of them. Here is who gets what, and when.

use super::store_handle::{Command, Fetch, StoreHandle};
use super::word::Word;
use agent_core::config::{Config, Enabled};
use agent_core::error::Result;
use agent_core::finding::Severity;
use agent_core::host::Host;
use agent_outbox::event::SinkState;
use agent_outbox::parcel::Parcel;
use agent_outbox::store::SinkKind;
use agent_ship::cloudwatch::{Answer, Discovery, Options};
use agent_ship::{Sent, Trouble};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is handed over at once: within one batch of CloudWatch Logs, and little enough to hold in memory.
const MOST_EVENTS: usize = 2_000;
const MOST_BYTES: usize = 1 << 20;
/// The name of the sink that nobody configures.
pub(super) const STDOUT: &str = "stdout";
/// The key of a heartbeat, which is not in the spool.
const HEARTBEAT: u64 = u64::MAX;

/// All sinks.
#[derive(Debug)]
pub(super) struct Couriers {
    list: Vec<Courier>,
    /// Whether there is anybody to ship to CloudWatch Logs as; `None`: not wanted.
    discovery: Option<Decision>,
    /// Words of former couriers are not listened to.
    generation: u64,
    seed: u64,
    /// Whether the host has only just booted.
    after_boot: bool,
    words: mpsc::Sender<Word>,
}

#[derive(Debug)]
struct Courier {
    sink: SinkKind,
    to: mpsc::Sender<Post>,
    task: JoinHandle<()>,
    /// What it has, until it says what became of it.
    handed: Option<Handed>,
    /// The store was asked for what waits, and has not answered.
    fetching: bool,
    /// Nothing waits in the spool, for all that is known.
    dry: bool,
    /// Nothing urgent does.
    calm: bool,
    /// Whether anything was accepted yet.
    begun: bool,
    /// The agent ends.
    last: bool,
    /// Not before then, whatever waits.
    again: Option<Instant>,
    /// The newest heartbeat that is not yet shipped.
    heartbeat: Option<Parcel>,
    trouble: Option<Trouble>,
    skew: Option<i64>,
}

/// What a courier is handed.
#[derive(Debug)]
struct Post {
    parcels: Vec<Parcel>,
    /// The agent ends.
    last: bool,
}

/// What a courier has in hand.
#[derive(Debug, Default)]
struct Handed {
    heartbeat: Option<Parcel>,
}

/// What became of what a sink was given.
#[derive(Debug)]
pub(super) struct Report {
    generation: u64,
    sink: SinkKind,
    sent: Sent,
    skew: Option<i64>,
}

#[derive(Debug)]
enum Decision {
    Open {
        reason: String,
        task: JoinHandle<()>,
    },
    Yes,
    No(String),
}

impl Couriers {
    /// No sinks yet. `seed` makes the jitter of one host differ from another's.
    pub(super) fn new(seed: u64, after_boot: bool, words: mpsc::Sender<Word>) -> Couriers {
        Couriers {
            list: Vec::new(),
            discovery: None,
            generation: 0,
            seed,
            after_boot,
            words,
        }
    }

    /// Begins anew with the sinks that are configured. An error names what of it cannot be.
    pub(super) fn configure(
        &mut self,
        config: &Config,
        host: &Host,
        store: &mut StoreHandle,
        now: i64,
    ) -> Result<()> {
        let path = &config.sinks.file.path;
        let wanted = config.sinks.cloudwatch_logs.enabled != Enabled::No;
        let options = match wanted {
            true => {
                let mut options = Options::configured(config, host, self.seed)?;
                if !self.after_boot {
                    options.spread = Duration::ZERO;
                }
                Some(options)
            }
            false => None,
        };
        // A fleet boots together; it is not configured anew together.
        self.after_boot = false;
        self.dismiss();
        self.generation += 1;
        if !path.as_os_str().is_empty() {
            let sink = agent_ship::file::FileSink::new(path, self.seed);
            self.add(SinkKind::File, agent_ship::Sink::File(sink));
        }
        if let Some(options) = options {
            let task = tokio::spawn(decide(
                Discovery::new(options),
                self.generation,
                self.words.clone(),
            ));
            let reason = "not asked yet".into();
            self.discovery = Some(Decision::Open { reason, task });
        }
        self.enable(store, now);
        Ok(())
    }

    /// What became of the question whether there is anybody to ship as.
    pub(super) fn decided(
        &mut self,
        generation: u64,
        answer: Answer,
        store: &mut StoreHandle,
        now: i64,
    ) {
        if generation != self.generation {
            return;
        }
        match answer {
            Answer::Yes(sink) => {
                self.discovery = Some(Decision::Yes);
                self.add(SinkKind::CloudwatchLogs, agent_ship::Sink::Cloudwatch(sink));
            }
            Answer::No { reason } => self.discovery = Some(Decision::No(reason)),
            Answer::Undecided { reason, .. } => {
                if let Some(Decision::Open { reason: old, .. }) = &mut self.discovery {
                    *old = reason;
                }
            }
        }
        self.enable(store, now);
    }

    /// Tells the store who wants its events. Standard output does where nobody else will, for all that is known.
    fn enable(&mut self, store: &mut StoreHandle, now: i64) {
        let others = self
            .list
            .iter()
            .filter(|courier| courier.sink != SinkKind::Stdout)
            .count();
        let asked = match &self.discovery {
            Some(Decision::Open { reason, .. }) => reason != "not asked yet",
            Some(Decision::Yes | Decision::No(_)) | None => true,
        };
        let there = self
            .list
            .iter()
            .any(|courier| courier.sink == SinkKind::Stdout);
        if others == 0 && asked && !there {
            let sink = agent_ship::stdout::StdoutSink::new(self.seed);
            self.add(SinkKind::Stdout, agent_ship::Sink::Stdout(sink));
        } else if others > 0 && there {
            self.list.retain(|courier| courier.sink != SinkKind::Stdout);
        }
        let mut sinks: Vec<SinkKind> = self.list.iter().map(|courier| courier.sink).collect();
        // As long as that is open, what standard output shows is kept for whom it may be decided for.
        if matches!(self.discovery, Some(Decision::Open { .. })) {
            sinks.push(SinkKind::CloudwatchLogs);
        }
        store.give(Command::Enable { sinks, at: now });
    }

    fn add(&mut self, sink: SinkKind, ship: agent_ship::Sink) {
        let (to, post) = mpsc::channel(1);
        let task = tokio::spawn(deliver(
            ship,
            sink,
            self.generation,
            post,
            self.words.clone(),
        ));
        self.list.push(Courier {
            sink,
            to,
            task,
            handed: None,
            fetching: false,
            dry: false,
            calm: false,
            begun: false,
            last: false,
            again: None,
            heartbeat: None,
            trouble: None,
            skew: None,
        });
    }

    /// Asks the store for what waits for those who are idle. `news`: something may have come into the spool.
    pub(super) fn hand_over(&mut self, store: &mut StoreHandle, news: bool, now: Instant) {
        for courier in &mut self.list {
            courier.dry &= !news;
            courier.calm &= !news;
            if let Some(fetch) = courier.wants(self.generation, now) {
                courier.fetching = true;
                store.give(Command::Fetch(fetch));
            }
        }
    }

    /// The store has answered: hands over what it found.
    pub(super) fn fetched(&mut self, fetch: Fetch, parcels: Vec<Parcel>, now: Instant) {
        if fetch.generation != self.generation {
            return;
        }
        let same = |courier: &&mut Courier| courier.sink == fetch.sink;
        if let Some(courier) = self.list.iter_mut().find(same) {
            courier.fetched(parcels, now);
        }
    }

    /// The agent ends: whoever waits for a better moment does not.
    pub(super) fn hasten(&mut self) {
        for courier in &mut self.list {
            courier.again = courier.again.filter(|_| courier.trouble.is_some());
            courier.last = true;
        }
    }

    /// The last is told: whoever waits tries once more, and at once.
    pub(super) fn hurry(&mut self) {
        for courier in &mut self.list {
            courier.last = true;
            courier.again = None;
        }
    }

    /// What became of what a sink was given.
    pub(super) fn sent(&mut self, report: Report, store: &mut StoreHandle, now: (Instant, i64)) {
        if report.generation != self.generation {
            return;
        }
        let same = |courier: &&mut Courier| courier.sink == report.sink;
        let Some(courier) = self.list.iter_mut().find(same) else {
            return;
        };
        let Report {
            sink, sent, skew, ..
        } = report;
        let mut delivery = sent.delivery;
        let heartbeats = delivery.accepted.len() + delivery.refused.len();
        delivery.accepted.retain(|key| *key != HEARTBEAT);
        delivery.refused.retain(|(key, _)| *key != HEARTBEAT);
        let settled = delivery.accepted.len() + delivery.refused.len();
        let handed = courier.handed.take().unwrap_or_default();
        if settled == heartbeats && courier.heartbeat.is_none() {
            courier.heartbeat = handed.heartbeat;
        }
        courier.dry = false;
        courier.calm = false;
        courier.begun |= settled > 0;
        courier.skew = skew;
        courier.again = sent.again.map(|wait| now.0 + wait);
        courier.trouble = sent.trouble;
        if settled > 0 {
            store.give(Command::Settle {
                sink,
                delivery,
                at: now.1,
            });
        }
    }

    /// The newest heartbeat takes the place of one that still waits.
    pub(super) fn heartbeat(&mut self, bytes: &[u8], now: i64) {
        for courier in &mut self.list {
            courier.heartbeat = Some(Parcel {
                key: HEARTBEAT,
                time: now,
                severity: Severity::Low,
                bytes: bytes.into(),
            });
        }
    }

    /// When somebody who had to wait may be handed something again.
    pub(super) fn due(&self) -> Option<Instant> {
        let idle = self
            .list
            .iter()
            .filter(|courier| !courier.is_busy() && courier.waits());
        idle.filter_map(|courier| courier.again).min()
    }

    /// Whether everything that can be shipped before then has been: nobody is busy, and who still has something
    /// tries again later.
    pub(super) fn idle(&self, end: Instant) -> bool {
        self.list.iter().all(|courier| {
            !courier.is_busy()
                && (!courier.waits() || courier.again.is_some_and(|again| again >= end))
        })
    }

    /// The state of each sink, as heartbeats tell it.
    pub(super) fn states(&self) -> Vec<SinkState> {
        let mut states: Vec<SinkState> = self.list.iter().map(Courier::state).collect();
        let state = |state, error: &str| SinkState {
            name: "cloudwatch_logs",
            state,
            error: error.to_owned(),
        };
        match &self.discovery {
            Some(Decision::Open { reason, .. }) => states.push(state("undecided", reason)),
            Some(Decision::No(reason)) => states.push(state("off", reason)),
            Some(Decision::Yes) | None => {}
        }
        states
    }

    /// How far the service's clock is ahead, where that was measured.
    pub(super) fn skew(&self) -> Option<i64> {
        self.list.iter().find_map(|courier| courier.skew)
    }

    fn dismiss(&mut self) {
        for courier in self.list.drain(..) {
            courier.task.abort();
        }
        if let Some(Decision::Open { task, .. }) = self.discovery.take() {
            task.abort();
        }
    }
}

impl Courier {
    /// Whether there is, or may be, something to hand over.
    fn waits(&self) -> bool {
        !self.dry || self.heartbeat.is_some()
    }

    /// Whether it has something in hand, or is about to.
    fn is_busy(&self) -> bool {
        self.handed.is_some() || self.fetching
    }

    fn rests(&self, now: Instant) -> bool {
        self.again.is_some_and(|again| now < again)
    }

    /// What to ask the store for now. Where only a heartbeat waits it is handed over at once.
    fn wants(&mut self, generation: u64, now: Instant) -> Option<Fetch> {
        if self.is_busy() || !self.waits() {
            return None;
        }
        // Whoever waits for a quiet moment after boot does not wait with what is urgent; whoever failed does.
        let nothing_urgent = self.begun || self.trouble.is_some() || self.dry || self.calm;
        if self.rests(now) && nothing_urgent {
            return None;
        }
        if self.dry {
            self.hand(Vec::new());
            return None;
        }
        Some(Fetch {
            generation,
            sink: self.sink,
            most_events: MOST_EVENTS,
            most_bytes: MOST_BYTES,
        })
    }

    /// The store has answered.
    fn fetched(&mut self, parcels: Vec<Parcel>, now: Instant) {
        self.fetching = false;
        self.dry = parcels.is_empty();
        let urgent = |parcel: &Parcel| parcel.severity >= Severity::High;
        self.calm = !parcels.iter().any(urgent);
        if !(self.rests(now) && self.calm) {
            self.hand(parcels);
        }
    }

    fn hand(&mut self, mut parcels: Vec<Parcel>) {
        let handed = Handed {
            heartbeat: self.heartbeat.take(),
        };
        parcels.extend(handed.heartbeat.clone());
        if parcels.is_empty() {
            return;
        }
        let last = self.last;
        match self.to.try_send(Post { parcels, last }) {
            Ok(()) => self.handed = Some(handed),
            // Its task has ended: it will be begun anew with the next configuration.
            Err(_) => self.heartbeat = handed.heartbeat,
        }
    }

    fn state(&self) -> SinkState {
        let state = match &self.trouble {
            None => "delivering",
            Some(_) => "retrying",
        };
        let error = self.trouble.as_ref().map(|trouble| {
            let text = &trouble.text;
            format!("{}: {text}", trouble.class.name())
        });
        SinkState {
            name: name(self.sink),
            state,
            error: error.unwrap_or_default(),
        }
    }
}

fn name(sink: SinkKind) -> &'static str {
    match sink {
        SinkKind::CloudwatchLogs => "cloudwatch_logs",
        SinkKind::File => "file",
        SinkKind::Stdout => STDOUT,
    }
}

/// Ships what it is handed, one batch after the other.
async fn deliver(
    mut ship: agent_ship::Sink,
    sink: SinkKind,
    generation: u64,
    mut post: mpsc::Receiver<Post>,
    words: mpsc::Sender<Word>,
) {
    while let Some(Post { parcels, last }) = post.recv().await {
        if last {
            ship.hurry();
        }
        let now = jiff::Timestamp::now().as_millisecond();
        let sent = ship.send(&parcels, now).await;
        let skew = match &ship {
            agent_ship::Sink::Cloudwatch(sink) => Some(sink.skew()),
            agent_ship::Sink::File(_) | agent_ship::Sink::Stdout(_) => None,
        };
        let report = Report {
            generation,
            sink,
            sent,
            skew,
        };
        if words.send(Word::Sent(Box::new(report))).await.is_err() {
            break;
        }
    }
}

/// Asks until it is decided whether there is anybody to ship as.
async fn decide(mut discovery: Discovery, generation: u64, words: mpsc::Sender<Word>) {
    loop {
        let answer = discovery.ask().await;
        let again = match &answer {
            Answer::Undecided { again, .. } => Some(*again),
            Answer::Yes(_) | Answer::No { .. } => None,
        };
        if words.send(Word::Decided(generation, answer)).await.is_err() {
            return;
        }
        match again {
            Some(again) => tokio::time::sleep(again).await,
            None => return,
        }
    }
}
