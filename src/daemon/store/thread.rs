//! The thread that owns the store, and waits for the disk.

use crate::daemon::clock::UnixMillis;
use crate::daemon::message::Message;
use crate::daemon::paths::runtime_directory;
use crate::daemon::run_record::RunRecord;
use crate::daemon::states::restored::{News, RecentlyTold};
use crate::daemon::states::untold::Untold;
use crate::daemon::status::open;
use crate::daemon::store::listing::Listing;
use crate::daemon::store::place::{self, StatePlace};
use crate::daemon::store::queue::CommandQueue;
use crate::daemon::store::{Answer, Command, Fetch, Gauge, StoreStatus};
use agent_core::change::ChangeContext;
use agent_core::finding::{FILES_MOUNT, Finding};
use agent_core::paths::split;
use agent_core::region::Region;
use agent_core::task::{self, Job};
use agent_outbox::event::Lifecycle;
use agent_outbox::store::{OpenOutcome, ScanId, Scope, Store};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::Builder;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Commands carried out in a row at most, before what is due is done and said.
const IN_A_ROW: usize = 256;
/// Names of open findings in one answer of the store.
const PAGE: usize = 1_024;
/// What could not be saved is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);

/// The owner of the store.
pub(in crate::daemon) struct StoreThread {
    store: Store,
    commands: Receiver<Command>,
    /// Commands that came and are not carried out yet.
    queue: CommandQueue,
    messages: Sender<Message>,
    gauge: Arc<Gauge>,
    /// Jobs under way, by their number.
    rounds: HashMap<u64, ScanId>,
    /// What was told as changed and restored.
    told: RecentlyTold,
    untold: Untold,
    state_dir: PathBuf,
    place: StatePlace,
    /// What the next run may know: with what was told as far as the store has it.
    kept: RunRecord,
    /// What the next run must know and is not written yet, and when to try again.
    owed: Option<(RunRecord, Instant)>,
    said: StoreStatus,
    listing: Listing,
}

impl StoreThread {
    pub(in crate::daemon) fn new(
        store: Store,
        commands: Receiver<Command>,
        messages: Sender<Message>,
        gauge: Arc<Gauge>,
        state_dir: PathBuf,
        kept: RunRecord,
    ) -> StoreThread {
        StoreThread {
            store,
            commands,
            queue: CommandQueue::default(),
            messages,
            gauge,
            rounds: HashMap::new(),
            told: RecentlyTold::default(),
            untold: Untold::default(),
            place: StatePlace::new(state_dir.clone(), Instant::now()),
            state_dir,
            kept,
            owed: None,
            said: StoreStatus::default(),
            listing: Listing::default(),
        }
    }

    pub(in crate::daemon) fn start(self) -> io::Result<()> {
        Builder::new()
            .name("store".into())
            .spawn(move || {
                task::begin(Job::Store);
                self.run();
            })
            .map(|_| ())
    }

    fn run(mut self) {
        let mut wait = Some(Duration::ZERO);
        loop {
            self.gauge.rest();
            let wait_for = wait.map_or(place::APART, |wait| wait.min(place::APART));
            let first = self.commands.recv_timeout(wait_for);
            self.gauge.begin();
            match first {
                Ok(command) => self.queue.push(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let mut left = IN_A_ROW;
            while let Some(command) = self.next(&mut left) {
                self.gauge.taken();
                self.gauge.begin();
                if matches!(command, Command::Close) {
                    return self.close();
                }
                self.carry_out(command);
            }
            self.gauge.begin();
            let due = self.tend();
            let due = self.list(due);
            wait = match self.queue.is_empty() {
                true => due,
                false => Some(Duration::ZERO),
            };
            self.report();
            if let Some(news) = self.place.news(Instant::now()) {
                self.say(Answer::StateDirectory(news));
            }
        }
    }

    /// The next command, what is urgent first; `left` more are carried out in a row.
    fn next(&mut self, left: &mut usize) -> Option<Command> {
        while let Ok(command) = self.commands.try_recv() {
            self.queue.push(command);
        }
        *left = left.checked_sub(1)?;
        self.queue.pop()
    }

    /// Does what is due; returns how long to wait for a command then.
    fn tend(&mut self) -> Option<Duration> {
        let wait = self.store.tick(wall());
        let wait = wait.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        let now = Instant::now();
        if self.owed.as_ref().is_some_and(|(_, again)| now >= *again)
            && let Some((record, _)) = self.owed.take()
        {
            self.remember(record);
        }
        self.tell_untold(now);
        let owed = self.owed.as_ref();
        let owed = owed.map(|(_, again)| again.saturating_duration_since(now));
        let untold = self.untold.wait(now);
        wait.into_iter().chain(owed).chain(untold).min()
    }

    /// Lists what stands, where that has changed and nothing else is to be done; returns how long to wait then.
    fn list(&mut self, wait: Option<Duration>) -> Option<Duration> {
        if !self.queue.is_empty() {
            return wait;
        }
        let now = Instant::now();
        if self.listing.is_due(now) {
            let at = UnixMillis::now().rfc3339();
            let visit =
                |each: &mut dyn FnMut(_) -> _| self.store.visit_open_deviations(open::ROWS, each);
            // Whoever asks finds an older one, or none.
            open::write(&runtime_directory(), &at, visit).unwrap_or_default();
            self.listing.done(now, Instant::now());
        }
        wait.into_iter()
            .chain(self.listing.wait(Instant::now()))
            .min()
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Begin { job, scope, .. } => {
                let round = self.store.begin(scope);
                self.rounds.insert(job, round);
            }
            Command::Found {
                job,
                finding,
                cause,
                until,
                at,
            } => {
                if let Some(round) = self.rounds.get(&job) {
                    let cause = cause.as_deref();
                    self.store.found_until(
                        *round,
                        &finding,
                        cause,
                        until.map(|until| until.0),
                        at.0,
                    );
                }
            }
            Command::End { job, whole, at } => {
                if let Some(round) = self.rounds.remove(&job) {
                    match whole {
                        true => self.store.end(round, at.0),
                        false => self.store.abandon(round, at.0),
                    }
                }
            }
            Command::Restored {
                path,
                finding,
                cause,
                at,
            } => self.restored(path, &finding, &cause, at),
            Command::Tell { event, at } => {
                if matches!(*event, Lifecycle::Stopped { .. }) {
                    let now = Instant::now();
                    self.untold.end(now);
                    self.tell_untold(now);
                }
                self.store.tell(*event, at.0);
            }
            Command::SetOrigin { origin, at } => {
                let openings = self.store.set_source(*origin, at.0);
                self.opened(openings);
            }
            Command::Enable { sinks, at } => self.store.enable(&sinks, at.0),
            Command::Commit => {
                self.store.commit(wall());
                let down = self.store.is_down();
                self.say(Answer::Committed { down });
            }
            Command::Settle { sink, delivery, at } => self.store.settle(sink, &delivery, at.0),
            Command::Fetch(fetch) => self.fetch(fetch),
            Command::OpenIn {
                directory,
                after,
                most,
                reply,
            } => {
                let open = self.store.open_in(&directory, &after, most, wall());
                // Whoever asked may have ended.
                reply.try_send(open).unwrap_or_default();
            }
            Command::Remember(record) => self.remember(*record),
            Command::Close => {}
        }
    }

    /// Told as a deviation that came and went, unless one is open there: then what is cleared tells it.
    fn restored(
        &mut self,
        path: Vec<u8>,
        finding: &Finding,
        cause: &ChangeContext,
        at: UnixMillis,
    ) {
        let now = Instant::now();
        // What was mounted there is news though the file was told a while ago.
        let key = [&*path, b"\0", finding.check.id.as_bytes()].concat();
        match self.told.of(&key, finding.severity, now) {
            News::Tell => {}
            News::Known => return,
            News::Count => return self.untold.add(&path, finding.severity, now),
        }
        let of_mount = finding.check.id == FILES_MOUNT.id;
        let open = self.is_open(&path);
        if open && !of_mount {
            return;
        }
        self.told.tell(&key, finding.severity, now);
        let region = Region { path, below: false };
        for there in [true, false] {
            let round = self.store.begin(Scope::Regions(vec![region.clone()]));
            if there {
                self.store.found(round, finding, Some(cause), at.0);
            }
            if open {
                // Of what else is open there this says nothing: the look that follows clears what is over.
                return self.store.abandon(round, at.0);
            }
            self.store.end(round, at.0);
        }
    }

    fn tell_untold(&mut self, now: Instant) {
        if let Some(fault) = self.untold.take(now) {
            self.store.tell(Lifecycle::Fault(fault), wall());
        }
    }

    /// Whether a file finding is open at that path.
    fn is_open(&mut self, path: &[u8]) -> bool {
        let (directory, _) = split(path);
        let mut after = Vec::new();
        loop {
            let mut page = self.store.open_in(directory, &after, PAGE, wall());
            if page.iter().any(|open| open == path) {
                return true;
            }
            match page.pop() {
                Some(last) if page.len() + 1 >= PAGE => after = last,
                _ => return false,
            }
        }
    }

    fn fetch(&mut self, fetch: Fetch) {
        let most = (fetch.most_events, fetch.most_bytes);
        let parcels = self.store.parcels(fetch.sink, most.0, most.1);
        self.say(Answer::Parcels { fetch, parcels });
    }

    /// Leaves to the next run what it must know. That something was told it may know once the store has it: told twice
    /// is better than never.
    fn remember(&mut self, record: RunRecord) {
        self.store.commit(wall());
        let held = self.store.is_down();
        let told = match held {
            // A kill would take with it what was told.
            true => &self.kept,
            false => &record,
        };
        self.kept = RunRecord {
            launch: told.launch.clone(),
            unusable: told.unusable,
            ..record.clone()
        };
        let written = self.kept.save(&self.state_dir);
        if held || written.is_err() {
            self.owed = Some((record, Instant::now() + AGAIN));
        } else {
            self.owed = None;
        }
        self.say(Answer::Remembered(written.map_err(|e| e.to_string())));
    }

    fn opened(&mut self, openings: Vec<OpenOutcome>) {
        if openings.is_empty() {
            return;
        }
        self.place.renew();
        if openings
            .iter()
            .any(|opening| matches!(opening, OpenOutcome::SetAside { .. }))
        {
            // What may have gone with it unshipped is told anew.
            self.kept.unusable = None;
        }
        self.say(Answer::Openings(openings));
    }

    /// Says how it is with the store, if that has changed.
    fn report(&mut self) {
        let openings = self.store.news();
        self.opened(openings);
        let now = UnixMillis::now();
        let status = StoreStatus {
            pending: self.store.pending(now.0),
            at: now,
            head: self.store.head(),
        };
        let before = &mut self.said;
        let (mut old, mut new) = (before.pending.clone(), status.pending.clone());
        (old.age, new.age) = (0, 0);
        if new.trouble.is_none() {
            // What waits for the next transaction is nobody's business.
            (old.held, new.held) = (0, 0);
        }
        if old != new || before.head != status.head {
            before.clone_from(&status);
            self.listing.stale();
            self.say(Answer::StoreStatus(Box::new(status)));
        }
    }

    /// Writes what is held, and ends.
    fn close(mut self) {
        self.store.commit(wall());
        let StoreThread {
            store, messages, ..
        } = self;
        drop(store);
        say(&messages, Answer::Closed);
    }

    fn say(&self, answer: Answer) {
        say(&self.messages, answer);
    }
}

fn say(messages: &Sender<Message>, answer: Answer) {
    // Nobody hears it when the agent ends.
    messages
        .blocking_send(Message::Store(answer))
        .unwrap_or_default();
}

/// Milliseconds since 1970.
fn wall() -> i64 {
    UnixMillis::now().0
}
