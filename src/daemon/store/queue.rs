//! Commands for the store in the order in which they are obeyed: what an urgent look found, and what sinks want, does not
//! wait behind what all others found. Pure.

use crate::daemon::store::Command;
use std::collections::{HashSet, VecDeque};

/// Commands that wait.
#[derive(Debug, Default)]
pub(in crate::daemon) struct CommandQueue {
    urgent: VecDeque<Command>,
    others: VecDeque<Command>,
    /// Urgent looks that have begun.
    looks: HashSet<u64>,
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
            Command::Begin { look, urgent, .. } => *urgent && self.looks.insert(*look),
            Command::Found { look, .. } => self.looks.contains(look),
            Command::End { look, .. } => self.looks.remove(look),
            // Whether the order of these two is kept decides whether something is shipped twice.
            Command::Settle { .. } | Command::Fetch(_) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_outbox::store::Scope;

    fn begin(look: u64, urgent: bool) -> Command {
        let scope = Scope::Files;
        Command::Begin {
            look,
            scope,
            urgent,
        }
    }

    fn end(look: u64) -> Command {
        Command::End {
            look,
            whole: true,
            at: 0,
        }
    }

    #[test]
    fn an_urgent_look_overtakes_and_each_keeps_its_order() {
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
        let mut looks = Vec::new();
        while let Some(command) = line.pop() {
            looks.push(match command {
                Command::Begin { look, .. } | Command::End { look, .. } => look,
                _ => 0,
            });
        }
        assert_eq!(looks, [2, 2, 1, 1, 0]);
        assert!(line.is_empty());
    }
}
