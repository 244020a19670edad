//! One task a sink: it is handed events, ships them, and says what became of them. Here is who gets what, and when.

use crate::daemon::message::Message;
use crate::daemon::store::{Command, Fetch, StoreHandle};
use agent_core::config::{Config, Enabled};
use agent_core::error::Result;
use agent_core::finding::Severity;
use agent_core::host::Host;
use agent_outbox::event::SinkState;
use agent_outbox::parcel::Parcel;
use agent_outbox::store::Sink;
use agent_ship::cloudwatch::{Answer, Discovery, Options};
use agent_ship::{Sent, Trouble};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is handed over at once: within one batch of CloudWatch Logs, and little enough to hold in memory.
const MOST_EVENTS: usize = 2_000;
const MOST_BYTES: usize = 1 << 20;
/// The name of the sink that nobody configures.
pub(in crate::daemon) const STDOUT: &str = "stdout";
/// The key of a heartbeat, which is not in the spool.
const HEARTBEAT: u64 = u64::MAX;

/// All sinks.
#[derive(Debug)]
pub(in crate::daemon) struct Sinks {
    list: Vec<SinkTask>,
    /// Whether there is anybody to ship to CloudWatch Logs as; `None`: not wanted.
    discovery: Option<Decision>,
    /// Words of former sinks are not listened to.
    generation: u64,
    seed: u64,
    /// Whether the host has only just booted.
    after_boot: bool,
    messages: mpsc::Sender<Message>,
}

#[derive(Debug)]
struct SinkTask {
    sink: Sink,
    to: mpsc::Sender<Batch>,
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

/// What a task is handed.
#[derive(Debug)]
struct Batch {
    parcels: Vec<Parcel>,
    /// The agent ends.
    last: bool,
}

/// What a task has in hand.
#[derive(Debug, Default)]
struct Handed {
    heartbeat: Option<Parcel>,
}

/// What became of what a sink was given.
#[derive(Debug)]
pub(in crate::daemon) struct Report {
    generation: u64,
    sink: Sink,
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

impl Sinks {
    /// No sinks yet. `seed` makes the jitter of one host differ from another's.
    pub(in crate::daemon) fn new(
        seed: u64,
        after_boot: bool,
        messages: mpsc::Sender<Message>,
    ) -> Sinks {
        Sinks {
            list: Vec::new(),
            discovery: None,
            generation: 0,
            seed,
            after_boot,
            messages,
        }
    }

    /// Begins anew with the sinks that are configured. An error names what of it cannot be.
    pub(in crate::daemon) fn configure(
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
            let sink = agent_ship::file::Sink::new(path, self.seed);
            self.add(Sink::File, agent_ship::Sink::File(sink));
        }
        if let Some(options) = options {
            let task = tokio::spawn(decide(
                Discovery::new(options),
                self.generation,
                self.messages.clone(),
            ));
            let reason = "not asked yet".into();
            self.discovery = Some(Decision::Open { reason, task });
        }
        self.enable(store, now);
        Ok(())
    }

    /// What became of the question whether there is anybody to ship as.
    pub(in crate::daemon) fn decided(
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
                self.add(Sink::CloudwatchLogs, agent_ship::Sink::Cloudwatch(sink));
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
            .filter(|task| task.sink != Sink::Stdout)
            .count();
        let asked = match &self.discovery {
            Some(Decision::Open { reason, .. }) => reason != "not asked yet",
            Some(Decision::Yes | Decision::No(_)) | None => true,
        };
        let there = self.list.iter().any(|task| task.sink == Sink::Stdout);
        if others == 0 && asked && !there {
            let sink = agent_ship::stdout::Sink::new(self.seed);
            self.add(Sink::Stdout, agent_ship::Sink::Stdout(sink));
        } else if others > 0 && there {
            self.list.retain(|task| task.sink != Sink::Stdout);
        }
        let mut sinks: Vec<Sink> = self.list.iter().map(|task| task.sink).collect();
        // As long as that is open, what standard output shows is kept for whom it may be decided for.
        if matches!(self.discovery, Some(Decision::Open { .. })) {
            sinks.push(Sink::CloudwatchLogs);
        }
        store.give(Command::Enable { sinks, at: now });
    }

    fn add(&mut self, sink: Sink, ship: agent_ship::Sink) {
        let (to, post) = mpsc::channel(1);
        let task = tokio::spawn(deliver(
            ship,
            sink,
            self.generation,
            post,
            self.messages.clone(),
        ));
        self.list.push(SinkTask {
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
    pub(in crate::daemon) fn hand_over(
        &mut self,
        store: &mut StoreHandle,
        news: bool,
        now: Instant,
    ) {
        for task in &mut self.list {
            task.dry &= !news;
            task.calm &= !news;
            if let Some(fetch) = task.wants(self.generation, now) {
                task.fetching = true;
                store.give(Command::Fetch(fetch));
            }
        }
    }

    /// The store has answered: hands over what it found.
    pub(in crate::daemon) fn fetched(&mut self, fetch: Fetch, parcels: Vec<Parcel>, now: Instant) {
        if fetch.generation != self.generation {
            return;
        }
        let same = |task: &&mut SinkTask| task.sink == fetch.sink;
        if let Some(task) = self.list.iter_mut().find(same) {
            task.fetched(parcels, now);
        }
    }

    /// The agent ends: whoever waits for a better moment does not.
    pub(in crate::daemon) fn hasten(&mut self) {
        for task in &mut self.list {
            task.again = task.again.filter(|_| task.trouble.is_some());
            task.last = true;
        }
    }

    /// The last is told: whoever waits tries once more, and at once.
    pub(in crate::daemon) fn hurry(&mut self) {
        for task in &mut self.list {
            task.last = true;
            task.again = None;
        }
    }

    /// What became of what a sink was given.
    pub(in crate::daemon) fn sent(
        &mut self,
        report: Report,
        store: &mut StoreHandle,
        now: (Instant, i64),
    ) {
        if report.generation != self.generation {
            return;
        }
        let same = |task: &&mut SinkTask| task.sink == report.sink;
        let Some(task) = self.list.iter_mut().find(same) else {
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
        let handed = task.handed.take().unwrap_or_default();
        if settled == heartbeats && task.heartbeat.is_none() {
            task.heartbeat = handed.heartbeat;
        }
        task.dry = false;
        task.calm = false;
        task.begun |= settled > 0;
        task.skew = skew;
        task.again = sent.again.map(|wait| now.0 + wait);
        task.trouble = sent.trouble;
        if settled > 0 {
            store.give(Command::Settle {
                sink,
                delivery,
                at: now.1,
            });
        }
    }

    /// The newest heartbeat takes the place of one that still waits.
    pub(in crate::daemon) fn heartbeat(&mut self, bytes: &[u8], now: i64) {
        for task in &mut self.list {
            task.heartbeat = Some(Parcel {
                key: HEARTBEAT,
                time: now,
                severity: Severity::Low,
                bytes: bytes.into(),
            });
        }
    }

    /// When somebody who had to wait may be handed something again.
    pub(in crate::daemon) fn due(&self) -> Option<Instant> {
        let idle = self
            .list
            .iter()
            .filter(|task| !task.is_busy() && task.waits());
        idle.filter_map(|task| task.again).min()
    }

    /// Whether everything that can be shipped before then has been: nobody is busy, and who still has something
    /// tries again later.
    pub(in crate::daemon) fn idle(&self, end: Instant) -> bool {
        self.list.iter().all(|task| {
            !task.is_busy() && (!task.waits() || task.again.is_some_and(|again| again >= end))
        })
    }

    /// The state of each sink, as heartbeats tell it.
    pub(in crate::daemon) fn states(&self) -> Vec<SinkState> {
        let mut states: Vec<SinkState> = self.list.iter().map(SinkTask::state).collect();
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
    pub(in crate::daemon) fn skew(&self) -> Option<i64> {
        self.list.iter().find_map(|task| task.skew)
    }

    fn dismiss(&mut self) {
        for task in self.list.drain(..) {
            task.task.abort();
        }
        if let Some(Decision::Open { task, .. }) = self.discovery.take() {
            task.abort();
        }
    }
}

impl SinkTask {
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
        match self.to.try_send(Batch { parcels, last }) {
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

fn name(sink: Sink) -> &'static str {
    match sink {
        Sink::CloudwatchLogs => "cloudwatch_logs",
        Sink::File => "file",
        Sink::Stdout => STDOUT,
    }
}

/// Ships what it is handed, one batch after the other.
async fn deliver(
    mut ship: agent_ship::Sink,
    sink: Sink,
    generation: u64,
    mut post: mpsc::Receiver<Batch>,
    messages: mpsc::Sender<Message>,
) {
    while let Some(Batch { parcels, last }) = post.recv().await {
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
        if messages
            .send(Message::Sent(Box::new(report)))
            .await
            .is_err()
        {
            break;
        }
    }
}

/// Asks until it is decided whether there is anybody to ship as.
async fn decide(mut discovery: Discovery, generation: u64, messages: mpsc::Sender<Message>) {
    loop {
        let answer = discovery.ask().await;
        let again = match &answer {
            Answer::Undecided { again, .. } => Some(*again),
            Answer::Yes(_) | Answer::No { .. } => None,
        };
        if messages
            .send(Message::Decided(generation, answer))
            .await
            .is_err()
        {
            return;
        }
        match again {
            Some(again) => tokio::time::sleep(again).await,
            None => return,
        }
    }
}
