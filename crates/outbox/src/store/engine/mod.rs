//! The one door to the store.

mod commit;
mod due;
#[cfg(test)]
mod model;
mod open_deviations;
mod recovery;
mod volatile;

use super::delivery::{self, Cursors};
use super::medium::{Medium, OnDisk};
use super::open::{self, Refusal};
use super::open_in;
use super::open_scans::{Cursor, OpenScans};
use super::pack::Sample;
use super::queue::{Found, Op, Queue};

use super::write_transaction::{Committed, Limits};
use super::{OpenOutcome, Pending, ScanId, Scope, SinkKind};
use crate::event::chain::{self, Head};
use crate::event::{EventSource, Heartbeat, Lifecycle, StoredFinding, own};
use crate::parcel::{Delivery, Parcel};
use agent_core::change::ChangeContext;
use agent_core::error::{Error, Result};
use agent_core::finding::{Finding, Verdict};
use recovery::{Aside, is_for_good};
use redb::{Database, ReadableDatabase};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
pub(super) use volatile::Volatile;

/// Milliseconds between two declarations of ranges that a sink refused: one event about many, even if the sink refuses
/// that one too.
const DECLARE: i64 = 60_000;
/// Maximum milliseconds that a finding waits for evidence.
// Own bound: what docs/changes.md promises.
const DEFERRED_MOST: i64 = 60_000;
/// Milliseconds until a store that cannot be written is tried again; doubles with each failure.
const RETRY: i64 = 1000;
/// Maximum of that, in milliseconds.
// Own bound: a pause; nothing is left out.
const RETRY_MOST: i64 = 60_000;

/// The owner of the store. Times (`now`) are milliseconds since 1970 and may go backwards.
#[derive(Debug)]
pub struct Store {
    medium: Box<dyn Medium>,
    limits: Limits,
    source: EventSource,
    backing: Option<Backing>,
    /// What the store stands in for while the one on disk cannot be written.
    volatile: Option<Volatile>,
    file: OpenFile,
    committed: Committed,
    queue: Queue,
    scans: OpenScans,
    delivering: Delivering,
    down: Option<Down>,
    /// What came in and could not be held, ever.
    lost: u64,
    news: Vec<OpenOutcome>,
    /// How a chain is begun, should a store have to be made.
    next: Next,
}

/// The file that is open.
#[derive(Debug, Default)]
struct OpenFile {
    /// Device and inode.
    identity: Option<(u64, u64)>,
    /// It may exceed its limit, since nothing in it may be given up.
    unbounded: bool,
    /// Bytes written since its free pages were counted.
    unmeasured: u64,
}

/// What is on its way to sinks.
#[derive(Debug, Default)]
struct Delivering {
    cursors: Cursors,
    /// What sinks settled and the store does not know yet.
    settled: HashSet<(u8, u64)>,
}

#[derive(Debug)]
struct Backing {
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

impl Store {
    /// Opens the store in `state_dir`, or begins one. Errors: another agent has it open, or the
    /// directory is not usable at all.
    pub fn open(
        state_dir: &Path,
        max_size: u64,
        source: EventSource,
        now: i64,
    ) -> Result<(Store, Vec<OpenOutcome>)> {
        let path = state_dir.join(open::FILE);
        Store::open_on(Box::new(OnDisk::new(path.clone())), max_size, source, now)
            .map_err(|refusal| Error::in_file(&path, refusal.words()))
    }

    /// Opens the store on a medium. Errors: see [`Store::open`].
    fn open_on(
        medium: Box<dyn Medium>,
        max_size: u64,
        source: EventSource,
        now: i64,
    ) -> std::result::Result<(Store, Vec<OpenOutcome>), Refusal> {
        let mut store = Store {
            medium,
            limits: Limits::new(max_size),
            source,
            backing: None,
            volatile: None,
            file: OpenFile::default(),
            committed: Committed::default(),
            queue: Queue::default(),
            scans: OpenScans::default(),
            delivering: Delivering::default(),
            down: None,
            lost: 0,
            news: Vec::new(),
            next: Next {
                reason: "first start on this host".into(),
                after: None,
                base: 0,
                sinks: Vec::new(),
            },
        };
        match store.bring_up(true, now) {
            Ok(()) => {}
            Err(Refusal::Io(error)) if !is_for_good(&error) => {
                let reason = error.to_string();
                store.news.push(OpenOutcome::Unusable {
                    reason: reason.clone(),
                });
                store.go_down(reason, now);
            }
            Err(refusal) => return Err(refusal),
        }
        store.commit(now);
        store.sum_up_left_over(now);
        let news = store.news();
        Ok((store, news))
    }

    /// What became of the store since this was last asked.
    pub fn news(&mut self) -> Vec<OpenOutcome> {
        std::mem::take(&mut self.news)
    }

    /// The origin of events from now on. Another instance id than before sets the store aside.
    pub fn set_source(&mut self, source: EventSource, now: i64) -> Vec<OpenOutcome> {
        self.commit(now);
        self.source = source;
        if let Some(backing) = self.backing.take() {
            let former = open::other_host(&self.committed.state, &self.source.host);
            // What stands in for the store on disk is this host's in any case.
            match former.filter(|_| self.volatile.is_none()) {
                Some(former) => {
                    drop(backing);
                    let result = self.start_over(Aside::OtherInstance(former), now);
                    self.unless_failed(result, now);
                }
                None => {
                    let result = self.adopt(backing.database);
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
    pub fn enable(&mut self, sinks: &[SinkKind], now: i64) {
        self.next.sinks = sinks.iter().map(|sink| sink.code()).collect();
        self.push(Op::Enable(sinks.to_vec()), now);
        self.commit(now);
    }

    /// Begins a scan. Every finding of it goes to [`Store::found`], passes as well.
    pub fn begin(&mut self, scope: Scope) -> ScanId {
        self.scans.begin(scope)
    }

    /// A finding of the scan, with what is known of how it came about.
    pub fn found(
        &mut self,
        scan_id: ScanId,
        finding: &Finding,
        context: Option<&ChangeContext>,
        now: i64,
    ) {
        self.found_until(scan_id, finding, context, None, now);
    }

    /// The same of a finding that may wait to be told until then (milliseconds since 1970): for evidence that is on
    /// its way. It is stored before it waits. What is critical does not wait.
    pub fn found_until(
        &mut self,
        scan_id: ScanId,
        finding: &Finding,
        context: Option<&ChangeContext>,
        until: Option<i64>,
        now: i64,
    ) {
        let key = crate::ledger::key::of(finding.check.id, &finding.subject);
        let mark = match finding.verdict {
            Verdict::Pass | Verdict::NotApplicable => None,
            _ => self.scans.found(&key),
        };
        let scan = self
            .scans
            .of(scan_id)
            .is_some_and(|scan| scan.scope == Scope::Files);
        let op = Op::Found(Found {
            scan_id,
            stored: Arc::new(StoredFinding::new(finding, context)),
            mark,
            scan,
            until,
        });
        self.push(op, now);
    }

    /// The scan came to its end: what it did not find again is cleared.
    pub fn end(&mut self, scan_id: ScanId, now: i64) {
        let cursor = Cursor::default();
        self.push(Op::End { scan_id, cursor }, now);
    }

    /// The scan broke off: nothing is cleared.
    pub fn abandon(&mut self, scan_id: ScanId, now: i64) {
        self.scans.spoil(scan_id);
        self.end(scan_id, now);
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
        let read = |backing: &Backing| {
            let transaction = backing.database.begin_read().ok()?;
            open_in::entries(&transaction, directory, after, most).ok()
        };
        // A store that cannot be read shows when it is next written.
        let mut open = self.backing.as_ref().and_then(read).unwrap_or_default();
        let below = self.volatile.as_ref().and_then(|v| v.below.as_ref());
        if let Some(more) = below.and_then(read) {
            open.extend(more);
            open.sort_unstable();
            open.dedup();
            open.truncate(most);
        }
        open
    }

    /// A step or a fault of the agent.
    pub fn tell(&mut self, event: Lifecycle, now: i64) {
        self.push(Op::Tell(Box::new(event)), now);
    }

    /// A heartbeat: one JSON object. No link of the chain, and nothing is stored.
    pub fn heartbeat(&self, facts: &Heartbeat, now: i64) -> Vec<u8> {
        let draft = own::heartbeat(&self.source, facts, &self.pending(now), now);
        let head = self.committed.state.chain().map(|chain| chain.head);
        chain::beside(head.as_ref(), draft, now)
    }

    /// Does what is due; returns in how many milliseconds to call again, `None` if nothing waits.
    pub fn tick(&mut self, now: i64) -> Option<i64> {
        if self.group_due(now) == Some(0) {
            self.commit(now);
        }
        if self.committed.floods.due(now) == Some(0) {
            self.transact(now, |tx, _, _| tx.tell_flood(now));
        }
        while self.deferred_due(now) == Some(0) {
            let told = self.transact(now, |tx, _, _| tx.tell_deferred(now));
            if told != Some(true) {
                break;
            }
        }
        while self.listings_due(now) == Some(0) {
            let more = self.transact(now, |tx, _, _| tx.tell_listings(false, now));
            if more != Some(true) {
                break;
            }
        }
        if self.declaration_due(now) == Some(0) {
            self.transact(now, |tx, _, _| tx.declare(now));
        }
        let flood = self
            .committed
            .floods
            .due(now)
            .filter(|_| self.backing.is_some());
        [
            self.group_due(now),
            flood,
            self.deferred_due(now),
            self.listings_due(now),
            self.declaration_due(now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes in at once what is held.
    pub fn commit(&mut self, now: i64) {
        if self.down.is_some() {
            self.bring_up_again(now);
        }
        while self.backing.is_some() && !self.queue.is_empty() {
            if !self.take_group(now) {
                return;
            }
        }
        self.queue.rest(now);
    }

    /// The next events for `sink`, `max_events` and `max_bytes` at most (one at least): critical ones first, then the
    /// agent's own steps, then the others, worst first. Within one severity directories take turns.
    pub fn parcels(&mut self, sink: SinkKind, max_events: usize, max_bytes: usize) -> Vec<Parcel> {
        let Some(backing) = &self.backing else {
            return Vec::new();
        };
        let most = (max_events, max_bytes);
        let Delivering { settled, cursors } = &mut self.delivering;
        let mut read = |backing: &Backing, most| {
            let transaction = backing.database.begin_read()?;
            delivery::parcels(&transaction, sink, most, settled, cursors)
        };
        // A store that cannot be read shows when it is next written.
        let mut parcels = read(backing, most).unwrap_or_else(|_: redb::Error| Vec::new());
        if let Some(below) = self.volatile.as_ref().and_then(|v| v.below.as_ref()) {
            let length: usize = parcels.iter().map(|parcel| parcel.bytes.len()).sum();
            let left = (
                max_events.saturating_sub(parcels.len()),
                max_bytes.saturating_sub(length),
            );
            if left.0 > 0 && left.1 > 0 {
                parcels.extend(read(below, left).unwrap_or_default());
            }
        }
        parcels
    }

    /// What became of parcels handed to `sink`.
    pub fn settle(&mut self, sink: SinkKind, delivery: &Delivery, now: i64) {
        let refused = delivery.refused.iter().map(|(key, _)| key);
        for key in delivery.accepted.iter().chain(refused) {
            self.delivering.settled.insert((sink.code(), *key));
        }
        if let Some(volatile) = &mut self.volatile {
            volatile.owe(sink, delivery);
        }
        let delivery = delivery.clone();
        self.push(Op::Settle { sink, delivery }, now);
    }

    /// What waits, and what was lost.
    pub fn pending(&self, now: i64) -> Pending {
        let oldest = self.backing.as_ref().and_then(|backing| {
            let transaction = backing.database.begin_read().ok()?;
            delivery::oldest(&transaction).ok()?
        });
        let state = &self.committed.state;
        let sum = |parts: [u64; 2]| parts.into_iter().fold(0, u64::saturating_add);
        let below = |of: fn(&Volatile) -> u64| self.volatile.as_ref().map_or(0, of);
        let in_memory = self.volatile.as_ref().map_or(0, |_| state.spool.events);
        Pending {
            events: sum([state.spool.events, below(Volatile::events)]),
            bytes: state.spool.payload,
            age: oldest.map_or(0, |time| now.saturating_sub(time).max(0)),
            dropped: state.spool.dropped,
            refused: state.spool.refused,
            untold: sum([state.ledger.untold, state.ledger.ends]),
            open: sum([state.ledger.open, below(Volatile::open)]),
            held: sum([self.queue.len() as u64, in_memory]),
            lost: self.lost,
            trouble: self
                .down
                .as_ref()
                .map(|down| format!("the store cannot be written: {}", down.reason)),
        }
    }

    /// Whether the store cannot be written, so that what is told is held in memory alone.
    pub fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// The last events that sinks refused, each after a line with the reason.
    pub fn refused(&self) -> Vec<String> {
        let read = |backing: &Backing| {
            let transaction = backing.database.begin_read().ok()?;
            delivery::aside(&transaction).ok()
        };
        self.backing.as_ref().and_then(read).unwrap_or_default()
    }

    /// The end of the chain, once there is one.
    pub fn head(&self) -> Option<Head> {
        self.committed.state.chain().map(|chain| chain.head)
    }
}
