//! docs/threat-model.md: every test that it names is there, and a row without one says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names of all test functions below a directory.
fn tests(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                tests(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            // Attributes may stand between.
            for piece in text.split("#[test]").skip(1) {
                let name = piece
                    .split("fn ")
                    .nth(1)
                    .and_then(|rest| rest.split('(').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_threat_model_names_tests_that_are_there() {
    let mut all = BTreeSet::new();
    for directory in ["src", "crates", "tests"] {
        tests(&harness::project().join(directory), &mut all);
    }
    assert!(all.len() > 500, "{}", all.len());
    let model = fs::read_to_string(harness::project().join("docs/threat-model.md")).expect("it");
    let rows = model
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let mut named = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let proof = cells.last().expect("a cell").trim_end_matches('|').trim();
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        let says_so = proof.starts_with("no test:");
        assert!(
            !names.is_empty() || says_so,
            "neither a test nor why there is none: {row}"
        );
        for name in names {
            assert!(
                says_so || all.contains(name),
                "no such test: {name} in {row}"
            );
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}
