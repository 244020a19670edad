//! What must survive: the ledger, the head of the chain and the spool, in one embedded database.
//!
//! [`Store`] is the one door to it. Everything handed to it is held in memory for at most
//! [`GROUP_TIME`] milliseconds or [`GROUP_FINDINGS`] findings, then taken in by one transaction: what
//! the ledger says of a finding, the event, its link in the chain and its place in the spool stand
//! together or not at all. Nothing of it fails the caller: while the disk is full, what comes in is
//! held within a bound, counted and told.

mod announce;
mod by_package;
mod codec;
mod deferred;
mod delivery;
mod ends;
mod engine;
mod eviction;
mod flood;
mod gaps;
mod medium;
mod migrate;
mod open;
mod open_deviations;
mod open_in;
mod open_scans;
mod order;
mod pack;
mod queue;
mod round_robin;
mod rows;
mod state;
mod stories;
mod superseded;
mod tables;
mod write_transaction;

pub use crate::event::own::Spool as Pending;
use agent_core::region::Region;
use std::path::PathBuf;

/// Maximum milliseconds that a group of findings waits to be taken in.
pub const GROUP_TIME: i64 = 50;
/// Findings that make a group, which is taken in at once; so is a critical one.
pub const GROUP_FINDINGS: usize = 500;

pub use engine::Store;
pub use flood::FLOOD;
pub use open::FILE;
pub use open_deviations::OpenDeviation;
pub use write_transaction::uid;

/// Where events go. Each event stays until every enabled sink has settled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkKind {
    /// CloudWatch Logs.
    CloudwatchLogs,
    /// A file of JSON lines.
    File,
    /// Standard output.
    Stdout,
    /// The host's journal.
    Journald,
}

/// What a scan covers: what is open within it and not found again is cleared at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every check of files.
    Files,
    /// A path and all below it, as findings name it: starting with `/`, any bytes. Clears what can be
    /// told by looking at paths (`files.added`, `.removed`, `.changed`, `.unreadable`, `.mount`), nothing else.
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

/// A scan under way. Several may be, as a whole scan and a spot check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanId(u64);

/// What opening the store came upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
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
