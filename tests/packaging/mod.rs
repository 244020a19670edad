//! What the packages hold. What happens when they are installed is `packaging/test`'s, and `tests/vm`'s, to show.

mod configuration;
mod contents;
mod generated;
mod pipelines;
mod policy;
mod signed;
mod unit;

use std::path::PathBuf;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    harness::project().join(path)
}

/// Its text.
fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
