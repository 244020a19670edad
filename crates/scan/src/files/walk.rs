//! A depth-first walk in the manifest's order, through open directories: a directory swapped for a link
//! leads nowhere, and a path may be longer than any system call takes.

use super::aside::Aside;
use super::observe::{Directory, Target};
use super::plan::Plan;
use super::scope::{Duty, Place, Scope, Weaker};
use agent_core::os::node::{self, Hint, Id, Names};
use agent_core::os::root::Root;
use agent_core::task;
use rustix::io::Errno;
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// As many directories of a branch stay open; those above are opened again through `..` when their turn comes.
const OPEN_LEVELS: usize = 64;

/// What the walk meets.
#[derive(Debug)]
pub enum Step {
    /// Something to look at. A directory's entries follow, then its [`Step::Leave`].
    Look {
        /// What it is.
        target: Target,
        /// What to do with it.
        duty: Duty,
        /// Of a directory: whether entries of it come and go every day (excluded, demanded less of,
        /// launch-marked), so that its own mtime and nlink say nothing.
        loose: bool,
    },
    /// All entries of the directory that was met last and not yet left have been met.
    Leave,
    /// A directory whose entries cannot be seen, and why.
    Blind {
        /// Relative to the root.
        path: Vec<u8>,
        /// What was to be done with it.
        duty: Duty,
        /// Why.
        why: Blindness,
    },
    /// The present profile demands less of that path than the manifest was sealed with; told once for each cause.
    Weaker {
        /// The first path concerned.
        path: Vec<u8>,
        /// How.
        weaker: Weaker,
        /// What was to be done with it.
        duty: Duty,
    },
}

/// Why the entries of a directory cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blindness {
    /// The kernel refused: what was tried, and its answer.
    Refused(&'static str, Errno),
    /// It, or a directory above it, was moved while it was walked.
    Moved,
    /// It is one of its own ancestors, mounted again.
    Loop,
    /// Something is mounted there and its entry does not cross mounts.
    Mount,
    /// It is not walked, since that brought the agent to its end.
    SetAside,
}

/// The walk under way.
#[derive(Debug)]
pub struct Walk<'a> {
    root: &'a Root,
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
    place: Place,
    /// Length of the path of the directory above.
    parent: usize,
}

impl<'a> Walk<'a> {
    /// A walk below `root` by the rules of `scope`.
    pub fn new(root: &'a Root, scope: &'a Scope) -> Walk<'a> {
        Walk::of(root, scope, None)
    }

    /// A walk that meets what is planned, as the whole walk would meet it, and nothing else. It tells of no
    /// [`Step::Weaker`]: which path is the first one concerned, the whole walk alone can tell.
    pub fn planned(root: &'a Root, scope: &'a Scope, plan: &'a Plan) -> Walk<'a> {
        Walk::of(root, scope, Some(plan))
    }

    fn of(root: &'a Root, scope: &'a Scope, plan: Option<&'a Plan>) -> Walk<'a> {
        Walk {
            root,
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
        let duty = self.scope.root_duty()?;
        // Opened anew: a clone would share its place in the list of entries with every other walk.
        match node::open_dir(self.root.as_fd(), b".") {
            Ok(fd) => Some(self.open(fd, Vec::new(), duty, self.scope.root())),
            Err(errno) => Some(Step::Blind {
                path: Vec::new(),
                duty,
                why: Blindness::Refused("open", errno),
            }),
        }
    }

    /// Enters the directory behind `fd`, which lies in the one at the top of `levels`.
    fn open(&mut self, fd: OwnedFd, path: Vec<u8>, duty: Duty, place: Place) -> Step {
        if self.aside.has(&path) {
            let why = Blindness::SetAside;
            let mut duty = duty;
            duty.demand.severity = self.scope.worst_within(&path, duty.demand.severity);
            return Step::Blind { path, duty, why };
        }
        task::at_directory(&path);
        let blind = |path, why| Step::Blind { path, duty, why };
        let stat = match node::stat(&fd) {
            Ok(stat) => stat,
            Err(errno) => return blind(path, Blindness::Refused("stat", errno)),
        };
        if let Some(parent) = self.levels.last() {
            let mounted = stat.mount_root || stat.id.device != parent.id.device;
            if mounted && !duty.demand.cross_mounts {
                return blind(path, Blindness::Mount);
            }
            if self.levels.iter().any(|level| level.id == stat.id) {
                return blind(path, Blindness::Loop);
            }
        }
        let everyday = |name: &[u8]| {
            let duty = self.scope.reach(&place, name);
            duty.is_none_or(|duty| duty.leads || duty.demand.is_loose())
        };
        let listed = match self.plan.filter(|plan| plan.has_alone(&path)) {
            // What else lies in it matters to the directory all the same.
            Some(plan) => {
                node::any_name(fd.as_fd(), everyday).map(|loose| (plan.names_in(&path), loose))
            }
            None => node::read_names(fd.as_fd()).map(|names| {
                let loose = names.iter().any(|(name, _)| everyday(name));
                (names, loose)
            }),
        };
        let (names, loose) = match listed {
            Ok(listed) => listed,
            Err(errno) => return blind(path, Blindness::Refused("list", errno)),
        };
        let directory = Arc::new(Directory {
            fd,
            path: path.clone().into_boxed_slice(),
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
        });
        self.path = path;
        Step::Look {
            target: Target::Directory(directory),
            duty,
            loose,
        }
    }

    /// The entry after the last one, of the directory at the top; `None` if it has no more.
    fn entry(&mut self) -> Option<Step> {
        loop {
            let level = self.levels.last_mut()?;
            let (name, hint) = level.names.at(level.next)?;
            level.next += 1;
            let Some(duty) = self.scope.reach(&level.place, name) else {
                continue;
            };
            let Some(directory) = level.directory.clone() else {
                continue;
            };
            let mut hint = hint;
            if hint == Hint::Unknown {
                hint = match node::hint_at(directory.fd.as_fd(), name) {
                    Ok(hint) => hint,
                    Err(Errno::NOENT) => continue,
                    Err(_) => Hint::Other,
                };
            }
            let name: Box<[u8]> = name.into();
            // Of most entries, the path is never needed.
            let path = match (hint, duty.weaker) {
                (Hint::Dir, _) | (_, Some(_)) => super::observe::join(&self.path, &name),
                _ => Vec::new(),
            };
            let step = if hint == Hint::Dir {
                let place = self.scope.enter(&level.place, &name);
                let opened = match duty.demand.cross_mounts {
                    true => node::open_dir(directory.fd.as_fd(), &name),
                    false => node::open_dir_unmounted(directory.fd.as_fd(), &name),
                };
                match opened {
                    Ok(fd) => self.open(fd, path.clone(), duty, place),
                    Err(Errno::NOENT) => continue,
                    Err(Errno::XDEV) => Step::Blind {
                        path: path.clone(),
                        duty,
                        why: Blindness::Mount,
                    },
                    // Replaced by something else since the listing: looked at as what it is now.
                    Err(Errno::NOTDIR | Errno::LOOP) => leaf(directory, name, Hint::Other, duty),
                    Err(errno) => Step::Blind {
                        path: path.clone(),
                        duty,
                        why: Blindness::Refused("open", errno),
                    },
                }
            } else {
                leaf(directory, name, hint, duty)
            };
            if let Some(weaker) = duty.weaker
                && self.plan.is_none()
                && self.told.insert(weaker)
            {
                self.pending.push_back(step);
                return Some(Step::Weaker { path, weaker, duty });
            }
            return Some(step);
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

    /// Opens the directory above the one that was just left again: through the latter's `..`, or by its path
    /// where that leads elsewhere, since `left` was moved. It must be the very directory that was listed.
    fn reopen(&mut self, left: &Level) {
        let Some(above) = self.levels.last_mut() else {
            return;
        };
        let path = &self.path[..left.parent];
        let is_it = |fd: OwnedFd| match node::stat(&fd) {
            Ok(stat) if stat.id == above.id => Ok(fd),
            Ok(_) => Err(Blindness::Moved),
            Err(errno) => Err(Blindness::Refused("stat", errno)),
        };
        let upwards = left
            .directory
            .as_ref()
            .map(|below| open(below.fd.as_fd(), b"..").and_then(is_it));
        let reopened = match upwards {
            Some(Ok(fd)) => Ok(fd),
            moved => {
                // It was walked to its end, and is not where it was any more. If it could not be opened
                // again itself, that has been said.
                if let (Some(Err(why)), Some(duty)) = (moved, self.scope.at(&self.path)) {
                    self.pending.push_back(Step::Blind {
                        path: self.path.clone(),
                        duty,
                        why,
                    });
                }
                descend(self.root, path).and_then(is_it)
            }
        };
        match reopened {
            Ok(fd) => {
                above.directory = Some(Arc::new(Directory {
                    fd,
                    path: path.into(),
                }));
            }
            // What is left of it cannot be told.
            Err(why) => {
                above.next = above.names.len();
                if let Some(duty) = self.scope.at(path).or(self.scope.root_duty()) {
                    self.pending.push_back(Step::Blind {
                        path: path.to_vec(),
                        duty,
                        why,
                    });
                }
            }
        }
    }
}

fn open(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Blindness> {
    node::open_dir(directory, name).map_err(|errno| match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Blindness::Moved,
        errno => Blindness::Refused("open", errno),
    })
}

/// Opens the directory at `path` component by component: no link is followed, and no length is too great.
fn descend(root: &Root, path: &[u8]) -> Result<OwnedFd, Blindness> {
    let mut fd = open(root.as_fd(), b".")?;
    for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
        fd = open(fd.as_fd(), name)?;
    }
    Ok(fd)
}

fn leaf(directory: Arc<Directory>, name: Box<[u8]>, hint: Hint, duty: Duty) -> Step {
    Step::Look {
        target: Target::Entry {
            directory,
            name,
            hint,
        },
        duty,
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
