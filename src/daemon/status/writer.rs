//! When the status is written, and where to.

use super::usage::{Total, Usage, UsageMeter};
use super::{Status, remove, write};
use crate::daemon::clock::Now;
use crate::daemon::systemd;
use agent_outbox::event::Heartbeats;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Shortest time between two writings.
const PAUSE: Duration = Duration::from_millis(500);

/// The status file and the line for systemd.
#[derive(Debug)]
pub(in crate::daemon) struct StatusWriter {
    runtime: PathBuf,
    pub(super) started: Now,
    /// What happened concerns the status.
    pub(in crate::daemon) stale: bool,
    written: Instant,
    /// The line that systemd was told last.
    told: String,
    meter: UsageMeter,
    /// What heartbeats have said so far.
    pub(super) heartbeats: Heartbeats,
}

impl StatusWriter {
    /// Of a daemon that begins now. Nothing is written yet.
    pub(in crate::daemon) fn new(runtime: PathBuf, now: Now) -> StatusWriter {
        StatusWriter {
            runtime,
            started: now,
            stale: true,
            written: now.monotonic,
            told: String::new(),
            meter: UsageMeter::new(now.monotonic),
            heartbeats: Heartbeats::default(),
        }
    }

    /// Whether to write it now. `regular`: it is time to, whatever happened.
    pub(in crate::daemon) fn take(&mut self, regular: bool, now: Instant) -> bool {
        let rested = now.saturating_duration_since(self.written) >= PAUSE;
        let due = regular || (self.stale && rested);
        if due {
            self.stale = false;
            self.written = now;
        }
        due
    }

    /// When to write it, if anything happened.
    pub(in crate::daemon) fn due(&self) -> Option<Instant> {
        self.stale.then(|| self.written + PAUSE)
    }

    /// What the agent uses of the host.
    pub(super) fn measure(&mut self, now: Instant) -> Usage {
        self.meter.measure(now)
    }

    /// What the agent has used of the host since it began.
    pub(super) fn total(&mut self) -> Total {
        self.meter.total()
    }

    /// Writes it, and tells systemd the line.
    pub(super) fn write(&mut self, status: &Status, line: String) -> io::Result<()> {
        // Whoever does not read what it is sent would make the agent wait: nothing is said twice.
        if line != self.told {
            systemd::status(&line);
            self.told = line;
        }
        write(&self.runtime, status)
    }

    /// The daemon has come to its end.
    pub(in crate::daemon) fn remove(&self) {
        remove(&self.runtime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::clock::UnixMillis;

    #[test]
    fn it_is_written_when_something_happened_and_not_too_often() {
        let start = Instant::now();
        let now = Now {
            monotonic: start,
            wall: UnixMillis(0),
        };
        let mut writer = StatusWriter::new(PathBuf::new(), now);
        assert!(!writer.take(false, start), "it has only just begun");
        assert!(writer.take(true, start));
        assert_eq!(writer.due(), None);
        assert!(!writer.take(false, start + 10 * PAUSE), "nothing happened");
        writer.stale = true;
        assert_eq!(writer.due(), Some(start + PAUSE));
        assert!(!writer.take(false, start + PAUSE / 2) && writer.take(false, start + PAUSE));
    }
}
