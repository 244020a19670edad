//! All files.

use super::worker::Worker;
use agent_core::os::priority;
use agent_scan::files::pace::Pace;
use std::time::Duration;

/// A baseline younger than this need not be opened again for a scan.
const FRESH: Duration = Duration::from_secs(60);

/// `pace`: how fast, and at the lowest priority; `None`: at full speed, since something may have been missed.
/// `had_manifest`: whether there was one before.
pub(super) fn run(mut worker: Worker, pace: Option<&Pace>, had_manifest: bool) {
    // Not at the lowest priority: an update may begin any time.
    worker.evidence.keep_lists(&worker.setup, &worker.baseline);
    if pace.is_some() {
        // A refusal costs speed for others, and no finding.
        priority::idle().unwrap_or_default();
    }
    let root = &worker.setup.tree.root;
    if worker.baseline.at.elapsed() > FRESH || worker.baseline.is_behind(root) {
        worker.reopen_baseline(had_manifest);
    }
    for finding in &worker.baseline.opened.findings {
        if worker.found(finding.clone(), None).is_break() {
            return;
        }
    }
    let outcome = worker.scan(pace, None);
    worker.end(outcome);
}
