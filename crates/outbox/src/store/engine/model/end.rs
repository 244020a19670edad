//! The end of an episode: the disk works, every sink takes what it is handed, and the log side is told all that stands.

use super::drive::{Episode, SINKS};
use super::ledger::is;
use super::log::Told;
use super::tables::{self, Contents};
use super::truth::{self, Deed};
use crate::store::medium::Medium;
use crate::store::{Scope, uid};
use agent_core::finding::Verdict;
use std::collections::BTreeSet;

impl Episode {
    pub(super) fn wind_up(&mut self) {
        self.disk.mend();
        self.enable(SINKS.to_vec());
        self.pass(120_000);
        while let Some((scan_id, number)) = self.rounds.pop() {
            self.store.abandon(scan_id, self.now);
            self.ledger
                .scans
                .entry(number)
                .and_modify(|scan| scan.spoiled = true);
            self.ledger.pending.push_back(Deed::End(number));
        }
        self.pass(120_000);
        assert!(
            !self.store.is_down(),
            "{:?} {:?} of {:?}, {} bytes",
            self.store.down,
            self.store.committed.state,
            self.store.limits,
            self.disk.length()
        );
        self.drain();
        // What was given up is told anew when it is found again.
        for _ in 0..2 {
            for scope in [Scope::Files, Scope::Settings, Scope::Instance] {
                let (scan_id, number) = self.begin_at(scope.clone());
                let all: Vec<_> = self.ledger.base.values().cloned().collect();
                for (name, value) in all {
                    if truth::covers(&scope, &name) {
                        self.find_in(scan_id, number, name, Some(value), None);
                    }
                }
                self.end_of(scan_id, number, true);
            }
            self.drain();
        }
        let contents = self.drain();
        self.log.check_end();
        self.compare_with_log(&contents);
    }

    fn pass(&mut self, milliseconds: i64) {
        for _ in 0..3 {
            self.now += milliseconds;
            while self.store.tick(self.now) == Some(0) {}
        }
        self.store.commit(self.now);
    }

    /// All that waits is taken.
    fn drain(&mut self) -> Contents {
        for _ in 0..1000 {
            self.pass(61_000);
            self.check().expect("the disk works");
            let taken: usize = SINKS
                .iter()
                .map(|sink| self.deliver_to(*sink, 500, true))
                .sum();
            if taken == 0 && self.store.committed.state.gaps.undeclared == 0 {
                let contents = tables::read(&self.store, self.log.head.0).expect("the disk works");
                assert!(
                    contents.spool.is_empty() && contents.gaps.is_empty(),
                    "{contents:?}"
                );
                return contents;
            }
        }
        panic!("it never ends: {:?}", self.store.committed.state);
    }

    /// The log side takes to be open what is open, as it is.
    fn compare_with_log(&self, contents: &Contents) {
        let mut open = BTreeSet::new();
        for (key, entry) in &contents.ledger {
            let known = self.ledger.base.get(key);
            let (name, value) = known.unwrap_or_else(|| {
                panic!("{} stands: {entry:?}", key.escape_ascii());
            });
            assert!(is(entry, value), "{name:?}: {entry:?}");
            assert!(
                entry.raised && entry.current && !entry.gone,
                "untold: {name:?} {entry:?}"
            );
            let uid = uid(&contents.state.chain.salt, key, entry.first_seen);
            let told = self.log.last_told(&uid);
            let told = told.unwrap_or_else(|| panic!("{name:?} was never told: {entry:?}"));
            let verdict = match value.verdict {
                Verdict::Unknown => "unknown",
                _ => "fail",
            };
            assert_eq!(
                told.message,
                format!("v{}", value.word),
                "{name:?}: {told:?}"
            );
            assert_eq!(told.verdict, verdict, "{name:?}: {told:?}");
            assert_ne!(told.activity, "Close", "{name:?}: {told:?}");
            open.insert(uid);
        }
        // What the ledger gave up is counted, and found again under another uid.
        let untold = |(uid, told): &(&str, &Told)| {
            !open.contains(*uid)
                && !self.log.unsure.contains(*uid)
                && !self.ledger.forgotten.contains(&told.key)
        };
        let untold: Vec<_> = self.log.open().filter(untold).collect();
        assert!(
            untold.len() as u64 <= self.ledger.forgotten_unseen,
            "{} ends were not told, {} given up: {:?}",
            untold.len(),
            self.ledger.forgotten_unseen,
            untold.first()
        );
    }
}
