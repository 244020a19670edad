//! The ledger as it should be: what was told and taken in, and what was told and may be lost with a crash.

use super::tables::Contents;
use super::truth::{self, Deed, OpenFindings, OpenScan, OpenScans, Value, covers};
use crate::ledger::{OpenFinding, key};
use agent_core::finding::Severity;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What stood when it was last looked at.
    pub(super) base: OpenFindings,
    /// What was told since, in order.
    pub(super) pending: VecDeque<Deed>,
    pub(super) scans: OpenScans,
    /// Findings without room in the ledger, as far as they were counted.
    missing: u64,
    /// What the ledger gave up, or had no room for.
    pub(super) forgotten: BTreeSet<Vec<u8>>,
    /// How much more it was: found again before it was missed, or an end that was yet to be told.
    pub(super) forgotten_unseen: u64,
}

pub(super) fn is(entry: &OpenFinding, value: &Value) -> bool {
    entry.verdict == value.verdict
        && entry.severity == value.severity
        && entry.fingerprint == value.fingerprint
}

type Real<'a> = BTreeMap<&'a [u8], &'a OpenFinding>;

fn standing(contents: &Contents) -> Real<'_> {
    let stands = contents.ledger.iter().filter(|(_, entry)| !entry.gone);
    stands.map(|(key, entry)| (key.as_slice(), entry)).collect()
}

/// Whether the store has of this key what should stand. `scarce`: it may lack what is not critical.
fn fits(real: &Real<'_>, should: &OpenFindings, key: &[u8], scarce: bool) -> bool {
    match (real.get(key), should.get(key)) {
        (None, None) => true,
        (Some(entry), Some((_, value))) => is(entry, value),
        (None, Some((_, value))) => scarce && value.severity < Severity::Critical,
        (Some(_), None) => false,
    }
}

impl Ledger {
    /// All that was told is in the store, and nothing else. `given_up`: what the store says that it had no room for.
    /// `trouble`: a transaction had failed, so that what it held may have been taken in twice.
    pub(super) fn check(&mut self, contents: &Contents, given_up: u64, trouble: bool) {
        // Ended the first time before something was found that would have kept the second time from ending it.
        let twice: Vec<OpenScan> = match trouble {
            true => self.ending().cloned().collect(),
            false => Vec::new(),
        };
        let scarce = given_up > self.missing;
        while let Some(deed) = self.pending.pop_front() {
            truth::apply(&mut self.base, &self.scans, &deed);
            if let Deed::End(number) = deed {
                self.scans.remove(&number);
            }
        }
        let real = standing(contents);
        for (key, entry) in &real {
            let (name, value) = self.base.get(*key).unwrap_or_else(|| {
                panic!("{} stands: {entry:?}", String::from_utf8_lossy(key));
            });
            assert!(
                is(entry, value),
                "{name:?}: {entry:?} where {value:?} should be"
            );
        }
        let lacks = |key: &&Vec<u8>| !real.contains_key(key.as_slice());
        let mut lacking: Vec<Vec<u8>> = self.base.keys().filter(lacks).cloned().collect();
        let base = &mut self.base;
        lacking.retain(|key| {
            let name = &base[key].0;
            let ended = |scan: &OpenScan| covers(&scan.scope, name) && !scan.found.contains(key);
            let ended = twice.iter().any(ended);
            if ended {
                base.remove(key);
            }
            !ended
        });
        for key in &lacking {
            let (name, value) = &self.base[key];
            assert!(
                scarce && value.severity < Severity::Critical,
                "{name:?} is lost: {value:?}, {given_up} given up, {} of them missed",
                self.missing
            );
        }
        let room = given_up - self.missing;
        assert!(
            lacking.len() as u64 <= room,
            "{} lack, {room} told",
            lacking.len()
        );
        self.forgotten_unseen += room - lacking.len() as u64;
        self.missing = given_up;
        for key in lacking {
            self.base.remove(&key);
            self.forgotten.insert(key);
        }
    }

    /// Scans that came to their end since.
    fn ending(&self) -> impl Iterator<Item = &OpenScan> {
        let ends = self.pending.iter().filter_map(|deed| match deed {
            Deed::End(number) => self.scans.get(number),
            _ => None,
        });
        ends.filter(|scan| !scan.spoiled)
    }

    /// Whether something that was told and is not known to be in the store makes this of a key.
    fn may_be(&self, key: &[u8], real: Option<&&OpenFinding>) -> bool {
        self.pending.iter().any(|deed| match (deed, real) {
            (Deed::Found(name, Some(value)), Some(entry)) => {
                key::of(name.0, &name.1) == key && is(entry, value)
            }
            (Deed::Found(name, None), None) => key::of(name.0, &name.1) == key,
            (Deed::End(number), None) => {
                let (scan, known) = (self.scans.get(number), self.base.get(key));
                known.is_some_and(|(name, _)| scan.is_some_and(|scan| covers(&scan.scope, name)))
            }
            _ => false,
        })
    }

    /// After a crash: what was told up to some point is in the store, and nothing else. `trouble`: a transaction had
    /// failed, so that what it held may have been taken in once and then in part again.
    pub(super) fn check_crashed(&mut self, contents: &Contents, given_up: u64, trouble: bool) {
        let real = standing(contents);
        let scarce = given_up > self.missing;
        let mut should = self.base.clone();
        let all = |should: &OpenFindings| -> BTreeSet<Vec<u8>> {
            let keys = should.keys().map(Vec::as_slice).chain(real.keys().copied());
            keys.filter(|key| !fits(&real, should, key, scarce))
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut wrong = all(&should);
        let first = wrong.clone();
        let mut explained = wrong.is_empty();
        for deed in &self.pending {
            if explained {
                break;
            }
            let before = should.clone();
            for key in truth::apply(&mut should, &self.scans, deed) {
                match fits(&real, &should, &key, scarce) {
                    true => wrong.remove(&key),
                    false => wrong.insert(key),
                };
            }
            // The end of a scan is taken in piece by piece.
            let in_part = matches!(deed, Deed::End(_))
                && wrong.iter().all(|key| fits(&real, &before, key, scarce));
            explained = wrong.is_empty() || in_part;
        }
        let by_key = trouble
            && first
                .iter()
                .all(|key| self.may_be(key, real.get(key.as_slice())));
        let shown = |keys: &BTreeSet<Vec<u8>>| -> Vec<String> {
            let of = |key: &Vec<u8>| {
                let name = key.escape_ascii().to_string();
                (name, real.get(key.as_slice()), self.base.get(key))
            };
            keys.iter()
                .take(5)
                .map(|key| format!("{:?}", of(key)))
                .collect()
        };
        assert!(
            explained || by_key,
            "no point in time explains {} of {}: {:#?} (trouble {trouble}, {} pending)",
            wrong.len(),
            first.len(),
            shown(&first),
            self.pending.len()
        );
        // What stands from here on is what the store has.
        let mut base = OpenFindings::new();
        let mut last = self.base.clone();
        let mut names: BTreeMap<Vec<u8>, Vec<(truth::Name, Value)>> = BTreeMap::new();
        for (key, known) in &last {
            names.entry(key.clone()).or_default().push(known.clone());
        }
        for deed in &self.pending {
            for key in truth::apply(&mut last, &self.scans, deed) {
                if let Some(known) = last.get(&key) {
                    names.entry(key).or_default().push(known.clone());
                }
            }
        }
        for (key, entry) in &real {
            let known = names
                .get(*key)
                .and_then(|all| all.iter().find(|known| is(entry, &known.1)));
            base.insert(key.to_vec(), known.expect("it was told once").clone());
        }
        self.forgotten_unseen += given_up - self.missing;
        self.base = base;
        self.missing = given_up;
        self.pending.clear();
        self.scans.clear();
    }
}
