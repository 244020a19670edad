//! Which findings wait for a package's evidence, and who asks whether it has come.

use super::desk::Desk;
use super::eyes;
use agent_core::finding::Finding;
use std::time::Instant;

impl Desk {
    /// Tells of package transactions, and asks whether the packages are done that something waits for.
    pub(super) fn mind_transactions(&mut self, now: Instant, wall: i64) {
        for event in self.watching.transactions.news() {
            self.tell(event, wall);
        }
        let Some(packages) = self.watching.transactions.question(now) else {
            return;
        };
        let (setup, words) = (self.setup.clone(), self.words.clone());
        if eyes::packages(setup, self.unpacking.clone(), packages.clone(), words).is_err() {
            // Nothing waits longer for that.
            self.unpacked(&packages, now);
        }
    }

    /// Whether the finding waits for the evidence of a package.
    pub(super) fn waits(
        &mut self,
        id: u64,
        finding: &Finding,
        package: String,
        now: Instant,
    ) -> bool {
        let batch = self.under_way.get(&id).and_then(|u| u.batch.as_ref());
        let path = finding.subject.strip_prefix(b"/").unwrap_or_default();
        let Some(touched) = batch.and_then(|batch| batch.touched(path)) else {
            return false;
        };
        let transactions = &mut self.watching.transactions;
        !self.leaving && transactions.note(package, touched, path, now)
    }

    /// These packages are no longer being unpacked: what waited for them is looked at again.
    pub(super) fn unpacked(&mut self, packages: &[String], now: Instant) {
        let again = self.watching.transactions.done(packages, now);
        self.watching.again(again);
    }
}
