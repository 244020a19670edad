//! What packages explain, on its way to be told by package: stored as it is found, told when nothing more of its package
//! came for a while, when a scan or a transaction is over, and within a minute.
//!
//! A row of `listings` says which path, and as what it was found; the ledger holds it as not yet told. Once it is told,
//! its entry is `listed`: the log side knows of it by a list, and no event has its uid. What is found otherwise then is
//! raised as new, and what is gone is told by a list again.

use super::stories::AGAIN;
use super::tables::{Result, Role, Row, RowReader, damaged, rank};
use super::write_transaction::WriteTransaction;
use crate::event::by_package::{ByPackage, Sign, Story, by_package, listed, no_longer};
use crate::event::stored_finding::StoredFinding;
use crate::ledger::{Capacity, OpenFinding, REMIND, key};
use agent_core::explained::{Evidence, ExplanationKind};
use agent_core::finding::{Severity, Verdict};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Paths of a package that are told together at most: its list is in memory meanwhile.
const AT_ONCE: usize = 20_000;
/// What the spool's keys of such events begin with, in the place of a ledger's key.
const KEY: &[u8] = b"p\0";

/// A path that is told with the package that explains it.
#[derive(Clone, Debug, PartialEq)]
struct Listed<'a> {
    /// As it was found; what was found otherwise since is not told by this.
    fingerprint: [u8; 16],
    /// What is told of the package, as JSON.
    about: &'a [u8],
}

impl<'a> Listed<'a> {
    fn write(&self) -> Vec<u8> {
        [&[1], &self.fingerprint[..], self.about].concat()
    }

    fn read(row: &'a [u8]) -> Option<Listed<'a>> {
        let mut reader = RowReader(row);
        let 1 = reader.u8()? else {
            return None;
        };
        Some(Listed {
            fingerprint: reader.array()?,
            about: reader.rest(),
        })
    }
}

/// What is told with the paths of a package beside its name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct About {
    replaces: Option<String>,
    evidence: Option<Evidence>,
    at: Option<String>,
    transaction: Option<String>,
}

/// Name and version of the package that explains it, where it is told by that: it is signed and nothing speaks against it,
/// so that it is low, and it was not critical without.
pub(super) fn package_of(stored: &StoredFinding) -> Option<(&str, &str)> {
    let finding = &stored.finding;
    let by = finding.explained_by.as_ref()?;
    let lowered = match finding.unexplained_severity {
        Some(without) => without < Severity::Critical,
        // It is low whatever explains it.
        None => by.evidence == Some(Evidence::Signed) && by.reason.is_none(),
    };
    let folds = finding.verdict == Verdict::Fail
        && by.kind == ExplanationKind::Package
        && lowered
        && finding.severity == Severity::Low
        && Sign::of(&finding.check).is_some();
    let sound = |text: &str| !text.is_empty() && !text.contains('\0');
    let (name, version) = (by.package.as_deref()?, by.version.as_deref()?);
    (folds && sound(name) && sound(version)).then_some((name, version))
}

fn prefix(name: &str, version: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0", version.as_bytes(), b"\0"].concat()
}

impl WriteTransaction<'_> {
    /// Takes in what a package explains and nobody was told of by itself. `entry`: as the ledger has it from now on.
    pub(super) fn list(
        &mut self,
        stored: &StoredFinding,
        ledger_key: &[u8],
        entry: &OpenFinding,
        scan: bool,
        now: i64,
    ) -> Result<()> {
        let Some((name, version)) = package_of(stored) else {
            return Ok(());
        };
        let by = stored.finding.explained_by.as_ref();
        let about = About {
            replaces: stored.context.as_ref().and_then(|c| c.replaces.clone()),
            evidence: by.and_then(|by| by.evidence),
            at: by.and_then(|by| by.at.clone()),
            transaction: by.and_then(|by| by.transaction.clone()),
        };
        let prefix = prefix(name, version);
        let key = [&prefix[..], ledger_key].concat();
        // Strings always can be written.
        let about = serde_json::to_vec(&about).unwrap_or_default();
        let row = Listed {
            fingerprint: entry.fingerprint,
            about: &about,
        }
        .write();
        if !self.tables.listings.has(key.as_slice())? {
            self.state.waiting.listed = self.state.waiting.listed.saturating_add(1);
        }
        self.tables
            .listings
            .insert(key.as_slice(), row.as_slice())?;
        let written = key.len().saturating_add(row.len());
        self.written = self.written.saturating_add(written as u64);
        self.dirty = true;
        self.stories.note(prefix, scan, now);
        Ok(())
    }

    /// Tells of the packages whose time has come, or of `all`; whether there is more to tell at once.
    pub(super) fn tell_listings(&mut self, all: bool, now: i64) -> Result<bool> {
        if self.state.waiting.listed == 0 {
            self.dirty |= !self.stories.waiting.is_empty();
            self.stories.waiting.clear();
            return Ok(false);
        }
        if self.capacity() == Capacity::None {
            self.stories.not_before = now.saturating_add(AGAIN);
            self.dirty = true;
            return Ok(false);
        }
        if self.stories.waiting.is_empty() {
            self.recall()?;
        }
        let due = self.stories.waiting.iter();
        let due = due.filter(|(_, waits)| all || waits.due(now) <= 0);
        let due: Vec<Vec<u8>> = due.map(|(package, _)| package.clone()).collect();
        for package in due {
            if !all && self.written >= self.limits.group {
                return Ok(true);
            }
            while self.tell_package(&package, now)? {}
            self.stories.waiting.remove(&package);
        }
        Ok(false)
    }

    /// What a run before has left to be told.
    fn recall(&mut self) -> Result<()> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        self.tables.listings.walk(&b""[..].., |key, _| {
            let end = key
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == 0)
                .nth(1);
            let (end, _) = end.ok_or_else(|| damaged("listings"))?;
            if found.last().is_none_or(|last| *last != key[..=end]) {
                found.push(key[..=end].to_vec());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.state.waiting.listed = match found.is_empty() {
            true => 0,
            false => self.state.waiting.listed,
        };
        self.dirty = true;
        for package in found {
            self.stories.note(package, false, i64::MIN / 2);
        }
        Ok(())
    }

    /// Tells what waits of a package, a bounded number of paths; whether there is more.
    fn tell_package(&mut self, prefix: &[u8], now: i64) -> Result<bool> {
        let mut rows: Vec<(Vec<u8>, [u8; 16], Vec<u8>)> = Vec::new();
        let mut more = false;
        self.tables.listings.walk(prefix.., |key, row| {
            let Some(ledger_key) = key.strip_prefix(prefix) else {
                return Ok(ControlFlow::Break(()));
            };
            if rows.len() >= AT_ONCE {
                more = true;
                return Ok(ControlFlow::Break(()));
            }
            let row = Listed::read(row).ok_or_else(|| damaged("listings"))?;
            rows.push((ledger_key.to_vec(), row.fingerprint, row.about.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        let mut about = About::default();
        for (ledger_key, fingerprint, row) in rows {
            let whole = [prefix, ledger_key.as_slice()].concat();
            self.tables.listings.remove(whole.as_slice())?;
            self.state.waiting.listed = self.state.waiting.listed.saturating_sub(1);
            self.dirty = true;
            let entry = self.entry(&ledger_key)?;
            // It is gone, or something else by now, which was told or will be.
            let Some(entry) = entry.filter(|e| !e.raised && e.fingerprint == fingerprint) else {
                continue;
            };
            let (check, subject) = key::parts(&ledger_key).ok_or_else(|| damaged("listings"))?;
            let Some(sign) = Sign::of(check) else {
                continue;
            };
            about = serde_json::from_slice(&row).unwrap_or_default();
            match entry.listed && entry.current {
                true => again.push((sign, subject)),
                false => fresh.push((sign, subject)),
            }
            let mut told = entry;
            (told.listed, told.current, told.told) = (true, true, now);
            self.set_entry(&ledger_key, Some(&entry), Some(&told))?;
        }
        for (story, paths) in [(Story::Explained, fresh), (Story::Reminded, again)] {
            self.tell_paths(prefix, story, &about, paths, now)?;
        }
        Ok(more)
    }

    fn tell_paths(
        &mut self,
        prefix: &[u8],
        story: Story,
        about: &About,
        paths: Vec<(Sign, Vec<u8>)>,
        now: i64,
    ) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        if story == Story::Explained {
            self.stories.count(prefix);
            self.stories.told.explained = self
                .stories
                .told
                .explained
                .saturating_add(paths.len() as u64);
        }
        let text = String::from_utf8_lossy(prefix).into_owned();
        let (name, version) = text
            .trim_end_matches('\0')
            .split_once('\0')
            .unwrap_or_default();
        let About {
            replaces,
            evidence,
            at,
            transaction,
        } = about.clone();
        let package = ByPackage {
            story,
            name: name.to_owned(),
            version: version.to_owned(),
            replaces,
            evidence,
            at,
            transaction,
            paths,
        };
        let key = [KEY, name.as_bytes(), b"\0"].concat();
        for draft in by_package(self.source, &package, now) {
            self.append(draft, rank(Some(Severity::Low)), Role::Own, &key, None, now)?;
        }
        Ok(())
    }

    /// A path that was told by package is as recorded again.
    pub(super) fn unlisted(&mut self, ledger_key: &[u8], entry: &OpenFinding) {
        if entry.listed && !entry.raised {
            self.resolved.push(ledger_key.to_vec());
        }
    }

    /// Tells what was told by package and is gone.
    pub(super) fn tell_resolved(&mut self, now: i64) -> Result<()> {
        let mut keys = std::mem::take(&mut self.resolved);
        keys.sort_unstable();
        let paths = keys.iter().filter_map(|ledger_key| {
            let (check, subject) = key::parts(ledger_key)?;
            Some((Sign::of(check)?, subject))
        });
        let paths: Vec<(Sign, Vec<u8>)> = paths.collect();
        if paths.is_empty() {
            return Ok(());
        }
        for draft in no_longer(self.source, &paths, now) {
            self.append(draft, rank(Some(Severity::Low)), Role::Own, KEY, None, now)?;
        }
        Ok(())
    }

    /// An event with a list will not arrive: what stands of it is told anew.
    pub(super) fn unlist(&mut self, row: &Row<'_>) -> Result<()> {
        if row.role != Role::Own || !row.key.starts_with(KEY) || row.other_chain {
            return Ok(());
        }
        let event = self.unpack(row.sample, row.packed, "spool")?;
        let event: serde_json::Value =
            serde_json::from_slice(&event).map_err(|_| damaged("spool"))?;
        let listing = event["unmapped"]["listing"].as_str().unwrap_or_default();
        for (sign, path) in listed(listing) {
            let ledger_key = key::of(sign.check(), &path);
            if let Some(entry) = self.entry(&ledger_key)?.filter(|e| e.listed && !e.raised) {
                let mut untold = entry;
                (untold.listed, untold.current) = (false, false);
                self.set_entry(&ledger_key, Some(&entry), Some(&untold))?;
            }
        }
        Ok(())
    }

    /// How the ledger has what a package explains, where it is told by that, and whether that is to be told.
    pub(super) fn entry_by_package(
        &self,
        stored: &StoredFinding,
        old: Option<&OpenFinding>,
        scan_id: u64,
        now: i64,
    ) -> Option<(OpenFinding, bool)> {
        package_of(stored)?;
        // The log side knows it by its uid: it is changed, not told anew.
        if old.is_some_and(|old| old.raised) {
            return None;
        }
        let finding = &stored.finding;
        let fingerprint = stored.fingerprint();
        let same = old.is_some_and(|old| {
            old.listed
                && old.current
                && old.fingerprint == fingerprint
                && old.verdict == finding.verdict
        });
        let told = old.map_or(now, |old| old.told.min(now));
        let remind = self.capacity() == Capacity::Ample && now.saturating_sub(told) >= REMIND;
        let entry = OpenFinding {
            verdict: finding.verdict,
            severity: finding.severity,
            fingerprint,
            first_seen: old.map_or(now, |old| old.first_seen),
            told,
            scan_id,
            raised: false,
            current: same,
            gone: false,
            updated: false,
            listed: old.is_some_and(|old| old.listed),
        };
        Some((entry, !same || remind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive() {
        let listed = Listed {
            fingerprint: [7; 16],
            about: b"{}",
        };
        assert_eq!(Listed::read(&listed.write()), Some(listed));
        assert_eq!(Listed::read(&[1; 16]), None);
    }
}
