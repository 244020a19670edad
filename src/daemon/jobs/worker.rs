//! The threads that look. Each does one look, says what it findings_to, and ends.

use crate::assess::baseline::{Baseline, Effort};
use crate::assess::instance::Instance;
use crate::assess::{self, tree};
use crate::daemon::baseline::{ActiveBaseline, one_line};
use crate::daemon::message::{Message, OpenedBy, PAGE, Question};
use crate::daemon::panics::LeftOut;
use crate::daemon::setup::Setup;
use crate::daemon::states::first_boot::{self, Recorded};
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::store::Asker;
use agent_core::escape;
use agent_core::finding::{Finding, Severity};
use agent_core::os::{last_word, priority};
use agent_core::task::{self, Job};
use agent_packages::dpkg::unpacking::Unpacking;
use agent_scan::files::pace::Pace;
use agent_scan::files::plan::Plan;
use agent_scan::files::scan::{Coverage, Progress};
use agent_scan::files::spot::{Book, Known, Spot, Told};
use agent_scan::files::wording;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// A ground younger than this need not be opened again for a scan.
const FRESH: Duration = Duration::from_secs(60);
/// So many threads read for a whole scan at most: it has time, and memory is to stay small.
const READERS: usize = 2;

/// What a look needs.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Worker {
    /// The look's number.
    pub(in crate::daemon) id: u64,
    pub(in crate::daemon) setup: Arc<Setup>,
    pub(in crate::daemon) ground: Arc<ActiveBaseline>,
    /// Whether what the first boot may change is not judged yet.
    pub(in crate::daemon) held_back: bool,
    /// What is not looked at, since that brought the agent to its end.
    pub(in crate::daemon) left_out: Arc<LeftOut>,
    /// What it findings_to goes here, in order.
    pub(in crate::daemon) messages: Sender<Message>,
    /// What it has to know is asked here,
    pub(in crate::daemon) questions: Sender<Message>,
    /// and here.
    pub(in crate::daemon) store: Asker,
    /// What dpkg is unpacking, where that is at work.
    pub(in crate::daemon) unpacking: Option<Arc<Mutex<Unpacking>>>,
}

/// How a whole scan is to be done.
#[derive(Debug)]
pub(in crate::daemon) struct ScanMode {
    /// How fast; nothing: at full speed, since something may have been missed.
    pub(in crate::daemon) pace: Option<Arc<Pace>>,
    /// Whether there was a manifest before.
    pub(in crate::daemon) before: bool,
}

/// Opens what verdicts on files rest on, and digests the agent's own binary.
pub(in crate::daemon) fn ground(
    setup: Arc<Setup>,
    before: bool,
    left_out: Arc<LeftOut>,
    messages: Sender<Message>,
) -> io::Result<()> {
    start("ground", Job::Ground, move || {
        say(&messages, Message::Binary(digest()));
        let ground = Arc::new(ActiveBaseline::open(&setup, before, &left_out));
        say(&messages, Message::Baseline(ground, OpenedBy::Own));
    })
}

/// The files that matter most.
pub(in crate::daemon) fn critical(worker: Worker, pace: Arc<Pace>) -> io::Result<()> {
    start("critical", Job::Files, move || {
        let outcome = worker.scan(&worker.ground, Some(&pace), Some(Severity::Critical));
        worker.end(JobKind::Critical, outcome);
    })
}

/// All files, at the lowest priority.
pub(in crate::daemon) fn whole(mut worker: Worker, manner: ScanMode) -> io::Result<()> {
    start("scan", Job::Files, move || {
        if manner.pace.is_some() {
            // A refusal costs speed for others, and no finding.
            priority::idle().unwrap_or_default();
        }
        let root = &worker.setup.tree.root;
        if worker.ground.at.elapsed() > FRESH || worker.ground.is_behind(root) {
            let ground =
                ActiveBaseline::open_in(Job::Files, &worker.setup, manner.before, &worker.left_out);
            worker.ground = Arc::new(ground);
            say(
                &worker.messages,
                Message::Baseline(worker.ground.clone(), OpenedBy::Job),
            );
        }
        for finding in &worker.ground.opened.findings {
            if worker.found(finding.clone(), None).is_break() {
                return;
            }
        }
        let outcome = worker.scan(&worker.ground, manner.pace.as_deref(), None);
        worker.end(JobKind::FullScan, outcome);
    })
}

/// The paths of the plan. `settled`: no package manager is at work, so what its database says holds.
pub(in crate::daemon) fn spot(
    mut worker: Worker,
    plan: Arc<Plan>,
    settled: bool,
) -> io::Result<()> {
    start("spot", Job::Files, move || {
        if settled && worker.ground.is_behind(&worker.setup.tree.root) {
            let before = worker.ground.trouble.is_some();
            let ground =
                ActiveBaseline::open_in(Job::Files, &worker.setup, before, &worker.left_out);
            worker.ground = Arc::new(ground);
            say(
                &worker.messages,
                Message::Baseline(worker.ground.clone(), OpenedBy::Job),
            );
        }
        let outcome = worker.spot(&plan, None);
        worker.end(JobKind::Spot, outcome);
    })
}

/// What is critical of the paths of the plan.
pub(in crate::daemon) fn urgent(worker: Worker, plan: Arc<Plan>) -> io::Result<()> {
    start("urgent", Job::Files, move || {
        let outcome = worker.spot(&plan, Some(Severity::Critical));
        worker.end(JobKind::Urgent, outcome);
    })
}

/// Of packages that something waits for, which are no longer being unpacked.
pub(in crate::daemon) fn packages(
    setup: Arc<Setup>,
    unpacking: Arc<Mutex<Unpacking>>,
    mut packages: Vec<String>,
    messages: Sender<Message>,
) -> io::Result<()> {
    start("packages", Job::Ground, move || {
        // Should nobody be able to read it any more, all of them are.
        if let Ok(mut unpacking) = unpacking.lock() {
            unpacking.refresh(&setup.tree.root);
            packages.retain(|package| !unpacking.has(package));
        }
        say(&messages, Message::Unpacked(packages));
    })
}

/// sshd and local settings.
pub(in crate::daemon) fn settings(worker: Worker) -> io::Result<()> {
    start("settings", Job::Settings, move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            tree,
            profile,
            selected,
            ..
        } = &*worker.setup;
        let (selected, left_out) = worker.left_out.settings(profile, selected);
        let mut stopped = false;
        let mut emit = |finding| stopped = stopped || worker.found(finding, None).is_break();
        let unended = assess::settings(tree, profile, &selected, now, &mut emit);
        left_out.into_iter().for_each(emit);
        // What was not looked at to the end is not cleared.
        let outcome = match unended.is_empty() {
            true => Ok(None),
            false => Err(format!(
                "a look at settings did not end in time: {}",
                unended.join(", ")
            )),
        };
        worker.end(JobKind::Settings, outcome);
    })
}

/// The instance.
pub(in crate::daemon) fn instance(worker: Worker) -> io::Result<()> {
    start("instance", Job::Instance, move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            config,
            tree,
            profile,
            selected,
            ..
        } = &*worker.setup;
        if let Some(finding) = worker.left_out.instance(profile, selected) {
            if let Some(finding) = finding
                && worker.found(finding, None).is_break()
            {
                return;
            }
            return worker.end(JobKind::Instance, Ok(None));
        }
        task::at_part("service");
        let baked = || match &worker.ground.opened.baseline {
            Baseline::Manifest(sealed) => {
                let time = sealed.vouched.manifest.header().time.parse().ok();
                time.map(|time: jiff::Timestamp| time.as_second())
            }
            Baseline::Packages(_) | Baseline::Nothing => None,
        };
        let mut instance = Instance::new(tree, profile, selected, &config.instance);
        let sight = instance.ask();
        let mut found = Vec::new();
        let host = instance.judge(&sight, baked, now, &mut |finding| found.push(finding));
        // First, so that what is found says where.
        say(&worker.messages, Message::Host(Box::new(host)));
        for finding in found {
            if worker.found(finding, None).is_break() {
                return;
            }
        }
        worker.end(JobKind::Instance, Ok(None));
    })
}

/// What the first boot changed, put on the record.
pub(in crate::daemon) fn launch(worker: Worker) -> io::Result<()> {
    start("launch", Job::Launch, move || {
        let recorded: Result<Recorded, String> = match worker.left_out.has(Job::Launch, "") {
            true => Err("writing it brought the agent to its end again and again".into()),
            false => first_boot::record(&worker.setup, &worker.ground, &worker.left_out.files)
                .map_err(one_line),
        };
        say(&worker.messages, Message::Recorded(recorded));
        worker.end(JobKind::Launch, Ok(None));
    })
}

impl Worker {
    fn scan(
        &self,
        ground: &ActiveBaseline,
        pace: Option<&Pace>,
        least: Option<Severity>,
    ) -> Result<Option<Coverage>, String> {
        let progress = Progress::default();
        let readers = NonZeroUsize::new(READERS).unwrap_or(NonZeroUsize::MIN);
        let effort = Effort {
            workers: tree::threads(None).min(readers).into(),
            pace,
            aside: &self.left_out.files,
            progress: &progress,
        };
        let scanned = ground.opened.baseline.scan(
            &self.setup.tree,
            &effort,
            least,
            // Where the profile is weaker than the manifest, only the whole tells.
            |finding| match least.is_some() && finding.check.id == "files.profile" {
                true => ControlFlow::Continue(()),
                false => self.found(finding, None),
            },
        );
        scanned.map_err(one_line)
    }

    fn spot(&self, plan: &Plan, least: Option<Severity>) -> Result<Option<Coverage>, String> {
        let (book, scope, selinux) = match &self.ground.opened.baseline {
            Baseline::Manifest(sealed) => {
                let manifest = &sealed.vouched.manifest;
                let book = Book::Manifest(manifest, &sealed.record);
                (book, &sealed.scope, manifest.header().selinux)
            }
            Baseline::Packages(packaged) => {
                (Book::Packages(&packaged.database), &packaged.scope, true)
            }
            Baseline::Nothing => return Ok(None),
        };
        let narrowed = least.map(|least| scope.narrowed(least));
        let progress = Progress::default();
        let spot = Spot {
            root: &self.setup.tree.root,
            scope: narrowed.as_ref().unwrap_or(scope),
            partial: narrowed.is_some(),
            book,
            workers: NonZeroUsize::MIN.into(),
            pace: None,
            selinux,
            aside: &self.left_out.files,
            progress: &progress,
        };
        let against = spot.against();
        let known = Asked {
            questions: &self.questions,
            store: &self.store,
            gone: Cell::new(false),
        };
        let read = Cell::new(false);
        let looked = spot.look(plan, &known, |told| match told {
            Told::Deviates(deviation) => {
                let package =
                    (deviation.may_wait()).then(|| self.package_of(&deviation.path, &read));
                self.found(wording::finding(&deviation, against), package.flatten())
            }
            Told::Holds { path, ctime } => self.say(Message::Holds(self.id, path, ctime)),
        });
        looked.map(Some).map_err(one_line)
    }

    /// The package that dpkg is unpacking and that has the path in its list. dpkg's database is read once in a look.
    fn package_of(&self, path: &[u8], read: &Cell<bool>) -> Option<String> {
        let mut unpacking = self.unpacking.as_ref()?.lock().ok()?;
        if !read.replace(true) {
            unpacking.refresh(&self.setup.tree.root);
        }
        unpacking.package_of(path).map(str::to_owned)
    }

    /// Hands a finding on, unless it is switched off or not yet to be judged; with the package whose evidence it may
    /// wait for.
    fn found(&self, finding: Finding, package: Option<String>) -> ControlFlow<()> {
        // Only of files: what a setting is, it is now, and a settings check may name a path as well.
        let held_back = self.held_back
            && finding.check.id.starts_with("files.")
            && self.ground.launch_marks(&finding.subject);
        if held_back || !self.setup.selected.has(finding.check.id) {
            return ControlFlow::Continue(());
        }
        self.say(Message::Found(self.id, Box::new(finding), package))
    }

    fn end(&self, look: JobKind, outcome: Result<Option<Coverage>, String>) {
        say(&self.messages, Message::Ended(self.id, look, outcome));
    }

    fn say(&self, word: Message) -> ControlFlow<()> {
        match self.messages.blocking_send(word) {
            Ok(()) => ControlFlow::Continue(()),
            // The agent ends.
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// The open findings, asked of the store, and what is not yet judged, asked of whoever knows that.
struct Asked<'a> {
    questions: &'a Sender<Message>,
    store: &'a Asker,
    gone: Cell<bool>,
}

impl Asked<'_> {
    /// What was touched in the directory and is not yet judged; `None`: the agent ends.
    fn waiting(&self, directory: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (reply, answer) = sync_channel(1);
        let question = Question {
            directory: directory.to_vec(),
            reply,
        };
        self.questions.blocking_send(Message::Ask(question)).ok()?;
        answer.recv().ok()
    }

    fn entry_deviates(
        &self,
        directory: &[u8],
        passed_over: &dyn Fn(&[u8]) -> bool,
    ) -> Option<bool> {
        let counts = |paths: &[Vec<u8>]| paths.iter().any(|path| !passed_over(path));
        if counts(&self.waiting(directory)?) {
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

impl Known for Asked<'_> {
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool {
        if self.gone.get() {
            return false;
        }
        let deviates = Asked::entry_deviates(self, directory, passed_over);
        self.gone.set(deviates.is_none());
        deviates.unwrap_or(false)
    }
}

/// SHA-256 of the running binary, in hexadecimal; empty where it cannot be read. Read once.
pub(in crate::daemon) fn digest() -> String {
    if let Some(known) = last_word::binary() {
        return known.to_owned();
    }
    let digest = binary().unwrap_or_default();
    if !digest.is_empty() {
        last_word::know_binary(&digest);
    }
    digest
}

fn binary() -> io::Result<String> {
    let mut file = std::fs::File::open("/proc/self/exe")?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(escape::hex(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

fn start(name: &str, job: Job, look: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work = move || {
        task::begin(job);
        look();
    };
    Builder::new().name(name.into()).spawn(work).map(|_| ())
}

fn say(messages: &Sender<Message>, word: Message) {
    // Nobody hears it when the agent ends.
    messages.blocking_send(word).unwrap_or_default();
}
