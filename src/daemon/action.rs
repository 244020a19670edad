//! What a state wants done: returned as a value, and performed by the event loop ([`super::state::Daemon::perform`]).

use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::touched::Touched;
use crate::daemon::store::Command;
use agent_core::finding::Severity;
use agent_outbox::event::{Fault, Lifecycle};
use std::time::Instant;

/// Something to be done.
#[derive(Debug)]
pub(in crate::daemon) enum Action {
    /// Tell the log side of a step of the agent.
    Tell(Lifecycle),
    /// Tell operator and log side of a fault of the agent.
    Fault(Fault),
    /// Tell the operator alone.
    Warn(String),
    /// Show a problem to whoever asks for the status; `None`: it is over.
    Problem(Problem, Option<String>),
    /// Queue a job.
    Want(JobKind),
    /// Queue a scan of everything at full speed: something may have been missed.
    ScanNow,
    /// Let the next scan of everything begin by then.
    ScanBy(Instant),
    /// Open what verdicts rest on again.
    OpenBaseline,
    /// What jobs find that run now counts, and clears nothing: what they go by holds no longer.
    OutdateJobs,
    /// Check these once more, at once.
    Recheck(Vec<Touched>),
    /// Write what the next run must know.
    SaveRecord,
    /// Give the store a command.
    Store(Command),
}

impl Action {
    /// A fault of the agent.
    pub(in crate::daemon) fn fault(
        code: &'static str,
        severity: Severity,
        message: impl Into<String>,
    ) -> Action {
        Action::Fault(Fault {
            code,
            message: message.into(),
            severity,
        })
    }
}
