//! A file of the agent's own that is changed on purpose: if nobody notices, the watch is blind.
//!
//! The daemon calls [`Canary::change`] every few minutes. The touch comes back as [`KEY`] in a
//! [`super::Notice::Touched`], goes through [`super::debounce::Debouncer`] like any other, and when it is due
//! [`Canary::look`] observes and judges the file with the code that judges every file. It writes nothing to the store.
//! A canary that is blind may have lost its directory: [`Canary::change`] makes it again, [`super::Watch::renew`]
//! watches it again.

use crate::files::deviation::DeviationKind;
use crate::files::join::{Expected, Source};
use crate::files::judge;
use crate::files::look::Looker;
use crate::files::probe::{Directory, Target};
use crate::files::scope::PathPolicy;
use agent_baseline::profile::path_rules::Demand;
use agent_core::attributes::{AttributeSet, Attributes, Digest, FileType};
use agent_core::finding::Severity;
use agent_core::os::node::{self, Hint};
use agent_core::os::own;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The path of the canary in touches: no path of a file holds NUL.
pub const KEY: &[u8] = b"\0canary";
/// The file's name in its directory.
pub const NAME: &str = "canary";
/// A change that was not seen after so long means that the watch is blind.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The canary.
#[derive(Debug)]
pub struct Canary {
    directory: PathBuf,
    changes: u64,
    /// What was written before the last change: to a look at it the change is a deviation from it.
    before: Option<[u8; 32]>,
    now: Option<[u8; 32]>,
    /// The change that is on its way.
    changed: Option<Instant>,
    state: CanaryState,
}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryState {
    /// Nothing was changed yet, or the first change is on its way and still may come.
    Waiting,
    /// The last change came back, after that long.
    Seeing(Duration),
    /// A change did not come back, or was not judged as one.
    Blind,
}

impl Canary {
    /// A canary in `directory`, which is made where it is not there.
    pub fn new(directory: &Path) -> io::Result<Canary> {
        let mut canary = Canary {
            directory: directory.to_owned(),
            changes: 0,
            before: None,
            now: None,
            changed: None,
            state: CanaryState::Waiting,
        };
        canary.write()?;
        Ok(canary)
    }

    /// Changes the file.
    pub fn change(&mut self, now: Instant) -> io::Result<()> {
        self.expire(now);
        self.write()?;
        self.changed = Some(now);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.changes += 1;
        let text = format!("{} {}\n", std::process::id(), self.changes);
        fs::create_dir_all(&self.directory)?;
        own::overwrite(&self.directory.join(NAME), text.as_bytes())?;
        self.before = self.now.replace(Sha256::digest(&text).into());
        Ok(())
    }

    /// Observes and judges the file: [`KEY`] is due.
    pub fn look(&mut self, now: Instant) {
        // What was touched before the first change, or by somebody else.
        let Some(changed) = self.changed else { return };
        if self.is_judged_as_changed() {
            self.changed = None;
            self.state = CanaryState::Seeing(now.saturating_duration_since(changed));
        }
    }

    /// Whether a look that expects what was there before the change finds the change, and nothing else.
    fn is_judged_as_changed(&self) -> bool {
        let Some((before, written)) = self.before.zip(self.now) else {
            return false;
        };
        let Ok(fd) = node::open_dir_path(&self.directory) else {
            return false;
        };
        let target = Target::Entry {
            directory: Arc::new(Directory {
                fd,
                path: Box::default(),
                remote: None,
            }),
            name: NAME.as_bytes().into(),
            hint: Hint::File,
            remote: None,
        };
        let policy = PathPolicy {
            demand: Demand {
                attributes: AttributeSet::CONTENT,
                severity: Severity::Low,
                cross_mounts: false,
                launch: false,
                keep_text: false,
            },
            leads: false,
            weaker: None,
        };
        let expected = Box::new(Expected {
            path: NAME.into(),
            attributes: Some(Attributes {
                digest: Some(Digest::Sha256(before)),
                ..Attributes::new(FileType::File)
            }),
            source: Source::Manifest,
        });
        let wanted = judge::wanted(policy, Some(&expected), false, false);
        let look = Looker::new(None, 1).look_all([(&target, wanted)]).pop();
        let kind = look.and_then(|look| judge::present(policy, Some(expected), look, false));
        matches!(kind, Some(DeviationKind::Changed { observed, .. })
            if observed.digest == Some(Digest::Sha256(written)))
    }

    /// Whether the watch sees.
    pub fn state(&mut self, now: Instant) -> CanaryState {
        self.expire(now);
        self.state
    }

    fn expire(&mut self, now: Instant) {
        if self.next().is_some_and(|end| end <= now) {
            self.changed = None;
            self.state = CanaryState::Blind;
        }
    }

    /// When [`Canary::state`] turns to blind; `None` where no change is on its way.
    pub fn next(&self) -> Option<Instant> {
        Some(self.changed? + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_comes_back_or_the_watch_is_blind() {
        let directory = tempfile::tempdir().expect("a directory");
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut canary = Canary::new(&directory.path().join("run")).expect("made");
        assert_eq!(canary.state(start), CanaryState::Waiting);
        // Nothing was changed, so nothing can come back.
        canary.look(start);
        assert_eq!(canary.state(later(100)), CanaryState::Waiting);

        canary.change(later(100)).expect("written");
        assert_eq!(canary.next(), Some(later(130)));
        canary.look(later(101));
        let seeing = CanaryState::Seeing(Duration::from_secs(1));
        assert_eq!((canary.state(later(101)), canary.next()), (seeing, None));

        canary.change(later(200)).expect("written");
        assert_eq!(canary.state(later(229)), seeing);
        assert_eq!(canary.state(later(230)), CanaryState::Blind);
        // Too late for that change.
        canary.look(later(231));
        assert_eq!(canary.state(later(231)), CanaryState::Blind);

        canary.change(later(300)).expect("written");
        canary.look(later(300));
        assert_eq!(
            canary.state(later(300)),
            CanaryState::Seeing(Duration::ZERO)
        );
    }

    #[test]
    fn somebody_elses_change_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let start = Instant::now();
        let mut canary = Canary::new(directory.path()).expect("made");
        canary.change(start).expect("written");
        fs::write(directory.path().join(NAME), "x").expect("written");
        canary.look(start);
        assert_eq!(canary.state(start), CanaryState::Waiting);
        fs::remove_file(directory.path().join(NAME)).expect("removed");
        canary.look(start);
        assert_eq!(canary.state(start), CanaryState::Waiting);
    }
}
