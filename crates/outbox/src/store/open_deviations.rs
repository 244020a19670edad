//! What stands open, for people who ask.

use super::tables::{LEDGER, Result, damaged, entry_from_row};
use crate::ledger::key;
use agent_core::finding::{Severity, Verdict};
use redb::{ReadTransaction, ReadableTable};

/// A deviation that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenDeviation {
    /// How much it matters; the worst is the least.
    pub severity: std::cmp::Reverse<Severity>,
    /// Its check.
    pub check: String,
    /// What it is about.
    pub subject: Vec<u8>,
    /// Whether it could not be judged, rather than failed.
    pub unknown: bool,
    /// When it was first found, in milliseconds since 1970.
    pub first_seen: i64,
}

/// Those among the first `most` rows of the ledger, worst first, and whether there are more rows.
pub(super) fn entries(
    transaction: &ReadTransaction,
    most: usize,
) -> Result<(Vec<OpenDeviation>, bool)> {
    let ledger = transaction.open_table(LEDGER)?;
    let mut rows = ledger.iter()?;
    let mut found = Vec::new();
    for row in rows.by_ref().take(most) {
        let (key, row) = row?;
        let entry = entry_from_row(row.value()).ok_or_else(|| damaged("ledger"))?;
        if entry.gone {
            continue;
        }
        let (check, subject) = key::parts(key.value()).ok_or_else(|| damaged("ledger"))?;
        found.push(OpenDeviation {
            severity: std::cmp::Reverse(entry.severity),
            check: check.to_owned(),
            subject,
            unknown: entry.verdict == Verdict::Unknown,
            first_seen: entry.first_seen,
        });
    }
    found.sort_unstable();
    Ok((found, rows.next().is_some()))
}
