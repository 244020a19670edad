//! Which jobs are wanted and begin: the event loop's side.

use super::stalled::Movement;
use super::worker::Worker;
use super::{RunningJob, packages};
use crate::daemon::action::Action;
use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::clock::Now;
use crate::daemon::cloud_init;
use crate::daemon::lifecycle;
use crate::daemon::state::Daemon;
use crate::daemon::states::first_boot::Ready;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::rehash::{Believing, Conditions};
use crate::daemon::store::Command;
use agent_core::finding::Severity;
use agent_core::region::Region;
use agent_outbox::store::Scope;
use agent_scan::files::pace::Pace;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Begins every job that is due and may begin.
pub(in crate::daemon) fn due_jobs(daemon: &mut Daemon, now: Now) {
    let Some(baseline) = daemon.baseline.active.clone() else {
        return;
    };
    if !daemon.jobs.stopping {
        queue_due(daemon, now);
        daemon.watch.tend(now.monotonic);
        let blind = daemon.watch.health.is_blind();
        let actions = daemon.gap.canary(blind, now.wall);
        daemon.perform(actions, now);
    }
    take_urgent(daemon, &baseline, now);
    take_settled(daemon, &baseline, now);
    ask_packages(daemon, now);
    let watched = daemon.watch.health.is_ready();
    while let Some(kind) = daemon.jobs.next(daemon.baseline.opening, watched) {
        begin(daemon, kind, baseline.clone(), now);
    }
}

fn queue_due(daemon: &mut Daemon, now: Now) {
    let timers = &mut daemon.timers;
    if timers.scan.take(now.monotonic) {
        daemon.jobs.queue.want(JobKind::FullScan);
    }
    if timers.take_settings(now.monotonic) {
        lifecycle::refresh_host(daemon, now);
        daemon.jobs.queue.want(JobKind::Settings);
    }
    if daemon.timers.instance.take(now.monotonic) {
        daemon.jobs.queue.want(JobKind::Instance);
    }
    let is_done = || cloud_init::is_done(Path::new("/"));
    if let Some(ready) = daemon.first_boot.poll(is_done, now.monotonic) {
        if ready == Ready::OutOfPatience {
            let message = "cloud-init has not come to its end in half an hour: the launch record is written as things are";
            let fault = Action::fault("launch.impatient", Severity::Medium, message);
            daemon.perform(vec![fault], now);
        }
        daemon.jobs.queue.want(JobKind::LaunchRecord);
    }
}

/// Takes what is critical and was touched, if it can be checked.
fn take_urgent(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    if !daemon.jobs.can_take(JobKind::Urgent) {
        return;
    }
    let root = &daemon.setup.tree.root;
    daemon.jobs.urgent = daemon.watch.take_urgent(root, &baseline.links, now);
    if daemon.jobs.urgent.is_some() {
        daemon.jobs.queue.want(JobKind::Urgent);
    }
}

/// Takes what was touched and is quiet, if it can be checked.
fn take_settled(daemon: &mut Daemon, baseline: &ActiveBaseline, now: Now) {
    if !daemon.jobs.can_take(JobKind::Spot) {
        return;
    }
    let root = &daemon.setup.tree.root;
    let by_packages = baseline.is_packages();
    let taken = (daemon.watch).take(root, &baseline.links, by_packages, now);
    let Some(batch) = taken else {
        return;
    };
    if batch.too_many {
        daemon.jobs.scan_now();
    }
    let is_setting = |region: &Region| region.path.starts_with(b"etc/");
    if batch.regions().any(is_setting) {
        daemon.timers.touch_settings(now.monotonic);
    }
    let scanning = daemon.jobs.queue.running(JobKind::FullScan);
    daemon.scan.touched(batch.regions(), scanning);
    daemon.jobs.spot = Some(batch);
    daemon.jobs.queue.want(JobKind::Spot);
}

/// Tells of package transactions, and asks whether the packages are done that something waits for.
fn ask_packages(daemon: &mut Daemon, now: Now) {
    let judged = daemon.watch.pending.is_judged() && !daemon.jobs.checks_touched();
    let transactions = &mut daemon.watch.pending.transactions;
    let news = transactions.news(judged, now.monotonic);
    let actions = news.into_iter().map(Action::Tell).collect();
    let packages = transactions.question(now.monotonic);
    daemon.perform(actions, now);
    let Some(packages) = packages else {
        return;
    };
    if packages::ask(&daemon.jobs, daemon.setup.clone(), packages.clone()).is_err() {
        // Nothing waits longer for that.
        let packages: Vec<String> = packages.into_iter().map(|one| one.package).collect();
        daemon.watch.pending.unpacked(&packages, now.monotonic);
    }
}

fn begin(daemon: &mut Daemon, kind: JobKind, baseline: Arc<ActiveBaseline>, now: Now) {
    let batch = match kind {
        JobKind::Urgent => daemon.jobs.urgent.take(),
        JobKind::Spot => daemon.jobs.spot.take(),
        _ => None,
    };
    if batch.is_none() && matches!(kind, JobKind::Urgent | JobKind::Spot) {
        daemon.jobs.queue.ended(kind);
        return;
    }
    let slowly = match kind {
        JobKind::Critical => true,
        JobKind::FullScan => !std::mem::take(&mut daemon.jobs.full_speed),
        _ => false,
    };
    let rate = daemon.setup.config.scan.max_rate;
    let id = daemon.jobs.next_id();
    let mut job = RunningJob {
        kind,
        stored: false,
        batch,
        began: (Instant::now(), SystemTime::now()),
        pace: slowly.then(|| Arc::new(Pace::new(rate))),
        deviations: 0,
        unknowns: 0,
        outdated: false,
        parts: begin_parts(daemon, kind),
        movement: Movement::default(),
    };
    if let Some(scope) = job.scope() {
        job.stored = true;
        daemon.store.give(Command::Begin {
            job: id,
            scope,
            urgent: kind == JobKind::Urgent,
        });
    }
    // Before the first one everything has just been watched.
    if kind == JobKind::FullScan && daemon.scan.scan_begun() {
        daemon.watch.renew();
    }
    let believing = match kind {
        JobKind::FullScan => believing(daemon, !slowly),
        _ => None,
    };
    let worker = Worker {
        believing,
        ..worker(daemon, id, &job, baseline)
    };
    let begun = super::run(worker, &job, daemon.records.had_manifest());
    daemon.jobs.running.insert(id, job);
    daemon.status.stale |= !matches!(kind, JobKind::Urgent | JobKind::Spot);
    let launch = (kind == JobKind::FullScan).then(|| lifecycle::launch_differs(daemon));
    if let Some(finding) = launch.flatten() {
        super::finish::found(daemon, id, Box::new(finding), None, now);
    }
    if let Err(error) = begun {
        let why = format!("no thread could be started: {error}");
        super::finish::ended(daemon, id, Err(why), now);
    }
}

fn worker(daemon: &Daemon, id: u64, job: &RunningJob, baseline: Arc<ActiveBaseline>) -> Worker {
    let outlets = &daemon.jobs.outlets;
    let unpacking = job.batch.as_ref().is_some_and(|batch| batch.unpacking);
    Worker {
        id,
        setup: daemon.setup.clone(),
        baseline,
        held_back: daemon.first_boot.holds_back(),
        left_out: Arc::new(daemon.panics.left_out()),
        findings: match job.kind {
            // Not behind what all others find.
            JobKind::Urgent => outlets.messages.clone(),
            _ => outlets.findings.clone(),
        },
        questions: outlets.messages.clone(),
        believing: None,
        store: daemon.store.asker(),
        unpacking: unpacking.then(|| daemon.jobs.unpacking.clone()),
        progress: daemon.jobs.progress.clone(),
        evidence: daemon.jobs.evidence.clone(),
    }
}

/// What a scan of everything may believe unread.
fn believing(daemon: &mut Daemon, at_full_speed: bool) -> Option<Believing> {
    let coverage = daemon.watch.health.coverage();
    let conditions = Conditions {
        span: daemon.setup.config.scan.rehash,
        interval: daemon.timers.scan.longest(),
        at_full_speed,
        sees: daemon.watch.health.sees(),
        whole: coverage.left_out.is_empty(),
    };
    daemon.scan.rehash.begin(conditions)
}

/// What clears something in place of the job itself, where a part of it is left out: what was not judged clears
/// nothing. `None`: nothing is left out.
fn begin_parts(daemon: &mut Daemon, kind: JobKind) -> Option<Vec<u64>> {
    let areas = daemon.panics.left_out().judged_areas(kind)?;
    let begin = |area| {
        let job = daemon.jobs.next_id();
        daemon.store.give(Command::Begin {
            job,
            scope: Scope::Area(area),
            urgent: false,
        });
        job
    };
    Some(areas.into_iter().map(begin).collect())
}
