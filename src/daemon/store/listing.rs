//! When what stands is listed anew: soon after it changed, and never so often that it costs much.

use std::time::{Duration, Instant};

/// Shortest time between two lists.
const PAUSE: Duration = Duration::from_secs(2);
/// A list that took long has the next wait so many times as long.
const REST: u32 = 100;

/// Whether a list is owed, and from when on.
#[derive(Debug, Default)]
pub(super) struct Listing {
    owed: bool,
    not_before: Option<Instant>,
}

impl Listing {
    /// What stands has changed.
    pub(super) fn stale(&mut self) {
        self.owed = true;
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.owed && self.not_before.is_none_or(|then| now >= then)
    }

    /// It was listed, between these times.
    pub(super) fn done(&mut self, began: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(began);
        self.owed = false;
        self.not_before = Some(ended + PAUSE.max(took * REST));
    }

    /// How long until one is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let then = self.not_before.unwrap_or(now);
        self.owed.then(|| then.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_after_a_change_and_not_too_often() {
        let start = Instant::now();
        let mut listing = Listing::default();
        assert!(!listing.is_due(start) && listing.wait(start).is_none());
        listing.stale();
        assert!(listing.is_due(start));
        listing.done(start, start + Duration::from_millis(50));
        listing.stale();
        let after = start + Duration::from_secs(3);
        assert!(!listing.is_due(after), "it took long");
        assert_eq!(listing.wait(after), Some(Duration::from_millis(2050)));
        assert!(listing.is_due(start + Duration::from_millis(5050)));
    }
}
