//! What reaches the event loop: from jobs, from the watch, from sinks, from the store.

use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::confined::Heard;
use crate::daemon::jobs::launch_record::WrittenRecord;
use crate::daemon::sinks::Report;
use crate::daemon::store::Answer;
use agent_core::attributes::Timestamp;
use agent_core::change::Actor;
use agent_core::finding::Finding;
use agent_core::host::Host;
use agent_scan::files::scan::Coverage;
use agent_scan::watch::Notice;
use agent_ship::cloudwatch;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Messages that wait at most; whoever has more to say waits too.
// Own bound: whoever sends waits.
const CAPACITY: usize = 512;
/// Findings that wait at most, of 3 KiB each, about; a job that has more waits too.
// Own bound: likewise.
const FINDINGS: usize = 128;
/// Names in one answer to a [`Question`] at most.
pub(in crate::daemon) const PAGE: usize = 256;

/// How a job came to its end; the error says why it broke off.
pub(in crate::daemon) type Outcome = Result<Option<Coverage>, String>;

/// Something that happened.
#[derive(Debug)]
pub(in crate::daemon) enum Message {
    /// What verdicts on files rest on from now on.
    Baseline(Arc<ActiveBaseline>, OpenedBy),
    /// Digest of the agent's own binary, in hexadecimal.
    Binary(String),
    /// A job found something.
    Found {
        job: u64,
        finding: Box<Finding>,
        /// dpkg is unpacking the package that has it.
        unpacked: Option<Unpacked>,
    },
    /// A path that was touched is as expected.
    Holds {
        job: u64,
        path: Vec<u8>,
        ctime: Timestamp,
    },
    /// What was touched directly in a directory and is not yet judged?
    Pending(Question),
    /// Who wrote to a path that was touched?
    Actor(ActorQuestion),
    /// Of packages that something waits for, those that are no longer being unpacked.
    Unpacked(Vec<String>),
    /// Something has come into apt's cache.
    Archives,
    /// What was known of signed packages was given up: in a sentence.
    EvidenceGivenUp(String),
    /// From the process that looks at others.
    Confinement(Heard),
    /// A job has come to its end, or broke off.
    Ended { job: u64, outcome: Outcome },
    /// The launch record has been written, or could not be.
    Recorded(Result<WrittenRecord, String>),
    /// From the watch of that generation.
    Notice(u64, Notice),
    /// A sink is done with a batch.
    Sent(Box<Report>),
    /// What the host knows of itself, the metadata service asked.
    Host(Box<Host>),
    /// Whether there is anybody to ship to CloudWatch Logs as, for that generation of sinks.
    Discovered(u64, cloudwatch::Answer),
    /// From the store's thread.
    Store(Answer),
}

/// A package that dpkg was unpacking when a path of it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Unpacked {
    /// Its name, as dpkg's lists are called.
    pub(in crate::daemon) package: String,
    /// Whether what was found may wait for it.
    pub(in crate::daemon) may_wait: bool,
}

/// Who opened what verdicts rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum OpenedBy {
    /// A thread for that alone.
    Own,
    /// A job, for itself.
    Job,
}

/// What a spot job has to know of what was touched.
#[derive(Debug)]
pub(in crate::daemon) struct Question {
    /// Relative to the root.
    pub(in crate::daemon) directory: Vec<u8>,
    /// Where the answer goes: entries of the directory that were touched and are not yet judged, [`PAGE`] at most. They
    /// bring their directory with them when they are.
    pub(in crate::daemon) reply: SyncSender<Vec<Vec<u8>>>,
}

/// What a spot job has to know of who wrote.
#[derive(Debug)]
pub(in crate::daemon) struct ActorQuestion {
    /// The job that asks.
    pub(in crate::daemon) job: u64,
    /// Relative to the root.
    pub(in crate::daemon) path: Vec<u8>,
    /// Where the answer goes; `None`: nobody saw.
    pub(in crate::daemon) reply: SyncSender<Option<Actor>>,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Outlets {
    /// Always received.
    pub(in crate::daemon) messages: Sender<Message>,
    /// Of jobs: not received while the store has no room, so that jobs wait.
    pub(in crate::daemon) findings: Sender<Message>,
}

/// Where messages come in.
#[derive(Debug)]
pub(in crate::daemon) struct Inbox {
    pub(in crate::daemon) messages: Receiver<Message>,
    pub(in crate::daemon) findings: Receiver<Message>,
}

impl Inbox {
    /// The next message. `room`: whether the store has room for findings.
    pub(in crate::daemon) async fn next(&mut self, room: bool) -> Option<Message> {
        tokio::select! {
            Some(message) = self.messages.recv() => Some(message),
            Some(message) = self.findings.recv(), if room => Some(message),
            else => None,
        }
    }

    /// Messages that are there already, one from each side at most.
    pub(in crate::daemon) fn ready(&mut self, room: bool) -> impl Iterator<Item = Message> + use<> {
        let message = self.messages.try_recv().ok();
        let finding = room.then(|| self.findings.try_recv().ok()).flatten();
        message.into_iter().chain(finding)
    }
}

/// Both channels.
pub(in crate::daemon) fn channels() -> (Outlets, Inbox) {
    let (messages, from_all) = mpsc::channel(CAPACITY);
    let (findings, from_jobs) = mpsc::channel(FINDINGS);
    let inbox = Inbox {
        messages: from_all,
        findings: from_jobs,
    };
    (Outlets { messages, findings }, inbox)
}

/// Sends from a thread; nobody receives it when the agent ends.
pub(in crate::daemon) fn send(to: &Sender<Message>, message: Message) {
    to.blocking_send(message).unwrap_or_default();
}
