//! Who touched which path last: as many paths as fit, the oldest forgotten first. Pure; the time is passed in.

use agent_core::change::Actor;
use agent_core::paths::split;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// As many paths are kept.
// Own bound: of what is remembered; of older changes nobody is named.
const MOST: usize = 4096;
/// A mere close says nothing of who wrote where somebody was seen to write so short a time before.
const CLOSING: Duration = Duration::from_secs(10);
/// Two threads see one change at different times.
const SLACK: Duration = Duration::from_secs(1);

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Ring {
    seen: HashMap<Arc<[u8]>, Seen>,
    /// In the order of time; a path that was seen again has more than one place, and counts at its last.
    order: VecDeque<(u64, Arc<[u8]>)>,
    next: u64,
}

#[derive(Debug)]
struct Seen {
    actor: Arc<Actor>,
    at: SystemTime,
    /// Whether a directory came, went or moved: what was below it shares its fate.
    whole: bool,
    number: u64,
}

impl Ring {
    /// Takes in a touch.
    pub(super) fn put(
        &mut self,
        path: &[u8],
        actor: Arc<Actor>,
        whole: bool,
        mere_close: bool,
        now: SystemTime,
    ) {
        let number = self.next;
        let path: Arc<[u8]> = match self.seen.get_key_value(path) {
            Some((_, seen)) if mere_close && within(now, seen.at, CLOSING) => return,
            Some((path, _)) => path.clone(),
            None => path.into(),
        };
        self.next += 1;
        self.order.push_back((number, path.clone()));
        let whole = whole
            || self
                .seen
                .get(&path)
                .is_some_and(|seen| seen.whole && within(now, seen.at, CLOSING));
        let seen = Seen {
            actor,
            at: now,
            whole,
            number,
        };
        self.seen.insert(path, seen);
        while self.seen.len() > MOST || self.order.len() > 4 * MOST {
            let Some((number, oldest)) = self.order.pop_front() else {
                return;
            };
            if self
                .seen
                .get(&oldest)
                .is_some_and(|seen| seen.number == number)
            {
                self.seen.remove(&oldest);
            }
        }
    }

    /// Who touched the path last, or moved or removed a directory that it lay in, since then.
    pub(super) fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<Actor>> {
        let recent = |seen: &&Seen| seen.at + SLACK >= since;
        if let Some(seen) = self.seen.get(path).filter(recent) {
            return Some(seen.actor.clone());
        }
        let mut above = path;
        while !above.is_empty() {
            above = split(above).0;
            let seen = self.seen.get(above).filter(recent);
            if let Some(seen) = seen.filter(|seen| seen.whole) {
                return Some(seen.actor.clone());
            }
        }
        None
    }
}

/// Whether `now` is so short a time after `before`; a clock that was set back proves nothing.
fn within(now: SystemTime, before: SystemTime, time: Duration) -> bool {
    now.duration_since(before).is_ok_and(|since| since <= time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(pid: u32) -> Arc<Actor> {
        Arc::new(Actor {
            pid,
            ..Actor::default()
        })
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn who(ring: &Ring, path: &str, since: u64) -> Option<u32> {
        ring.actor(path.as_bytes(), at(since))
            .map(|actor| actor.pid)
    }

    #[test]
    fn the_last_writer_wins_and_a_close_is_none() {
        let mut ring = Ring::default();
        ring.put(b"a", actor(1), false, false, at(0));
        ring.put(b"a", actor(2), false, false, at(1));
        ring.put(b"a", actor(3), false, true, at(2));
        assert_eq!(who(&ring, "a", 1), Some(2));
        assert_eq!(who(&ring, "a", 3), None, "longer ago");
        assert_eq!(who(&ring, "b", 0), None);
        // All that is seen of a write through a memory mapping.
        ring.put(b"a", actor(4), false, true, at(100));
        assert_eq!(who(&ring, "a", 100), Some(4));
    }

    #[test]
    fn what_moved_took_with_it_what_was_below() {
        let mut ring = Ring::default();
        ring.put(b"d", actor(1), true, false, at(0));
        ring.put(b"e", actor(2), false, false, at(0));
        let found = ["d/x/y", "d", "e/x", "d2"].map(|path| who(&ring, path, 0));
        assert_eq!(found, [Some(1), Some(1), None, None]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut ring = Ring::default();
        for i in 0..3 * MOST {
            ring.put(format!("{i}").as_bytes(), actor(1), false, false, at(0));
            ring.put(b"busy", actor(2), false, false, at(0));
        }
        assert_eq!(who(&ring, "busy", 0), Some(2));
        assert_eq!(who(&ring, "0", 0), None);
        assert_eq!(who(&ring, &format!("{}", 3 * MOST - 1), 0), Some(1));
        assert!(ring.seen.len() <= MOST && ring.order.len() <= 4 * MOST);
    }
}
