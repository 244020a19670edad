//! Panics of the runs before: counted, told, and what brings them about set aside.
//!
//! ```text
//! hook (os::last_word) ─► panic.mark ─► next start ─► Quarantine ─► panics.json
//!                                                        ├─► LeftOut: what jobs leave out
//!                                                        └─► events, status, heartbeats
//! ```

mod file;
pub(in crate::daemon) mod left_out;
pub(in crate::daemon) mod mark;
pub(in crate::daemon) mod retry;

pub(in crate::daemon) use left_out::LeftOut;

use crate::daemon::action::Action;
use crate::daemon::clock::UnixMillis;
use crate::daemon::identity;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::quarantine::{Count, PANICS, Quarantine};
use crate::daemon::store::Command;
use crate::daemon::warn;
use agent_core::finding::Severity;
use agent_core::os::last_word::{self, MARK, Prepared, SIZE};
use agent_core::os::trust;
use agent_core::region::Region;
use agent_core::task::Job;
use mark::{Mark, Subject};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is known of panics, and where it is kept.
#[derive(Debug)]
pub(in crate::daemon) struct Panics {
    state_dir: PathBuf,
    quarantine: Quarantine,
    /// Digest of the running binary; empty where nothing hangs on it.
    binary: String,
    /// What the run before ended by: its mark stays until that is told.
    untold: Option<Mark>,
    /// Device and inode of that mark: another one is of another panic.
    counted: Option<(u64, u64)>,
    /// Why what was there is not believed; until that is told.
    refused: Vec<String>,
    /// What is to be kept could not be written.
    owed: bool,
}

impl Panics {
    /// Counts what the run before left. From then on a panic leaves a mark.
    pub(in crate::daemon) fn open(state_dir: &Path, now: UnixMillis) -> Panics {
        let mut panics = Panics {
            state_dir: state_dir.to_owned(),
            quarantine: Quarantine::default(),
            binary: String::new(),
            untold: None,
            counted: None,
            refused: Vec::new(),
            owed: false,
        };
        match file::read(state_dir) {
            Ok(quarantine) => panics.quarantine = quarantine,
            Err(why) => panics.refused.push(why),
        }
        panics.counted = identity(&state_dir.join(MARK));
        panics.untold = match mark(state_dir) {
            Ok(mark) => mark,
            Err(why) => {
                panics.refused.push(why);
                panics.remove_mark();
                None
            }
        };
        if panics.untold.is_some() || !panics.quarantine.held.is_empty() {
            panics.binary = identity::binary_digest();
        }
        if let Some(mark) = &panics.untold {
            let binary = panics.binary.as_str();
            panics.quarantine.panicked(mark, binary, &state_of, now);
        }
        let binary = panics.binary.clone();
        panics.quarantine.release(&binary, &state_of, now);
        if panics.untold.is_some() || !panics.quarantine.held.is_empty() {
            panics.keep();
        }
        for why in &panics.refused {
            warn(&format!("what is known of panics is not believed: {why}"));
        }
        let prepared = Prepared::new(state_dir).map_err(|error| {
            warn(&format!(
                "a panic could leave no mark in {}: {error}",
                state_dir.display()
            ));
        });
        last_word::install(prepared.ok());
        panics
    }

    /// What jobs leave out that begin now.
    pub(in crate::daemon) fn left_out(&self) -> LeftOut {
        LeftOut::of(&self.quarantine)
    }

    /// What is set aside, in words, as status and heartbeats tell it.
    pub(in crate::daemon) fn set_aside(&self) -> Vec<String> {
        let aside = self.quarantine.aside();
        aside.map(|held| held.subject.describe()).collect()
    }

    /// What is told of the run before, and of what is set aside from now on.
    pub(in crate::daemon) fn tell(&mut self) -> Vec<Action> {
        let refused = std::mem::take(&mut self.refused).into_iter().map(|why| {
            let message =
                format!("what is known of panics is not believed and counts for nothing: {why}");
            Action::fault("panics.refused", Severity::Medium, message)
        });
        let mut actions: Vec<Action> = refused.collect();
        if let Some(mark) = &self.untold {
            actions.push(Action::fault("panic", Severity::High, mark.sentence()));
            let third = |count: &Count| count.subject == mark.subject && count.panics == PANICS;
            if self.quarantine.stubborn().any(third) {
                let message = format!(
                    "the agent panicked {PANICS} times and cannot do without: {}",
                    mark.subject.describe()
                );
                actions.push(Action::fault("panic.repeated", Severity::Critical, message));
            }
        }
        let untold = self.quarantine.held.iter().filter(|held| !held.told);
        actions.extend(untold.map(|held| {
            let subject = held.subject.describe();
            let message =
                format!("set aside, since the agent panicked there again and again: {subject}");
            Action::fault("panic.set_aside", Severity::Critical, message)
        }));
        // What was told counts as told once the store has it: told twice is better than never.
        actions.push(Action::Store(Command::Commit));
        actions.push(self.show());
        actions
    }

    /// The store has what was given to it before; `down`: in memory alone.
    pub(in crate::daemon) fn committed(&mut self, down: bool) {
        self.owed |= down;
        if self.owed {
            return;
        }
        let mut changed = false;
        for held in &mut self.quarantine.held {
            changed |= !std::mem::replace(&mut held.told, true);
        }
        if changed {
            self.keep();
        }
        if !self.owed && self.untold.take().is_some() {
            self.remove_mark();
        }
    }

    /// Writes what could not be written. Returns what is tried again from now on, and what is to be done about it.
    pub(in crate::daemon) fn tick(&mut self, wall: UnixMillis) -> (Vec<Subject>, Vec<Action>) {
        let mut actions = Vec::new();
        if self.owed {
            self.keep();
            actions.push(Action::Store(Command::Commit));
        }
        let released = self.quarantine.release(&self.binary, &state_of, wall);
        if !released.is_empty() {
            // Before it is tried: a panic sets it aside at once.
            self.keep();
            actions.push(self.show());
        }
        (released, actions)
    }

    /// A job that began then has come to its end: what was tried again in it is well.
    pub(in crate::daemon) fn passed_job(
        &mut self,
        kind: JobKind,
        regions: &[Region],
        began: UnixMillis,
    ) -> Vec<Action> {
        self.passed(began, |subject| match kind {
            JobKind::FullScan => subject.job == Job::Files,
            JobKind::Spot => {
                let covers = |region: &Region| region.below && region.covers(&subject.name);
                subject.job == Job::Files && regions.iter().any(covers)
            }
            JobKind::Settings => subject.job == Job::Settings,
            JobKind::Instance => subject.job == Job::Instance,
            JobKind::LaunchRecord => subject.job == Job::Launch,
            JobKind::Critical | JobKind::Urgent => false,
        })
    }

    /// What verdicts rest on has been opened by then.
    pub(in crate::daemon) fn passed_baseline(&mut self, wall: UnixMillis) -> Vec<Action> {
        self.passed(wall, |subject| subject.job == Job::Ground)
    }

    fn passed(&mut self, began: UnixMillis, covers: impl Fn(&Subject) -> bool) -> Vec<Action> {
        if !self.quarantine.passed(covers, began) {
            return Vec::new();
        }
        self.keep();
        vec![self.show()]
    }

    fn show(&self) -> Action {
        Action::Problem(Problem::Panics, self.problem())
    }

    /// One sentence on everything that is not as it should be; nothing where all is well.
    fn problem(&self) -> Option<String> {
        let aside = self.set_aside();
        let stubborn = self.quarantine.stubborn();
        let stubborn: Vec<String> = stubborn.map(|count| count.subject.describe()).collect();
        let mut text = String::new();
        if !aside.is_empty() {
            text = format!(
                "not looked at, since the agent panicked there again and again: {}",
                aside.join("; ")
            );
        }
        if !stubborn.is_empty() {
            let before = if text.is_empty() { "" } else { "; " };
            // A string takes everything.
            write!(
                text,
                "{before}the agent panics again and again and cannot do without: {}",
                stubborn.join("; ")
            )
            .unwrap_or_default();
        }
        (!text.is_empty()).then_some(text)
    }

    fn keep(&mut self) {
        let written = file::write(&self.state_dir, &self.quarantine);
        if let Err(error) = &written
            && !self.owed
        {
            warn(&format!("panics cannot be counted: {error}"));
        }
        self.owed = written.is_err();
    }

    fn remove_mark(&self) {
        let path = self.state_dir.join(MARK);
        // This run may be ending by a panic of its own. One that stays is known by its id.
        if self.counted.is_some() && identity(&path) == self.counted {
            std::fs::remove_file(path).unwrap_or_default();
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let about = std::fs::symlink_metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

/// The mark that the run before left. The error says why it is not believed.
fn mark(state_dir: &Path) -> Result<Option<Mark>, String> {
    let path = state_dir.join(MARK);
    let file = trust::open(&path, trust::Owner::Agent).map_err(|error| error.to_string())?;
    let Some(file) = file else {
        return Ok(None);
    };
    let bytes = trust::read(&file, &path, SIZE as u64).map_err(|error| error.to_string())?;
    let mark = Mark::parse(&bytes);
    let refused = || format!("{}: is no whole mark of a panic", path.display());
    mark.map(Some).ok_or_else(refused)
}

/// What tells one state of a subject's input from another. Of paths: what a stat says of them; of everything else
/// nothing does, and time alone decides.
fn state_of(subject: &Subject) -> String {
    if !subject.is_path() {
        return String::new();
    }
    let path = Path::new("/").join(OsStr::from_bytes(&subject.name));
    match std::fs::symlink_metadata(path) {
        Ok(stat) => format!(
            "{} {} {} {}.{} {}.{}",
            stat.dev(),
            stat.ino(),
            stat.size(),
            stat.mtime(),
            stat.mtime_nsec(),
            stat.ctime(),
            stat.ctime_nsec()
        ),
        Err(error) => format!("{:?}", error.kind()),
    }
}
