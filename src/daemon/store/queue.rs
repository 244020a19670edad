//! Commands for the store in the order in which they are carried out: what an urgent job found, and what sinks want,
//! does not wait behind what all others found. Pure.

use crate::daemon::store::Command;
use std::collections::{HashSet, VecDeque};

/// Commands that wait.
#[derive(Debug, Default)]
pub(in crate::daemon) struct CommandQueue {
    urgent: VecDeque<Command>,
    others: VecDeque<Command>,
    /// Urgent jobs that have begun.
    jobs: HashSet<u64>,
}

impl CommandQueue {
    pub(in crate::daemon) fn push(&mut self, command: Command) {
        match self.is_urgent(&command) {
            true => self.urgent.push_back(command),
            false => self.others.push_back(command),
        }
    }

    pub(in crate::daemon) fn pop(&mut self) -> Option<Command> {
        self.urgent.pop_front().or_else(|| self.others.pop_front())
    }

    pub(in crate::daemon) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.others.is_empty()
    }

    fn is_urgent(&mut self, command: &Command) -> bool {
        match command {
            Command::Begin { job, urgent, .. } => *urgent && self.jobs.insert(*job),
            Command::Found { job, .. } => self.jobs.contains(job),
            Command::End { job, .. } => self.jobs.remove(job),
            // Whether the order of these two is kept decides whether something is shipped twice.
            Command::Settle { .. } | Command::Fetch(_) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::UnixMillis;
    use agent_outbox::store::Scope;

    fn begin(job: u64, urgent: bool) -> Command {
        let scope = Scope::Files;
        Command::Begin { job, scope, urgent }
    }

    fn end(job: u64) -> Command {
        Command::End {
            job,
            whole: true,
            at: UnixMillis(0),
        }
    }

    #[test]
    fn an_urgent_job_overtakes_and_each_keeps_its_order() {
        let mut line = CommandQueue::default();
        for command in [
            begin(1, false),
            begin(2, true),
            end(1),
            end(2),
            Command::Commit,
        ] {
            line.push(command);
        }
        let mut jobs = Vec::new();
        while let Some(command) = line.pop() {
            jobs.push(match command {
                Command::Begin { job, .. } | Command::End { job, .. } => job,
                _ => 0,
            });
        }
        assert_eq!(jobs, [2, 2, 1, 1, 0]);
        assert!(line.is_empty());
    }
}
