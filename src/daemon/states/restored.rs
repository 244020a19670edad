//! What was touched and is as recorded: whether it was changed and restored since it was last checked. Pure; the time
//! is passed in.
//!
//! The ctime tells, which nobody can set: it is compared with the beginning of the last check of the path. Checks are
//! remembered by a clock that is never set, and told by the wall clock of the moment when they are compared.

use agent_core::attributes::Timestamp;
use agent_core::paths::split;
use agent_core::region::Region;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shortest time between two tellings that one path was changed and restored.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// Paths for which that is remembered; of more nothing is told. Bounds memory.
const MOST_TOLD: usize = 1_024;
/// Paths remembered that were checked since everything was; beyond that something may be told twice.
const MOST_CHECKED: usize = 16_384;
/// The kernel's clock for files stands still from tick to tick.
const TICK: Duration = Duration::from_millis(20);

/// When each path was last checked.
#[derive(Debug)]
pub(in crate::daemon) struct Restored {
    /// When the last check of everything began that has ended; the start of the daemon before there was one.
    everything: Instant,
    /// By path, for the path with all below it.
    since: HashMap<Vec<u8>, Instant>,
}

/// Paths that were told as restored, and when.
#[derive(Debug, Default)]
pub(in crate::daemon) struct RecentlyTold(HashMap<Vec<u8>, Instant>);

impl Restored {
    /// Nothing was checked; changes count from now on.
    pub(in crate::daemon) fn new(now: Instant) -> Restored {
        Restored {
            everything: now,
            since: HashMap::new(),
        }
    }

    /// A check of everything has ended that began then.
    pub(in crate::daemon) fn checked_all(&mut self, began: Instant) {
        self.everything = began;
        self.since.retain(|_, checked| *checked > began);
    }

    /// A check of the regions has ended that began then.
    pub(in crate::daemon) fn checked<'a>(
        &mut self,
        regions: impl Iterator<Item = &'a Region>,
        began: Instant,
    ) {
        // A directory alone is never told as restored.
        for region in regions.filter(|region| region.below) {
            if self.since.len() >= MOST_CHECKED {
                self.since.clear();
            }
            self.since.insert(region.path.clone(), began);
        }
    }

    /// Whether a path with that ctime has changed since the last check of it began. `now`, by both clocks.
    pub(in crate::daemon) fn has_changed(
        &self,
        path: &[u8],
        ctime: Timestamp,
        (now, wall): (Instant, SystemTime),
    ) -> bool {
        let mut checked = self.everything;
        let mut around = path;
        loop {
            checked = checked.max(self.since.get(around).copied().unwrap_or(checked));
            if around.is_empty() {
                break;
            }
            around = split(around).0;
        }
        let age = now.saturating_duration_since(checked) + TICK;
        let checked = wall.checked_sub(age).unwrap_or(UNIX_EPOCH);
        let seconds = u64::try_from(ctime.seconds).unwrap_or(0);
        UNIX_EPOCH + Duration::new(seconds, ctime.nanoseconds) >= checked
    }
}

impl RecentlyTold {
    /// Whether it is to be told of the path: not within `PAUSE` again, and not of more than can be remembered.
    pub(in crate::daemon) fn may_be_told(&mut self, path: &[u8], now: Instant) -> bool {
        let RecentlyTold(told) = self;
        told.retain(|_, told| now.saturating_duration_since(*told) < PAUSE);
        told.len() < MOST_TOLD && !told.contains_key(path)
    }

    /// It is told of the path.
    pub(in crate::daemon) fn tell(&mut self, path: &[u8], now: Instant) {
        self.0.insert(path.to_vec(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that was set forward by a day after ten seconds.
    fn wall(after: u64) -> SystemTime {
        let set = if after >= 10 { 86_400 } else { 0 };
        UNIX_EPOCH + Duration::from_secs(1_000_000 + after + set)
    }

    fn ctime(after: u64) -> Timestamp {
        let seconds = wall(after)
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        Timestamp {
            seconds: i64::try_from(seconds).expect("small"),
            nanoseconds: 0,
        }
    }

    fn region(path: &str) -> Region {
        Region {
            path: path.into(),
            below: true,
        }
    }

    #[test]
    fn a_change_counts_from_the_beginning_of_the_last_check() {
        let start = Instant::now();
        let at = |after| start + Duration::from_secs(after);
        let mut restored = Restored::new(at(1));
        let changed = |restored: &Restored, path: &str, when, now| {
            restored.has_changed(path.as_bytes(), ctime(when), (at(now), wall(now)))
        };
        assert!(!changed(&restored, "a/b", 0, 5), "before the start");
        assert!(changed(&restored, "a/b", 2, 5));
        // However long it took until the watch told of it.
        assert!(changed(&restored, "a/b", 2, 9));
        restored.checked([region("a")].iter(), at(3));
        assert!(
            !changed(&restored, "a/b", 2, 5),
            "seen with what it lies in"
        );
        assert!(changed(&restored, "a/b", 3, 5) && changed(&restored, "a-b", 2, 5));
        restored.checked_all(at(4));
        assert!(!changed(&restored, "a-b", 3, 5) && changed(&restored, "a/b", 4, 5));
        // The clock is set while it runs.
        assert!(!changed(&restored, "a/b", 3, 20) && changed(&restored, "a/b", 11, 20));
    }

    #[test]
    fn what_is_told_is_told_once_in_a_while() {
        let start = Instant::now();
        let mut told = RecentlyTold::default();
        let mut tells = |path: &str, now| {
            let news = told.may_be_told(path.as_bytes(), now);
            if news {
                told.tell(path.as_bytes(), now);
            }
            news
        };
        assert!(tells("a", start) && !tells("a", start));
        assert!(tells("b", start));
        assert!(tells("a", start + PAUSE));
        for n in 0..MOST_TOLD {
            tells(&format!("n{n}"), start + PAUSE);
        }
        assert!(!tells("more", start + PAUSE));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut restored = Restored::new(start);
        for n in 0..2 * MOST_CHECKED {
            restored.checked([region(&format!("{n}"))].iter(), start);
            assert!(restored.since.len() <= MOST_CHECKED);
        }
    }
}
