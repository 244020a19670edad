//! What is known of how a deviation came about: who wrote, in which package transaction, or while the agent was down.

use super::RunningJob;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::scan_state::ScanState;
use crate::daemon::states::touched::{Touched, TouchedBatch};
use crate::daemon::watch::Watcher;
use agent_core::attributes::Timestamp;
use agent_core::change::{Actor, ChangeContext};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::paths::subject;
use agent_core::region::Region;
use agent_scan::files::links::Links;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The kernel tells of a change this long after it was made at most, on a machine under load.
const LATE: Duration = Duration::from_secs(2);

/// Where causes are looked up.
pub(super) struct Causes<'a> {
    pub(super) watch: &'a Watcher,
    pub(super) scan: &'a ScanState,
    /// Which recorded paths are names of one file.
    pub(super) links: Option<&'a Links>,
}

impl Causes<'_> {
    /// Of a finding of that job; `None` where nothing is known, or nothing deviates.
    pub(super) fn of(&self, job: &RunningJob, finding: &Finding) -> Option<ChangeContext> {
        if matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable) {
            return None;
        }
        let path = finding.subject.strip_prefix(b"/");
        let path = path.unwrap_or(&finding.subject);
        let cause = match job.kind {
            JobKind::Urgent | JobKind::Spot => self.of_touched(job.batch.as_ref(), path),
            JobKind::Critical | JobKind::FullScan => self.of_scanned(path),
            JobKind::Settings => ChangeContext {
                while_down: self.scan.settings_changed_while_down(),
                ..ChangeContext::default()
            },
            JobKind::Instance | JobKind::LaunchRecord => ChangeContext::default(),
        };
        (cause != ChangeContext::default()).then_some(cause)
    }

    pub(super) fn of_touched(&self, batch: Option<&TouchedBatch>, path: &[u8]) -> ChangeContext {
        let touched = batch.and_then(|batch| batch.touched(path));
        let transaction = touched.and_then(|touched| touched.transaction.as_ref());
        let transaction = transaction.or_else(|| batch?.transaction());
        let actor = touched.and_then(|touched| self.actor(path, touched));
        ChangeContext {
            transaction: transaction.cloned(),
            actor: actor.map(Arc::unwrap_or_clone),
            ..ChangeContext::default()
        }
    }

    fn of_scanned(&self, path: &[u8]) -> ChangeContext {
        // The watch began with the agent: whoever it saw wrote since.
        let actor = self.watch.actor(path, UNIX_EPOCH);
        let transaction = self.watch.pending.transactions.of(path);
        let unexplained = transaction.is_none() && actor.is_none();
        ChangeContext {
            while_down: unexplained && self.scan.file_changed_while_down(path),
            transaction,
            actor: actor.map(Arc::unwrap_or_clone),
            ..ChangeContext::default()
        }
    }

    /// Who changed a path, under this name or another one of the same file.
    fn actor(&self, path: &[u8], touched: &Touched) -> Option<Arc<Actor>> {
        let since = touched.since.checked_sub(LATE).unwrap_or(UNIX_EPOCH);
        let names = [Some(path), touched.through.as_deref()];
        let mut names = names.into_iter().flatten();
        let actor = |name: &[u8]| self.watch.actor(name, since);
        names.find_map(actor).or_else(|| {
            // A file that is watched itself is touched under all of its names, and attributed under one.
            let region = Region {
                path: path.to_vec(),
                below: false,
            };
            let others = self.links?.beside(&region);
            others.iter().find_map(|other| actor(&other.path))
        })
    }

    /// The finding that a path was changed and is again as recorded, if it was: told by its ctime. `severity` is what
    /// the path is worth; `clocks` the moment by both clocks.
    pub(super) fn restored(
        &self,
        touched: &Touched,
        (path, ctime): (&[u8], Timestamp),
        severity: Option<Severity>,
        clocks: (std::time::Instant, SystemTime),
    ) -> Option<(Finding, ChangeContext)> {
        let restored = &self.scan.restored;
        let changed = touched.itself && restored.has_changed(path, ctime, clocks);
        let severity = severity.filter(|_| changed)?;
        // Packages are put in place again as they were; a lock is no excuse for what is critical.
        if touched.transaction.is_some() && severity < Severity::Critical {
            return None;
        }
        let actor = self.actor(path, touched);
        let cause = ChangeContext {
            actor: actor.map(Arc::unwrap_or_clone),
            transaction: touched.transaction.clone(),
            while_down: false,
            restored: true,
            replaces: None,
        };
        let finding = Finding::new(
            &finding::FILES_CHANGED,
            Verdict::Fail,
            severity,
            subject(path),
            "it was changed, or written anew, and is again as recorded",
        );
        let observed = json!({ "ctime": finding::rfc3339(ctime) });
        Some((finding.evidence(Value::Null, observed), cause))
    }
}
