//! The threads that look. Each does one look, says what it finds, and ends.

use super::first_boot::{self, Recorded};
use super::ground::{Ground, one_line};
use super::looks::Look;
use super::panics::LeftOut;
use super::setup::Setup;
use super::store_handle::Asker;
use super::word::{PAGE, Question, Whose, Word};
use crate::assess::baseline::Effort;
use crate::assess::instance::Instance;
use crate::assess::{self, tree};
use agent_baseline::Baseline;
use agent_core::escape;
use agent_core::finding::{Finding, Severity};
use agent_core::os::{last_word, priority};
use agent_core::task::{self, Job};
use agent_packages::dpkg::unpacking::Unpacking;
use agent_scan::files::pace::Pace;
use agent_scan::files::plan::Plan;
use agent_scan::files::scan::{Coverage, Progress};
use agent_scan::files::spot::{Known, Spot, Told};
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
pub(super) struct Eye {
    /// The look's number.
    pub(super) id: u64,
    pub(super) setup: Arc<Setup>,
    pub(super) ground: Arc<Ground>,
    /// Whether what the first boot may change is not judged yet.
    pub(super) held_back: bool,
    /// What is not looked at, since that brought the agent to its end.
    pub(super) left_out: Arc<LeftOut>,
    /// What it finds goes here, in order.
    pub(super) words: Sender<Word>,
    /// What it has to know is asked here,
    pub(super) questions: Sender<Word>,
    /// and here.
    pub(super) store: Asker,
    /// What dpkg is unpacking, where that is at work.
    pub(super) unpacking: Option<Arc<Mutex<Unpacking>>>,
}

/// How a whole scan is to be done.
#[derive(Debug)]
pub(super) struct Manner {
    /// How fast; nothing: at full speed, since something may have been missed.
    pub(super) pace: Option<Arc<Pace>>,
    /// Whether there was a manifest before.
    pub(super) before: bool,
}

/// Opens what verdicts on files rest on, and digests the agent's own binary.
pub(super) fn ground(
    setup: Arc<Setup>,
    before: bool,
    left_out: Arc<LeftOut>,
    words: Sender<Word>,
) -> io::Result<()> {
    start("ground", Job::Ground, move || {
        say(&words, Word::Binary(digest()));
        let ground = Arc::new(Ground::open(&setup, before, &left_out));
        say(&words, Word::Ground(ground, Whose::Own));
    })
}

/// The files that matter most.
pub(super) fn critical(eye: Eye, pace: Arc<Pace>) -> io::Result<()> {
    start("critical", Job::Files, move || {
        let outcome = eye.scan(&eye.ground, Some(&pace), Some(Severity::Critical));
        eye.end(Look::Critical, outcome);
    })
}

/// All files, at the lowest priority.
pub(super) fn whole(mut eye: Eye, manner: Manner) -> io::Result<()> {
    start("scan", Job::Files, move || {
        if manner.pace.is_some() {
            // A refusal costs speed for others, and no finding.
            priority::idle().unwrap_or_default();
        }
        let root = &eye.setup.tree.root;
        if eye.ground.at.elapsed() > FRESH || eye.ground.is_behind(root) {
            let ground = Ground::open_in(Job::Files, &eye.setup, manner.before, &eye.left_out);
            eye.ground = Arc::new(ground);
            say(&eye.words, Word::Ground(eye.ground.clone(), Whose::Look));
        }
        for finding in &eye.ground.opened.findings {
            if eye.found(finding.clone(), None).is_break() {
                return;
            }
        }
        let outcome = eye.scan(&eye.ground, manner.pace.as_deref(), None);
        eye.end(Look::Whole, outcome);
    })
}

/// The paths of the plan. `settled`: no package manager is at work, so what its database says holds.
pub(super) fn spot(mut eye: Eye, plan: Arc<Plan>, settled: bool) -> io::Result<()> {
    start("spot", Job::Files, move || {
        if settled && eye.ground.is_behind(&eye.setup.tree.root) {
            let before = eye.ground.trouble.is_some();
            let ground = Ground::open_in(Job::Files, &eye.setup, before, &eye.left_out);
            eye.ground = Arc::new(ground);
            say(&eye.words, Word::Ground(eye.ground.clone(), Whose::Look));
        }
        let outcome = eye.spot(&plan, None);
        eye.end(Look::Spot, outcome);
    })
}

/// What is critical of the paths of the plan.
pub(super) fn urgent(eye: Eye, plan: Arc<Plan>) -> io::Result<()> {
    start("urgent", Job::Files, move || {
        let outcome = eye.spot(&plan, Some(Severity::Critical));
        eye.end(Look::Urgent, outcome);
    })
}

/// Of packages that something waits for, which are no longer being unpacked.
pub(super) fn packages(
    setup: Arc<Setup>,
    unpacking: Arc<Mutex<Unpacking>>,
    mut packages: Vec<String>,
    words: Sender<Word>,
) -> io::Result<()> {
    start("packages", Job::Ground, move || {
        // Should nobody be able to read it any more, all of them are.
        if let Ok(mut unpacking) = unpacking.lock() {
            unpacking.refresh(&setup.tree.root);
            packages.retain(|package| !unpacking.has(package));
        }
        say(&words, Word::Unpacked(packages));
    })
}

/// sshd and local settings.
pub(super) fn settings(eye: Eye) -> io::Result<()> {
    start("settings", Job::Settings, move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            tree,
            profile,
            selected,
            ..
        } = &*eye.setup;
        let (selected, left_out) = eye.left_out.settings(profile, selected);
        let mut stopped = false;
        let mut emit = |finding| stopped = stopped || eye.found(finding, None).is_break();
        let unended = assess::settings(tree, profile, &selected, now, None, &mut emit);
        left_out.into_iter().for_each(emit);
        // What was not looked at to the end is not cleared.
        let outcome = match unended.is_empty() {
            true => Ok(None),
            false => Err(format!(
                "a look at settings did not end in time: {}",
                unended.join(", ")
            )),
        };
        eye.end(Look::Settings, outcome);
    })
}

/// The instance.
pub(super) fn instance(eye: Eye) -> io::Result<()> {
    start("instance", Job::Instance, move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            config,
            tree,
            profile,
            selected,
            ..
        } = &*eye.setup;
        if let Some(finding) = eye.left_out.instance(profile, selected) {
            if let Some(finding) = finding
                && eye.found(finding, None).is_break()
            {
                return;
            }
            return eye.end(Look::Instance, Ok(None));
        }
        task::at_part("service");
        let baked = || match &eye.ground.opened.baseline {
            Some(Baseline::Manifest(sealed)) => {
                let time = sealed.verified.manifest.header().time.parse().ok();
                time.map(|time: jiff::Timestamp| time.as_second())
            }
            Some(Baseline::Packages(_)) | None => None,
        };
        let mut instance = Instance::new(tree, profile, selected, &config.instance);
        let snapshot = instance.ask();
        let mut found = Vec::new();
        let host = instance.judge(&snapshot, baked, now, &mut |finding| found.push(finding));
        // First, so that what is found says where.
        say(&eye.words, Word::Host(Box::new(host)));
        for finding in found {
            if eye.found(finding, None).is_break() {
                return;
            }
        }
        eye.end(Look::Instance, Ok(None));
    })
}

/// What the first boot changed, put on the record.
pub(super) fn launch(eye: Eye) -> io::Result<()> {
    start("launch", Job::Launch, move || {
        let recorded: Result<Recorded, String> = match eye.left_out.has(Job::Launch, "") {
            true => Err("writing it brought the agent to its end again and again".into()),
            false => {
                first_boot::record(&eye.setup, &eye.ground, &eye.left_out.files).map_err(one_line)
            }
        };
        say(&eye.words, Word::Recorded(recorded));
        eye.end(Look::Launch, Ok(None));
    })
}

impl Eye {
    fn scan(
        &self,
        ground: &Ground,
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
        let scanned = ground.opened.scan(
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
        let (baseline, scope, selinux) = match &self.ground.opened.baseline {
            Some(Baseline::Manifest(sealed)) => {
                let manifest = &sealed.verified.manifest;
                let baseline = Baseline::Manifest((manifest, &sealed.record));
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
            root: &self.setup.tree.root,
            scope: narrowed.as_ref().unwrap_or(scope),
            partial: narrowed.is_some(),
            baseline,
            workers: NonZeroUsize::MIN.into(),
            pace: None,
            selinux,
            aside: &self.left_out.files,
            progress: &progress,
        };
        let against = spot.baseline.kind();
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
            Told::Holds { path, ctime } => self.say(Word::Holds(self.id, path, ctime)),
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
        self.say(Word::Found(self.id, Box::new(finding), package))
    }

    fn end(&self, look: Look, outcome: Result<Option<Coverage>, String>) {
        say(&self.words, Word::Ended(self.id, look, outcome));
    }

    fn say(&self, word: Word) -> ControlFlow<()> {
        match self.words.blocking_send(word) {
            Ok(()) => ControlFlow::Continue(()),
            // The agent ends.
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// The open findings, asked of the store, and what is not yet judged, asked of whoever knows that.
struct Asked<'a> {
    questions: &'a Sender<Word>,
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
        self.questions.blocking_send(Word::Ask(question)).ok()?;
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
pub(super) fn digest() -> String {
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

fn say(words: &Sender<Word>, word: Word) {
    // Nobody hears it when the agent ends.
    words.blocking_send(word).unwrap_or_default();
}
