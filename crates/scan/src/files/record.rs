//! Recording a tree: the walk of a check with everything that is seen written down, or nothing at all.

use super::judge;
use super::look::{Look, Looker};
use super::pipeline::{Done, Workers, ordered};
use super::probe::{Target, Unseen, Wanted};
use super::scan::Progress;
use super::scope::Scope;
use super::walk::{Blindness, Step, Walk};
use super::wording::SILENT;
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
pub struct Recorded {
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
    mut writer: Writer<W>,
    place: &Path,
) -> Result<Recorded> {
    let &Recording {
        root,
        scope,
        workers,
        selinux,
        texts,
        owners,
    } = recording;
    let mut owned = owners.into_iter().flat_map(Database::iter).peekable();
    let cannot_write = |error| Error::in_file(place, format!("cannot be written: {error}"));
    let mut mounts = Vec::new();
    let mut refused: Vec<(Vec<u8>, String)> = Vec::new();
    let mut refusals = 0u64;
    let mut failed = None;
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
            let mut looker = Looker::new(None, workers.most());
            move |batch: Vec<Step>| {
                let before = looker.bytes;
                let count = batch
                    .iter()
                    .filter(|s| matches!(s, Step::Look { .. }))
                    .count() as u64;
                let wanted = batch.iter().filter_map(|step| wanted(step, selinux));
                let mut looks = looker.look_all(wanted).into_iter();
                let results = batch
                    .into_iter()
                    .filter_map(|step| see(step, &mut looks))
                    .collect();
                progress.checked.fetch_add(count, Memory::Relaxed);
                progress
                    .bytes
                    .fetch_add(looker.bytes - before, Memory::Relaxed);
                Done {
                    results,
                    waited: looker.waited,
                }
            }
        },
        |outcome| match outcome {
            Outcome::Entry(entry) if !is_kept_so(texts, &entry) => {
                refusals += 1;
                if refused.len() < NAMED {
                    refused.push((entry.path, "changed while it was recorded".into()));
                }
                ControlFlow::Continue(())
            }
            Outcome::Entry(mut entry) => {
                // Both come in the order of a walk.
                let is_before =
                    |owned: &Owned<'_>| compare(owned.path, &entry.path) == Ordering::Less;
                while owned.next_if(is_before).is_some() {}
                let owner = owned.next_if(|owned| owned.path == entry.path);
                entry.package = owner.map(|owned| owned.package.into());
                match writer.push(&entry) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            }
            Outcome::Refused(path, why) => {
                refusals += 1;
                if refused.len() < NAMED {
                    refused.push((path, why));
                }
                ControlFlow::Continue(())
            }
            // So that a mount that comes later can be told from this one.
            Outcome::Mount(path) => {
                let entry = Entry::mount(path.clone());
                mounts.push(path);
                match writer.push(&entry) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            }
        },
    );
    if let Some(error) = failed {
        return Err(cannot_write(error));
    }
    if refusals > 0 {
        return Err(incomplete(&refused, refusals));
    }
    let (entries, sha256) = writer.finish().map_err(cannot_write)?;
    Ok(Recorded {
        entries,
        sha256,
        mounts,
    })
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
                Err(Unseen::Changing) => {
                    return Some(Outcome::Refused(path, "changes while it is read".into()));
                }
                // Nothing is set aside where something is recorded.
                Err(Unseen::Silent) => {
                    return Some(Outcome::Refused(path, SILENT.into()));
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
                Blindness::Loop | Blindness::Mount => {
                    "is one of its own ancestors, mounted again".into()
                }
            };
            Some(Outcome::Refused(path, why))
        }
        Step::Leave | Step::Weaker { .. } => None,
    }
}
