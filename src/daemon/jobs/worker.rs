//! What a job's thread works with: what it goes by, and where it sends what it finds.

use super::evidence::SharedEvidence;
use crate::assess::baseline::Effort;
use crate::assess::privileges;
use crate::assess::tree;
use crate::daemon::baseline::{ActiveBaseline, one_line};
use crate::daemon::message::{self, Message, OpenedBy, Outcome, Unpacked};
use crate::daemon::panics::LeftOut;
use crate::daemon::setup::Setup;
use crate::daemon::states::rehash::Believing;
use crate::daemon::store::Asker;
use agent_core::finding::{FILES_PROFILE, Finding, Severity};
use agent_core::task;
use agent_packages::dpkg::unpacking::Unpacking;
use agent_scan::files::deviation::Deviation;
use agent_scan::files::pace::Pace;
use agent_scan::files::scan::Progress;
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::Sender;

/// Threads that read files for a scan of the daemon at most: it has time, and memory is to stay small.
const READERS: usize = 2;

/// What a job works with.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    /// The job's number.
    pub(super) id: u64,
    pub(super) setup: Arc<Setup>,
    pub(super) baseline: Arc<ActiveBaseline>,
    /// Whether what the first boot may change is not judged yet.
    pub(super) held_back: bool,
    /// What is not looked at, since that brought the agent to its end.
    pub(super) left_out: Arc<LeftOut>,
    /// What a scan need not read.
    pub(super) believing: Option<Believing>,
    /// What it finds goes here, in order.
    pub(super) findings: Sender<Message>,
    /// What it has to know is asked here,
    pub(super) questions: Sender<Message>,
    /// and here.
    pub(super) store: Asker,
    /// What dpkg is unpacking, where that is at work.
    pub(super) unpacking: Option<Arc<Mutex<Unpacking>>>,
    /// Counts while it scans everything, for those who ask.
    pub(super) progress: Arc<Progress>,
    /// What explains deviations from the manifest.
    pub(super) evidence: Arc<SharedEvidence>,
}

impl Worker {
    /// Opens what verdicts on files rest on anew, and goes by that. `had_manifest`: whether there was one before.
    pub(super) fn reopen_baseline(&mut self, had_manifest: bool) {
        task::begin(task::Job::Ground);
        let baseline = ActiveBaseline::open(&self.setup, had_manifest, &self.left_out);
        task::begin(task::Job::Files);
        self.baseline = Arc::new(baseline);
        self.send(Message::Baseline(self.baseline.clone(), OpenedBy::Job));
    }

    /// Compares all files, or those that are at least so severe.
    pub(super) fn scan(&self, pace: Option<&Pace>, least: Option<Severity>) -> Outcome {
        let own = Progress::default();
        let progress = match least {
            Some(_) => &own,
            None => {
                self.progress.checked.store(0, Ordering::Relaxed);
                self.progress.bytes.store(0, Ordering::Relaxed);
                &*self.progress
            }
        };
        let readers = NonZeroUsize::new(READERS).unwrap_or(NonZeroUsize::MIN);
        let believing = self.believing.as_ref();
        let belief = believing.map(|believing| believing.memory.begin(believing.terms.clone()));
        let effort = Effort {
            workers: tree::threads(None).min(readers).into(),
            pace,
            aside: &self.left_out.files,
            progress,
            belief: belief.as_ref(),
        };
        let each = |finding: Finding| match least.is_some() && finding.check.id == FILES_PROFILE.id
        {
            // Where the profile is weaker than the manifest, only the whole tells.
            true => ControlFlow::Continue(()),
            false => self.found(finding, None),
        };
        let opened = &self.baseline.opened;
        let fresh = Cell::new(false);
        let mut explain = |deviation: &Deviation, finding| match least {
            None => self.evidence.put(self, deviation, finding, &fresh),
            // What is critical is told first, and changed when the whole scan has come to it.
            Some(_) => finding,
        };
        let scanned = opened.scan(&self.setup.tree, &effort, least, &mut explain, each);
        scanned.map_err(one_line)
    }

    /// Sends a finding, unless it is switched off or not yet to be judged; with the package that dpkg is unpacking there.
    pub(super) fn found(&self, finding: Finding, unpacked: Option<Unpacked>) -> ControlFlow<()> {
        // Only of files: what a setting is, it is now, and a settings check may name a path as well.
        let held_back = self.held_back
            && finding.check.id.starts_with("files.")
            && self.baseline.launch_marks(&finding.subject);
        if held_back || !self.setup.selected.has(finding.check.id) {
            return ControlFlow::Continue(());
        }
        let finding = privileges::told(&self.setup.tree.root, finding);
        self.try_send(Message::Found {
            job: self.id,
            finding: Box::new(finding),
            unpacked,
        })
    }

    /// The job has come to its end.
    pub(super) fn end(&self, outcome: Outcome) {
        self.send(Message::Ended {
            job: self.id,
            outcome,
        });
    }

    /// Sends what the event loop need not hear of where the agent ends.
    pub(super) fn send(&self, message: Message) {
        message::send(&self.findings, message);
    }

    /// Sends, and says whether to go on: not where the agent ends.
    pub(super) fn try_send(&self, message: Message) -> ControlFlow<()> {
        match self.findings.blocking_send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
