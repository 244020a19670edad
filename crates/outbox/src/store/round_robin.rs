//! Who comes next of what waits: at every level directories take turns, however much waits in one of them.
//!
//! Nothing is remembered but where the turn before ended: directories are met by jumping from one to the next, so memory
//! goes with what is taken, not with what waits.

use super::order;
use super::tables::Result;
use std::collections::VecDeque;

/// Entries of one directory that take turns at a time. What lies behind them follows as those run out.
const WINDOW: usize = 1024;

/// The first key that is not less than this one; `None` at the end.
pub(super) trait Seek {
    fn seek(&self, from: &[u8]) -> Result<Option<Vec<u8>>>;
}

/// Keys below a prefix, in turns.
#[derive(Debug)]
pub(super) struct RoundRobin {
    prefix: Vec<u8>,
    /// Where the next entry is looked for; `None`: all have been met.
    next: Option<Vec<u8>>,
    /// Until it is met again: the entry with which the turn before ended.
    until: Option<Vec<u8>>,
    /// Whether the end was passed, so that `until` counts.
    wrapped: bool,
    /// The key with which the turn before ended.
    cursor: Vec<u8>,
    /// Those met and not run out.
    active: VecDeque<Child>,
}

/// What lies directly below a prefix.
#[derive(Debug)]
enum Child {
    /// Keys of the prefix itself: behind the key last taken.
    Own {
        last: Vec<u8>,
        prefix: Vec<u8>,
    },
    Below(Box<RoundRobin>),
}

impl RoundRobin {
    /// Begins behind `cursor`, where that lies below the prefix.
    pub(super) fn new(prefix: Vec<u8>, cursor: &[u8]) -> RoundRobin {
        let inside = cursor.starts_with(&prefix);
        let entry = inside.then(|| order::child(cursor, prefix.len())).flatten();
        RoundRobin {
            next: Some(match entry {
                Some(entry) => order::after(entry.to_vec()),
                None => prefix.clone(),
            }),
            until: entry.map(<[u8]>::to_vec),
            wrapped: false,
            cursor: match entry {
                Some(_) => cursor.to_vec(),
                None => Vec::new(),
            },
            prefix,
            active: VecDeque::new(),
        }
    }

    /// The next key; `None` when all have been taken.
    pub(super) fn take(&mut self, table: &impl Seek) -> Result<Option<Vec<u8>>> {
        loop {
            if self.active.len() < WINDOW
                && let Some(entry) = self.meet(table)?
            {
                self.active.push_front(entry);
            }
            let Some(mut entry) = self.active.pop_front() else {
                return Ok(None);
            };
            if let Some(key) = entry.take(table)? {
                self.active.push_back(entry);
                return Ok(Some(key));
            }
        }
    }

    /// The next entry, if one is left that was not met.
    fn meet(&mut self, table: &impl Seek) -> Result<Option<Child>> {
        loop {
            let Some(from) = self.next.take() else {
                return Ok(None);
            };
            let key = table.seek(&from)?;
            let key = key.filter(|key| key.starts_with(&self.prefix));
            let Some(key) = key else {
                if self.until.is_none() || self.wrapped {
                    return Ok(None);
                }
                self.wrapped = true;
                self.next = Some(self.prefix.clone());
                continue;
            };
            let entry = order::child(&key, self.prefix.len());
            let passed = match (&self.until, entry) {
                (Some(until), Some(entry)) => self.wrapped && entry > until.as_slice(),
                _ => false,
            };
            if passed {
                return Ok(None);
            }
            return Ok(Some(match entry {
                Some(entry) => {
                    self.next = Some(order::after(entry.to_vec()));
                    Child::Below(Box::new(RoundRobin::new(entry.to_vec(), &self.cursor)))
                }
                None => {
                    // What belongs to the prefix itself comes before all that lies below it: a zero byte, and the
                    // check; or a place alone, the first byte of which is zero.
                    let with = |byte| [self.prefix.as_slice(), &[byte]].concat();
                    self.next = Some(with(1));
                    Child::Own {
                        last: Vec::new(),
                        prefix: with(0),
                    }
                }
            }));
        }
    }
}

impl Child {
    fn take(&mut self, table: &impl Seek) -> Result<Option<Vec<u8>>> {
        match self {
            Child::Below(turns) => turns.take(table),
            Child::Own { last, prefix } => {
                let from = match last.is_empty() {
                    true => prefix.clone(),
                    false => {
                        let mut from = last.clone();
                        from.push(0);
                        from
                    }
                };
                let key = table.seek(&from)?;
                let key = key.filter(|key| key.starts_with(prefix));
                if let Some(key) = &key {
                    last.clone_from(key);
                }
                Ok(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::key;
    use std::collections::BTreeSet;

    impl Seek for BTreeSet<Vec<u8>> {
        fn seek(&self, from: &[u8]) -> Result<Option<Vec<u8>>> {
            Ok(self.range(from.to_vec()..).next().cloned())
        }
    }

    fn table(paths: &[String]) -> BTreeSet<Vec<u8>> {
        let places = 1..;
        let key = |(path, place): (&String, u64)| {
            order::waiting(1, 2, &key::of("files.added", path.as_bytes()), place)
        };
        paths.iter().zip(places).map(key).collect()
    }

    fn taken(table: &BTreeSet<Vec<u8>>, cursor: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut turns = RoundRobin::new(order::waiting_in(1, 2).to_vec(), cursor);
        let mut all = Vec::new();
        while all.len() < most
            && let Some(key) = turns.take(table).expect("no disk")
        {
            all.push(key);
        }
        all
    }

    fn name(key: &[u8]) -> String {
        let (_, subject) = key::parts(&key[2..key.len() - 8]).expect("a key");
        String::from_utf8(subject).expect("text")
    }

    #[test]
    fn noise_in_one_place_does_not_delay_another() {
        // However the noise is spread below a home, it is one home's.
        let mut paths: Vec<String> = (0..5000).map(|n| format!("/t/h/a/.ssh/{n}/x")).collect();
        paths.extend((0..5000).map(|n| format!("/t/h/a/.ssh/flat/{n}")));
        paths.push("/t/h/b/.ssh/authorized_keys".into());
        paths.push("/etc/hosts".into());
        let table = table(&paths);
        let first: Vec<String> = taken(&table, b"", 5).iter().map(|key| name(key)).collect();
        assert!(
            first.iter().any(|path| path.starts_with("/t/h/b")),
            "{first:?}"
        );
        assert!(first.iter().any(|path| path == "/etc/hosts"), "{first:?}");
    }

    #[test]
    fn everything_comes_once_whatever_the_cursor() {
        let mut random = fastrand::Rng::with_seed(3);
        for scan_id in 0..200 {
            let mut path = || {
                let depth = random.usize(1..5);
                let part = |_| ["a", "b", "a-b", "c"][random.usize(0..4)];
                format!("/{}", (0..depth).map(part).collect::<Vec<_>>().join("/"))
            };
            let paths: Vec<String> = (0..40).map(|_| path()).collect();
            let table = table(&paths);
            let cursor = match scan_id % 3 {
                0 => Vec::new(),
                _ => table
                    .iter()
                    .nth(random.usize(0..40))
                    .cloned()
                    .unwrap_or_default(),
            };
            let mut all = taken(&table, &cursor, usize::MAX);
            all.sort_unstable();
            assert!(all.iter().eq(table.iter()), "{paths:?} from {cursor:?}");
        }
    }

    #[test]
    fn the_next_round_goes_on_behind_the_last() {
        let paths: Vec<String> = (0..6).map(|n| format!("/d{n}/x")).collect();
        let table = table(&paths);
        let first = taken(&table, b"", 2);
        let second = taken(&table, &first[1], 2);
        let names = |keys: &[Vec<u8>]| keys.iter().map(|key| name(key)).collect::<Vec<_>>();
        assert_eq!(names(&first), ["/d0/x", "/d1/x"]);
        assert_eq!(names(&second), ["/d2/x", "/d3/x"]);
    }

    #[test]
    fn own_steps_are_in_the_order_in_which_they_came() {
        let table: BTreeSet<Vec<u8>> = (1..300)
            .map(|place| order::waiting(1, super::super::tables::OWN, b"", place))
            .collect();
        let mut turns = RoundRobin::new(order::waiting_in(1, order::OWN_CLASS).to_vec(), b"");
        for place in 1..300 {
            let key = turns.take(&table).expect("no disk").expect("a key");
            assert_eq!(order::place(&key), Some(place));
        }
        assert_eq!(turns.take(&table).expect("no disk"), None);
    }
}
