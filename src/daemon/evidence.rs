//! Which findings wait for a package's evidence, and who asks whether it has come.

use crate::daemon::jobs::worker;
use crate::daemon::state::Daemon;
use agent_core::finding::Finding;
use std::time::Instant;

impl Daemon {
    /// Tells of package transactions, and asks whether the packages are done that something waits for.
    pub(in crate::daemon) fn mind_transactions(&mut self, now: Instant, wall: i64) {
        for event in self.watching.transactions.news() {
            self.tell(event, wall);
        }
        let Some(packages) = self.watching.transactions.question(now) else {
            return;
        };
        let (setup, messages) = (self.setup.clone(), self.messages.clone());
        if worker::packages(setup, self.unpacking.clone(), packages.clone(), messages).is_err() {
            // Nothing waits longer for that.
            self.unpacked(&packages, now);
        }
    }

    /// Whether the finding waits for the evidence of a package.
    pub(in crate::daemon) fn waits(
        &mut self,
        id: u64,
        finding: &Finding,
        package: String,
        now: Instant,
    ) -> bool {
        let batch = self.running.get(&id).and_then(|u| u.batch.as_ref());
        let path = finding.subject.strip_prefix(b"/").unwrap_or_default();
        let Some(touched) = batch.and_then(|batch| batch.touched(path)) else {
            return false;
        };
        let transactions = &mut self.watching.transactions;
        !self.leaving && transactions.note(package, touched, path, now)
    }

    /// These packages are no longer being unpacked: what waited for them is looked at again.
    pub(in crate::daemon) fn unpacked(&mut self, packages: &[String], now: Instant) {
        let again = self.watching.transactions.done(packages, now);
        self.watching.again(again);
    }
}
