//! What reaches the one receiver: from the threads that look, from the watch, from the sinks.

use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::sinks::Report;
use crate::daemon::states::first_boot::Recorded;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::store::Answer;
use agent_core::attributes::Timestamp;
use agent_core::finding::Finding;
use agent_core::host::Host;
use agent_scan::files::scan::Coverage;
use agent_scan::watch::Notice;
use agent_ship::cloudwatch;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// So many messages wait at most; whoever has more to say waits too.
pub(in crate::daemon) const MOST: usize = 512;

/// One word.
#[derive(Debug)]
pub(in crate::daemon) enum Message {
    /// What verdicts on files rest on from now on.
    Baseline(Arc<ActiveBaseline>, OpenedBy),
    /// Digest of the agent's own binary, in hexadecimal.
    Binary(String),
    /// A look found something; it may wait for the evidence of that package.
    Found(u64, Box<Finding>, Option<String>),
    /// Of packages that something waits for, those that are no longer being unpacked.
    Unpacked(Vec<String>),
    /// A path that was touched is as expected.
    Holds(u64, Vec<u8>, Timestamp),
    /// What was touched directly in a directory and is not yet judged?
    Ask(Question),
    /// A look has come to its end, or broke off.
    Ended(u64, JobKind, Result<Option<Coverage>, String>),
    /// The launch record has been written, or could not be.
    Recorded(Result<Recorded, String>),
    /// From the watch that was begun as that one.
    Notice(u64, Notice),
    /// A sink is done with what it was given.
    Sent(Box<Report>),
    /// What the host knows of itself, the metadata service asked.
    Host(Box<Host>),
    /// Whether there is anybody to ship to CloudWatch Logs as.
    Decided(u64, cloudwatch::Answer),
    /// From the store's thread.
    Store(Answer),
}

/// Who opened what verdicts rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum OpenedBy {
    /// A thread for that alone.
    Own,
    /// A look, for itself.
    Job,
}

/// What a spot look has to know of what was touched.
#[derive(Debug)]
pub(in crate::daemon) struct Question {
    /// Relative to the root.
    pub(in crate::daemon) directory: Vec<u8>,
    /// Where the answer goes: entries of the directory that were touched and are not yet judged, [`PAGE`] at most. They
    /// bring their directory with them when they are.
    pub(in crate::daemon) reply: SyncSender<Vec<Vec<u8>>>,
}

/// So many names are in one answer at most.
pub(in crate::daemon) const PAGE: usize = 256;
