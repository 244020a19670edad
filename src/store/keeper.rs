//! The one door to the store.

use super::burst::Burst;
use super::looks::{self, Cursor, Looks};
use super::open::{self, Refusal};
use super::outlet;
use super::pack::Sample;
use super::queue::{Op, Queue};
use super::state::State;
use super::tables::{Result as Redb, Role, Tables, rank};
use super::work::{Limits, Work};
use super::{GROUP_FINDINGS, GROUP_TIME, Opening, Pending, Round, Scope, Sink};
use crate::cause::Cause;
use crate::error::{Error, Result};
use crate::event::chain::{self, Chain, Head};
use crate::event::{Fault, Heartbeat, Lifecycle, Origin, Sighting, own};
use crate::finding::{Finding, Severity};
use crate::ship::parcel::{Delivery, Parcel};
use redb::{Database, ReadableDatabase};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Ranges that a sink refused are declared so many milliseconds after the last declaration: one event
/// about many, even if the sink refuses that one too.
const DECLARE: i64 = 60_000;
/// A store that cannot be written is tried again after so many milliseconds, doubling
const RETRY: i64 = 1000;
/// up to so many.
const RETRY_MOST: i64 = 60_000;

/// The owner of the store. Times (`now`) are milliseconds since 1970 and may go backwards.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    limits: Limits,
    origin: Origin,
    store: Option<Store>,
    /// As last committed.
    state: State,
    queue: Queue,
    /// Since when something waits in the queue.
    waiting: Option<i64>,
    committed: i64,
    looks: Looks,
    round: u64,
    burst: Burst,
    /// What sinks settled and the store does not know yet.
    settled: HashSet<(u8, u64)>,
    down: Option<Down>,
    /// What came in and could not be held, ever.
    lost: u64,
    news: Vec<Opening>,
    /// How a chain is begun, should a store have to be made.
    next: Next,
    /// Bytes written since the free pages were counted.
    unmeasured: u64,
}

#[derive(Debug)]
struct Store {
    database: Database,
    sample: Sample,
}

/// The store cannot be written.
#[derive(Debug)]
struct Down {
    since: i64,
    reason: String,
    again: i64,
    delay: i64,
    lost: u64,
}

/// The chain that a new store begins with.
#[derive(Debug)]
struct Next {
    reason: String,
    after: Option<Head>,
    base: u64,
    sinks: Vec<u8>,
}

/// What became of a transaction.
enum Outcome<T> {
    Done(T),
    /// The file would have become too large: nothing was written.
    TooLarge,
}

impl Keeper {
    /// Opens the store in `state_dir`, or begins one. Errors: another agent has it open, or the
    /// directory is not usable at all.
    pub fn open(
        state_dir: &Path,
        max_size: u64,
        origin: Origin,
        now: i64,
    ) -> Result<(Keeper, Vec<Opening>)> {
        let path = state_dir.join(open::FILE);
        let mut keeper = Keeper {
            path,
            limits: Limits::new(max_size),
            origin,
            store: None,
            state: State::default(),
            queue: Queue::default(),
            waiting: None,
            committed: 0,
            looks: Looks::default(),
            round: 0,
            burst: Burst::default(),
            settled: HashSet::new(),
            down: None,
            lost: 0,
            news: Vec::new(),
            next: Next {
                reason: "first start on this host".into(),
                after: None,
                base: 0,
                sinks: Vec::new(),
            },
            unmeasured: 0,
        };
        match keeper.bring_up(true, now) {
            Ok(()) => {}
            Err(Refusal::Io(error)) if !is_for_good(&error) => {
                let reason = error.to_string();
                keeper.news.push(Opening::Unusable {
                    reason: reason.clone(),
                });
                keeper.go_down(reason, now);
            }
            Err(refusal) => return Err(Error::in_file(&keeper.path, refusal.words())),
        }
        keeper.commit(now);
        let news = keeper.news();
        Ok((keeper, news))
    }

    /// What became of the store since this was last asked.
    pub fn news(&mut self) -> Vec<Opening> {
        std::mem::take(&mut self.news)
    }

    /// The origin of events from now on. Another instance id than before sets the store aside.
    pub fn set_origin(&mut self, origin: Origin, now: i64) -> Vec<Opening> {
        self.commit(now);
        self.origin = origin;
        if let Some(store) = self.store.take() {
            match open::other_host(&self.state, &self.origin.host) {
                Some(former) => {
                    drop(store);
                    let result = self.start_over(Aside::OtherInstance(former), now);
                    self.unless_failed(result, now);
                }
                None => {
                    let result = self.adopt(store.database);
                    self.unless_failed(result, now);
                }
            }
        }
        self.commit(now);
        self.news()
    }

    /// Which sinks are enabled. A sink that is new gets what still waits; one that is gone is waited
    /// for no longer. With none, events stay until the spool is full. Until this is called those of
    /// the last run are waited for.
    pub fn enable(&mut self, sinks: &[Sink], now: i64) {
        self.next.sinks = sinks.iter().map(|sink| sink.code()).collect();
        self.push(Op::Enable(sinks.to_vec()), now);
        self.commit(now);
    }

    /// Begins a look. Every finding of it goes to [`Keeper::found`], passes as well.
    pub fn begin(&mut self, scope: Scope) -> Round {
        self.round += 1;
        self.looks.begin(self.round, scope)
    }

    /// A finding of the look, with what is known of how it came about.
    pub fn found(&mut self, round: Round, finding: &Finding, cause: Option<&Cause>, now: i64) {
        let key = crate::ledger::key::of(finding.check.id, &finding.subject);
        let mark = match finding.verdict {
            crate::finding::Verdict::Pass | crate::finding::Verdict::NotApplicable => None,
            _ => self.looks.found(&key),
        };
        let scan = self
            .looks
            .of(round)
            .is_some_and(|look| look.scope == Scope::Files);
        let op = Op::Found {
            round,
            sighting: Box::new(Sighting::new(finding, cause)),
            mark,
            scan,
        };
        self.push(op, now);
    }

    /// The look came to its end: what it did not find again is cleared.
    pub fn end(&mut self, round: Round, now: i64) {
        let cursor = Cursor::default();
        self.push(Op::End { round, cursor }, now);
    }

    /// The look broke off: nothing is cleared.
    pub fn abandon(&mut self, round: Round, now: i64) {
        self.looks.spoil(round);
        self.end(round, now);
    }

    /// Paths with an open file finding that are direct entries of `directory` (both relative to the root), in
    /// order, from the first behind `after` (empty: the first of all), at most `most`.
    pub fn open_in(
        &mut self,
        directory: &[u8],
        after: &[u8],
        most: usize,
        now: i64,
    ) -> Vec<Vec<u8>> {
        self.commit(now);
        let read = |store: &Store| {
            let transaction = store.database.begin_read().ok()?;
            looks::entries(&transaction, directory, after, most).ok()
        };
        // A store that cannot be read shows when it is next written.
        self.store.as_ref().and_then(read).unwrap_or_default()
    }

    /// A step or a fault of the agent.
    pub fn tell(&mut self, event: Lifecycle, now: i64) {
        self.push(Op::Tell(Box::new(event)), now);
    }

    /// A heartbeat: one JSON object. No link of the chain, and nothing is stored.
    pub fn heartbeat(&self, facts: &Heartbeat, now: i64) -> Vec<u8> {
        let pending = self.pending(now);
        let spool = own::Spool {
            events: pending.events,
            bytes: pending.bytes,
            age: pending.age,
            dropped: pending.dropped,
            refused: pending.refused,
            untold: pending.untold,
            open: pending.open,
            held: pending.held,
            lost: pending.lost,
            trouble: pending.trouble,
        };
        let draft = own::heartbeat(&self.origin, facts, &spool, now);
        let head = self.state.chain().map(|chain| chain.head);
        chain::beside(head.as_ref(), draft, now)
    }

    /// Does what is due; returns in how many milliseconds to call again, `None` if nothing waits.
    pub fn tick(&mut self, now: i64) -> Option<i64> {
        if self.group_due(now) == Some(0) {
            self.commit(now);
        }
        if self.store.is_some() && self.state.held > 0 && self.flood_due(now) == 0 {
            self.transact(now, |work, _, _| work.release(now).map(|_| ()));
        }
        if self.declaration_due(now) == Some(0) {
            self.transact(now, |work, _, _| work.declare(now));
        }
        let flood = (self.state.held > 0).then(|| self.flood_due(now));
        let flood = flood.filter(|_| self.store.is_some());
        [self.group_due(now), flood, self.declaration_due(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes in at once what is held.
    pub fn commit(&mut self, now: i64) {
        if self.store.is_none() && !self.bring_up_again(now) {
            return;
        }
        while self.store.is_some() && !self.queue.is_empty() {
            if !self.take_group(now) {
                return;
            }
        }
        self.waiting = None;
        self.committed = now;
    }

    /// Up to so many events that wait for `sink`, of at most so many bytes together (one at least),
    /// in order, from the first with a key above `after` (0: from the beginning).
    pub fn parcels(
        &self,
        sink: Sink,
        after: u64,
        max_events: usize,
        max_bytes: usize,
    ) -> Vec<Parcel> {
        let Some(store) = &self.store else {
            return Vec::new();
        };
        let most = (max_events, max_bytes);
        let read = || {
            let transaction = store.database.begin_read()?;
            outlet::parcels(&transaction, sink, after, most, &self.settled)
        };
        // A store that cannot be read shows when it is next written.
        read().unwrap_or_else(|_: redb::Error| Vec::new())
    }

    /// What became of parcels handed to `sink`.
    pub fn settle(&mut self, sink: Sink, delivery: &Delivery, now: i64) {
        let refused = delivery.refused.iter().map(|(key, _)| key);
        for key in delivery.accepted.iter().chain(refused) {
            self.settled.insert((sink.code(), *key));
        }
        let delivery = delivery.clone();
        self.push(Op::Settle { sink, delivery }, now);
    }

    /// What waits, and what was lost.
    pub fn pending(&self, now: i64) -> Pending {
        let oldest = self.store.as_ref().and_then(|store| {
            let transaction = store.database.begin_read().ok()?;
            outlet::oldest(&transaction).ok()?
        });
        let state = &self.state;
        Pending {
            events: state.events + state.held,
            bytes: state.payload + state.held_bytes,
            age: oldest.map_or(0, |time| (now - time).max(0)),
            dropped: state.dropped,
            refused: state.refused,
            untold: state.untold,
            open: state.open,
            held: self.queue.len() as u64,
            lost: self.lost,
            trouble: self
                .down
                .as_ref()
                .map(|down| format!("the store cannot be written: {}", down.reason)),
        }
    }

    /// The last events that sinks refused, each after a line with the reason.
    pub fn refused(&self) -> Vec<String> {
        let read = |store: &Store| {
            let transaction = store.database.begin_read().ok()?;
            outlet::aside(&transaction).ok()
        };
        self.store.as_ref().and_then(read).unwrap_or_default()
    }

    /// The end of the chain, once there is one.
    pub fn head(&self) -> Option<Head> {
        self.state.chain().map(|chain| chain.head)
    }
}

/// Waiting mends nothing of these.
fn is_for_good(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::NotADirectory
    )
}

/// Why a store is set aside.
enum Aside {
    Damaged(String),
    OtherInstance(String),
}

/// What is due, and when.
impl Keeper {
    fn group_due(&self, now: i64) -> Option<i64> {
        if let Some(down) = &self.down {
            // The clock may have gone back.
            let wait = down.again - now;
            return Some(wait.clamp(0, RETRY_MOST));
        }
        let since = self.waiting?;
        if now < since || self.queue.is_group() {
            return Some(0);
        }
        Some((since + GROUP_TIME - now).max(0))
    }

    fn flood_due(&self, now: i64) -> i64 {
        match self.state.releasing {
            0 => self.burst.due(self.looks.scanning(), now),
            _ => 0,
        }
    }

    fn declaration_due(&self, now: i64) -> Option<i64> {
        if self.state.undeclared == 0 || self.store.is_none() {
            return None;
        }
        let elapsed = now - self.state.declared;
        Some(match (0..DECLARE).contains(&elapsed) {
            true => DECLARE - elapsed,
            false => 0,
        })
    }

    fn push(&mut self, op: Op, now: i64) {
        let urgent = op.is_urgent();
        if let Err(op) = self.queue.push(op, self.down.is_some(), now) {
            self.lost += 1;
            if let Some(down) = &mut self.down {
                down.lost += 1;
            }
            match op {
                Op::Found { round, .. } => self.looks.spoil(round),
                Op::End { round, .. } => self.looks.remove(round),
                _ => {}
            }
            return;
        }
        let since = *self.waiting.get_or_insert(now);
        // At once, but not one transaction for each of thousands.
        let rested = !(0..GROUP_TIME).contains(&(now - self.committed));
        if self.down.is_none() && (self.queue.is_group() || (urgent && rested) || now < since) {
            self.commit(now);
        }
    }
}

/// Transactions.
impl Keeper {
    /// Takes in the first of what is held; false if the store cannot be written.
    fn take_group(&mut self, now: i64) -> bool {
        let outcome = self.transact(now, |work, looks, queue| {
            let mut taken = 0;
            for (op, came) in queue.iter().take(2 * GROUP_FINDINGS) {
                if work.written >= work.limits.group {
                    break;
                }
                if let Some(cursor) = take(work, looks, op, *came)? {
                    return Ok((taken, Some(cursor)));
                }
                taken += 1;
            }
            Ok((taken, None))
        });
        match outcome {
            None => self.store.is_some(),
            Some((taken, cursor)) => {
                for op in self.queue.taken(taken) {
                    match op {
                        Op::End { round, .. } => {
                            let scan = self.looks.of(round).map(|look| &look.scope);
                            if scan == Some(&Scope::Files) {
                                self.burst.scan_ended();
                            }
                            self.looks.remove(round);
                        }
                        Op::Settle { sink, delivery } => {
                            let refused = delivery.refused.iter().map(|(key, _)| key);
                            for key in delivery.accepted.iter().chain(refused) {
                                self.settled.remove(&(sink.code(), *key));
                            }
                        }
                        _ => {}
                    }
                }
                if let Some(cursor) = cursor {
                    self.queue.resume(cursor);
                }
                true
            }
        }
    }

    /// One transaction; `None` if nothing came of it.
    fn transact<T>(
        &mut self,
        now: i64,
        step: impl FnOnce(&mut Work<'_>, &Looks, &Queue) -> Redb<T>,
    ) -> Option<T> {
        match self.attempt(now, step) {
            Ok(Outcome::Done(result)) => {
                self.relieve(now);
                Some(result)
            }
            Ok(Outcome::TooLarge) => {
                self.squeeze(now);
                None
            }
            Err(error) => {
                self.failed(open::from_redb(error), now);
                None
            }
        }
    }

    fn attempt<T>(
        &mut self,
        now: i64,
        step: impl FnOnce(&mut Work<'_>, &Looks, &Queue) -> Redb<T>,
    ) -> Redb<Outcome<T>> {
        let (Some(store), Some(chain)) = (&self.store, self.state.chain()) else {
            return Err(redb::Error::DatabaseClosed);
        };
        let transaction = store.database.begin_write()?;
        let (result, after, written) = {
            let mut work = Work {
                tables: Tables::open(&transaction)?,
                state: self.state.clone(),
                chain,
                burst: self.burst,
                origin: &self.origin,
                sample: &store.sample,
                limits: self.limits,
                dirty: false,
                written: 0,
                fresh: Vec::new(),
            };
            let result = step(&mut work, &self.looks, &self.queue)?;
            work.tell_fresh(now)?;
            let written = work.written;
            match work.dirty {
                true => (result, Some(work.finish()?), written),
                false => (result, None, 0),
            }
        };
        let Some(after) = after else {
            transaction.abort()?;
            return Ok(Outcome::Done(result));
        };
        if self.length() > self.limits.file {
            transaction.abort()?;
            return Ok(Outcome::TooLarge);
        }
        transaction.commit()?;
        self.state = after.state;
        self.burst = after.burst;
        self.unmeasured += written;
        Ok(Outcome::Done(result))
    }

    /// Length of the file, with what the transaction under way added to it.
    fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// The file grows by doubling. Before it is so full that it would have to grow beyond its limit, or
    /// that not even dropping something could be written, something is dropped.
    fn relieve(&mut self, now: i64) {
        let length = self.length();
        if length.saturating_mul(2) <= self.limits.file || self.unmeasured < length / 16 {
            return;
        }
        self.unmeasured = 0;
        let measure = |store: &Store| -> Redb<u64> {
            let transaction = store.database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats.allocated_pages() * stats.page_size() as u64)
        };
        let Some(Ok(used)) = self.store.as_ref().map(measure) else {
            return;
        };
        let reserve = (length / 8).max(48 * 4096).min(length / 4);
        if used + reserve > length {
            self.squeeze(now);
        }
    }

    /// Drops an eighth of what waits, since the file cannot grow; the spool is kept below that.
    fn squeeze(&mut self, now: i64) {
        let payload = self.state.payload;
        // An eighth may touch more pages than are free: then less of it.
        for part in [8, 64, 512] {
            let target = payload - (payload / part).max(1).min(payload);
            let outcome = self.attempt(now, |work, _, _| {
                work.state.payload_limit = target.max(1);
                work.shrink(target, now)
            });
            match outcome {
                Ok(Outcome::Done(())) if payload > 0 => return,
                Ok(_) => {}
                Err(error) => return self.failed(open::from_redb(error), now),
            }
        }
        self.go_down(
            "its file is full and nothing in it can be dropped".into(),
            now,
        );
    }
}

/// Takes one thing in. Gives a cursor back if it is not at its end.
fn take(work: &mut Work<'_>, looks: &Looks, op: &Op, now: i64) -> Redb<Option<Cursor>> {
    match op {
        Op::Found {
            sighting,
            mark,
            scan,
            ..
        } => work.found(sighting, *mark, *scan, now)?,
        Op::End { round, cursor } => {
            if let Some(look) = looks.of(*round) {
                let more = work.end(looks, look, cursor.clone(), now)?;
                if more.is_some() {
                    return Ok(more);
                }
            }
            if work.state.unentered > 0 {
                let fault = Fault {
                    code: "ledger.full",
                    message: format!(
                        "{} finding(s) had no room in the ledger and are not told: raise spool.max_size, or mend what is already told",
                        work.state.unentered
                    ),
                    severity: Severity::High,
                };
                work.state.unentered = 0;
                tell(work, &Lifecycle::Fault(fault), now)?;
            }
        }
        Op::Tell(event) => tell(work, event, now)?,
        Op::Note(draft) => {
            work.append((**draft).clone(), rank(None), Role::Own, &[], None, now)?;
        }
        Op::Settle { sink, delivery } => {
            work.settle(*sink, delivery)?;
            if work.state.payload < work.state.payload_limit / 2 {
                work.state.payload_limit = 0;
            }
        }
        Op::Enable(sinks) => work.enable(sinks)?,
    }
    Ok(None)
}

fn tell(work: &mut Work<'_>, event: &Lifecycle, now: i64) -> Redb<()> {
    for draft in own::drafts(work.origin, event, now) {
        work.append(draft, rank(own::rank(event)), Role::Own, &[], None, now)?;
    }
    Ok(())
}

/// When the store does not work.
impl Keeper {
    /// Opens the store; a new one if there is none, or if what is there is no good.
    fn bring_up(&mut self, check: bool, now: i64) -> std::result::Result<(), Refusal> {
        let opened = open::database(&self.path, check).and_then(|database| {
            let state = open::state(&database)?;
            Ok((database, state))
        });
        match opened {
            Ok((database, Some(state))) => match open::other_host(&state, &self.origin.host) {
                None => {
                    self.state = state;
                    self.adopt(database)
                }
                Some(former) => {
                    self.state = state;
                    drop(database);
                    self.start_over(Aside::OtherInstance(former), now)
                }
            },
            Ok((database, None)) => {
                let next = &self.next;
                let chain = Chain::begin(&*next.reason, next.after.clone(), now);
                let host = &self.origin.host;
                self.state = open::begin(&database, &chain, next.base, host, &next.sinks)?;
                if self.news.is_empty() {
                    self.news.push(Opening::Fresh);
                }
                self.adopt(database)
            }
            Err(Refusal::Damaged(why)) => self.start_over(Aside::Damaged(why), now),
            Err(refusal) => Err(refusal),
        }
    }

    /// Works with this database from now on.
    fn adopt(&mut self, database: Database) -> std::result::Result<(), Refusal> {
        let host = &self.origin.host;
        for (known, told) in [
            (&mut self.state.instance_id, &host.instance_id),
            (&mut self.state.machine_id, &host.machine_id),
        ] {
            if !told.is_empty() {
                known.clone_from(told);
            }
        }
        let sample = open::sample(&database, &mut self.state, &self.origin)?;
        self.round = self.round.max(self.state.round);
        self.store = Some(Store { database, sample });
        Ok(())
    }

    /// Sets the store aside and begins a new one, whose first event says why.
    fn start_over(&mut self, why: Aside, now: i64) -> std::result::Result<(), Refusal> {
        let place = open::set_aside(&self.path, now).map_err(Refusal::Io)?;
        self.next.after = open::head(&self.state);
        self.next.base = self.state.chain().map_or(self.state.base, |chain| {
            self.state.base + chain.head.sequence
        });
        if !self.state.sinks.is_empty() {
            self.next.sinks.clone_from(&self.state.sinks);
        }
        let (reason, opening) = match why {
            Aside::Damaged(why) => (
                format!("the store before it was damaged: {why}"),
                Opening::SetAside {
                    path: place.clone(),
                    reason: why,
                },
            ),
            Aside::OtherInstance(former) => (
                format!("the store before it was another host's: {former}"),
                Opening::OtherInstance {
                    path: place.clone(),
                    former,
                },
            ),
        };
        self.next.reason.clone_from(&reason);
        self.news.push(opening);
        self.looks.spoil_all();
        self.state = State::default();
        let shown = place.display().to_string();
        let draft = own::set_aside(&self.origin, &shown, &reason, now);
        self.queue.push_front(Op::Note(Box::new(draft)), now);
        self.waiting.get_or_insert(now);
        self.bring_up(false, now)
    }

    fn unless_failed(&mut self, result: std::result::Result<(), Refusal>, now: i64) {
        if let Err(refusal) = result {
            self.failed(refusal, now);
        }
    }

    fn failed(&mut self, refusal: Refusal, now: i64) {
        self.store = None;
        match refusal {
            Refusal::Damaged(why) if self.down.is_none() => {
                let result = self.start_over(Aside::Damaged(why), now);
                if let Err(refusal) = result {
                    self.go_down(refusal.words(), now);
                }
            }
            refusal => self.go_down(refusal.words(), now),
        }
    }

    fn go_down(&mut self, reason: String, now: i64) {
        self.store = None;
        let down = self.down.get_or_insert(Down {
            since: now,
            reason: String::new(),
            again: now,
            delay: RETRY,
            lost: 0,
        });
        down.reason = reason;
        down.again = now + down.delay;
        down.delay = (down.delay * 2).min(RETRY_MOST);
    }

    /// Tries a store that was down, if that is due; whether it is up.
    fn bring_up_again(&mut self, now: i64) -> bool {
        let due = self
            .down
            .as_ref()
            .is_none_or(|down| !(0..RETRY_MOST).contains(&(down.again - now)) || now >= down.again);
        if !due {
            return false;
        }
        if let Err(refusal) = self.bring_up(false, now) {
            self.go_down(refusal.words(), now);
            return false;
        }
        let Some(down) = self.down.take() else {
            return true;
        };
        // Up only if something can be written.
        let lost = match down.lost {
            0 => String::new(),
            lost => format!(
                "; {lost} more came in than memory could hold: findings among them are told when found again"
            ),
        };
        let fault = Fault {
            code: "store.unwritable",
            message: format!(
                "the store could not be written for {} s ({}): {} thing(s) were held in memory{lost}",
                (now - down.since).max(0) / 1000,
                down.reason,
                self.queue.len(),
            ),
            severity: Severity::High,
        };
        let event = Lifecycle::Fault(fault);
        let told = self.transact(now, |work, _, _| tell(work, &event, now));
        if told.is_none() {
            let again = self.down.get_or_insert(Down {
                since: now,
                reason: String::new(),
                again: now,
                delay: RETRY,
                lost: 0,
            });
            again.since = down.since;
            again.lost = down.lost;
            again.delay = (down.delay * 2).min(RETRY_MOST);
            again.again = now + down.delay;
            return false;
        }
        true
    }
}
