//! The table of benchmark numbers names checks that exist, and docs/distributions.md says how much of each is covered.

use agent_checks::registry;
use agent_core::benchmarks::{Benchmark, all};
use std::collections::BTreeSet;
use std::path::Path;

fn checks(benchmark: &Benchmark) -> Vec<&'static str> {
    benchmark.checks().collect()
}

#[test]
fn numbers_are_of_checks_that_exist() {
    let known: BTreeSet<&str> = registry::all().map(|check| check.id).collect();
    for benchmark in all() {
        let named = checks(benchmark);
        let unknown: Vec<&&str> = named.iter().filter(|id| !known.contains(**id)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", benchmark.document);
        let once: BTreeSet<&str> = named.iter().copied().collect();
        assert_eq!(once.len(), named.len(), "{}", benchmark.document);
    }
}

/// No check cites a benchmark of one distribution everywhere.
#[test]
fn what_is_cited_everywhere_is_no_benchmark_of_one_distribution() {
    for check in registry::all() {
        for text in check.references {
            let of_one = ["CIS ", "AZLX-", "RHEL-", "UBTU-", "SLES-", "OL09-"];
            let found = of_one.iter().find(|start| text.starts_with(**start));
            assert_eq!(found, None, "{}: {text}", check.id);
        }
    }
}

#[test]
fn the_docs_say_what_is_covered() {
    let rows: Vec<String> = all()
        .iter()
        .map(|benchmark| {
            let ids = checks(benchmark);
            let numbers: BTreeSet<String> = ids.iter().flat_map(|id| benchmark.cited(id)).collect();
            let whole = benchmark.recommendations;
            format!(
                "| {} | {} {} | {} | {} | {} |",
                benchmark.document,
                benchmark.id,
                benchmark.version,
                whole.map_or("not counted".to_owned(), |whole| whole.to_string()),
                numbers.len(),
                ids.len()
            )
        })
        .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/distributions.md");
    let text = std::fs::read_to_string(file).expect("docs/distributions.md");
    let told: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("| benchmark |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(told, rows, "the table should be:\n{}", rows.join("\n"));
}
