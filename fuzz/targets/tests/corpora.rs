//! Everything that was ever found, and what it was found from: no target may fail on any of it, in the time and memory of
//! a test.

use fuzz_targets::{TARGETS, call};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// For one input of some kilobytes, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn nothing_that_was_found_is_found_again() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut inputs = 0;
    for (name, _) in TARGETS {
        let entries = fs::read_dir(corpora.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let before = inputs;
        for entry in entries {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("an input");
            let begun = Instant::now();
            assert!(call(name, &bytes));
            let took = begun.elapsed();
            assert!(took < PATIENCE, "{}: {took:?}", path.display());
            inputs += 1;
        }
        assert!(inputs > before, "{name}: an empty corpus");
    }
    // A corpus that no target has any more.
    for entry in fs::read_dir(&corpora).expect("corpora") {
        let name = entry.expect("an entry").file_name();
        let known = TARGETS.iter().any(|(target, _)| *target == name);
        assert!(known, "{name:?} has no target");
    }
    assert!(inputs > 100, "{inputs}");
}
