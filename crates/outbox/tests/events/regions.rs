//! Scans of regions, and which entries of a directory stand: against a model that keeps a plain set.

use super::{T, changed, source};
use agent_core::finding::Severity;
use agent_core::region::Region;
use agent_outbox::store::{Scope, Store};
use std::collections::BTreeSet;

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    /// Names that begin with one another, and such as come before and behind what parts names in keys.
    fn path(&mut self) -> Vec<u8> {
        const NAMES: [&[u8]; 6] = [b"a", b"ab", b"a\x01", b"\x01", b"a-", b"\xff"];
        let depth = self.below(4);
        let names: Vec<&[u8]> = (0..depth).map(|_| NAMES[self.below(NAMES.len())]).collect();
        names.join(&b'/')
    }
}

fn subject(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    let slash = path.iter().rposition(|byte| *byte == b'/');
    Some(slash.map_or(&path[..0], |slash| &path[..slash]))
}

#[test]
fn what_stands_is_what_was_found_and_not_missed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = Store::open(directory.path(), 64 << 20, source(), T).expect("opens");
    let mut dice = Dice(7);
    let mut stands: BTreeSet<Vec<u8>> = BTreeSet::new();
    for step in 0..400 {
        let now = T + step * 1000;
        let regions: Vec<Region> = (0..1 + dice.below(4))
            .map(|_| Region {
                path: dice.path(),
                below: dice.below(3) == 0,
            })
            .collect();
        let scan_id = store.begin(Scope::Regions(regions.clone()));
        let covered = |path: &[u8]| regions.iter().any(|region| region.covers(path));
        stands.retain(|path| !covered(path));
        for _ in 0..dice.below(6) {
            let path = dice.path();
            if covered(&path) {
                let text = String::from_utf8_lossy(&path).into_owned();
                let mut finding = changed("/", Severity::Low, 1);
                finding.subject = subject(&path);
                finding.message = text;
                store.found(scan_id, &finding, None, now);
                stands.insert(path);
            }
        }
        store.end(scan_id, now);
        store.commit(now);
        assert_eq!(
            store.pending(now).open,
            stands.len() as u64,
            "step {step}: {stands:?}"
        );

        let within = dice.path();
        let mut expected: Vec<Vec<u8>> = stands
            .iter()
            .filter(|path| parent(path) == Some(&within[..]))
            .cloned()
            .collect();
        expected.sort();
        let mut paged: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = paged.last().cloned().unwrap_or_default();
            let page = store.open_in(&within, &after, 2, now);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        paged.sort();
        assert_eq!(paged, expected, "step {step}: in {within:?} of {stands:?}");
    }
}
