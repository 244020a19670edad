//! What differs at some paths from what is expected there, as the entries of an amendment: what somebody accepts.

use super::join::{Expected, Source};
use super::look::Looker;
use super::plan::Plan;
use super::record::{self, Outcome};
use super::scope::Scope;
use super::step::Step;
use super::walk::Walk;
use agent_baseline::manifest::{Entry, Role};
use agent_core::attributes::{AttributeSet, Attributes, FileType};
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::os::root::Root;
use agent_core::paths::subject;
use agent_core::paths::{compare, is_within, split};
use agent_core::region::Region;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// As many steps are looked at together.
const TOGETHER: usize = 64;

/// Paths that are accepted as they are now.
#[derive(Clone, Debug)]
pub struct Amended {
    paths: Vec<Vec<u8>>,
    /// Each with all below it.
    below: bool,
}

impl Amended {
    /// By paths relative to the root, each with all below it, or alone.
    pub fn new(mut paths: Vec<Vec<u8>>, below: bool) -> Amended {
        paths.sort_by(|a, b| compare(a, b));
        paths.dedup();
        Amended { paths, below }
    }

    fn holds(&self, path: &[u8]) -> bool {
        match self.below {
            true => self.paths.iter().any(|amended| is_within(path, amended)),
            false => self
                .paths
                .binary_search_by(|amended| compare(amended, path))
                .is_ok(),
        }
    }

    /// Whether an amended path is an entry of that directory, so that its mtime and nlink move along.
    fn moves(&self, path: &[u8]) -> bool {
        let entry_of = |amended: &Vec<u8>| !amended.is_empty() && split(amended).0 == path;
        self.paths.iter().any(entry_of)
    }

    fn plan(&self) -> Plan {
        Plan::new(self.paths.iter().map(|path| {
            let region = Region {
                path: path.clone(),
                below: self.below,
            };
            (region, false)
        }))
    }
}

/// A path that is not as expected, and is accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// As it enters the amendment.
    pub entry: Entry,
    /// What was expected; `None`: nothing.
    pub before: Option<Attributes>,
    /// What is there, with all that is demanded of it; `None`: nothing.
    pub now: Option<Attributes>,
    /// In what both differ; empty where one of them is nothing.
    pub changed: AttributeSet,
    /// A directory of an amended path, whose times and links moved along with it.
    pub moved: bool,
}

/// What is accepted and how.
#[derive(Debug)]
pub struct Acceptance<'a> {
    /// The tree.
    pub root: &'a Root,
    /// What the manifest covers.
    pub scope: &'a Scope,
    /// Whether SELinux labels are recorded.
    pub selinux: bool,
    /// Which paths.
    pub amended: &'a Amended,
    /// Whether what differs from host to host is left out: times and link counts.
    pub portable: bool,
}

impl Acceptance<'_> {
    /// What is not as `expected`, which comes sorted, in order.
    ///
    /// An amended path that is neither expected nor there, is not covered, cannot be looked at, or lies in a directory
    /// that is not expected, is an error.
    pub fn differences(
        &self,
        expected: impl Iterator<Item = Result<Expected>>,
    ) -> Result<Vec<Accepted>> {
        let amended = self.amended;
        for path in &amended.paths {
            self.is_covered(path)?;
        }
        let mut expected = expected.peekable();
        let plan = amended.plan();
        let mut fresh = Fresh {
            walk: Walk::planned(self.root, self.scope, &plan),
            looker: Looker::new(None, 1),
            selinux: self.selinux,
            amended,
            ready: VecDeque::new(),
        }
        .peekable();
        let mut met = vec![false; amended.paths.len()];
        let mut parents = vec![false; amended.paths.len()];
        let mut found = Vec::new();
        loop {
            let order = match (expected.peek(), fresh.peek()) {
                (None, None) => break,
                (Some(Ok(a)), Some(Ok(b))) => compare(&a.path, &b.path),
                (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
                (None, Some(_)) | (_, Some(Err(_))) => Ordering::Greater,
            };
            let was = match order {
                Ordering::Greater => None,
                _ => expected.next().transpose()?,
            };
            let now = match order {
                Ordering::Less => None,
                _ => fresh.next().transpose()?,
            };
            let there = was.as_ref().is_some_and(|was| was.attributes.is_some()) || now.is_some();
            let path = was.as_ref().map(|was| was.path.as_slice());
            let Some(path) = path.or(now.as_ref().map(|now| now.path.as_slice())) else {
                continue;
            };
            for ((amended, met), parent) in amended.paths.iter().zip(&mut met).zip(&mut parents) {
                *met |= there && amended == path;
                *parent |= was.is_some() && amended != path && split(amended).0 == path;
            }
            found.extend(self.difference(was, now));
        }
        for ((path, met), parent) in amended.paths.iter().zip(met).zip(parents) {
            if !met {
                return Err(refused(path, "it is neither recorded nor there"));
            }
            if !parent && !path.is_empty() && !amended.holds(split(path).0) {
                let above = escape::terminal_bytes(&subject(split(path).0));
                return Err(refused(path, "its directory is not recorded")
                    .help(format!("name {above} instead, with all below it")));
            }
        }
        Ok(found)
    }

    fn is_covered(&self, path: &[u8]) -> Result<()> {
        if self.scope.is_own(path) {
            return Err(refused(path, "it is one of the agent's own sealed files")
                .help("they are judged by their seals: seal the image anew"));
        }
        match self.scope.at(path) {
            Some(policy) if !policy.leads => Ok(()),
            _ => Err(refused(path, "the manifest's profile does not cover it")
                .help("record the image anew under a profile that does")),
        }
    }

    /// What is accepted of one path, if it differs.
    fn difference(&self, was: Option<Expected>, now: Option<Entry>) -> Option<Accepted> {
        let (source, path) = match &was {
            Some(was) => (Some(&was.source), was.path.clone()),
            None => (None, now.as_ref()?.path.clone()),
        };
        let mount = source == Some(&Source::Mount);
        let before = was.and_then(|was| was.attributes);
        if !self.amended.holds(&path) {
            let moved = self.moved(path, before?, now?);
            return moved.filter(|_| !mount);
        }
        let policy = self.scope.at(&path)?;
        let demand = policy.demand.attributes;
        let Some(now) = now else {
            let before = before?;
            let entry = Entry {
                path,
                attributes: Attributes::new(before.kind),
                role: Role::Removed,
                package: None,
            };
            return Some(Accepted {
                entry,
                before: Some(before),
                now: None,
                changed: AttributeSet::NONE,
                moved: false,
            });
        };
        let mut changed = AttributeSet::NONE;
        if let Some(before) = &before {
            changed = before.differing(&now.attributes, demand);
            let same_role = mount == (now.role == Role::Mount);
            if changed.is_empty() && same_role {
                return None;
            }
        } else if policy.leads && now.attributes.kind == FileType::Dir {
            return None;
        }
        let observed = now.attributes.clone();
        let mut entry = now;
        if self.portable {
            let demand = demand.without(AttributeSet::OF_ENTRIES);
            entry.attributes.retain(demand);
        }
        Some(Accepted {
            entry,
            before,
            now: Some(observed),
            changed,
            moved: false,
        })
    }

    /// The directory of an amended path, where its times or links are not as expected.
    fn moved(&self, path: Vec<u8>, before: Attributes, now: Entry) -> Option<Accepted> {
        let of_entries = AttributeSet::OF_ENTRIES;
        let changed = before.differing(&now.attributes, of_entries);
        if before.kind != now.attributes.kind || changed.is_empty() {
            return None;
        }
        let mut attributes = before.clone();
        match self.portable {
            true => attributes.retain(AttributeSet::ALL.without(of_entries)),
            false => {
                attributes.mtime = before.mtime.and(now.attributes.mtime);
                attributes.nlink = before.nlink.and(now.attributes.nlink);
            }
        }
        Some(Accepted {
            entry: Entry {
                path,
                attributes,
                role: Role::Recorded,
                package: None,
            },
            before: Some(before),
            now: Some(now.attributes),
            changed,
            moved: true,
        })
    }
}

fn refused(path: &[u8], why: &str) -> Error {
    let path = escape::terminal_bytes(&subject(path));
    Error::new(format!("{path} cannot be accepted: {why}"))
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
