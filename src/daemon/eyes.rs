//! The threads that look. Each does one look, says what it finds, and ends.

use super::first_boot::{self, Recorded};
use super::ground::{Ground, one_line};
use super::looks::Look;
use super::setup::Setup;
use super::word::{Answer, PAGE, Question, Whose, Word};
use crate::assess::baseline::{Baseline, Effort};
use crate::assess::instance::Instance;
use crate::assess::{self, tree};
use crate::escape;
use crate::files::pace::Pace;
use crate::files::plan::Plan;
use crate::files::scan::{Coverage, Progress};
use crate::files::spot::{Book, Known, Spot, Told};
use crate::files::wording;
use crate::finding::{Finding, Severity};
use crate::os::priority;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
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
    pub(super) words: Sender<Word>,
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
pub(super) fn ground(setup: Arc<Setup>, before: bool, words: Sender<Word>) -> io::Result<()> {
    start("ground", move || {
        let digest = binary().unwrap_or_default();
        say(&words, Word::Binary(digest));
        let ground = Arc::new(Ground::open(&setup, before));
        say(&words, Word::Ground(ground, Whose::Own));
    })
}

/// The files that matter most.
pub(super) fn critical(eye: Eye, pace: Arc<Pace>) -> io::Result<()> {
    start("critical", move || {
        let outcome = eye.scan(&eye.ground, Some(&pace), Some(Severity::Critical));
        eye.end(Look::Critical, outcome);
    })
}

/// All files, at the lowest priority.
pub(super) fn whole(mut eye: Eye, manner: Manner) -> io::Result<()> {
    start("scan", move || {
        if manner.pace.is_some() {
            // A refusal costs speed for others, and no finding.
            priority::idle().unwrap_or_default();
        }
        let root = &eye.setup.tree.root;
        if eye.ground.at.elapsed() > FRESH || eye.ground.is_behind(root) {
            eye.ground = Arc::new(Ground::open(&eye.setup, manner.before));
            say(&eye.words, Word::Ground(eye.ground.clone(), Whose::Look));
        }
        for finding in &eye.ground.opened.findings {
            if eye.found(finding.clone()).is_break() {
                return;
            }
        }
        let outcome = eye.scan(&eye.ground, manner.pace.as_deref(), None);
        eye.end(Look::Whole, outcome);
    })
}

/// The paths of the plan. `settled`: no package manager is at work, so what its database says holds.
pub(super) fn spot(mut eye: Eye, plan: Arc<Plan>, settled: bool) -> io::Result<()> {
    start("spot", move || {
        if settled && eye.ground.is_behind(&eye.setup.tree.root) {
            eye.ground = Arc::new(Ground::open(&eye.setup, eye.ground.trouble.is_some()));
            say(&eye.words, Word::Ground(eye.ground.clone(), Whose::Look));
        }
        let outcome = eye.spot(&plan);
        eye.end(Look::Spot, outcome);
    })
}

/// sshd and local settings.
pub(super) fn settings(eye: Eye) -> io::Result<()> {
    start("settings", move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            tree,
            profile,
            selected,
            ..
        } = &*eye.setup;
        let mut stopped = false;
        let unended = assess::settings(tree, profile, selected, now, &mut |finding| {
            stopped = stopped || eye.found(finding).is_break();
        });
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
    start("instance", move || {
        let now = jiff::Timestamp::now().as_second();
        let Setup {
            config,
            tree,
            profile,
            selected,
            ..
        } = &*eye.setup;
        let baked = || match &eye.ground.opened.baseline {
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
        say(&eye.words, Word::Host(Box::new(host)));
        for finding in found {
            if eye.found(finding).is_break() {
                return;
            }
        }
        eye.end(Look::Instance, Ok(None));
    })
}

/// What the first boot changed, put on the record.
pub(super) fn launch(eye: Eye) -> io::Result<()> {
    start("launch", move || {
        let recorded: Result<Recorded, String> =
            first_boot::record(&eye.setup, &eye.ground).map_err(one_line);
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
            progress: &progress,
        };
        let scanned = ground.opened.baseline.scan(
            &self.setup.tree,
            &effort,
            least,
            // Where the profile is weaker than the manifest, only the whole tells.
            |finding| match least.is_some() && finding.check.id == "files.profile" {
                true => ControlFlow::Continue(()),
                false => self.found(finding),
            },
        );
        scanned.map_err(one_line)
    }

    fn spot(&self, plan: &Plan) -> Result<Option<Coverage>, String> {
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
        let progress = Progress::default();
        let spot = Spot {
            root: &self.setup.tree.root,
            scope,
            book,
            workers: NonZeroUsize::MIN.into(),
            pace: None,
            selinux,
            progress: &progress,
        };
        let against = spot.against();
        let known = Asked {
            words: &self.words,
            gone: Cell::new(false),
        };
        let looked = spot.look(plan, &known, |told| match told {
            Told::Deviates(deviation) => self.found(wording::finding(&deviation, against)),
            Told::Holds { path, ctime } => self.say(Word::Holds(self.id, path, ctime)),
        });
        looked.map(Some).map_err(one_line)
    }

    /// Hands a finding on, unless it is switched off or not yet to be judged.
    fn found(&self, finding: Finding) -> ControlFlow<()> {
        // Only of files: what a setting is, it is now, and a settings check may name a path as well.
        let held_back = self.held_back
            && finding.check.id.starts_with("files.")
            && self.ground.launch_marks(&finding.subject);
        if held_back || !self.setup.selected.has(finding.check.id) {
            return ControlFlow::Continue(());
        }
        self.say(Word::Found(self.id, Box::new(finding)))
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

/// The open findings, asked of the one who keeps them.
struct Asked<'a> {
    words: &'a Sender<Word>,
    gone: Cell<bool>,
}

impl Known for Asked<'_> {
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool {
        let mut after = Vec::new();
        while !self.gone.get() {
            let (reply, answer) = sync_channel(1);
            let question = Question {
                directory: directory.to_vec(),
                after,
                reply,
            };
            let asked = self.words.blocking_send(Word::Ask(question));
            let Some(Answer { open, waiting }) = asked.ok().and_then(|()| answer.recv().ok())
            else {
                self.gone.set(true);
                break;
            };
            if open.iter().chain(&waiting).any(|path| !passed_over(path)) {
                return true;
            }
            match open.last() {
                Some(last) if open.len() >= PAGE => after = last.clone(),
                _ => break,
            }
        }
        false
    }
}

/// SHA-256 of the running binary, in hexadecimal.
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

fn start(name: &str, look: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.into()).spawn(look).map(|_| ())
}

fn say(words: &Sender<Word>, word: Word) {
    // Nobody hears it when the agent ends.
    words.blocking_send(word).unwrap_or_default();
}
