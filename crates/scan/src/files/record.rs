//! Recording a tree: the walk of a check with everything that is seen written down, or nothing at all.

use super::judge;
use super::look::{Look, Looker};
use super::pipeline::{Workers, ordered};
use super::probe::{Target, Unseen, Wanted};
use super::scan::Progress;
use super::scope::Scope;
use super::walk::{Blindness, Step, Walk};
use super::wording::SILENT;
use super::worker::Worker;
use agent_baseline::manifest::write::Writer;
use agent_baseline::manifest::{Entry, Role, line};
use agent_baseline::texts::Texts;
use agent_core::attributes::{AttributeSet, Attributes, Digest};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::root::Root;
use agent_core::paths::{compare, subject};
use agent_packages::{Database, Owned};
use std::cmp::Ordering;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering as Memory;

/// What a recording came to.
#[derive(Debug)]
pub struct RecordingSummary {
    /// Entries written.
    pub entries: u64,
    /// SHA-256 of the manifest.
    pub sha256: [u8; 32],
    /// Mount points that were not crossed, relative to the root.
    pub mounts: Vec<Vec<u8>>,
}

/// As many paths that cannot be recorded are named; all are counted.
const NAMED: usize = 10;

/// What a step of the walk came to.
pub(super) enum Outcome {
    Entry(Box<Entry>),
    Refused(Vec<u8>, String),
    Mount(Vec<u8>),
}

/// The error for paths that could not be read, some of them named.
fn incomplete(refused: &[(Vec<u8>, String)], refusals: u64) -> Error {
    let named: Vec<String> = refused
        .iter()
        .map(|(path, why)| format!("{} ({why})", escape::terminal_bytes(&subject(path))))
        .collect();
    let more = match refusals - named.len() as u64 {
        0 => String::new(),
        n => format!("; and {n} more"),
    };
    Error::new(format!(
        "{refusals} path{} could not be recorded, so nothing was written: {}{more}",
        if refusals == 1 { "" } else { "s" },
        named.join("; "),
    ))
    .help("run as root on a tree that holds still; or exclude the paths in a profile, with the reason")
}

/// What is recorded, and how.
#[derive(Debug)]
pub struct Recording<'a> {
    /// The tree.
    pub root: &'a Root,
    /// What is looked at.
    pub scope: &'a Scope,
    /// Threads that read and digest.
    pub workers: Workers,
    /// Whether SELinux labels are recorded.
    pub selinux: bool,
    /// The texts that are kept: of each, the digest is that of its entry.
    pub texts: &'a Texts,
    /// Where the packages stand that own the paths; `None`: nobody says.
    pub owners: Option<&'a Database>,
}

/// Walks the tree by the rules of the scope and writes an entry for each path. `place` is for errors alone: where the
/// manifest goes.
///
/// A path that cannot be read is an error, after all paths were tried: a manifest with a hole would
/// pass for a whole one. What vanishes between listing and looking is left out.
pub fn record<W: Write>(
    recording: &Recording<'_>,
    progress: &Progress,
    writer: Writer<W>,
    place: &Path,
) -> Result<RecordingSummary> {
    let &Recording {
        root,
        scope,
        workers,
        selinux,
        ..
    } = recording;
    let owned = recording.owners.into_iter().flat_map(Database::iter);
    let mut recorder = Recorder {
        writer,
        texts: recording.texts,
        owned: owned.peekable(),
        mounts: Vec::new(),
        refused: Vec::new(),
        refusals: 0,
        failed: None,
    };
    ordered(
        workers,
        |emit| {
            for step in Walk::new(root, scope) {
                if !emit(step) {
                    return;
                }
            }
        },
        || {
            let looker = Looker::new(None, workers.most());
            Worker::new(
                looker,
                progress,
                |step: &Step| wanted(step, selinux),
                |batch: Vec<Step>, looks| {
                    let count = looks.len() as u64;
                    progress.checked.fetch_add(count, Memory::Relaxed);
                    let mut looks = looks.into_iter();
                    batch
                        .into_iter()
                        .filter_map(|step| see(step, &mut looks))
                        .collect()
                },
            )
        },
        |outcome| recorder.take(outcome),
    );
    recorder.finish(place)
}

/// Writes what is met, in order, and keeps what cannot be.
struct Recorder<'a, W, O: Iterator<Item = Owned<'a>>> {
    writer: Writer<W>,
    texts: &'a Texts,
    /// In the order of a walk, as what is met.
    owned: std::iter::Peekable<O>,
    mounts: Vec<Vec<u8>>,
    refused: Vec<(Vec<u8>, String)>,
    refusals: u64,
    failed: Option<std::io::Error>,
}

impl<'a, W: Write, O: Iterator<Item = Owned<'a>>> Recorder<'a, W, O> {
    fn take(&mut self, outcome: Outcome) -> ControlFlow<()> {
        match outcome {
            Outcome::Entry(entry) if !is_kept_so(self.texts, &entry) => {
                self.refuse(entry.path, "changed while it was recorded".into());
                ControlFlow::Continue(())
            }
            Outcome::Entry(mut entry) => {
                entry.package = self.owner(&entry.path);
                self.push(&entry)
            }
            Outcome::Refused(path, why) => {
                self.refuse(path, why);
                ControlFlow::Continue(())
            }
            // So that a mount that comes later can be told from this one.
            Outcome::Mount(path) => {
                let entry = Entry::mount(path.clone());
                self.mounts.push(path);
                self.push(&entry)
            }
        }
    }

    fn owner(&mut self, path: &[u8]) -> Option<Box<str>> {
        let is_before = |owned: &Owned<'_>| compare(owned.path, path) == Ordering::Less;
        while self.owned.next_if(is_before).is_some() {}
        let owner = self.owned.next_if(|owned| owned.path == path);
        owner.map(|owned| owned.package.into())
    }

    fn refuse(&mut self, path: Vec<u8>, why: String) {
        self.refusals += 1;
        if self.refused.len() < NAMED {
            self.refused.push((path, why));
        }
    }

    fn push(&mut self, entry: &Entry) -> ControlFlow<()> {
        match self.writer.push(entry) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn finish(self, place: &Path) -> Result<RecordingSummary> {
        let cannot_write = |error| Error::in_file(place, format!("cannot be written: {error}"));
        if let Some(error) = self.failed {
            return Err(cannot_write(error));
        }
        if self.refusals > 0 {
            return Err(incomplete(&self.refused, self.refusals));
        }
        let (entries, sha256) = self.writer.finish().map_err(cannot_write)?;
        Ok(RecordingSummary {
            entries,
            sha256,
            mounts: self.mounts,
        })
    }
}

/// Whether the text that was kept of it, if one was, is that of the entry.
fn is_kept_so(texts: &Texts, entry: &Entry) -> bool {
    let kept = texts.get(&entry.path);
    let Some(Digest::Sha256(digest)) = entry.attributes.digest else {
        return true;
    };
    kept.is_none_or(|(_, sha256)| *sha256 == digest)
}

pub(super) fn wanted(step: &Step, selinux: bool) -> Option<(&Target, Wanted)> {
    match step {
        Step::Look { target, policy, .. } => Some((
            target,
            Wanted {
                limit: None,
                ..judge::wanted(*policy, None, selinux, false)
            },
        )),
        _ => None,
    }
}

/// `looks` has one for each step that [`wanted`] wants looked at.
pub(super) fn see(step: Step, looks: &mut impl Iterator<Item = Look>) -> Option<Outcome> {
    match step {
        Step::Look {
            target,
            policy,
            loose,
        } => {
            let path = target.path();
            let mut attributes: Attributes = match looks.next()? {
                Ok(attributes) => attributes,
                Err(Unseen::Gone) => return None,
                Err(Unseen::Changing | Unseen::Partly(_)) => {
                    return Some(Outcome::Refused(path, "changes while it is read".into()));
                }
                // Nothing is set aside where something is recorded.
                Err(Unseen::Silent) => {
                    return Some(Outcome::Refused(path, SILENT.into()));
                }
                Err(Unseen::Corrupt) => {
                    let why = "does not read back as fs-verity sealed it";
                    return Some(Outcome::Refused(path, why.into()));
                }
                Err(Unseen::SetAside) => {
                    return Some(Outcome::Refused(path, "is not looked at".into()));
                }
                Err(Unseen::Refused(what, errno)) => {
                    return Some(Outcome::Refused(path, format!("cannot {what}: {errno}")));
                }
            };
            let mut keep = policy.demand.attributes;
            if loose {
                keep = keep.without(AttributeSet::OF_ENTRIES);
            }
            attributes.retain(keep);
            let lacks = attributes.lacks(keep);
            if !lacks.is_empty() {
                return Some(Outcome::Refused(
                    path,
                    format!("{lacks} of it could not be seen"),
                ));
            }
            let entry = Entry {
                path,
                attributes,
                role: Role::Recorded,
                package: None,
            };
            // Only names of many thousand bytes come near this; a reader would refuse the whole file.
            if entry.path.len() > bounds::MANIFEST_LINE / 8 {
                let mut text = Vec::new();
                line::push(&mut text, &entry);
                if text.len() > bounds::MANIFEST_LINE {
                    return Some(Outcome::Refused(
                        entry.path,
                        "its path is too long for a manifest".into(),
                    ));
                }
            }
            Some(Outcome::Entry(Box::new(entry)))
        }
        Step::Blind {
            path,
            why: Blindness::Mount,
            ..
        } => Some(Outcome::Mount(path)),
        Step::Blind { path, why, .. } => {
            let why = match why {
                Blindness::Refused(what, errno) => format!("cannot {what} the directory: {errno}"),
                Blindness::Moved => "moved while it was walked".into(),
                Blindness::Silent => SILENT.into(),
                Blindness::SetAside => "not walked".into(),
                Blindness::Deep => "deeper than is walked".into(),
                Blindness::Loop | Blindness::Mount => {
                    "is one of its own ancestors, mounted again".into()
                }
            };
            Some(Outcome::Refused(path, why))
        }
        Step::Leave | Step::Weaker { .. } => None,
    }
}
