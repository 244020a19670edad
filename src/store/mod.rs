//! What must survive: the ledger, the head of the chain and the spool, in one embedded database.
//!
//! [`Keeper`] is the one door to it. Everything handed to it is held in memory for at most
//! [`GROUP_TIME`] milliseconds or [`GROUP_FINDINGS`] findings, then taken in by one transaction: what
//! the ledger says of a finding, the event, its link in the chain and its place in the spool stand
//! together or not at all. Nothing of it fails the caller: while the disk is full, what comes in is
//! held within a bound, counted and told.

use crate::cause::Cause;
use crate::error::Result;
use crate::event::{Heartbeat, Lifecycle, Origin};
use crate::files::plan::Region;
use crate::finding::Finding;
use crate::ship::parcel::{Delivery, Parcel};
use std::path::{Path, PathBuf};

/// A group of findings is taken in after so many milliseconds,
pub const GROUP_TIME: i64 = 50;
/// or as soon as it is so large. A critical one is taken in at once.
pub const GROUP_FINDINGS: usize = 500;

/// The owner of the store. Times (`now`) are milliseconds since 1970 and may go backwards.
#[derive(Debug)]
pub struct Keeper {}

/// Where events go. Each event stays until every enabled sink has settled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sink {
    /// CloudWatch Logs.
    CloudwatchLogs,
    /// A file of JSON lines.
    File,
    /// Standard output.
    Stdout,
}

/// What a look covers: what is open within it and not found again is cleared at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every check of files.
    Files,
    /// A path and all below it, as findings name it: starting with `/`, any bytes. Clears what can be
    /// told by looking at paths (`files.added`, `.removed`, `.changed`, `.unreadable`), nothing else.
    Path(Vec<u8>),
    /// These regions: paths alone, or with all below them. Clears what [`Scope::Path`] does.
    Regions(Vec<Region>),
    /// Every check of settings.
    Settings,
    /// The checks of one area, as `sshd`.
    Area(&'static str),
    /// Every check of the instance.
    Instance,
}

/// A look under way. Several may be, as a whole scan and a spot check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round(u64);

/// What opening the store came upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// There was none: this host has no history here.
    Fresh,
    /// What was there was damaged and is now at `path`; a new chain was begun, and says so.
    SetAside {
        /// Where it is now.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// It belonged to another instance and is now at `path`; a new chain was begun, and says so.
    OtherInstance {
        /// Where it is now.
        path: PathBuf,
        /// That instance.
        former: String,
    },
    /// It cannot be used at present, as on a full disk: events are held in memory, and it is tried again.
    Unusable {
        /// Why.
        reason: String,
    },
}

/// What waits in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Age of the oldest in milliseconds; 0 where nothing waits.
    pub age: i64,
    /// Events that a full spool dropped, since the chain began.
    pub dropped: u64,
    /// Events that a sink refused for good, since the chain began.
    pub refused: u64,
    /// Findings that stand and whose event was dropped: they are told anew when found again.
    pub untold: u64,
    /// Findings in the ledger.
    pub open: u64,
    /// Held in memory, not yet on disk.
    pub held: u64,
    /// What came in and could not be held while the disk was full.
    pub lost: u64,
    /// Why the store cannot be written at present.
    pub trouble: Option<String>,
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
        let _ = (state_dir, max_size, origin, now);
        Ok((Keeper {}, vec![Opening::Fresh]))
    }

    /// The origin of events from now on. Another instance id than before sets the store aside.
    pub fn set_origin(&mut self, origin: Origin, now: i64) -> Vec<Opening> {
        let _ = (origin, now);
        Vec::new()
    }

    /// Which sinks are enabled. A sink that is new gets what still waits; one that is gone is waited
    /// for no longer. With none, events stay until the spool is full.
    pub fn enable(&mut self, sinks: &[Sink], now: i64) {
        let _ = (sinks, now);
    }

    /// Begins a look. Every finding of it goes to [`Keeper::found`], passes as well.
    pub fn begin(&mut self, scope: Scope) -> Round {
        let _ = scope;
        Round(0)
    }

    /// A finding of the look, with what is known of how it came about.
    pub fn found(&mut self, round: Round, finding: &Finding, cause: Option<&Cause>, now: i64) {
        let _ = (round, finding, cause, now);
    }

    /// The look came to its end: what it did not find again is cleared.
    pub fn end(&mut self, round: Round, now: i64) {
        let _ = (round, now);
    }

    /// The look broke off: nothing is cleared.
    pub fn abandon(&mut self, round: Round, now: i64) {
        let _ = (round, now);
    }

    /// Subjects of open file findings that are direct entries of `directory` (both relative to the root), in
    /// order, behind `after` (empty: from the first), at most `most`.
    pub fn open_in(&self, directory: &[u8], after: &[u8], most: usize) -> Vec<Vec<u8>> {
        let _ = (directory, after, most);
        Vec::new()
    }

    /// A step or a fault of the agent.
    pub fn tell(&mut self, event: Lifecycle, now: i64) {
        let _ = (event, now);
    }

    /// A heartbeat: one JSON object. No link of the chain, and nothing is stored.
    pub fn heartbeat(&self, facts: &Heartbeat, now: i64) -> Vec<u8> {
        let _ = (facts, now);
        Vec::new()
    }

    /// Does what is due; returns in how many milliseconds to call again, `None` if nothing waits.
    pub fn tick(&mut self, now: i64) -> Option<i64> {
        let _ = now;
        None
    }

    /// Takes in at once what is held.
    pub fn commit(&mut self, now: i64) {
        let _ = now;
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
        let _ = (sink, after, max_events, max_bytes);
        Vec::new()
    }

    /// What became of parcels handed to `sink`.
    pub fn settle(&mut self, sink: Sink, delivery: &Delivery, now: i64) {
        let _ = (sink, delivery, now);
    }

    /// What waits, and what was lost.
    pub fn pending(&self, now: i64) -> Pending {
        let _ = now;
        Pending::default()
    }
}
