//! See [`Store::open_deviations`].

use super::super::open_deviations::{self, OpenDeviation};
use super::{Backing, Store};
use redb::ReadableDatabase;

impl Store {
    /// The deviations that stand among the first `most` of the ledger, worst first, as last committed, and whether there
    /// are more. `None` where the store cannot be read, which shows when it is next written.
    pub fn open_deviations(&self, most: usize) -> Option<(Vec<OpenDeviation>, bool)> {
        let read = |backing: &Backing| {
            let transaction = backing.database.begin_read().ok()?;
            open_deviations::entries(&transaction, most).ok()
        };
        let (mut all, mut more) = self.backing.as_ref().and_then(read)?;
        // While memory stands in, it has what changed since.
        let below = self.volatile.as_ref().and_then(|v| v.below.as_ref());
        if let Some((others, further)) = below.and_then(read) {
            let known = |other: &OpenDeviation| {
                let same =
                    |one: &OpenDeviation| one.check == other.check && one.subject == other.subject;
                all.iter().any(same)
            };
            let others: Vec<OpenDeviation> =
                others.into_iter().filter(|other| !known(other)).collect();
            all.extend(others);
            all.sort_unstable();
            more |= further;
        }
        Some((all, more))
    }
}
