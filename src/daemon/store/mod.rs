//! The store as the event loop and jobs have it: commands go to a thread of its own, and answers come
//! back as messages. Nobody here waits for the disk but who asks [`Asker`].
//!
//! Commands are carried out in the order in which they were given, urgent ones first. While more than [`MOST`] of them
//! wait the event loop receives no findings, so that jobs wait too.

mod listing;
mod place;
mod queue;
mod thread;

use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::message::Message;
use crate::daemon::run_record::RunRecord;
use agent_core::change::ChangeContext;
use agent_core::error::{Error, Result};
use agent_core::finding::Finding;
use agent_outbox::event::chain::Head;
use agent_outbox::event::{EventSource, Lifecycle};
use agent_outbox::parcel::{Delivery, Parcel};
use agent_outbox::store::{OpenOutcome, Pending, Scope, SinkKind, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use thread::StoreThread;
use tokio::sync::mpsc::Sender;

/// Commands that wait before the event loop stops receiving findings; of 3 KiB each, about.
// Own bound: whoever sends waits.
const MOST: usize = 256;
/// Room beyond that for what does not come from a job: steps of the agent, and what became of events. Each of their
/// sources has one under way, or comes with a person's doing.
const RESERVE: usize = 1_024;
/// One step of the store (a transaction with its fsync) that takes longer means that the disk is stuck.
const STUCK: Duration = Duration::from_secs(5);
/// Interval between two checks of a store that is full or stuck, since nobody says that it is no more.
const AGAIN: Duration = Duration::from_millis(50);

/// What the store's thread is to do.
#[derive(Debug)]
pub(in crate::daemon) enum Command {
    /// A job begins, by its number. What an urgent one finds does not wait behind what others found.
    Begin {
        job: u64,
        scope: Scope,
        urgent: bool,
    },
    /// A job found something; `until`: it may wait until then for evidence.
    Found {
        job: u64,
        finding: Box<Finding>,
        cause: Option<Box<ChangeContext>>,
        until: Option<UnixMillis>,
        at: UnixMillis,
    },
    /// A job has come to its end; `whole`: what it did not find again is no more.
    End {
        job: u64,
        whole: bool,
        at: UnixMillis,
    },
    /// A path was changed and is again as recorded: told, unless something is open there or it was told lately.
    Restored {
        path: Vec<u8>,
        finding: Box<Finding>,
        cause: Box<ChangeContext>,
        at: UnixMillis,
    },
    /// A step or a fault of the agent.
    Tell {
        event: Box<Lifecycle>,
        at: UnixMillis,
    },
    /// The origin of events from now on.
    SetOrigin {
        origin: Box<EventSource>,
        at: UnixMillis,
    },
    /// Which sinks are enabled.
    Enable {
        sinks: Vec<SinkKind>,
        at: UnixMillis,
    },
    /// What became of parcels.
    Settle {
        sink: SinkKind,
        delivery: Delivery,
        at: UnixMillis,
    },
    /// Parcels for a sink are wanted.
    Fetch(Fetch),
    /// Which file findings are open in a directory.
    OpenIn {
        directory: Vec<u8>,
        after: Vec<u8>,
        most: usize,
        reply: SyncSender<Vec<Vec<u8>>>,
    },
    /// What the next run must know; written when the store has what was told before.
    Remember(Box<RunRecord>),
    /// What was given before is committed, and that is answered.
    Commit,
    /// The agent ends: the store is closed.
    Close,
}

/// Parcels that a sink wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Fetch {
    /// Which configuration of sinks wants them.
    pub(in crate::daemon) generation: u64,
    pub(in crate::daemon) sink: SinkKind,
    pub(in crate::daemon) most_events: usize,
    pub(in crate::daemon) most_bytes: usize,
}

/// What the store's thread says.
#[derive(Debug)]
pub(in crate::daemon) enum Answer {
    /// How it is with the store, whenever that has changed. Something may be there for sinks.
    StoreStatus(Box<StoreStatus>),
    /// What became of the store.
    Openings(Vec<OpenOutcome>),
    /// What a sink is to ship.
    Parcels { fetch: Fetch, parcels: Vec<Parcel> },
    /// What the next run must know is written, and the store has what was told; or why not.
    Remembered(std::result::Result<(), String>),
    /// What was given before is committed; `down`: in memory alone.
    Committed { down: bool },
    /// What is wrong with the state directory itself, or that nothing is any more.
    StateDirectory(Option<String>),
    /// The store is closed.
    Closed,
}

/// How it is with the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::daemon) struct StoreStatus {
    /// What waits, and what was lost.
    pub(in crate::daemon) pending: Pending,
    /// When that was asked.
    pub(in crate::daemon) at: UnixMillis,
    /// The end of the chain, once there is one.
    pub(in crate::daemon) head: Option<Head>,
}

/// What both sides of the channel share.
#[derive(Debug)]
pub(in crate::daemon) struct Gauge {
    epoch: Instant,
    /// Commands that wait.
    waiting: AtomicUsize,
    /// Since when the thread has been at one step, in milliseconds since `epoch`; 0: it waits for a command.
    busy: AtomicU64,
}

impl Gauge {
    fn new() -> Gauge {
        Gauge {
            epoch: Instant::now(),
            waiting: AtomicUsize::new(0),
            busy: AtomicU64::new(0),
        }
    }

    /// The thread has taken a command.
    pub(in crate::daemon) fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The thread begins a step.
    pub(in crate::daemon) fn begin(&self) {
        let since = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.busy.store(since.max(1), Ordering::Relaxed);
    }

    /// The thread waits.
    pub(in crate::daemon) fn rest(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    fn busy_for(&self, now: Instant) -> Duration {
        match self.busy.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => {
                let since = self.epoch + Duration::from_millis(since);
                now.saturating_duration_since(since)
            }
        }
    }
}

/// The event loop's hold on the store.
#[derive(Debug)]
pub(in crate::daemon) struct StoreHandle {
    commands: SyncSender<Command>,
    gauge: Arc<Gauge>,
    /// As the thread said last.
    status: StoreStatus,
    origin: EventSource,
    /// When to check whether the thread hangs,
    check: Option<Instant>,
    /// and whether it did.
    stuck: bool,
    /// Commands for which there was no room.
    lost: u64,
    /// The thread is no more.
    gone: bool,
    /// The store is closed.
    closed: bool,
}

impl StoreHandle {
    /// Opens the store, or begins one, and starts its thread. Errors: see [`Store::open`], or no thread could be
    /// started.
    pub(in crate::daemon) fn open(
        state_dir: PathBuf,
        max_size: u64,
        origin: EventSource,
        record: RunRecord,
        messages: Sender<Message>,
        now: UnixMillis,
    ) -> Result<(StoreHandle, Vec<OpenOutcome>)> {
        let (store, openings) = Store::open(&state_dir, max_size, origin.clone(), now.0)?;
        let (commands, receiver) = sync_channel(MOST + RESERVE);
        let gauge = Arc::new(Gauge::new());
        let status = StoreStatus {
            pending: store.pending(now.0),
            at: now,
            head: store.head(),
        };
        StoreThread::new(store, receiver, messages, gauge.clone(), state_dir, record)
            .start()
            .map_err(|error| Error::new(format!("the store's thread cannot start: {error}")))?;
        let handle = StoreHandle {
            commands,
            gauge,
            status,
            origin,
            check: None,
            stuck: false,
            lost: 0,
            gone: false,
            closed: false,
        };
        Ok((handle, openings))
    }

    /// For jobs.
    pub(in crate::daemon) fn asker(&self) -> Asker {
        Asker {
            commands: self.commands.clone(),
            gauge: self.gauge.clone(),
        }
    }

    /// Whether what a job found has room.
    pub(in crate::daemon) fn has_room(&self) -> bool {
        self.gauge.waiting.load(Ordering::Relaxed) < MOST
    }

    /// Gives a command; one for which there is no room is counted.
    pub(in crate::daemon) fn give(&mut self, command: Command) {
        self.gauge.waiting.fetch_add(1, Ordering::Relaxed);
        match self.commands.try_send(command) {
            Ok(()) => {
                self.check
                    .get_or_insert_with(|| Instant::now() + STUCK + AGAIN);
            }
            Err(refusal) => {
                self.gauge.taken();
                self.lost += 1;
                self.gone |= matches!(refusal, TrySendError::Disconnected(_));
            }
        }
    }

    /// A step or a fault of the agent.
    pub(in crate::daemon) fn tell(&mut self, event: Lifecycle, at: UnixMillis) {
        let event = Box::new(event);
        self.give(Command::Tell { event, at });
    }

    /// Takes in how it is with the store; whether what is wrong with it is news.
    pub(in crate::daemon) fn stands(&mut self, status: StoreStatus) -> bool {
        let wrong = |status: &StoreStatus| status.pending.trouble.is_some();
        let news = wrong(&self.status) != wrong(&status);
        self.status = status;
        news
    }

    /// The end of the chain, as the store said last.
    pub(in crate::daemon) fn head(&self) -> Option<&Head> {
        self.status.head.as_ref()
    }

    /// It is closed.
    pub(in crate::daemon) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether it is closed, or there is nobody who would do so.
    pub(in crate::daemon) fn is_closed(&self) -> bool {
        self.closed || self.gone
    }

    /// The origin of events from now on.
    pub(in crate::daemon) fn set_source(&mut self, origin: EventSource, at: UnixMillis) {
        self.origin.clone_from(&origin);
        let origin = Box::new(origin);
        self.give(Command::SetOrigin { origin, at });
    }

    /// The origin of events.
    pub(in crate::daemon) fn origin(&self) -> &EventSource {
        &self.origin
    }

    /// When to check it again, if nothing happens before.
    pub(in crate::daemon) fn due(&self, now: Instant) -> Option<Instant> {
        let full = (!self.has_room()).then(|| now + AGAIN);
        self.check.into_iter().chain(full).min()
    }

    /// Checks whether the thread hangs, if that is due; whether that has changed.
    pub(in crate::daemon) fn check(&mut self, now: Instant) -> bool {
        if self.check.is_none_or(|due| now < due) {
            return false;
        }
        let busy = self.gauge.busy_for(now);
        let waiting = self.gauge.waiting.load(Ordering::Relaxed) > 0;
        self.check = (waiting || !busy.is_zero()).then(|| now + STUCK / 5);
        let stuck = self.gone || busy >= STUCK;
        std::mem::replace(&mut self.stuck, stuck) != stuck
    }

    /// What waits and what was lost, with what is wrong with the store as far as can be told from here.
    pub(in crate::daemon) fn pending(&self, now: Now) -> Pending {
        let mut pending = self.status.pending.clone();
        if pending.events > 0 {
            let since = (now.wall - self.status.at).as_millis();
            pending.age += i64::try_from(since).unwrap_or(i64::MAX);
        }
        pending.lost += self.lost;
        let stuck = self.gauge.busy_for(now.monotonic);
        if self.gone {
            pending.trouble = Some("the store's thread has come to its end".into());
        } else if stuck >= STUCK {
            let waiting = self.gauge.waiting.load(Ordering::Relaxed);
            pending.trouble = Some(format!(
                "the store has not answered for {} s: its disk is stuck; {} for it",
                stuck.as_secs(),
                match waiting {
                    1 => "1 thing waits".to_owned(),
                    waiting => format!("{waiting} things wait"),
                }
            ));
        }
        pending
    }
}

/// Asks the store, and waits for the answer. For jobs.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Asker {
    commands: SyncSender<Command>,
    gauge: Arc<Gauge>,
}

impl Asker {
    /// See [`Store::open_in`]; `None`: the agent ends.
    pub(in crate::daemon) fn open_in(
        &self,
        directory: &[u8],
        after: Vec<u8>,
        most: usize,
    ) -> Option<Vec<Vec<u8>>> {
        let (reply, answer) = sync_channel(1);
        self.gauge.waiting.fetch_add(1, Ordering::Relaxed);
        let command = Command::OpenIn {
            directory: directory.to_vec(),
            after,
            most,
            reply,
        };
        if self.commands.send(command).is_err() {
            self.gauge.taken();
            return None;
        }
        answer.recv().ok()
    }
}
