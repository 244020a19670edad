//! What was changed and restored and is not told path by path, since too much of it was: how many, and where. Pure; the
//! time is passed in.

use agent_core::bounds;
use agent_core::escape::terminal_bytes;
use agent_core::finding::Severity;
use agent_core::paths::{split, subject};
use agent_outbox::event::Fault;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What comes together is told together.
const GATHER: Duration = Duration::from_secs(1);
/// From one telling to the next.
const PAUSE: Duration = Duration::from_secs(60);
/// Directories that are named.
// Own bound: a message that a person reads.
const NAMED: usize = 30;

/// Paths that were not told since it was last said how many.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Untold {
    count: u64,
    worst: Option<Severity>,
    /// By directory, as far as they are named.
    directories: BTreeMap<Vec<u8>, u64>,
    elsewhere: u64,
    /// When to say so.
    due: Option<Instant>,
    said: Option<Instant>,
}

impl Untold {
    /// One more.
    pub(in crate::daemon) fn add(&mut self, path: &[u8], severity: Severity, now: Instant) {
        self.count = self.count.saturating_add(1);
        self.worst = self.worst.max(Some(severity));
        let directory = split(path).0;
        let is_full = self.directories.len() >= NAMED;
        match self.directories.get_mut(directory) {
            Some(count) => *count = count.saturating_add(1),
            None if !is_full => {
                self.directories.insert(directory.to_vec(), 1);
            }
            None => self.elsewhere = self.elsewhere.saturating_add(1),
        }
        let earliest = self.said.map_or(now, |said| now.max(said + PAUSE));
        self.due.get_or_insert(earliest + GATHER);
    }

    /// How long until there is something to be said.
    pub(in crate::daemon) fn wait(&self, now: Instant) -> Option<Duration> {
        self.due.map(|due| due.saturating_duration_since(now))
    }

    /// What comes later is not told any more: what there is, is due at once.
    pub(in crate::daemon) fn end(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.min(now));
    }

    /// What is to be said now; it is counted anew from then on.
    pub(in crate::daemon) fn take(&mut self, now: Instant) -> Option<Fault> {
        self.due.take_if(|due| *due <= now)?;
        let gone = std::mem::take(self);
        self.said = Some(now);
        let in_directories = gone.directories.iter().map(|(directory, count)| {
            let directory = terminal_bytes(&subject(directory));
            format!("{count} in {directory}")
        });
        let elsewhere = (gone.elsewhere > 0).then(|| format!("{} elsewhere", gone.elsewhere));
        let places: Vec<String> = in_directories.chain(elsewhere).collect();
        Some(Fault {
            code: "restored.full",
            severity: gone.worst.unwrap_or(Severity::High),
            message: format!(
                "{} more paths were changed and restored and are not told one by one, since {} that are no less severe were \
                 told in the last ten minutes: {}",
                gone.count,
                bounds::RESTORED_TOLD,
                places.join(", ")
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_by_name_is_counted_by_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut untold = Untold::default();
        assert!(untold.wait(at(0)).is_none() && untold.take(at(0)).is_none());
        for n in 0..5_000 {
            untold.add(format!("data/big/{n}").as_bytes(), Severity::Medium, at(0));
        }
        untold.add(b"usr/bin/su\x1b", Severity::High, at(0));
        assert!(untold.take(at(0)).is_none(), "more may come");
        assert_eq!(untold.wait(at(0)), Some(GATHER));
        let fault = untold.take(at(1)).expect("due");
        assert_eq!(fault.severity, Severity::High);
        assert!(fault.message.starts_with("5001 more"), "{fault:?}");
        assert!(
            fault
                .message
                .ends_with(": 5000 in /data/big, 1 in /usr/bin"),
            "{fault:?}"
        );
        untold.add(b"a", Severity::Low, at(2));
        assert!(untold.take(at(60)).is_none(), "not so soon again");
        untold.end(at(60));
        let fault = untold.take(at(60)).expect("due");
        assert!(fault.message.starts_with("1 more"), "{fault:?}");
        assert!(fault.message.ends_with(": 1 in /"), "{fault:?}");
    }

    #[test]
    fn as_many_places_are_named_as_a_person_reads() {
        let start = Instant::now();
        let mut untold = Untold::default();
        for n in 0..100 {
            untold.add(format!("d{n}/f").as_bytes(), Severity::Low, start);
        }
        let fault = untold.take(start + GATHER).expect("due");
        assert!(fault.message.ends_with(", 70 elsewhere"), "{fault:?}");
    }
}
