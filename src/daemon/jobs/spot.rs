//! Paths that were touched, and what is critical of them before they are quiet.

use super::worker::Worker;
use super::writers;
use crate::assess::explained;
use crate::daemon::baseline::one_line;
use crate::daemon::message::{Message, Outcome, PAGE, Question, Unpacked};
use crate::daemon::store::Asker;
use agent_baseline::Baseline;
use agent_core::finding::Severity;
use agent_packages::dpkg::unpacking::without_temporary;
use agent_scan::files::plan::Plan;
use agent_scan::files::scan::Progress;
use agent_scan::files::spot::{Known, Spot, Told};
use agent_scan::files::wording;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::mpsc::sync_channel;
use tokio::sync::mpsc::Sender;

/// The paths of the plan. `settled`: no package manager is at work, so what its database says holds.
pub(super) fn run(mut worker: Worker, plan: &Plan, settled: bool) {
    if settled && worker.baseline.is_behind(&worker.setup.tree.root) {
        let had_manifest = worker.baseline.problem.is_some();
        worker.reopen_baseline(had_manifest);
    }
    let outcome = compare(&worker, plan, None);
    worker.end(outcome);
}

/// What is critical of the paths of the plan.
pub(super) fn run_urgent(worker: &Worker, plan: &Plan) {
    let outcome = compare(worker, plan, Some(Severity::Critical));
    worker.end(outcome);
}

fn compare(worker: &Worker, plan: &Plan, least: Option<Severity>) -> Outcome {
    let (baseline, scope, selinux) = match &worker.baseline.opened.baseline {
        Some(Baseline::Manifest(sealed)) => {
            let manifest = &sealed.verified.manifest;
            let baseline = Baseline::Manifest((manifest, sealed.overlay()));
            (baseline, &sealed.scope, manifest.header().selinux)
        }
        Some(Baseline::Packages(packaged)) => (
            Baseline::Packages(&packaged.database),
            &packaged.scope,
            true,
        ),
        None => return Ok(None),
    };
    let narrowed = least.map(|least| scope.narrowed(least));
    let progress = Progress::default();
    let spot = Spot {
        root: &worker.setup.tree.root,
        scope: narrowed.as_ref().unwrap_or(scope),
        partial: narrowed.is_some(),
        baseline,
        workers: NonZeroUsize::MIN.into(),
        pace: None,
        selinux,
        aside: &worker.left_out.files,
        progress: &progress,
    };
    let against = spot.baseline.kind();
    let deviations = KnownDeviations {
        questions: &worker.questions,
        store: &worker.store,
        gone: Cell::new(false),
    };
    let (read, fresh) = (Cell::new(false), Cell::new(false));
    let looked = spot.look(plan, &deviations, |told| match told {
        Told::Deviates(deviation) => {
            let package = package_of(worker, &deviation.path, &read);
            let mut finding = match &worker.baseline.opened.baseline {
                Some(Baseline::Manifest(sealed)) => {
                    sealed.finding(&deviation, &worker.setup.tree.root)
                }
                _ => wording::finding(&deviation, against),
            };
            // What is critical is told at once; the look that follows when it has settled explains it.
            if least.is_none() {
                let unpacked = package.as_ref();
                finding = match unpacked.is_some_and(|package| is_half_installed(worker, package)) {
                    // What its package says is known once its files are in place.
                    true => explained::raise_trust(&deviation, finding),
                    false => worker.evidence.put(worker, &deviation, finding, &fresh),
                };
            }
            if finding.unexplained_severity.is_none() {
                writers::explain(worker, &deviation, &mut finding);
            }
            // What is explained already waits for nothing.
            let package = package.filter(|_| finding.unexplained_severity.is_none());
            let unpacked = package.map(|package| Unpacked {
                package,
                may_wait: deviation.may_wait(),
            });
            worker.found(finding, unpacked)
        }
        Told::Holds { path, ctime } => worker.try_send(Message::Holds {
            job: worker.id,
            path,
            ctime,
        }),
    });
    looked.map(Some).map_err(one_line)
}

/// The package that dpkg is unpacking and that has the path in its list. dpkg's database is `read` once a job.
fn package_of(worker: &Worker, path: &[u8], read: &Cell<bool>) -> Option<String> {
    let mut unpacking = worker.unpacking.as_ref()?.lock().ok()?;
    if !read.replace(true) {
        unpacking.refresh(&worker.setup.tree.root);
    }
    let listed = unpacking.package_of(path).map(str::to_owned);
    listed.or_else(|| {
        // dpkg has the new list only once all files are in place; the signed package has it before.
        let path = without_temporary(path);
        let coming = worker.evidence.shipping(path).into_iter();
        coming
            .filter_map(|name| unpacking.called(&name).map(str::to_owned))
            .next()
    })
}

fn is_half_installed(worker: &Worker, package: &str) -> bool {
    let unpacking = worker.unpacking.as_ref().and_then(|it| it.lock().ok());
    unpacking.is_some_and(|unpacking| unpacking.is_half_installed(package))
}

/// Which entries of a directory deviate: the open findings, asked of the store, and what is not yet judged, asked of
/// the event loop.
struct KnownDeviations<'a> {
    questions: &'a Sender<Message>,
    store: &'a Asker,
    /// Nobody answers: the agent ends.
    gone: Cell<bool>,
}

impl KnownDeviations<'_> {
    /// What was touched in the directory and is not yet judged; `None`: the agent ends.
    fn pending(&self, directory: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (reply, answer) = sync_channel(1);
        let question = Question {
            directory: directory.to_vec(),
            reply,
        };
        let asked = self.questions.blocking_send(Message::Pending(question));
        asked.ok()?;
        answer.recv().ok()
    }

    fn ask(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> Option<bool> {
        let counts = |paths: &[Vec<u8>]| paths.iter().any(|path| !passed_over(path));
        if counts(&self.pending(directory)?) {
            return Some(true);
        }
        let mut after = Vec::new();
        loop {
            let mut open = self.store.open_in(directory, after, PAGE)?;
            if counts(&open) {
                return Some(true);
            }
            match open.pop() {
                Some(last) if open.len() + 1 >= PAGE => after = last,
                _ => return Some(false),
            }
        }
    }
}

impl Known for KnownDeviations<'_> {
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool {
        if self.gone.get() {
            return false;
        }
        let deviates = self.ask(directory, passed_over);
        self.gone.set(deviates.is_none());
        deviates.unwrap_or(false)
    }
}
