//! Steps of deviations on their way to the chain: at once, or after a flood's summary, worst first.

use super::burst::FLOOD;
use super::tables::{Held, Result, Role, damaged, rank};
use super::work::Work;
use crate::escape;
use crate::event::finding::{Life, Step, draft};
use crate::event::own::{self, Flood};
use crate::event::sighting::Sighting;
use crate::finding::Severity;
use crate::ledger::Entry;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// A step that this transaction tells.
pub(super) struct Fresh {
    pub(super) step: Step,
    pub(super) sighting: Sighting,
    pub(super) key: Vec<u8>,
    /// Of a deviation that was cleared: the entry that stood before.
    pub(super) entry: Option<Entry>,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    /// Whether a whole scan found it.
    pub(super) scan: bool,
}

/// Key of a held row: importance (0 the most) and number.
type Place = (u8, u64);

/// Places that a summary names; the others are summed up.
const PLACES: usize = 12;
/// Places that are counted at all.
const COUNTED: usize = 512;
const ELSEWHERE: &str = "elsewhere";

impl Work<'_> {
    /// Tells what is fresh, or holds it.
    pub(super) fn tell_fresh(&mut self, now: i64) -> Result<()> {
        let mut fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        let new = |f: &&Fresh| matches!(f.step, Step::Raised | Step::Changed);
        let scan = fresh.iter().filter(new).any(|f| f.scan);
        let count = fresh.iter().filter(new).count() as u64;
        // Until what is held was told nothing may overtake it.
        let mut hold = self.state.held > 0;
        if count > 0 {
            hold |= self.burst.note(count, scan, now);
        }
        fresh.sort_by_key(|f| std::cmp::Reverse(f.sighting.severity));
        for fresh in &fresh {
            match hold {
                true => self.hold(fresh)?,
                false => self.tell(fresh, now)?,
            }
        }
        Ok(())
    }

    fn tell(&mut self, fresh: &Fresh, now: i64) -> Result<()> {
        let uid = self.uid(&fresh.key, fresh.first_seen);
        let life = Life {
            uid: &uid,
            first_seen: fresh.first_seen,
            last_seen: fresh.last_seen,
        };
        let draft = draft(self.origin, &fresh.sighting, fresh.step, life, now);
        let rank = rank(Some(fresh.sighting.severity));
        let role = Role::Told(fresh.step);
        self.append(draft, rank, role, &fresh.key, fresh.entry, now)
    }

    fn hold(&mut self, fresh: &Fresh) -> Result<()> {
        let packed = self.sample.pack(fresh.sighting.to_text().as_bytes());
        let row = Held {
            step: fresh.step,
            first_seen: fresh.first_seen,
            last_seen: fresh.last_seen,
            key: &fresh.key,
            entry: fresh.entry,
            sample: self.state.sample,
            packed: &packed,
        }
        .write();
        let importance = 3 - rank(Some(fresh.sighting.severity));
        let place = (importance, self.state.next_held);
        self.tables.held.insert(place, row.as_slice())?;
        self.state.next_held += 1;
        self.state.held += 1;
        self.state.held_bytes += row.len() as u64;
        self.written += row.len() as u64;
        self.dirty = true;
        Ok(())
    }

    /// Tells some of what is held, the summary first; whether there is more of it.
    pub(super) fn release(&mut self, now: i64) -> Result<bool> {
        if self.state.held == 0 {
            self.state.releasing = 0;
            return Ok(false);
        }
        if self.state.releasing == 0 {
            self.burst.told();
            let flood = self.survey()?;
            if flood.count > FLOOD {
                let draft = own::flood(self.origin, &flood, now);
                self.append(draft, rank(None), Role::Own, &[], None, now)?;
            }
            self.state.releasing = self.state.next_held.saturating_sub(1);
            self.dirty = true;
        }
        while self.written < self.limits.group {
            let Some((place, row)) = self.next_held()? else {
                self.state.releasing = 0;
                return Ok(self.state.held > 0);
            };
            let fresh = self.read_held(&row)?;
            self.tables.held.remove(place)?;
            self.state.held = self.state.held.saturating_sub(1);
            self.state.held_bytes = self.state.held_bytes.saturating_sub(row.len() as u64);
            self.tell(&fresh, now)?;
        }
        Ok(true)
    }

    /// The worst, and of those the first, that belongs to what is being told.
    fn next_held(&self) -> Result<Option<(Place, Vec<u8>)>> {
        for importance in 0..4 {
            let range = (importance, 0)..=(importance, self.state.releasing);
            let first = self
                .tables
                .held
                .first_in(range, |place, row| (place, row.to_vec()))?;
            if first.is_some() {
                return Ok(first);
            }
        }
        Ok(None)
    }

    fn read_held(&self, row: &[u8]) -> Result<Fresh> {
        let held = Held::read(row).ok_or_else(|| damaged("held"))?;
        let text = self.unpack(held.sample, held.packed, "held")?;
        let sighting = Sighting::from_text(&text).ok_or_else(|| damaged("held"))?;
        Ok(Fresh {
            step: held.step,
            sighting,
            key: held.key.to_vec(),
            entry: held.entry,
            first_seen: held.first_seen,
            last_seen: held.last_seen,
            scan: false,
        })
    }

    /// Counts what is held.
    fn survey(&self) -> Result<Flood> {
        let mut flood = Flood::default();
        let mut places: HashMap<String, u64> = HashMap::new();
        self.tables.held.walk((0, 0).., |place, row| {
            let held = Held::read(row).ok_or_else(|| damaged("held"))?;
            if !matches!(held.step, Step::Raised | Step::Changed) {
                return Ok(ControlFlow::Continue(()));
            }
            flood.count += 1;
            flood.by_severity[usize::from(place.0).min(3)] += 1;
            let name = place_of(held.key);
            if places.len() >= COUNTED && !places.contains_key(&name) {
                *places.entry(ELSEWHERE.into()).or_default() += 1;
            } else {
                *places.entry(name).or_default() += 1;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut elsewhere = places.remove(ELSEWHERE).unwrap_or(0);
        let mut places: Vec<(String, u64)> = places.into_iter().collect();
        places.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        elsewhere += places
            .iter()
            .skip(PLACES)
            .map(|(_, count)| count)
            .sum::<u64>();
        places.truncate(PLACES);
        if elsewhere > 0 {
            places.push((ELSEWHERE.into(), elsewhere));
        }
        flood.by_place = places;
        Ok(flood)
    }
}

/// Where a deviation is, as a summary counts it: a directory two levels deep, or the area of the check.
fn place_of(key: &[u8]) -> String {
    let Some((check, subject)) = crate::ledger::key::parts(key) else {
        return ELSEWHERE.into();
    };
    if !check.starts_with("files.") {
        return check.split('.').next().unwrap_or(check).to_owned();
    }
    let mut parts: Vec<&[u8]> = subject.split(|b| *b == b'/').skip(1).collect();
    parts.pop();
    parts.truncate(2);
    let mut place = String::new();
    for part in &parts {
        place.push('/');
        place.push_str(&escape::lossless_text(part).0);
    }
    match place.is_empty() {
        true => "/".into(),
        false => place,
    }
}

/// The sighting of a deviation that is there no longer, where nothing but its key is known.
pub(super) fn gone(key: &[u8], severity: Severity) -> Option<Sighting> {
    let (check, subject) = crate::ledger::key::parts(key)?;
    Some(Sighting {
        check: check.to_owned(),
        verdict: crate::finding::Verdict::Pass,
        severity,
        subject,
        changed: crate::attributes::AttributeSet::NONE,
        expected: serde_json::Value::Null,
        observed: serde_json::Value::Null,
        message: "no longer deviates".into(),
        location: None,
        remediation: None,
        cause: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::key;

    #[test]
    fn places_are_directories_two_levels_deep() {
        for (check, subject, place) in [
            ("files.added", "/a", "/"),
            ("files.added", "/etc/passwd", "/etc"),
            ("files.changed", "/usr/bin/ls", "/usr/bin"),
            ("files.changed", "/usr/lib/a/b/c", "/usr/lib"),
            ("sshd.port", "sshd", "sshd"),
            ("instance.role", "i", "instance"),
        ] {
            assert_eq!(place_of(&key::of(check, subject.as_bytes())), place);
        }
    }
}
