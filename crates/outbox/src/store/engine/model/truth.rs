//! What should stand, by plain sets: independent of how the store orders and marks things.

use crate::ledger::key;
use crate::store::{ScanId, Scope};
use agent_core::finding::{Severity, Verdict};
use agent_core::region::Region;
use std::collections::{BTreeMap, BTreeSet};

/// What a deviation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) verdict: Verdict,
    pub(super) severity: Severity,
    /// Stands in the message, so that the evidence differs.
    pub(super) word: u32,
    pub(super) fingerprint: [u8; 16],
}

/// Check and subject.
pub(super) type Name = (&'static str, Vec<u8>);
/// What stands, by its key in the ledger.
pub(super) type OpenFindings = BTreeMap<Vec<u8>, (Name, Value)>;

/// Something that the store was told.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// `None`: it holds.
    Found(Name, Option<Value>),
    End(u64),
    Other,
}

/// A scan under way.
#[derive(Clone, Debug)]
pub(super) struct OpenScan {
    pub(super) scan_id: ScanId,
    pub(super) scope: Scope,
    pub(super) found: BTreeSet<Vec<u8>>,
    pub(super) spoiled: bool,
}

pub(super) type OpenScans = BTreeMap<u64, OpenScan>;

fn is_within(path: &[u8], above: &[u8]) -> bool {
    above == b"/"
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn area(check: &str) -> &str {
    check.split('.').next().unwrap_or(check)
}

/// Whether the scope's scans tell of that check of that subject.
pub(super) fn covers(scope: &Scope, (check, subject): &Name) -> bool {
    let by_path = [
        "files.added",
        "files.changed",
        "files.removed",
        "files.unreadable",
        "files.mount",
    ];
    let path = |path: &[u8]| [b"/", path].concat();
    match scope {
        Scope::Files => area(check) == "files",
        Scope::Instance => area(check) == "instance",
        Scope::Settings => !["files", "instance"].contains(&area(check)),
        Scope::Area(of) => area(check) == *of,
        Scope::Path(above) => by_path.contains(check) && is_within(subject, above),
        Scope::Regions(regions) => {
            let inside = |region: &Region| match region.below {
                true => is_within(subject, &path(&region.path)),
                false => *subject == path(&region.path),
            };
            by_path.contains(check) && regions.iter().any(inside)
        }
    }
}

/// A path and all above it.
fn upwards(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let present = rest?;
        rest = match present.iter().rposition(|byte| *byte == b'/') {
            Some(0) if present.len() > 1 => Some(b"/"),
            Some(0) | None => None,
            Some(at) => Some(&present[..at]),
        };
        Some(present)
    })
}

/// What a scan that ends would clear.
fn missed(standing: &OpenFindings, scan: &OpenScan) -> Vec<Vec<u8>> {
    if scan.spoiled {
        return Vec::new();
    }
    let hidden = |path: &[u8]| scan.found.contains(&key::of("files.unreadable", path));
    let goes = |(key, (name, _)): &(&Vec<u8>, &(Name, Value))| {
        covers(&scan.scope, name)
            && !scan.found.contains(*key)
            && !(area(name.0) == "files" && upwards(&name.1).any(hidden))
    };
    standing
        .iter()
        .filter(goes)
        .map(|(key, _)| key.clone())
        .collect()
}

/// Does it; returns the keys that it concerns.
pub(super) fn apply(standing: &mut OpenFindings, scans: &OpenScans, deed: &Deed) -> Vec<Vec<u8>> {
    match deed {
        Deed::Found(name, value) => {
            let key = key::of(name.0, &name.1);
            match value {
                Some(value) => standing.insert(key.clone(), (name.clone(), *value)),
                None => standing.remove(&key),
            };
            vec![key]
        }
        Deed::End(number) => {
            let gone = scans
                .get(number)
                .map_or_else(Vec::new, |scan| missed(standing, scan));
            for key in &gone {
                standing.remove(key);
            }
            gone
        }
        Deed::Other => Vec::new(),
    }
}

/// Direct entries of a directory with something open.
pub(super) fn entries(standing: &OpenFindings, directory: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = standing
        .iter()
        .filter(|(key, _)| key.first() == Some(&key::FILES))
        .filter_map(|(_, ((_, subject), _))| {
            let path = &subject[1..];
            let cut = path.iter().rposition(|byte| *byte == b'/');
            let above = cut.map_or(&b""[..], |cut| &path[..cut]);
            (!path.is_empty() && above == directory).then(|| path.to_vec())
        })
        .collect();
    all.dedup();
    all
}
