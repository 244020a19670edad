//! How far the first boot has come: what it may change is not judged before it is on the record. Pure: the time, and
//! whether cloud-init is done, are passed in.

use std::time::{Duration, Instant};

/// cloud-init is waited for no longer than this.
pub(in crate::daemon) const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Interval between two questions whether it is done.
const PAUSE: Duration = Duration::from_secs(5);

/// How far the first boot has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum FirstBoot {
    /// Not known yet.
    Unknown,
    /// cloud-init is at work.
    Awaited {
        /// Since when.
        since: Instant,
        /// When to ask next.
        next: Instant,
    },
    /// The record is being written.
    Recording,
    /// On the record, or there is nothing to put on it.
    Over,
}

/// Why the record is written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Ready {
    /// cloud-init is done, or there is none.
    Done,
    /// Nobody said so in all the time that it is waited for.
    OutOfPatience,
}

impl FirstBoot {
    /// The wait begins.
    pub(in crate::daemon) fn awaited(now: Instant) -> FirstBoot {
        FirstBoot::Awaited {
            since: now,
            next: now,
        }
    }

    /// Whether what the first boot may change is not judged yet.
    pub(in crate::daemon) fn holds_back(self) -> bool {
        matches!(self, FirstBoot::Awaited { .. } | FirstBoot::Recording)
    }

    /// When to ask next.
    pub(in crate::daemon) fn due(self) -> Option<Instant> {
        match self {
            FirstBoot::Awaited { next, .. } => Some(next),
            _ => None,
        }
    }

    /// Whether the record is to be written now, and why. `is_done` says whether cloud-init is, and is asked only
    /// where it is time to.
    pub(in crate::daemon) fn poll(
        &mut self,
        is_done: impl FnOnce() -> bool,
        now: Instant,
    ) -> Option<Ready> {
        let FirstBoot::Awaited { since, next } = self else {
            return None;
        };
        if now < *next {
            return None;
        }
        *next = now + PAUSE;
        let patient = now.saturating_duration_since(*since) < PATIENCE;
        let ready = match (is_done(), patient) {
            (true, _) => Ready::Done,
            (false, false) => Ready::OutOfPatience,
            (false, true) => return None,
        };
        *self = FirstBoot::Recording;
        Some(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_boot_is_awaited_for_half_an_hour() {
        let start = Instant::now();
        let mut over = FirstBoot::Over;
        assert_eq!(over.poll(|| true, start), None);
        assert!(!over.holds_back());
        let mut awaited = FirstBoot::awaited(start);
        assert!(awaited.holds_back());
        assert_eq!(awaited.poll(|| false, start), None);
        assert_eq!(awaited.due(), Some(start + PAUSE));
        assert_eq!(awaited.poll(|| true, start + PAUSE / 2), None, "not asked");
        let mut done = awaited;
        assert_eq!(done.poll(|| true, start + PAUSE), Some(Ready::Done));
        let ready = awaited.poll(|| false, start + PATIENCE);
        assert_eq!(
            (ready, awaited),
            (Some(Ready::OutOfPatience), FirstBoot::Recording)
        );
        assert!(awaited.holds_back() && awaited.due().is_none());
    }
}
