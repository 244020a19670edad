//! Scans under way: what each covers, what it found, and what is cleared at its end.

use super::announce::{Fresh, gone};
use super::queue::Found;
use super::tables::{Result, damaged, entry_from_row};
use super::write_transaction::WriteTransaction;
use super::{ScanId, Scope};
use crate::event::finding::Step;
use crate::event::stored_finding::StoredFinding;
use crate::ledger::{self, Observation, OpenFinding, key};
use agent_core::finding::{
    FILES_ADDED, FILES_CHANGED, FILES_MOUNT, FILES_REMOVED, FILES_UNREADABLE, Verdict,
};
use agent_core::paths::subject;
use agent_core::region::Region;
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Deviations that a scan remembers by itself; beyond that it marks them in the ledger, so that its
/// memory stays flat, and a host with few deviations writes nothing when it finds them again.
const REMEMBERED: usize = 4096;
/// Entries that one transaction looks at when a scan ends.
const STRIDE: usize = 20_000;
/// Deviations that one transaction clears.
const CLEARED: usize = 500;

/// A scan under way.
#[derive(Debug)]
pub(super) struct OpenScan {
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

/// The scans under way.
#[derive(Debug, Default)]
pub(super) struct OpenScans {
    scans: Vec<OpenScan>,
    /// Number of the last that was begun.
    last: u64,
    hash: RandomState,
}

/// How far the end of a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last key looked at; empty at the beginning.
    from: Vec<u8>,
    /// Keys that begin so are of what could not be looked at.
    shield: Option<Vec<u8>>,
}

impl OpenScans {
    /// Numbers are greater than this one from now on.
    pub(super) fn number_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    pub(super) fn begin(&mut self, scope: Scope) -> ScanId {
        self.last = self.last.saturating_add(1);
        let number = self.last;
        self.scans.push(OpenScan {
            number,
            prefixes: prefixes(&scope),
            scope,
            found: HashSet::new(),
            marks: false,
            spoiled: false,
        });
        ScanId(number)
    }

    pub(super) fn of(&self, scan_id: ScanId) -> Option<&OpenScan> {
        self.scans.iter().find(|scan| scan.number == scan_id.0)
    }

    /// A deviation was found: every scan that covers it and is under way need not look for it again.
    /// Returns the number to mark it with in the ledger, if one of them has found too many to remember.
    pub(super) fn found(&mut self, key: &[u8]) -> Option<u64> {
        let hash = self.hash.hash_one(key);
        let mut mark = false;
        let mut newest = 0;
        for scan in &mut self.scans {
            newest = newest.max(scan.number);
            if !scan.covers(key) {
                continue;
            }
            if scan.found.len() >= REMEMBERED {
                scan.marks = true;
            }
            match scan.marks {
                true => mark |= !scan.found.contains(&hash),
                false => {
                    scan.found.insert(hash);
                }
            }
        }
        mark.then_some(newest)
    }

    /// What a scan found could not be kept.
    pub(super) fn spoil(&mut self, scan_id: ScanId) {
        for scan in &mut self.scans {
            scan.spoiled |= scan.number == scan_id.0;
        }
    }

    pub(super) fn spoil_all(&mut self) {
        for scan in &mut self.scans {
            scan.spoiled = true;
        }
    }

    pub(super) fn remove(&mut self, scan_id: ScanId) {
        self.scans.retain(|scan| scan.number != scan_id.0);
    }

    /// Whether the scan found it again, or a later one did.
    fn saw(&self, scan: &OpenScan, key: &[u8], entry: &OpenFinding) -> bool {
        entry.scan_id >= scan.number || scan.found.contains(&self.hash.hash_one(key))
    }
}

impl OpenScans {
    /// Whether the scan could not look at the path, or at a directory above it; the ledger may have no room to say so.
    fn hides(&self, scan: &OpenScan, subject: &[u8]) -> bool {
        let mut path = subject;
        loop {
            let key = key::of(FILES_UNREADABLE.id, path);
            if scan.found.contains(&self.hash.hash_one(key.as_slice())) {
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

impl OpenScan {
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

/// Whether a scan of that scope tells of the check that the key names.
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
                &FILES_MOUNT,
            ]
            .iter()
            .any(|known| known.id == check)
        }
        Scope::Area(area) => check().split('.').next() == Some(area),
    }
}

/// What tells one state of a deviation from another.
fn evidence(entry: OpenFinding) -> (Verdict, [u8; 16]) {
    (entry.verdict, entry.fingerprint)
}

/// A finding as it is told; an end weighs what it ends.
fn as_told(
    stored: &Arc<StoredFinding>,
    step: Step,
    old: Option<&OpenFinding>,
) -> Arc<StoredFinding> {
    let mut told = stored.clone();
    if let (Step::Cleared, Some(old)) = (step, old) {
        Arc::make_mut(&mut told).finding.severity = old.severity;
    }
    told
}

/// What one transaction's share of a sweep came upon.
struct Swept {
    /// Entries that were not found again.
    missed: Vec<(Vec<u8>, OpenFinding)>,
    /// Where to go on; `None` at the end.
    next: Option<Cursor>,
}

impl WriteTransaction<'_> {
    /// Takes in what was found of a deviation.
    pub(super) fn found(&mut self, found: &Found, now: i64) -> Result<()> {
        let Found {
            stored,
            mark,
            scan,
            until,
            ..
        } = found;
        let finding = &stored.finding;
        let observation = match finding.verdict {
            Verdict::Pass | Verdict::NotApplicable => Observation::Gone,
            verdict => Observation::There {
                verdict,
                severity: finding.severity,
                fingerprint: stored.fingerprint(),
            },
        };
        let key = key::of(&finding.check, &finding.subject);
        let old = self.entry(&key)?;
        let scan_id = mark.or(old.map(|old| old.scan_id)).unwrap_or(0);
        self.state.scan_id = self.state.scan_id.max(mark.unwrap_or(0));
        if let Some(by_package) = self.entry_by_package(stored, old.as_ref(), scan_id, now) {
            return self.found_by_package(found, &key, old.as_ref(), by_package, now);
        }
        let mut decision = ledger::decide(old.as_ref(), observation, scan_id, self.capacity(), now);
        let enters = match old {
            None => decision.entry.is_some(),
            Some(_) => decision.entry != old && self.is_only_below(&key)?,
        };
        let weight = old.map_or(finding.severity, |old| old.severity.max(finding.severity));
        if enters && !self.admit(&key, weight)? {
            // It is found again by every scan; once there is room it is told.
            self.state.ledger.unentered = self.state.ledger.unentered.saturating_add(1);
            self.dirty = true;
            return Ok(());
        }
        let waits = until.filter(|_| {
            let step = decision.step;
            step.is_some_and(|step| Self::may_wait(step, finding.severity))
        });
        if waits.is_some()
            && let (Some(entry), Some(step)) = (&mut decision.entry, decision.step)
        {
            *entry = ledger::dropped(entry, step);
        }
        if decision.entry != old {
            self.set_entry(&key, old.as_ref(), decision.entry.as_ref())?;
        }
        let first_seen = decision.entry.or(old).map_or(now, |entry| entry.first_seen);
        let told = decision.step.map(|step| Fresh {
            step,
            stored: as_told(stored, step, old.as_ref()),
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
            // It went before anybody was told of it, or by package alone.
            (None, _) if decision.entry.is_none() => {
                if let Some(old) = &old {
                    self.unlisted(&key, old);
                }
                self.undefer(&key)?;
            }
            // There is no room to tell it at once; what waits is told as it is by then.
            (None, _) if decision.entry.map(evidence) != old.map(evidence) => {
                self.renew_deferred(&key, stored, first_seen, now)?;
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// Takes in what a package explains, to be told with that.
    fn found_by_package(
        &mut self,
        found: &Found,
        key: &[u8],
        old: Option<&OpenFinding>,
        (entry, due): (OpenFinding, bool),
        now: i64,
    ) -> Result<()> {
        let enters = match old {
            None => true,
            Some(old) => entry != *old && self.is_only_below(key)?,
        };
        if enters && !self.admit(key, entry.severity)? {
            self.state.ledger.unentered = self.state.ledger.unentered.saturating_add(1);
            self.dirty = true;
            return Ok(());
        }
        if old != Some(&entry) {
            self.set_entry(key, old, Some(&entry))?;
        }
        self.undefer(key)?;
        match due {
            true => self.list(&found.stored, key, &entry, found.scan, now),
            false => Ok(()),
        }
    }

    /// Clears what a scan that came to its end did not find again. Returns where to go on.
    pub(super) fn end(
        &mut self,
        scans: &OpenScans,
        scan: &OpenScan,
        cursor: Cursor,
        now: i64,
    ) -> Result<Option<Cursor>> {
        if scan.spoiled {
            return Ok(None);
        }
        let Swept { missed, next: more } = self.sweep(scans, scan, cursor)?;
        for (key, entry) in &missed {
            let decision = ledger::decide(
                Some(entry),
                Observation::Gone,
                scan.number,
                self.capacity(),
                now,
            );
            if decision.entry != Some(*entry) {
                self.set_entry(key, Some(entry), decision.entry.as_ref())?;
            }
            self.undefer(key)?;
            if decision.entry.is_none() {
                self.unlisted(key, entry);
            }
            if decision.step.is_some() {
                self.fresh.push(Fresh {
                    step: Step::Cleared,
                    stored: Arc::new(gone(key, entry.severity).ok_or_else(|| damaged("ledger"))?),
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

    /// Goes on through the ledger for what a scan that ended did not find again. Only reads.
    fn sweep(&self, scans: &OpenScans, scan: &OpenScan, cursor: Cursor) -> Result<Swept> {
        let Cursor { from, mut shield } = cursor;
        let mut examined = from.clone();
        let mut full = false;
        let mut missed = Vec::new();
        let mut passed: usize = 0;
        let past = |prefix: &&Vec<u8>| !from.starts_with(prefix) && **prefix < from;
        for prefix in scan.prefixes.iter().skip_while(past) {
            let start = from.clone().max(prefix.clone());
            self.tables.ledger.walk(start.as_slice().., |key, row| {
                if !key.starts_with(prefix) {
                    return Ok(ControlFlow::Break(()));
                }
                if key == from {
                    return Ok(ControlFlow::Continue(()));
                }
                passed = passed.saturating_add(1);
                if missed.len() >= CLEARED || passed > STRIDE {
                    full = true;
                    return Ok(ControlFlow::Break(()));
                }
                key.clone_into(&mut examined);
                let entry = entry_from_row(row).ok_or_else(|| damaged("ledger"))?;
                let saw = scans.saw(scan, key, &entry);
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
                        || !is_told_by(&scan.scope, key)
                        || (key.first() == Some(&key::FILES)
                            && (scans.hides(scan, &subject)
                                || self.unseen(scans, scan, &subject)?)));
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
    fn unseen(&self, scans: &OpenScans, scan: &OpenScan, subject: &[u8]) -> Result<bool> {
        let key = key::of(FILES_UNREADABLE.id, subject);
        let entry = self.entry(&key)?;
        Ok(entry.is_some_and(|entry| !entry.gone && scans.saw(scan, &key, &entry)))
    }
}
