//! Sinks, one task each: who gets what, and when.

mod task;

pub(in crate::daemon) use task::Report;

use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::message::Message;
use crate::daemon::store::{Command, Fetch, StoreHandle};
use agent_core::config::{Config, Enabled};
use agent_core::error::Result;
use agent_core::host::Host;
use agent_outbox::event::SinkState;
use agent_outbox::parcel::Parcel;
use agent_outbox::store::SinkKind;
use agent_ship::cloudwatch::{Answer, Discovery, Endpoint, Options};
use std::time::{Duration, Instant};
use task::SinkTask;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The name of the sink that nobody configures.
pub(in crate::daemon) const STDOUT: &str = "stdout";

/// All sinks.
#[derive(Debug)]
pub(in crate::daemon) struct Sinks {
    list: Vec<SinkTask>,
    /// Whether there is anybody to ship to CloudWatch Logs as; `None`: not wanted.
    discovery: Option<Decision>,
    /// Messages of former sinks are not listened to.
    generation: u64,
    seed: u64,
    /// Whether the host has only just booted.
    after_boot: bool,
    messages: mpsc::Sender<Message>,
    /// Where calls to CloudWatch Logs go, as far as that is known.
    endpoint: Option<Endpoint>,
    /// Something may have come into the spool.
    pub(in crate::daemon) news: bool,
}

#[derive(Debug)]
enum Decision {
    Open {
        /// `None`: not asked yet.
        reason: Option<String>,
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
            endpoint: None,
            news: true,
        }
    }

    /// Begins anew with the sinks that are configured. An error names what of it cannot be.
    pub(in crate::daemon) fn configure(
        &mut self,
        config: &Config,
        host: &Host,
        store: &mut StoreHandle,
        now: UnixMillis,
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
        let variable = |name: &str| std::env::var(name).ok();
        self.endpoint = (options.as_ref()).and_then(|o| Endpoint::configured(o, variable));
        if !path.as_os_str().is_empty() {
            let sink = agent_ship::file::FileSink::new(path, self.seed);
            self.add(SinkKind::File, agent_ship::Sink::File(sink));
        }
        if config.sinks.journald.enabled {
            let socket = std::path::Path::new(agent_ship::journald::SOCKET);
            let sink = agent_ship::journald::JournaldSink::new(socket, self.seed);
            self.add(SinkKind::Journald, agent_ship::Sink::Journald(sink));
        }
        if let Some(options) = options {
            let task = tokio::spawn(decide(
                Discovery::new(options),
                self.generation,
                self.messages.clone(),
            ));
            self.discovery = Some(Decision::Open { reason: None, task });
        }
        self.enable(store, now);
        Ok(())
    }

    /// What became of the question whether there is anybody to ship as.
    pub(in crate::daemon) fn discovered(
        &mut self,
        generation: u64,
        answer: Answer,
        store: &mut StoreHandle,
        now: UnixMillis,
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
                    *old = Some(reason);
                }
            }
        }
        self.enable(store, now);
    }

    /// Tells the store who wants its events. Standard output does where nobody else will, for all that is known.
    fn enable(&mut self, store: &mut StoreHandle, now: UnixMillis) {
        let others = self
            .list
            .iter()
            .filter(|task| task.sink != SinkKind::Stdout)
            .count();
        let asked = match &self.discovery {
            Some(Decision::Open { reason, .. }) => reason.is_some(),
            Some(Decision::Yes | Decision::No(_)) | None => true,
        };
        let there = self.list.iter().any(|task| task.sink == SinkKind::Stdout);
        if others == 0 && asked && !there {
            let sink = agent_ship::stdout::StdoutSink::new(self.seed);
            self.add(SinkKind::Stdout, agent_ship::Sink::Stdout(sink));
        } else if others > 0 && there {
            self.list.retain(|task| task.sink != SinkKind::Stdout);
        }
        let mut sinks: Vec<SinkKind> = self.list.iter().map(|task| task.sink).collect();
        // While that is open, what standard output shows is kept for whom it may be decided for.
        if matches!(self.discovery, Some(Decision::Open { .. })) {
            sinks.push(SinkKind::CloudwatchLogs);
        }
        store.give(Command::Enable { sinks, at: now });
    }

    fn add(&mut self, sink: SinkKind, ship: agent_ship::Sink) {
        let messages = self.messages.clone();
        self.list
            .push(SinkTask::begin(ship, sink, self.generation, messages));
    }

    /// Asks the store for what waits for those who are idle.
    pub(in crate::daemon) fn hand_over(&mut self, store: &mut StoreHandle, now: Instant) {
        let news = std::mem::take(&mut self.news);
        for task in &mut self.list {
            if news {
                task.refill();
            }
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
            task.hasten();
        }
    }

    /// The last is told: whoever waits tries once more, and at once.
    pub(in crate::daemon) fn hurry(&mut self) {
        for task in &mut self.list {
            task.hurry();
        }
    }

    /// What became of what a sink was given.
    pub(in crate::daemon) fn sent(&mut self, report: Report, store: &mut StoreHandle, now: Now) {
        if report.generation != self.generation {
            return;
        }
        if let Some(url) = &report.called {
            self.endpoint = Some(Endpoint::called(self.endpoint.as_ref(), url));
        }
        let same = |task: &&mut SinkTask| task.sink == report.sink;
        let Some(task) = self.list.iter_mut().find(same) else {
            return;
        };
        if let Some(command) = task.sent(report, now) {
            store.give(command);
        }
    }

    /// The newest heartbeat takes the place of one that still waits.
    pub(in crate::daemon) fn heartbeat(&mut self, bytes: &[u8], wall: UnixMillis) {
        for task in &mut self.list {
            task.heartbeat(bytes, wall);
        }
    }

    /// When somebody who had to wait may be handed something again.
    pub(in crate::daemon) fn due(&self) -> Option<Instant> {
        self.list.iter().filter_map(SinkTask::due).min()
    }

    /// Whether everything that can be shipped before then has been: nobody is busy, and who still has something
    /// tries again later.
    pub(in crate::daemon) fn idle(&self, end: Instant) -> bool {
        self.list.iter().all(|task| task.is_idle(end))
    }

    /// Each sink and its state.
    fn each(&self) -> impl Iterator<Item = (&'static str, State, String)> {
        let discovery = self.discovery.as_ref().and_then(|decision| match decision {
            Decision::Open { reason, .. } => {
                let reason = reason.as_deref().unwrap_or("not asked yet");
                Some((State::Undecided, reason))
            }
            Decision::No(reason) => Some((State::Off, reason.as_str())),
            Decision::Yes => None,
        });
        let cloudwatch = task::name(SinkKind::CloudwatchLogs);
        let discovery = discovery.map(|(state, error)| (cloudwatch, state, error.to_owned()));
        self.list.iter().map(SinkTask::state).chain(discovery)
    }

    /// The state of each sink, as heartbeats tell it.
    pub(in crate::daemon) fn states(&self) -> Vec<SinkState> {
        let cloudwatch = task::name(SinkKind::CloudwatchLogs);
        let states = self.each().map(|(name, state, error)| SinkState {
            name,
            state: state.name(),
            error,
            endpoint: match (&self.endpoint, name == cloudwatch) {
                (Some(endpoint), true) => endpoint.to_string(),
                _ => String::new(),
            },
        });
        states.collect()
    }

    /// Where events go, where that is known.
    pub(in crate::daemon) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Whether every sink takes what it is given, and there is one.
    pub(in crate::daemon) fn deliver(&self) -> bool {
        let states: Vec<(&str, State)> = self.each().map(|(n, state, _)| (n, state)).collect();
        deliver(&states)
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

/// How it is with a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It takes what it is given.
    Delivering,
    /// It tries again what it could not deliver.
    Retrying,
    /// It is not known yet whether there is anybody to ship as.
    Undecided,
    /// There is nobody to ship as.
    Off,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Delivering => "delivering",
            State::Retrying => "retrying",
            State::Undecided => "undecided",
            State::Off => "off",
        }
    }
}

/// Whether every sink takes what it is given, and there is one. Standard output, which nobody asked for, is none as
/// long as it is undecided whom else there is to ship to.
fn deliver(sinks: &[(&str, State)]) -> bool {
    let undecided = sinks.iter().any(|(_, state)| *state == State::Undecided);
    let mut there = sinks
        .iter()
        .filter(|(_, state)| !matches!(state, State::Undecided | State::Off))
        .filter(|(name, _)| !(undecided && *name == STDOUT))
        .peekable();
    there.peek().is_some() && there.all(|(_, state)| *state == State::Delivering)
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
            .send(Message::Discovered(generation, answer))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_delivers_only_where_nobody_else_may_be_meant() {
        let stdout = (STDOUT, State::Delivering);
        let file = ("file", State::Delivering);
        let cloudwatch = |state| ("cloudwatch_logs", state);
        let open = cloudwatch(State::Undecided);
        assert!(!deliver(&[]));
        assert!(!deliver(&[open]));
        assert!(!deliver(&[stdout, open]));
        assert!(deliver(&[stdout, cloudwatch(State::Off)]));
        assert!(deliver(&[file, open]));
        assert!(!deliver(&[file, cloudwatch(State::Retrying)]));
    }
}
