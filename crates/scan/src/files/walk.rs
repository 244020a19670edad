//! A depth-first walk in the manifest's order, through open directories: a directory swapped for a link
//! leads nowhere, and a path may be longer than any system call takes.

use super::aside::Aside;
use super::door::{Doors, OpenedDirectory, Shut};
use super::plan::Plan;
use super::probe::{Directory, Target, join};
use super::remote::Device;
use super::scope::{PathPolicy, RuleCursor, Scope, Weaker};
pub use super::step::{Blindness, Step};
use agent_core::bounds;
use agent_core::os::node::{self, Hint, Id, Names};
use agent_core::os::root::Root;
use agent_core::task;
use rustix::io::Errno;
use std::collections::{HashSet, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;

/// As many directories of a branch stay open; those above are opened again through `..` when their turn comes.
const OPEN_LEVELS: usize = 64;

/// The walk under way.
#[derive(Debug)]
pub struct Walk<'a> {
    doors: Doors,
    scope: &'a Scope,
    /// What alone is met; `None`: everything.
    plan: Option<&'a Plan>,
    aside: &'a Aside,
    levels: Vec<Level>,
    /// Of the directory at the top of `levels`.
    path: Vec<u8>,
    pending: VecDeque<Step>,
    told: HashSet<Weaker>,
    started: bool,
}

#[derive(Debug)]
struct Level {
    directory: Option<Arc<Directory>>,
    id: Id,
    names: Names,
    next: usize,
    place: RuleCursor,
    /// Length of the path of the directory above.
    parent: usize,
    /// Where a server or a program answers for it.
    remote: Option<Device>,
    /// Whether something is mounted on an entry of it.
    mounts: bool,
}

impl<'a> Walk<'a> {
    /// A walk below `root` by the rules of `scope`.
    pub fn new(root: &Root, scope: &'a Scope) -> Walk<'a> {
        Walk::of(root, scope, None)
    }

    /// A walk that meets what is planned, as the whole walk would meet it, and nothing else. It tells of no
    /// [`Step::Weaker`]: which path is the first one concerned, the whole walk alone can tell.
    pub fn planned(root: &Root, scope: &'a Scope, plan: &'a Plan) -> Walk<'a> {
        Walk::of(root, scope, Some(plan))
    }

    fn of(root: &Root, scope: &'a Scope, plan: Option<&'a Plan>) -> Walk<'a> {
        Walk {
            doors: Doors::of(root),
            scope,
            plan,
            aside: Aside::NONE,
            levels: Vec::new(),
            path: Vec::new(),
            pending: VecDeque::new(),
            told: HashSet::new(),
            started: false,
        }
    }

    /// The same, but for what is set aside: a directory among it is met as one whose entries cannot be seen.
    #[must_use]
    pub fn without(self, aside: &'a Aside) -> Walk<'a> {
        Walk { aside, ..self }
    }

    fn start(&mut self) -> Option<Step> {
        let policy = self.scope.root_policy()?;
        match self.doors.root() {
            Ok(opened) => Some(self.enter(opened, Vec::new(), policy, self.scope.root())),
            Err(shut) => Some(Step::Blind {
                path: Vec::new(),
                policy,
                why: match shut {
                    Shut::Blind(why) => why,
                    Shut::Gone => Blindness::Refused("open", Errno::NOENT),
                    Shut::Other => Blindness::Refused("open", Errno::NOTDIR),
                },
            }),
        }
    }

    /// Enters a directory that was opened, which lies in the one at the top of `levels`.
    fn enter(
        &mut self,
        opened: OpenedDirectory,
        path: Vec<u8>,
        policy: PathPolicy,
        place: RuleCursor,
    ) -> Step {
        let deep = self.levels.len() > bounds::LEVELS || path.len() > bounds::PATH;
        if deep || self.aside.has(&path) {
            let why = match deep {
                true => Blindness::Deep,
                false => Blindness::SetAside,
            };
            let mut policy = policy;
            policy.demand.severity = self.scope.worst_within(&path, policy.demand.severity);
            return Step::Blind { path, policy, why };
        }
        task::at_directory(&path);
        let blind = |path, why| Step::Blind { path, policy, why };
        let OpenedDirectory { fd, seen, remote } = opened;
        let (stat, names) = match seen {
            Some((stat, names)) => (stat, Some(names)),
            None => match node::stat(&fd) {
                Ok(stat) => (stat, None),
                Err(errno) => return blind(path, Blindness::Refused("stat", errno)),
            },
        };
        if !self.levels.is_empty() {
            // A subvolume of btrfs has a device of its own and is no mount: it is entered.
            let mounted = stat.mount_root || self.doors.mount(&path).is_some();
            if mounted && !policy.demand.cross_mounts {
                return blind(path, Blindness::Mount);
            }
            if self.levels.iter().any(|level| level.id == stat.id) {
                return blind(path, Blindness::Loop);
            }
        }
        let everyday = |name: &[u8]| {
            let policy = self.scope.reach(&place, name);
            policy.is_none_or(|policy| policy.leads || policy.demand.is_loose())
        };
        let holds_own = self.scope.holds_own(&place);
        // What else lies in it matters to a directory of which some entries alone are planned.
        let any = |names: &Names| names.iter().any(|(name, _)| everyday(name));
        let alone = self.plan.filter(|plan| plan.has_alone(&path));
        let listed = match (alone, names) {
            (None, Some(names)) => Ok((any(&names), names)),
            (None, None) => node::read_names(fd.as_fd()).map(|names| (any(&names), names)),
            (Some(plan), Some(names)) => Ok((any(&names), plan.names_in(&path))),
            (Some(plan), None) => {
                node::any_name(fd.as_fd(), everyday).map(|loose| (loose, plan.names_in(&path)))
            }
        };
        let (loose, names) = match listed {
            Ok(listed) => listed,
            Err(errno) => return blind(path, Blindness::Refused("list", errno)),
        };
        let directory = Arc::new(Directory {
            fd,
            path: path.clone().into_boxed_slice(),
            remote,
        });
        if let Some(level) = self
            .levels
            .len()
            .checked_sub(OPEN_LEVELS)
            .and_then(|i| self.levels.get_mut(i))
        {
            level.directory = None;
        }
        self.levels.push(Level {
            directory: Some(directory.clone()),
            id: stat.id,
            names,
            next: 0,
            place,
            parent: self.path.len(),
            remote,
            mounts: self.doors.mounts_in(&path),
        });
        self.path = path;
        Step::Look {
            target: Target::Directory(directory),
            policy,
            loose: loose || holds_own,
        }
    }

    /// The entry after the last one, of the directory at the top; `None` if it has no more.
    fn entry(&mut self) -> Option<Step> {
        loop {
            let level = self.levels.last_mut()?;
            let (name, hint) = level.names.at(level.next)?;
            level.next += 1;
            let Some(policy) = self.scope.reach(&level.place, name) else {
                continue;
            };
            let Some(directory) = level.directory.clone() else {
                continue;
            };
            let name: Box<[u8]> = name.into();
            let mount = match level.mounts {
                true => self.doors.mount(&join(&self.path, &name)),
                false => None,
            };
            let remote = match mount {
                Some(mount) => mount.remote.then_some(mount.device),
                None => directory.remote,
            };
            if self.scope.is_place_of_own(&level.place, &name)
                && let Some(stat) = self.doors.stat(&directory, &name, remote)
                && self.scope.may_be_own(&stat)
            {
                continue;
            }
            let hint = match (hint, mount, remote) {
                // Found out when it is opened, if it may be at all.
                (Hint::Unknown, Some(_), Some(_)) => Hint::Dir,
                (Hint::Unknown, ..) => match self.doors.hint(&directory, &name, remote) {
                    Ok(hint) => hint,
                    Err(Errno::NOENT) => continue,
                    Err(_) => Hint::Other,
                },
                (hint, ..) => hint,
            };
            // Of most entries, the path is never needed.
            let path = match (hint, policy.weaker) {
                (Hint::Dir, _) | (_, Some(_)) => join(&self.path, &name),
                _ => Vec::new(),
            };
            let step = match hint {
                Hint::Dir => match self.open(directory, name, path.clone(), policy, remote) {
                    Some(step) => step,
                    None => continue,
                },
                hint => leaf(directory, name, hint, policy, remote),
            };
            if let Some(weaker) = policy.weaker
                && self.plan.is_none()
                && self.told.insert(weaker)
            {
                self.pending.push_back(step);
                return Some(Step::Weaker {
                    path,
                    weaker,
                    policy,
                });
            }
            return Some(step);
        }
    }

    /// Opens an entry of a directory that is said to be a directory; `None` if it is gone.
    fn open(
        &mut self,
        above: Arc<Directory>,
        name: Box<[u8]>,
        path: Vec<u8>,
        policy: PathPolicy,
        remote: Option<Device>,
    ) -> Option<Step> {
        let place = self.scope.enter(&self.levels.last()?.place, &name);
        let cross_mounts = policy.demand.cross_mounts;
        match self.doors.open(&above, &name, &path, cross_mounts) {
            Ok(opened) => Some(self.enter(opened, path, policy, place)),
            Err(Shut::Gone) => None,
            // Replaced by something else since the listing: looked at as what it is now.
            Err(Shut::Other) => Some(leaf(above, name, Hint::Other, policy, remote)),
            Err(Shut::Blind(why)) => Some(Step::Blind { path, policy, why }),
        }
    }

    /// Leaves the directory at the top and makes sure that the one above it is open.
    fn leave(&mut self) -> Option<Step> {
        let left = self.levels.pop()?;
        if self
            .levels
            .last()
            .is_some_and(|above| above.directory.is_none())
        {
            self.reopen(&left);
        }
        self.path.truncate(left.parent);
        task::at_directory(&self.path);
        Some(Step::Leave)
    }

    /// Opens the directory above the one that was just left again. It must be the very directory that was listed.
    fn reopen(&mut self, left: &Level) {
        let remote = self.levels.iter().rev().find_map(|level| level.remote);
        let Some(above) = self.levels.last_mut() else {
            return;
        };
        let path = &self.path[..left.parent];
        let below = left.directory.clone();
        let remote = left.remote.or(remote);
        let (moved, reopened) = self.doors.again(below, above.id, path, remote);
        // It was walked to its end, and is not where it was any more. If it could not be opened again itself, that
        // has been said.
        if let (Some(why), Some(policy)) = (moved, self.scope.at(&self.path)) {
            self.pending.push_back(Step::Blind {
                path: self.path.clone(),
                policy,
                why,
            });
        }
        match reopened {
            Ok(fd) => {
                above.directory = Some(Arc::new(Directory {
                    fd,
                    path: path.into(),
                    remote: above.remote,
                }));
            }
            // What is left of it cannot be told.
            Err(why) => {
                above.next = above.names.len();
                if let Some(policy) = self.scope.at(path).or(self.scope.root_policy()) {
                    self.pending.push_back(Step::Blind {
                        path: path.to_vec(),
                        policy,
                        why,
                    });
                }
            }
        }
    }
}

fn leaf(
    directory: Arc<Directory>,
    name: Box<[u8]>,
    hint: Hint,
    policy: PathPolicy,
    remote: Option<Device>,
) -> Step {
    Step::Look {
        target: Target::Entry {
            directory,
            name,
            hint,
            remote,
        },
        policy,
        loose: false,
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(step) = self.pending.pop_front() {
            return Some(step);
        }
        if !self.started {
            self.started = true;
            return self.start();
        }
        self.entry().or_else(|| self.leave())
    }
}
