//! Jobs: what the daemon looks at, each on a thread of its own that does one job, sends what it finds, and ends.
//!
//! How long a job may take stands in [`agent_core::bounds`]: each area of settings, the instance and the package
//! database are judged within their deadline there; each file of a scan or spot job has a deadline of its own.
//!
//! [`start`] and [`finish`] are the event loop's side of it, everything else is the thread's.

mod cause;
mod critical;
pub(in crate::daemon) mod evidence;
pub(in crate::daemon) mod finish;
mod full_scan;
mod instance;
pub(in crate::daemon) mod launch_record;
mod open_baseline;
mod packages;
mod settings;
mod spot;
pub(in crate::daemon) mod stalled;
pub(in crate::daemon) mod start;
mod worker;
mod writers;

pub(in crate::daemon) use open_baseline::open as open_baseline;

use crate::daemon::message::{Outcome, Outlets, PAGE};
use crate::daemon::states::job_queue::{self, JobKind, JobQueue};
use crate::daemon::states::touched::TouchedBatch;
use crate::daemon::window::WatchedWindow;
use agent_core::finding::{Finding, Verdict};
use agent_core::region::Region;
use agent_core::task::{Job, Role};
use agent_outbox::store::Scope;
use agent_packages::dpkg::unpacking::Unpacking;
use agent_scan::files::pace::Pace;
use agent_scan::files::scan::Progress;
use evidence::SharedEvidence;
use stalled::{GivenUp, Movement};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::{Instant, SystemTime};
use worker::Worker;

/// Jobs that run, and what waits for one.
#[derive(Debug)]
pub(in crate::daemon) struct Jobs {
    pub(in crate::daemon) queue: JobQueue,
    /// By number.
    running: HashMap<u64, RunningJob>,
    last_id: u64,
    /// What waits for the next spot job,
    spot: Option<TouchedBatch>,
    /// and for the next urgent one.
    urgent: Option<TouchedBatch>,
    /// The next scan of everything goes at full speed, since something may have been missed.
    full_speed: bool,
    /// The agent ends: what was touched is checked, and nothing else.
    stopping: bool,
    /// Whether a job has ended since that was asked last.
    ended: bool,
    outlets: Outlets,
    /// What dpkg is unpacking, as whichever job read it last.
    unpacking: Arc<Mutex<Unpacking>>,
    /// How far the whole scan is that is under way, or was last.
    progress: Arc<Progress>,
    /// What explains deviations.
    evidence: Arc<SharedEvidence>,
    /// The window in which what they find is expected.
    pub(in crate::daemon) window: WatchedWindow,
    /// Opening what verdicts rest on, while that is under way.
    opening: Option<Movement>,
    /// Looks that stood still, and have not come back.
    given_up: Vec<GivenUp>,
}

/// A job that has begun and not ended.
#[derive(Debug)]
struct RunningJob {
    kind: JobKind,
    /// Whether what it finds is stored.
    stored: bool,
    /// What it was given to check.
    batch: Option<TouchedBatch>,
    /// By both clocks.
    began: (Instant, SystemTime),
    /// What slows it down.
    pace: Option<Arc<Pace>>,
    deviations: u64,
    unknowns: u64,
    /// What it goes by holds no longer: what it finds counts, and clears nothing.
    outdated: bool,
    /// What is cleared in place of all that the job could clear, where a part of it is left out.
    parts: Option<Vec<u64>>,
    movement: Movement,
}

impl RunningJob {
    fn count(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Fail => self.deviations += 1,
            Verdict::Unknown => self.unknowns += 1,
            Verdict::Pass | Verdict::NotApplicable => {}
        }
    }

    /// What of the store's findings it judges anew.
    fn scope(&self) -> Option<Scope> {
        match self.kind {
            JobKind::Critical | JobKind::FullScan => Some(Scope::Files),
            JobKind::Settings => Some(Scope::Settings),
            JobKind::Instance => Some(Scope::Instance),
            JobKind::Urgent | JobKind::Spot => {
                let batch = self.batch.as_ref()?;
                Some(Scope::Regions(batch.plan.regions().to_vec()))
            }
            JobKind::LaunchRecord => None,
        }
    }

    /// What it was given to check.
    fn regions(&self) -> &[Region] {
        let batch = self.batch.as_ref();
        batch.map_or(&[], |batch| batch.plan.regions())
    }

    /// Whether what it did not find again is no more. What saw only what is critical clears nothing.
    fn clears(&self, outcome: &Outcome) -> bool {
        outcome.is_ok() && !self.outdated && !self.is_partial()
    }

    fn is_partial(&self) -> bool {
        matches!(self.kind, JobKind::Critical | JobKind::Urgent)
    }
}

impl Jobs {
    /// Nothing runs.
    pub(in crate::daemon) fn new(outlets: Outlets) -> Jobs {
        Jobs {
            queue: JobQueue::default(),
            running: HashMap::new(),
            last_id: 0,
            spot: None,
            urgent: None,
            full_speed: false,
            stopping: false,
            ended: false,
            outlets,
            unpacking: Arc::default(),
            progress: Arc::default(),
            evidence: Arc::default(),
            window: WatchedWindow::default(),
            opening: None,
            given_up: Vec::new(),
        }
    }

    /// What verdicts rest on is being opened, or no longer.
    pub(in crate::daemon) fn set_opening(&mut self, opening: Option<Movement>) {
        self.opening = opening;
    }

    /// Where the threads send their messages.
    pub(in crate::daemon) fn outlets(&self) -> &Outlets {
        &self.outlets
    }

    /// Paths that the whole scan under way has looked at.
    pub(in crate::daemon) fn scanned(&self) -> u64 {
        self.progress.checked.load(Ordering::Relaxed)
    }

    /// A scan of everything, at full speed: something may have been missed. One that runs is in its way.
    pub(in crate::daemon) fn scan_now(&mut self) {
        for pace in self.running.values().filter_map(|job| job.pace.as_ref()) {
            pace.lift();
        }
        self.full_speed = true;
        self.queue.want(JobKind::FullScan);
    }

    /// What runs goes by what holds no longer.
    pub(in crate::daemon) fn outdate(&mut self) {
        for job in self.running.values_mut() {
            job.outdated = true;
        }
    }

    /// The agent ends.
    pub(in crate::daemon) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether a job that checks what was touched runs or waits.
    pub(in crate::daemon) fn checks_touched(&self) -> bool {
        [JobKind::Urgent, JobKind::Spot]
            .iter()
            .any(|kind| self.queue.running(*kind) || self.queue.waits(*kind))
    }

    /// Whether a job has ended since that was asked last.
    pub(in crate::daemon) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// Lets go of evidence that nobody has asked for lately.
    pub(in crate::daemon) fn tend(&self) {
        self.evidence.tend();
    }

    /// Whether a job of the kind could take what was touched now.
    pub(in crate::daemon) fn can_take(&self, kind: JobKind) -> bool {
        let waits = match kind {
            JobKind::Urgent => &self.urgent,
            _ => &self.spot,
        };
        self.queue.free(kind) && waits.is_none()
    }

    /// What running jobs check of a directory's direct entries, beside what is `pending`; [`PAGE`] or more.
    pub(in crate::daemon) fn entries_of(&self, directory: &[u8], pending: &mut Vec<Vec<u8>>) {
        let batches = self.running.values().filter_map(|job| job.batch.as_ref());
        pending.reserve(PAGE);
        pending.extend(batches.flat_map(|batch| batch.entries_of(directory)));
    }

    fn next(&mut self, opening: bool, watched: bool) -> Option<JobKind> {
        let held = job_queue::held(opening, watched, self.stopping);
        self.queue.next(held)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn batch_of(&self, job: u64) -> Option<&TouchedBatch> {
        self.running.get(&job)?.batch.as_ref()
    }
}

/// Begins a thread that does this job.
fn run(worker: Worker, job: &RunningJob, had_manifest: bool) -> io::Result<()> {
    let pace = job.pace.clone();
    let plan = job.batch.as_ref().map(|batch| batch.plan.clone());
    let settled = job.batch.as_ref().is_some_and(|batch| batch.settled);
    let role = |what| Role::new(what, job.movement.steps.clone());
    match job.kind {
        JobKind::Critical => spawn("critical", role(Job::Files), move || {
            critical::run(&worker, pace.as_deref());
        }),
        JobKind::FullScan => spawn("scan", role(Job::Files), move || {
            full_scan::run(worker, pace.as_deref(), had_manifest);
        }),
        JobKind::Urgent => spawn("urgent", role(Job::Files), move || {
            spot::run_urgent(&worker, &plan.unwrap_or_default());
        }),
        JobKind::Spot => spawn("spot", role(Job::Files), move || {
            spot::run(worker, &plan.unwrap_or_default(), settled);
        }),
        JobKind::Settings => spawn("settings", role(Job::Settings), move || {
            settings::run(&worker);
        }),
        JobKind::Instance => spawn("instance", role(Job::Instance), move || {
            instance::run(&worker);
        }),
        JobKind::LaunchRecord => spawn("launch", role(Job::Launch), move || {
            launch_record::run(&worker);
        }),
    }
}

/// Begins a thread of that name that says of itself, should it panic, what it is there for.
fn spawn(name: &str, role: Role, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let begin = move || {
        role.take();
        work();
    };
    Builder::new().name(name.into()).spawn(begin).map(|_| ())
}
