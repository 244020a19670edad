//! Whether shipped events are whole: none missing, none edited, but for what the chain itself declares as lost.
//!
//! Where each belongs is said by its sequence and by the digest that the next one names. The order in which events
//! arrived says nothing: the worst are delivered first, and what a service refused is delivered later.
//!
//! What can be shown: that every event between the first and the last one known of is there, with the
//! bytes that the one after it, or a heartbeat, names. What cannot: that nothing followed after the last
//! event or heartbeat, and that whoever wrote the last events was the agent.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::expect_used))]

mod claims;
mod facts;
mod files;
mod judge;
mod read;
mod record;
mod rows;
mod sorted;
mod streams;
mod taken;
#[cfg(test)]
mod tests;
mod uids;

pub use files::Open;

use agent_core::error::Result;
use std::path::PathBuf;
use taken::Taken;

/// What is wrong, or was declared, at some place of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// These sequences are not there, and nothing declares that.
    Missing {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// What is known of them, as a clause; empty if nothing is.
        note: &'static str,
    },
    /// The event has other bytes than it had.
    Edited {
        /// Which.
        sequence: u64,
        /// How that shows.
        note: String,
    },
    /// The event stands after a later one, and digests contradict the place that its sequence gives it.
    Reordered {
        /// Which.
        sequence: u64,
        /// The later one.
        after: u64,
    },
    /// These sequences are not there, and an event says so.
    Declared {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// A message that passes for one of the agent's and is none: it has no place in a chain, and is no heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// Number of the file, as the files were named.
    pub file: usize,
    /// Number of the line in it; of the message, where the file is an answer of the service.
    pub line: u64,
}

/// A chain, when all of it was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainSummary {
    /// Its id.
    pub id: String,
    /// Whose it is: instance id or host name, as its events say.
    pub host: String,
    /// Why it was begun, if its first event is there.
    pub reason: String,
    /// The first sequence there is; 0 if only heartbeats know of it.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Events there are.
    pub events: u64,
    /// Missing, edited or out of order.
    pub faults: u64,
    /// Lost and declared.
    pub declared: u64,
    /// Stand after later ones in what was read, at no fault.
    pub late: u64,
}

/// What all the files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Chains.
    pub chains: u64,
    /// Events of chains, each counted once.
    pub events: u64,
    /// Heartbeats, each counted once.
    pub heartbeats: u64,
    /// Events and heartbeats that were there before, byte for byte.
    pub repeated: u64,
    /// Messages that are none of the agent's.
    pub foreign: u64,
    /// Messages that pass for the agent's and have no place in a chain.
    pub strays: u64,
    /// Missing, edited or out of order, and strays.
    pub faults: u64,
    /// Lost and declared.
    pub declared: u64,
    /// Stand after later ones in what was read, at no fault.
    pub late: u64,
}

/// Told, as they are found: strays, then chain by chain the problems of each and its summary.
pub trait Reporter {
    /// A message passes for one of the agent's. No more are told than are printed.
    fn stray(&mut self, stray: &Stray) -> Result<()>;
    /// A problem of the chain with that id.
    fn problem(&mut self, chain: &str, problem: &Problem) -> Result<()>;
    /// The chain was judged.
    fn chain(&mut self, summary: &ChainSummary) -> Result<()>;
}

/// What rows of one kind may take in memory, of all threads together; more go into temporary files.
const ROWS: usize = 32 << 20;

/// Takes in files, then judges. Memory is bounded: what is known of the events stands in temporary files that have no
/// name, as soon as it is more than some megabytes.
#[derive(Debug, Default)]
pub struct Verifier {
    parts: Vec<Taken>,
}

impl Verifier {
    /// Takes in files: events, one a line, or what the AWS command line prints, plain or compressed. As many threads
    /// read and digest them; an error names the file.
    pub fn take(files: &[PathBuf], readers: usize, open: Open<'_>) -> Result<Verifier> {
        let parts = files::take(files, readers, ROWS, open)?;
        Ok(Verifier { parts })
    }

    /// Judges everything that was taken in.
    pub fn judge(self, tell: &mut dyn Reporter) -> Result<Totals> {
        judge::judge(self.parts, tell)
    }
}
