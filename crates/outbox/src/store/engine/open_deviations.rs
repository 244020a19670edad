//! See [`Store::visit_open_deviations`].

use super::super::open_deviations::{Ledger, OpenDeviation};
use super::super::tables::Result;
use super::{Backing, Store};
use agent_core::finding::Severity;
use redb::ReadableDatabase;
use std::ops::ControlFlow;

impl Store {
    /// Visits the deviations that stand among the first `most` rows of the ledger, as last committed: worst first, within a
    /// severity in the ledger's order, until `visit` breaks. Returns whether there are more rows; `None` where the store
    /// cannot be read, which shows when it is next written.
    pub fn visit_open_deviations(
        &self,
        most: usize,
        mut visit: impl FnMut(OpenDeviation) -> ControlFlow<()>,
    ) -> Option<bool> {
        let ledger = open(self.backing.as_ref()?).ok()?;
        // While memory stands in, it has what changed since.
        let disk = self.volatile.as_ref().and_then(|v| v.below.as_ref());
        let below = disk.and_then(|disk| open(disk).ok());
        for severity in Severity::WORST_FIRST {
            let mut go_on = ledger.visit(severity, most, None, &mut visit).ok()?;
            if let (ControlFlow::Continue(()), Some(below)) = (go_on, &below) {
                let visited = below.visit(severity, most, Some(&ledger), &mut visit);
                go_on = visited.unwrap_or(ControlFlow::Continue(()));
            }
            if go_on.is_break() {
                break;
            }
        }
        let both = [Some(&ledger), below.as_ref()];
        let more = |ledger: &Ledger| ledger.has_more_than(most).unwrap_or(false);
        Some(both.into_iter().flatten().any(more))
    }
}

fn open(backing: &Backing) -> Result<Ledger> {
    Ledger::open(&backing.database.begin_read()?)
}
