//! Whether each uid stands on one event alone.

use super::Problem;
use super::rows::{ChainKey, UID, Uid};
use super::sorted::Sorted;
use agent_core::bounds;
use agent_core::error::Result;
use std::collections::HashMap;

/// What the uids show.
#[derive(Debug, Default)]
pub(super) struct Uids {
    /// Events and heartbeats, each counted once.
    pub(super) distinct: u64,
    /// Of them heartbeats.
    pub(super) heartbeats: u64,
    /// By chain; of no more chains than are told of.
    pub(super) problems: HashMap<ChainKey, Faults>,
    /// Problems of others.
    pub(super) elsewhere: u64,
}

/// Problems of a chain that are listed, and how many are not.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) listed: Vec<Problem>,
    pub(super) unlisted: u64,
}

/// Goes through all of them. No more problems are listed than are printed.
pub(super) fn judge(mut rows: Sorted<UID>) -> Result<Uids> {
    let mut found = Uids::default();
    let mut before = None;
    let mut listed = 0;
    while let Some(row) = rows.next()? {
        let one = Uid::of_row(&row);
        found.distinct = found.distinct.saturating_add(1);
        found.heartbeats = found.heartbeats.saturating_add(u64::from(one.is_heartbeat));
        if before.replace(one.uid) != Some(one.uid) {
            continue;
        }
        if listed == bounds::LOG_PROBLEMS && !found.problems.contains_key(&one.chain) {
            found.elsewhere = found.elsewhere.saturating_add(1);
            continue;
        }
        let faults = found.problems.entry(one.chain).or_default();
        if listed == bounds::LOG_PROBLEMS {
            faults.unlisted = faults.unlisted.saturating_add(1);
            continue;
        }
        listed = listed.saturating_add(1);
        let note = match one.is_heartbeat {
            true => "a heartbeat's uid stands on other bytes as well",
            false => "its uid stands on other bytes as well",
        };
        faults.listed.push(Problem::Edited {
            sequence: one.sequence,
            note: note.into(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::sorted::Sorter;
    use super::*;

    #[test]
    fn a_uid_on_several_events_is_told_and_problems_beyond_the_bound_are_counted() {
        let mut sorter = Sorter::new(1 << 20);
        let mut put = |uid: u128, half: u8, sequence: u64| {
            let one = Uid {
                uid,
                is_heartbeat: uid == 1,
                chain: 7,
                sequence,
            };
            let mut row = one.to_row();
            Uid::put_digest(&mut row, &[half; 32]);
            sorter.push(row).expect("room");
        };
        put(1, 1, 3);
        put(1, 1, 3);
        put(2, 1, 1);
        for n in 0..=bounds::LOG_PROBLEMS {
            put(100 + u128::from(n), 1, 4);
            put(100 + u128::from(n), 2, 5);
        }
        // Of a chain of which none is listed.
        for half in 1..=3 {
            let one = Uid {
                uid: u128::MAX,
                is_heartbeat: false,
                chain: 8,
                sequence: 1,
            };
            let mut row = one.to_row();
            Uid::put_digest(&mut row, &[half; 32]);
            sorter.push(row).expect("room");
        }
        let sorted = Sorter::merged(vec![sorter]).expect("merged");
        let found = judge(sorted).expect("judged");
        assert_eq!(found.distinct, 2 + 2 * (bounds::LOG_PROBLEMS + 1) + 3);
        assert_eq!((found.problems.len(), found.elsewhere), (1, 2));
        assert_eq!(found.heartbeats, 1);
        let faults = &found.problems[&7];
        assert_eq!(faults.listed.len() as u64, bounds::LOG_PROBLEMS);
        assert_eq!(faults.unlisted, 1);
    }
}
