//! What was touched and is as recorded: whether it was changed and restored since it was last checked. Pure; the time
//! is passed in.
//!
//! The ctime tells, which nobody can set: it is compared with the beginning of the last check of the path. Checks are
//! remembered by a clock that is never set, and told by the wall clock of the moment when they are compared.

use agent_core::attributes::Timestamp;
use agent_core::bounds;
use agent_core::finding::Severity;
use agent_core::paths::split;
use agent_core::region::Region;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Shortest time between two tellings that one path was changed and restored.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// The kernel's clock for files stands still from tick to tick.
const TICK: Duration = Duration::from_millis(20);

/// When each path was last checked.
#[derive(Debug)]
pub(in crate::daemon) struct Restored {
    /// When the last check of everything began that has ended; the start of the daemon before there was one.
    everything: Instant,
    /// By a path's hash, for the path with all below it. Paths themselves would take five times the memory just when very
    /// many change; the key is the process's own, so nobody makes two that are equal.
    since: HashMap<u64, Instant>,
    hasher: RandomState,
}

/// Paths that were told as restored: when, and how severe.
#[derive(Debug, Default)]
pub(in crate::daemon) struct RecentlyTold {
    told: HashMap<Vec<u8>, (Instant, Severity)>,
}

/// What is to be said of a path that was changed and restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum News {
    /// That it was.
    Tell,
    /// Nothing: it was told a while ago.
    Known,
    /// That one more was, without its name: as many as can be remembered, all of them as severe, were told a while ago.
    Count,
}

impl Restored {
    /// Nothing was checked; changes count from now on.
    pub(in crate::daemon) fn new(now: Instant) -> Restored {
        Restored {
            everything: now,
            since: HashMap::new(),
            hasher: RandomState::new(),
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
            if self.since.len() >= bounds::RESTORED_CHECKED {
                self.since.clear();
            }
            let path = self.hasher.hash_one(region.path.as_slice());
            self.since.insert(path, began);
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
            let path = self.hasher.hash_one(around);
            checked = checked.max(self.since.get(&path).copied().unwrap_or(checked));
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
    /// Whether it is to be told of the path: not within `PAUSE` again, and not of more than can be remembered, the least
    /// severe of which gives way to one that is more so: noise hides nothing.
    pub(in crate::daemon) fn of(&mut self, path: &[u8], severity: Severity, now: Instant) -> News {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < PAUSE;
        self.told.retain(|_, (at, _)| is_recent(at));
        if self.told.contains_key(path) {
            return News::Known;
        }
        if self.told.len() < bounds::RESTORED_TOLD {
            return News::Tell;
        }
        let least = self.told.iter().min_by_key(|(_, (at, how))| (*how, *at));
        match least.map(|(path, (_, how))| (path.clone(), *how)) {
            Some((path, least)) if least < severity => {
                self.told.remove(&path);
                News::Tell
            }
            _ => News::Count,
        }
    }

    /// It is told of the path.
    pub(in crate::daemon) fn tell(&mut self, path: &[u8], severity: Severity, now: Instant) {
        self.told.insert(path.to_vec(), (now, severity));
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

    /// What is said of the path, and told where it is to be.
    fn tells(told: &mut RecentlyTold, path: &str, severity: Severity, now: Instant) -> News {
        let news = told.of(path.as_bytes(), severity, now);
        if news == News::Tell {
            told.tell(path.as_bytes(), severity, now);
        }
        news
    }

    #[test]
    fn what_is_told_is_told_once_in_a_while() {
        let start = Instant::now();
        let mut told = RecentlyTold::default();
        let mut tells = |path, now| tells(&mut told, path, Severity::High, now);
        assert_eq!(tells("a", start), News::Tell);
        assert_eq!(tells("a", start), News::Known);
        assert_eq!(tells("b", start), News::Tell);
        assert_eq!(tells("a", start + PAUSE), News::Tell);
    }

    #[test]
    fn noise_leaves_room_for_what_is_more_severe() {
        let start = Instant::now();
        let mut told = RecentlyTold::default();
        for n in 0..bounds::RESTORED_TOLD {
            let news = tells(&mut told, &format!("n{n}"), Severity::High, start);
            assert_eq!(news, News::Tell);
        }
        let mut of = |path, severity, now| tells(&mut told, path, severity, now);
        let second = start + Duration::from_secs(1);
        assert_eq!(of("more", Severity::High, second), News::Count);
        assert_eq!(of("more", Severity::Low, second), News::Count);
        assert_eq!(of("etc/passwd", Severity::Critical, second), News::Tell);
        assert_eq!(of("etc/shadow", Severity::Critical, second), News::Tell);
        assert_eq!(of("etc/passwd", Severity::Critical, second), News::Known);
        assert_eq!(of("more", Severity::High, start + PAUSE), News::Tell);
        assert!(told.told.len() <= bounds::RESTORED_TOLD);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut restored = Restored::new(start);
        for n in 0..2 * bounds::RESTORED_CHECKED {
            restored.checked([region(&format!("{n}"))].iter(), start);
            assert!(restored.since.len() <= bounds::RESTORED_CHECKED);
        }
    }
}
