//! What jobs find, handed to the store, and how they end: the event loop's side.

use super::RunningJob;
use super::cause::Causes;
use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::message::{ActorQuestion, Outcome, Unpacked};
use crate::daemon::state::Daemon;
use crate::daemon::states::coverage_gap::UNWATCHED;
use crate::daemon::states::effects;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::touched::{Touched, TouchedBatch};
use crate::daemon::states::transactions::LONGEST;
use crate::daemon::store::Command;
use crate::daemon::{new_packages, window, writers};
use agent_core::attributes::Timestamp;
use agent_core::change::ChangeContext;
use agent_core::explained::ExplainedBy;
use agent_core::finding::{Finding, Severity, Verdict};
use agent_core::region::Region;
use agent_outbox::event::{LastScan, Unread};
use agent_scan::files::belief;
use agent_scan::files::scan::Coverage;
use agent_scan::watch::brief::BriefMount;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// After a scan that broke off the next one begins this much later.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// A job found something. `unpacked`: the package that dpkg is unpacking there.
pub(in crate::daemon) fn found(
    daemon: &mut Daemon,
    id: u64,
    mut finding: Box<Finding>,
    unpacked: Option<Unpacked>,
    now: Now,
) {
    window::look(daemon, now);
    if !daemon.jobs.running.contains_key(&id) {
        return;
    }
    if let Some(baseline) = &daemon.baseline.active
        && writers::recall(&mut finding, baseline, &mut daemon.records.current.written)
    {
        daemon.perform(vec![Action::SaveRecord], now);
    }
    if effects::recall(&mut finding, &mut daemon.records.current.effects) {
        daemon.perform(vec![Action::SaveRecord], now);
    }
    new_packages::tell(daemon, &finding, now);
    let Some(job) = daemon.jobs.running.get_mut(&id) else {
        return;
    };
    daemon.jobs.window.mark(&mut finding, now.wall);
    job.count(&finding);
    if job.kind == JobKind::Settings {
        daemon.scan.effects.judged(&finding);
    }
    if !job.stored {
        return;
    }
    let causes = Causes {
        watch: &daemon.watch,
        scan: &daemon.scan,
        links: daemon.baseline.active.as_ref().map(|b| &b.links),
    };
    let mut cause = causes.of(job, &finding).map(Box::new);
    if let Some(actor) = cause.as_ref().and_then(|cause| cause.actor.as_ref()) {
        effects::blame(&mut finding, actor, &daemon.records.current.effects);
    }
    let active = daemon.baseline.active.as_ref();
    if let Some(replaces) = active.and_then(|active| active.replaced_by(&finding)) {
        cause.get_or_insert_default().replaces = Some(replaces);
    }
    let waits = unpacked.is_some_and(|unpacked| waits(daemon, id, &finding, unpacked, now));
    if !waits {
        look_at_end(daemon, id, &finding);
    }
    daemon.store.give(Command::Found {
        job: id,
        finding,
        cause,
        until: waits.then(|| now.wall + LONGEST),
        at: now.wall,
    });
}

/// Whether the finding waits for the evidence of a package. What does not is looked at again when there may be some.
fn waits(daemon: &mut Daemon, id: u64, finding: &Finding, unpacked: Unpacked, now: Now) -> bool {
    let path = finding.subject.strip_prefix(b"/").unwrap_or_default();
    let batch = daemon.jobs.batch_of(id);
    let Some(touched) = batch.and_then(|batch| batch.touched(path)) else {
        return false;
    };
    if daemon.jobs.stopping {
        return false;
    }
    let pending = &mut daemon.watch.pending;
    let Unpacked { package, may_wait } = unpacked;
    let transactions = &mut pending.transactions;
    let waits = may_wait && transactions.note(package.clone(), touched, path, now.monotonic);
    if !waits {
        let again = transactions.look_again(package, touched, path, now.monotonic);
        pending.again(again.into_iter().collect());
    }
    waits
}

/// What nothing explains is looked at once more when the transaction is over.
fn look_at_end(daemon: &mut Daemon, id: u64, finding: &Finding) {
    let is_settled = |by: &ExplainedBy| by.is_new || by.reason.is_none();
    let settled = finding.explained_by.as_ref().is_some_and(is_settled);
    let path = finding.subject.strip_prefix(b"/").unwrap_or_default();
    let batch = daemon.jobs.batch_of(id);
    if let Some(touched) = batch.and_then(|batch| batch.touched(path))
        && !settled
        && !daemon.jobs.stopping
        && finding.verdict == Verdict::Fail
    {
        let transactions = &mut daemon.watch.pending.transactions;
        transactions.look_at_end(touched, path);
    }
}

/// Tells a job who wrote to a path.
pub(in crate::daemon) fn actor(daemon: &Daemon, question: ActorQuestion) {
    let causes = Causes {
        watch: &daemon.watch,
        scan: &daemon.scan,
        links: daemon.baseline.active.as_ref().map(|b| &b.links),
    };
    let batch = daemon.jobs.batch_of(question.job);
    let actor = causes.of_touched(batch, &question.path).actor;
    // Whoever asked may have ended.
    question.reply.try_send(actor).unwrap_or_default();
}

/// A path that was touched is as recorded: if its ctime moved, it was changed and restored.
pub(in crate::daemon) fn holds(
    daemon: &mut Daemon,
    id: u64,
    path: Vec<u8>,
    ctime: Timestamp,
    now: Now,
) {
    let batch = daemon.jobs.batch_of(id);
    let Some(touched) = batch.and_then(|batch| batch.touched(&path)) else {
        return;
    };
    let baseline = daemon.baseline.active.as_ref();
    let causes = Causes {
        watch: &daemon.watch,
        scan: &daemon.scan,
        links: baseline.map(|baseline| &baseline.links),
    };
    let severity = baseline.and_then(|baseline| baseline.severity_at(&path));
    let clocks = (now.monotonic, SystemTime::now());
    if let Some((finding, cause)) = causes.restored(touched, (&path, ctime), severity, clocks) {
        daemon.store.give(Command::Restored {
            path,
            finding: Box::new(finding),
            cause: Box::new(cause),
            at: now.wall,
        });
    }
}

/// Something was mounted for a moment: told as a deviation that came and went.
pub(in crate::daemon) fn mounted_briefly(daemon: &mut Daemon, mounts: Vec<BriefMount>, now: Now) {
    let Some(baseline) = daemon.baseline.active.clone() else {
        return;
    };
    for brief in mounts {
        let Some(severity) = baseline.severity_of(&brief) else {
            continue;
        };
        let cause = ChangeContext {
            restored: true,
            ..ChangeContext::default()
        };
        daemon.store.give(Command::Restored {
            finding: Box::new(brief.finding(severity)),
            path: brief.path,
            cause: Box::new(cause),
            at: now.wall,
        });
    }
}

/// A job has come to its end, or broke off.
pub(in crate::daemon) fn ended(daemon: &mut Daemon, id: u64, outcome: Outcome, now: Now) {
    let Some(job) = closed(daemon, id, &outcome, now) else {
        return;
    };
    match outcome {
        Ok(coverage) => completed(daemon, job, coverage, now),
        Err(why) => {
            let actions = broken(daemon, job.kind, why, now);
            daemon.perform(actions, now);
        }
    }
}

/// A job is not waited for any longer, which was told.
pub(in crate::daemon) fn given_up(daemon: &mut Daemon, id: u64, why: String, now: Now) {
    let outcome = Err(why.clone());
    let Some(job) = closed(daemon, id, &outcome, now) else {
        return;
    };
    let mut actions = broken(daemon, job.kind, why, now);
    actions.retain(|action| !matches!(action, Action::Fault(_)));
    daemon.perform(actions, now);
}

/// It runs no longer.
fn closed(daemon: &mut Daemon, id: u64, outcome: &Outcome, now: Now) -> Option<RunningJob> {
    let job = daemon.jobs.running.remove(&id)?;
    daemon.jobs.queue.ended(job.kind);
    daemon.jobs.ended = true;
    daemon.status.stale |= !matches!(job.kind, JobKind::Urgent | JobKind::Spot);
    let clears = job.clears(outcome);
    let at = now.wall;
    for &part in job.parts.iter().flatten() {
        daemon.store.give(Command::End {
            job: part,
            whole: clears,
            at,
        });
    }
    if outcome.is_ok() && !job.is_partial() {
        let began = job.began.1.into();
        let actions = daemon.panics.passed_job(job.kind, job.regions(), began);
        daemon.perform(actions, now);
    }
    if job.stored {
        daemon.store.give(Command::End {
            job: id,
            whole: clears && job.parts.is_none(),
            at,
        });
    }
    Some(job)
}

fn completed(daemon: &mut Daemon, job: RunningJob, coverage: Option<Coverage>, now: Now) {
    match job.kind {
        JobKind::FullScan => scanned(daemon, &job, coverage, now),
        JobKind::Settings => settings_ended(daemon, &job, now),
        JobKind::Spot => {
            let regions = job.batch.iter().flat_map(TouchedBatch::regions);
            daemon.scan.restored.checked(regions, job.began.0);
        }
        JobKind::Urgent => {
            // The job that says what stands must have begun after this one: what was found here may be over.
            let found = job.deviations + job.unknowns > 0;
            if let Some(batch) = job.batch.filter(|_| found) {
                daemon.watch.pending.again_unless_waiting(batch);
            }
        }
        JobKind::Critical | JobKind::Instance | JobKind::LaunchRecord => {}
    }
}

/// Settings are judged: the files that changed some of them tell it.
fn settings_ended(daemon: &mut Daemon, job: &RunningJob, now: Now) {
    daemon.scan.settings_ended(job.unknowns);
    let known = &mut daemon.records.current.effects;
    let changed = daemon.scan.effects.ended(known);
    if changed.is_empty() {
        return;
    }
    // Whoever the watch saw write there, it saw since the agent began.
    let touched = |path: String| {
        let path = path.trim_start_matches('/').as_bytes().to_vec();
        let region = Region { path, below: false };
        Touched::unseen(region, UNIX_EPOCH)
    };
    let touched = changed.into_iter().map(touched).collect();
    daemon.perform(vec![Action::SaveRecord, Action::Recheck(touched)], now);
}

/// What follows from a job that broke off.
fn broken(daemon: &mut Daemon, kind: JobKind, why: String, now: Now) -> Vec<Action> {
    if kind == JobKind::FullScan {
        daemon.scan.rehash.doubt("the scan before broke off");
    }
    match kind {
        JobKind::FullScan | JobKind::Critical => vec![
            Action::Problem(Problem::Scan, Some(format!("a scan broke off: {why}"))),
            Action::fault("scan.broken", Severity::High, why),
            // What it went by may be what is broken.
            Action::ScanBy(now.monotonic + AFTER_FAILURE),
            Action::OpenBaseline,
        ],
        JobKind::Urgent | JobKind::Spot => vec![
            Action::fault("spot.broken", Severity::Medium, why),
            Action::ScanNow,
        ],
        JobKind::Settings | JobKind::Instance | JobKind::LaunchRecord => {
            vec![Action::fault("look.broken", Severity::Medium, why)]
        }
    }
}

/// What was believed unread, as heartbeats tell it.
fn told_unread(unread: belief::Unread) -> Unread {
    Unread {
        files: unread.files,
        bytes: unread.bytes,
        why: unread.why,
        hidden: unread.hidden,
    }
}

fn scanned(daemon: &mut Daemon, job: &RunningJob, coverage: Option<Coverage>, now: Now) {
    let scan = LastScan {
        ended: now.wall.0,
        files: coverage.as_ref().map_or(0, |coverage| coverage.checked),
        deviations: job.deviations,
        unknowns: job.unknowns,
        unread: coverage
            .and_then(|coverage| coverage.unread)
            .map(told_unread),
    };
    let again = daemon.scan.scan_ended(scan, job.began);
    let mut actions = vec![Action::Problem(Problem::Scan, None), Action::Recheck(again)];
    if daemon.watch.health.failed().is_some() {
        actions.push(Action::ScanBy(now.monotonic + UNWATCHED));
    }
    // One that was under way when a gap began does not end it: the next one does.
    if !daemon.jobs.queue.waits(JobKind::FullScan) {
        actions.extend(daemon.gap.end(Some(scan), now.wall));
    }
    daemon.perform(actions, now);
}
