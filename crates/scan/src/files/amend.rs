//! Recording some paths anew in a manifest that stands: every other entry stays as it was sealed.

use super::look::Looker;
use super::record::{self, Outcome};
use super::scope::Scope;
use super::walk::{Step, Walk};
use agent_baseline::manifest::Entry;
use agent_baseline::manifest::diff::Difference;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::root::Root;
use agent_core::paths::subject;
use agent_core::paths::{compare, is_within, split};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// As many steps are looked at together.
const TOGETHER: usize = 64;

/// Paths that are to be recorded as they are now, each with all below it.
#[derive(Clone, Debug)]
pub struct Amended(Vec<Vec<u8>>);

impl Amended {
    /// By paths relative to the root.
    pub fn new(mut paths: Vec<Vec<u8>>) -> Amended {
        paths.sort_by(|a, b| compare(a, b));
        paths.dedup();
        Amended(paths)
    }

    fn holds(&self, path: &[u8]) -> bool {
        self.0.iter().any(|amended| is_within(path, amended))
    }

    /// Whether an amended path is an entry of that directory, so that its mtime and nlink move along.
    fn moves(&self, path: &[u8]) -> bool {
        let entry_of = |amended: &Vec<u8>| !amended.is_empty() && split(amended).0 == path;
        self.0.iter().any(entry_of)
    }
}

/// The entries of `old`, with those of the amended paths as the tree at `root` has them now; in order.
///
/// `differs` is told of each amended path that is not as it was.
///
/// `scope` is the manifest's own, so that nothing enters that its header does not cover. An amended path that is
/// neither recorded nor there, is not covered, or lies in a directory that is not recorded, is an error.
pub fn amend(
    root: &Root,
    scope: &Scope,
    selinux: bool,
    amended: &Amended,
    old: impl Iterator<Item = Result<Entry>>,
    mut push: impl FnMut(&Entry) -> Result<()>,
    mut differs: impl FnMut(Difference),
) -> Result<()> {
    for path in &amended.0 {
        if scope.at(path).is_none_or(|policy| policy.leads) {
            return Err(refused(path, "the manifest's profile does not cover it")
                .help("record the image anew under a profile that does"));
        }
    }
    let mut old = old.peekable();
    let mut fresh = Fresh {
        walk: Walk::new(root, scope),
        looker: Looker::new(None, 1),
        selinux,
        amended,
        ready: VecDeque::new(),
    }
    .peekable();
    let mut met = vec![false; amended.0.len()];
    let mut parents = vec![false; amended.0.len()];
    let mut emit = |entry: &Entry| {
        for (path, parent) in amended.0.iter().zip(&mut parents) {
            *parent |= split(path).0 == entry.path && *path != entry.path;
        }
        push(entry)
    };
    loop {
        let order = match (old.peek(), fresh.peek()) {
            (None, None) => break,
            (Some(Ok(a)), Some(Ok(b))) => compare(&a.path, &b.path),
            (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
            (None, Some(_)) | (_, Some(Err(_))) => Ordering::Greater,
        };
        let recorded = match order {
            Ordering::Greater => None,
            _ => old.next().transpose()?,
        };
        let now = match order {
            Ordering::Less => None,
            _ => fresh.next().transpose()?,
        };
        for (path, met) in amended.0.iter().zip(&mut met) {
            let is_it = |entry: &Entry| entry.path == *path;
            *met |= recorded.as_ref().is_some_and(is_it) || now.as_ref().is_some_and(is_it);
        }
        match (recorded, now) {
            // What was recorded below an amended path and is gone now.
            (Some(recorded), None) if amended.holds(&recorded.path) => {
                differs(Difference::Removed(recorded));
            }
            (Some(recorded), None) => emit(&recorded)?,
            (Some(recorded), Some(now)) if !amended.holds(&now.path) => {
                emit(&moved_along(recorded, &now))?;
            }
            (Some(recorded), Some(now)) => {
                emit(&now)?;
                if let Some(difference) = Difference::between(recorded, now) {
                    differs(difference);
                }
            }
            // The directory of an amended path, itself not recorded: told below.
            (None, Some(now)) if !amended.holds(&now.path) => {}
            (None, Some(now)) => {
                emit(&now)?;
                differs(Difference::Added(now));
            }
            (None, None) => {}
        }
    }
    for ((path, met), parent) in amended.0.iter().zip(met).zip(parents) {
        if !met {
            return Err(refused(path, "it is neither recorded nor there"));
        }
        if !parent && !path.is_empty() && !amended.holds(split(path).0) {
            let above = escape::terminal_bytes(&subject(split(path).0));
            return Err(refused(path, "its directory is not recorded")
                .help(format!("name {above} instead, with all below it")));
        }
    }
    Ok(())
}

fn refused(path: &[u8], why: &str) -> Error {
    let path = escape::terminal_bytes(&subject(path));
    Error::new(format!("{path} cannot be recorded anew: {why}"))
}

/// A directory as recorded, with the times and the number of links that its changed entries gave it.
fn moved_along(recorded: Entry, now: &Entry) -> Entry {
    let mut entry = recorded;
    if entry.attributes.kind == now.attributes.kind {
        let was = &mut entry.attributes;
        if was.mtime.is_some() {
            was.mtime = now.attributes.mtime;
        }
        if was.nlink.is_some() {
            was.nlink = now.attributes.nlink;
        }
    }
    entry
}

/// The entries of the amended paths and of their directories as they are now, in order.
struct Fresh<'a> {
    walk: Walk<'a>,
    looker: Looker,
    selinux: bool,
    amended: &'a Amended,
    ready: VecDeque<Result<Entry>>,
}

impl Iterator for Fresh<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        while self.ready.is_empty() {
            let amended = self.amended;
            let concerns = |step: &Step| match step {
                Step::Look { target, .. } => {
                    let path = target.path();
                    amended.holds(&path) || amended.moves(&path)
                }
                Step::Blind { path, .. } => amended.holds(path),
                Step::Leave | Step::Weaker { .. } => false,
            };
            let steps: Vec<Step> = self.walk.by_ref().filter(concerns).take(TOGETHER).collect();
            if steps.is_empty() {
                return None;
            }
            let wanted = steps
                .iter()
                .filter_map(|step| record::wanted(step, self.selinux));
            let mut looks = self.looker.look_all(wanted).into_iter();
            let outcomes = steps
                .into_iter()
                .filter_map(|step| record::see(step, &mut looks));
            self.ready.extend(outcomes.map(|outcome| match outcome {
                Outcome::Entry(entry) => Ok(*entry),
                Outcome::Mount(path) => Ok(Entry::mount(path)),
                Outcome::Refused(path, why) => Err(refused(&path, &why)),
            }));
        }
        self.ready.pop_front()
    }
}
