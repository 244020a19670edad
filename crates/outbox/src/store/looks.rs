//! Looks under way: what each covers, what it found, and what is cleared at its end.

use super::queue::Found;
use super::tables::{LEDGER, Result, damaged, entry_from_row};
use super::telling::{Fresh, gone};
use super::work::Work;
use super::{Round, Scope};
use crate::event::Sighting;
use crate::event::finding::Step;
use crate::ledger::{self, Entry, Seen, key};
use agent_core::finding::{FILES_ADDED, FILES_CHANGED, FILES_REMOVED, FILES_UNREADABLE, Verdict};
use agent_core::paths::subject;
use agent_core::region::Region;
use redb::ReadTransaction;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::ControlFlow;

/// A look remembers so many deviations by itself; beyond that it marks them in the ledger, so that its
/// memory stays flat, and a host with few deviations writes nothing when it finds them again.
const REMEMBERED: usize = 4096;
/// Entries that one transaction looks at when a look ends.
const STRIDE: usize = 20_000;
/// Deviations that one transaction clears.
const CLEARED: usize = 500;

/// A look under way.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) number: u64,
    pub(super) scope: Scope,
    /// What the keys within the scope begin with, in order.
    prefixes: Vec<Vec<u8>>,
    found: HashSet<u64>,
    /// Whether it marks in the ledger what it finds.
    marks: bool,
    /// Something that it found was lost: nothing is cleared.
    pub(super) spoiled: bool,
}

/// The looks under way.
#[derive(Debug, Default)]
pub(super) struct Looks {
    looks: Vec<Look>,
    hash: RandomState,
}

/// How far the end of a look has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last key looked at; empty at the beginning.
    from: Vec<u8>,
    /// Keys that begin so are of what could not be looked at.
    shield: Option<Vec<u8>>,
}

impl Looks {
    pub(super) fn begin(&mut self, number: u64, scope: Scope) -> Round {
        self.looks.push(Look {
            number,
            prefixes: prefixes(&scope),
            scope,
            found: HashSet::new(),
            marks: false,
            spoiled: false,
        });
        Round(number)
    }

    pub(super) fn of(&self, round: Round) -> Option<&Look> {
        self.looks.iter().find(|look| look.number == round.0)
    }

    /// A deviation was found: every look that covers it and is under way need not look for it again.
    /// Returns the number to mark it with in the ledger, if one of them has found too many to remember.
    pub(super) fn found(&mut self, key: &[u8]) -> Option<u64> {
        let hash = self.hash.hash_one(key);
        let mut mark = false;
        let mut newest = 0;
        for look in &mut self.looks {
            newest = newest.max(look.number);
            if !look.covers(key) {
                continue;
            }
            if look.found.len() >= REMEMBERED {
                look.marks = true;
            }
            match look.marks {
                true => mark |= !look.found.contains(&hash),
                false => {
                    look.found.insert(hash);
                }
            }
        }
        mark.then_some(newest)
    }

    /// What a look found could not be kept.
    pub(super) fn spoil(&mut self, round: Round) {
        for look in &mut self.looks {
            look.spoiled |= look.number == round.0;
        }
    }

    pub(super) fn spoil_all(&mut self) {
        for look in &mut self.looks {
            look.spoiled = true;
        }
    }

    pub(super) fn remove(&mut self, round: Round) {
        self.looks.retain(|look| look.number != round.0);
    }

    /// Whether the look found it again, or a later one did.
    fn saw(&self, look: &Look, key: &[u8], entry: &Entry) -> bool {
        entry.round >= look.number || look.found.contains(&self.hash.hash_one(key))
    }
}

impl Looks {
    /// Whether the look could not look at the path, or at a directory above it; the ledger may have no room to say so.
    fn hides(&self, look: &Look, subject: &[u8]) -> bool {
        let mut path = subject;
        loop {
            let key = key::of(FILES_UNREADABLE.id, path);
            if look.found.contains(&self.hash.hash_one(key.as_slice())) {
                return true;
            }
            path = match path.iter().rposition(|byte| *byte == b'/') {
                Some(0) if path.len() > 1 => b"/",
                Some(at) if at > 0 => &path[..at],
                _ => return false,
            };
        }
    }
}

/// What the keys within a scope begin with, in order.
fn prefixes(scope: &Scope) -> Vec<Vec<u8>> {
    match scope {
        Scope::Files => vec![vec![key::FILES]],
        Scope::Path(path) => vec![key::below(path)],
        Scope::Regions(regions) => {
            let of = |region: &Region| match region.below {
                true => key::below(&subject(&region.path)),
                false => key::alone(&subject(&region.path)),
            };
            let mut all: Vec<Vec<u8>> = regions.iter().map(of).collect();
            all.sort_unstable();
            // What lies in another is looked at with it.
            all.dedup_by(|later, earlier| later.starts_with(earlier));
            all
        }
        Scope::Settings | Scope::Area(_) => vec![vec![key::SETTINGS]],
        Scope::Instance => vec![vec![key::INSTANCE]],
    }
}

impl Look {
    fn covers(&self, key: &[u8]) -> bool {
        // None begins with another, so only the last that is not behind the key can be its beginning.
        let behind = self
            .prefixes
            .partition_point(|prefix| prefix.as_slice() <= key);
        let begins = behind
            .checked_sub(1)
            .is_some_and(|last| key.starts_with(&self.prefixes[last]));
        begins && is_told_by(&self.scope, key)
    }
}

/// Whether a look of that scope tells of the check that the key names.
fn is_told_by(scope: &Scope, key: &[u8]) -> bool {
    let check = || key::parts(key).map_or("", |(check, _)| check).to_owned();
    match scope {
        Scope::Files | Scope::Settings | Scope::Instance => true,
        Scope::Path(_) | Scope::Regions(_) => {
            let check = check();
            [
                &FILES_ADDED,
                &FILES_CHANGED,
                &FILES_REMOVED,
                &FILES_UNREADABLE,
            ]
            .iter()
            .any(|known| known.id == check)
        }
        Scope::Area(area) => check().split('.').next() == Some(area),
    }
}

/// Paths with an open finding that are direct entries of a directory: see [`super::Keeper::open_in`].
///
/// What lies deeper is jumped over: as many seeks as there are entries with something open at or below them.
pub(super) fn entries(
    transaction: &ReadTransaction,
    directory: &[u8],
    after: &[u8],
    most: usize,
) -> Result<Vec<Vec<u8>>> {
    let ledger = transaction.open_table(LEDGER)?;
    let above = key::below(&subject(directory));
    let mut from = match after {
        [] => above.clone(),
        after => {
            let mut from = key::below(&subject(after));
            pass(&mut from);
            from
        }
    };
    let mut found = Vec::new();
    while found.len() < most {
        let Some((key, row)) = ledger.range(from.as_slice()..)?.next().transpose()? else {
            break;
        };
        let key = key.value();
        let Some(rest) = key.strip_prefix(above.as_slice()) else {
            break;
        };
        let length = rest
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len());
        let mut name = rest.to_vec();
        name.truncate(length);
        if name.is_empty() {
            // The directory itself.
            from = above.clone();
            from.push(1);
            continue;
        }
        let mut own = above.clone();
        own.extend(&name);
        own.push(0);
        let is_own = key.get(own.len()) == Some(&0);
        let stands = !entry_from_row(row.value())
            .ok_or_else(|| damaged("ledger"))?
            .gone;
        if is_own && stands {
            let mut path = directory.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(&name);
            found.push(path);
            pass(&mut own);
            from = own;
        } else if is_own {
            // Gone and not yet told; another check may have found something there.
            from = key.to_vec();
            from.push(0);
        } else {
            pass(&mut own);
            from = own;
        }
    }
    Ok(found)
}

/// From the beginning of a path's keys to what comes behind all of them: no name holds what ends a name.
fn pass(key: &mut Vec<u8>) {
    key.pop();
    key.push(1);
}

/// What tells one state of a deviation from another.
fn evidence(entry: Entry) -> (Verdict, [u8; 16]) {
    (entry.verdict, entry.fingerprint)
}

/// What one transaction's share of a sweep came upon.
struct Swept {
    /// Entries that were not found again.
    missed: Vec<(Vec<u8>, Entry)>,
    /// Where to go on; `None` at the end.
    next: Option<Cursor>,
}

impl Work<'_> {
    /// Takes in what was found of a deviation.
    pub(super) fn found(&mut self, found: &Found, now: i64) -> Result<()> {
        let Found {
            sighting,
            mark,
            scan,
            until,
            ..
        } = found;
        let seen = match sighting.verdict {
            Verdict::Pass | Verdict::NotApplicable => Seen::Gone,
            verdict => Seen::There {
                verdict,
                severity: sighting.severity,
                fingerprint: sighting.fingerprint(),
            },
        };
        let key = key::of(&sighting.check, &sighting.subject);
        let old = self.entry(&key)?;
        let round = mark.or(old.map(|old| old.round)).unwrap_or(0);
        self.state.round = self.state.round.max(mark.unwrap_or(0));
        let mut ruling = ledger::rule(old.as_ref(), seen, round, self.room(), now);
        let enters = match old {
            None => ruling.entry.is_some(),
            Some(_) => ruling.entry != old && self.is_only_below(&key)?,
        };
        let weight = old.map_or(sighting.severity, |old| old.severity.max(sighting.severity));
        if enters && !self.admit(&key, weight)? {
            // It is found again by every look; once there is room it is told.
            self.state.unentered += 1;
            self.dirty = true;
            return Ok(());
        }
        let waits = until.filter(|_| {
            let step = ruling.step;
            step.is_some_and(|step| Self::may_wait(step, sighting.severity))
        });
        if waits.is_some()
            && let (Some(entry), Some(step)) = (&mut ruling.entry, ruling.step)
        {
            *entry = ledger::dropped(entry, step);
        }
        if ruling.entry != old {
            self.set_entry(&key, old.as_ref(), ruling.entry.as_ref())?;
        }
        let first_seen = ruling.entry.or(old).map_or(now, |entry| entry.first_seen);
        let told = ruling.step.map(|step| Fresh {
            step,
            sighting: match (step, old) {
                // An end weighs what it ends.
                (Step::Cleared, Some(old)) => Sighting {
                    severity: old.severity,
                    ..(**sighting).clone()
                },
                _ => (**sighting).clone(),
            },
            entry: old.filter(|_| step == Step::Cleared),
            key: key.clone(),
            first_seen,
            last_seen: now,
            scan: *scan,
        });
        match (told, waits) {
            (Some(fresh), Some(until)) => self.defer(&fresh, until)?,
            (Some(fresh), None) => {
                self.undefer(&key)?;
                self.fresh.push(fresh);
            }
            // It went before anybody was told of it.
            (None, _) if ruling.entry.is_none() => self.undefer(&key)?,
            // There is no room to tell it at once; what waits is told as it is by then.
            (None, _) if ruling.entry.map(evidence) != old.map(evidence) => {
                self.renew_deferred(&key, sighting, first_seen, now)?;
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Clears what a look that came to its end did not find again. Returns where to go on.
    pub(super) fn end(
        &mut self,
        looks: &Looks,
        look: &Look,
        cursor: Cursor,
        now: i64,
    ) -> Result<Option<Cursor>> {
        if look.spoiled {
            return Ok(None);
        }
        let Swept { missed, next: more } = self.sweep(looks, look, cursor)?;
        for (key, entry) in &missed {
            let ruling = ledger::rule(Some(entry), Seen::Gone, look.number, self.room(), now);
            if ruling.entry != Some(*entry) {
                self.set_entry(key, Some(entry), ruling.entry.as_ref())?;
            }
            self.undefer(key)?;
            if ruling.step.is_some() {
                self.fresh.push(Fresh {
                    step: Step::Cleared,
                    sighting: gone(key, entry.severity).ok_or_else(|| damaged("ledger"))?,
                    key: key.to_vec(),
                    entry: Some(*entry),
                    first_seen: entry.first_seen,
                    last_seen: now,
                    scan: false,
                });
            }
        }
        Ok(more)
    }

    /// Goes on through the ledger for what a look that ended did not find again. Only reads.
    fn sweep(&self, looks: &Looks, look: &Look, cursor: Cursor) -> Result<Swept> {
        let Cursor { from, mut shield } = cursor;
        let mut examined = from.clone();
        let mut full = false;
        let mut missed = Vec::new();
        let mut passed = 0;
        let past = |prefix: &&Vec<u8>| !from.starts_with(prefix) && **prefix < from;
        for prefix in look.prefixes.iter().skip_while(past) {
            let start = from.clone().max(prefix.clone());
            self.tables.ledger.walk(start.as_slice().., |key, row| {
                if !key.starts_with(prefix) {
                    return Ok(ControlFlow::Break(()));
                }
                if key == from {
                    return Ok(ControlFlow::Continue(()));
                }
                passed += 1;
                if missed.len() >= CLEARED || passed > STRIDE {
                    full = true;
                    return Ok(ControlFlow::Break(()));
                }
                key.clone_into(&mut examined);
                let entry = entry_from_row(row).ok_or_else(|| damaged("ledger"))?;
                let saw = looks.saw(look, key, &entry);
                let (check, subject) = key::parts(key).ok_or_else(|| damaged("ledger"))?;
                let mut shielded = shield
                    .as_ref()
                    .is_some_and(|shield| key.starts_with(shield));
                // One within another hides no more than that one does.
                if saw && !entry.gone && !shielded && check == FILES_UNREADABLE.id {
                    shield = Some(key::below(&subject));
                    shielded = true;
                }
                // What is known to be gone needs nobody who saw it go.
                let stays = !entry.gone
                    && (saw
                        || shielded
                        || !is_told_by(&look.scope, key)
                        || (key.first() == Some(&key::FILES)
                            && (looks.hides(look, &subject)
                                || self.unseen(looks, look, &subject)?)));
                if !stays {
                    missed.push((key.to_vec(), entry));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if full {
                break;
            }
        }
        let next = full.then_some(Cursor {
            from: examined,
            shield,
        });
        Ok(Swept { missed, next })
    }

    /// Whether the path itself could not be looked at, so that nothing of it may be cleared. Its key may
    /// come after the one in question.
    fn unseen(&self, looks: &Looks, look: &Look, subject: &[u8]) -> Result<bool> {
        let key = key::of(FILES_UNREADABLE.id, subject);
        let entry = self.entry(&key)?;
        Ok(entry.is_some_and(|entry| !entry.gone && looks.saw(look, &key, &entry)))
    }
}
