//! Some paths, judged alone, are judged as a whole check would judge them.

use super::edits::Edits;
use super::ledger::{Ledger, assert_same};
use crate::harness::Lab;

/// Profiles that differ in what a directory's own times say.
pub(crate) const PROFILES: [(&str, &str); 3] =
    [("strict", STRICT), ("mixed", MIXED), ("leads", LEADS)];

const STRICT: &str = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";
/// Directories whose entries come and go, entries demanded less of, patterns.
const MIXED: &str = r#"
name = "lab"
[[paths]]
path = "/"
severity = "high"
[[paths]]
path = "/a"
severity = "low"
attributes = "content"
[[paths]]
path = "/*/b"
severity = "critical"
attributes = ["type", "mode"]
[[exclude]]
path = "/**/tmp/**"
reason = "test"
[[exclude]]
path = "/b/a*"
reason = "test"
"#;
/// Most directories only lead.
const LEADS: &str = r#"
name = "lab"
[[paths]]
path = "/a"
severity = "high"
[[paths]]
path = "/*/b/a"
severity = "high"
[[paths]]
path = "/a b/*"
severity = "low"
"#;

#[test]
fn spots_add_up_to_what_a_check_finds() {
    for (name, profile) in PROFILES {
        for seed in 0..12 {
            let lab = Lab::in_memory();
            lab.profile(profile);
            let mut edits = Edits::new(&lab.root(), &lab.path().join("pristine"), seed);
            lab.create().expect(0);
            let mut ledger = Ledger::of(&lab);
            for round in 0..12 {
                let count = edits.random.usize(1..8);
                let touched: Vec<_> = (0..count).flat_map(|_| edits.edit()).collect();
                let about = format!("{name}, seed {seed}, round {round}: {touched:?}");
                ledger.judge(touched);
                assert_same(&ledger, &lab, &about);
            }
        }
    }
}
