//! The files that matter most: the first job after a start.

use super::worker::Worker;
use agent_core::finding::Severity;
use agent_scan::files::pace::Pace;

pub(super) fn run(worker: &Worker, pace: Option<&Pace>) {
    let outcome = worker.scan(pace, Some(Severity::Critical));
    worker.end(outcome);
}
