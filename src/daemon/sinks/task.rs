//! The task of one sink: it is handed batches of events, ships them, and says what became of them.

use super::{STDOUT, State};
use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::message::Message;
use crate::daemon::store::{Command, Fetch};
use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;
use agent_outbox::store::SinkKind;
use agent_ship::{Sent, Trouble};
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events in one batch at most: within one batch of CloudWatch Logs.
// Own bound: of one batch; another one follows.
const MOST_EVENTS: usize = 2_000;
/// Bytes in one batch at most: little enough to hold in memory.
// Own bound: of one batch; another one follows.
const MOST_BYTES: usize = 1 << 20;
/// The key of a heartbeat, which is not in the spool.
const HEARTBEAT: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct SinkTask {
    pub(super) sink: SinkKind,
    to: mpsc::Sender<Batch>,
    pub(super) task: JoinHandle<()>,
    /// What it has, until it says what became of it.
    handed: Option<Handed>,
    /// The store was asked for what waits, and has not answered.
    pub(super) fetching: bool,
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
    pub(super) skew: Option<i64>,
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
    pub(super) generation: u64,
    pub(super) sink: SinkKind,
    sent: Sent,
    skew: Option<i64>,
    /// Where it was sent, if a service was called.
    pub(super) called: Option<String>,
}

impl SinkTask {
    /// Begins the task of a sink.
    pub(super) fn begin(
        ship: agent_ship::Sink,
        sink: SinkKind,
        generation: u64,
        messages: mpsc::Sender<Message>,
    ) -> SinkTask {
        let (to, batches) = mpsc::channel(1);
        let task = tokio::spawn(deliver(ship, sink, generation, batches, messages));
        SinkTask {
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
        }
    }

    /// What became of what it was given; what the store is to be told of it.
    pub(super) fn sent(&mut self, report: Report, now: Now) -> Option<Command> {
        let Report {
            sink, sent, skew, ..
        } = report;
        let mut delivery = sent.delivery;
        let with_heartbeat = delivery.accepted.len() + delivery.refused.len();
        delivery.accepted.retain(|key| *key != HEARTBEAT);
        delivery.refused.retain(|(key, _)| *key != HEARTBEAT);
        let settled = delivery.accepted.len() + delivery.refused.len();
        let handed = self.handed.take().unwrap_or_default();
        if settled == with_heartbeat && self.heartbeat.is_none() {
            self.heartbeat = handed.heartbeat;
        }
        self.dry = false;
        self.calm = false;
        self.begun |= settled > 0;
        self.skew = skew;
        self.again = sent.again.map(|wait| now.monotonic + wait);
        self.trouble = sent.trouble;
        (settled > 0).then_some(Command::Settle {
            sink,
            delivery,
            at: now.wall,
        })
    }

    /// Something may have come into the spool.
    pub(super) fn refill(&mut self) {
        self.dry = false;
        self.calm = false;
    }

    /// The agent ends: it does not wait for a better moment.
    pub(super) fn hasten(&mut self) {
        self.again = self.again.filter(|_| self.trouble.is_some());
        self.last = true;
    }

    /// The last is told: it tries once more, and at once.
    pub(super) fn hurry(&mut self) {
        self.last = true;
        self.again = None;
    }

    /// The newest heartbeat takes the place of one that still waits.
    pub(super) fn heartbeat(&mut self, bytes: &[u8], wall: UnixMillis) {
        self.heartbeat = Some(Parcel {
            key: HEARTBEAT,
            time: wall.0,
            severity: Severity::Low,
            bytes: bytes.into(),
        });
    }

    /// When it may be handed something again, if it waits for that.
    pub(super) fn due(&self) -> Option<Instant> {
        self.again.filter(|_| !self.is_busy() && self.waits())
    }

    /// Whether everything that can be shipped before then has been.
    pub(super) fn is_idle(&self, end: Instant) -> bool {
        let later = self.again.is_some_and(|again| again >= end);
        !self.is_busy() && (!self.waits() || later)
    }

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
    pub(super) fn wants(&mut self, generation: u64, now: Instant) -> Option<Fetch> {
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
    pub(super) fn fetched(&mut self, parcels: Vec<Parcel>, now: Instant) {
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

    /// Its name and state, and what is wrong; empty where all is well.
    pub(super) fn state(&self) -> (&'static str, State, String) {
        match &self.trouble {
            None => (name(self.sink), State::Delivering, String::new()),
            Some(Trouble { class, text }) => {
                let error = format!("{}: {text}", class.name());
                (name(self.sink), State::Retrying, error)
            }
        }
    }
}

pub(super) fn name(sink: SinkKind) -> &'static str {
    match sink {
        SinkKind::CloudwatchLogs => "cloudwatch_logs",
        SinkKind::File => "file",
        SinkKind::Stdout => STDOUT,
        SinkKind::Journald => "journald",
    }
}

/// Ships what it is handed, one batch after the other.
async fn deliver(
    mut ship: agent_ship::Sink,
    sink: SinkKind,
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
        let (skew, called) = match &ship {
            agent_ship::Sink::Cloudwatch(sink) => (Some(sink.skew()), sink.called()),
            agent_ship::Sink::File(_)
            | agent_ship::Sink::Journald(_)
            | agent_ship::Sink::Stdout(_) => (None, None),
        };
        let report = Report {
            generation,
            sink,
            sent,
            skew,
            called,
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
