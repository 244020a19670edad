//! The course of a walk: which directory comes next and what is met there, as far as it has got.
//!
//! It owns all it needs, so that it can be handed from a thread that hangs to another one.

use super::observe::{Directory, Target, join};
use super::plan::Plan;
use super::scope::{Duty, Place, Scope, Weaker};
use super::step::{Blindness, Step};
use crate::os::node::{self, Hint, Id, Names, Stat};
use crate::os::root::Root;
use rustix::io::Errno;
use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// As many directories of a branch stay open; those above are opened again through `..` when their turn comes.
const OPEN_LEVELS: usize = 64;

pub(super) struct Course {
    root: Root,
    scope: Scope,
    /// What alone is met; `None`: everything.
    plan: Option<Arc<Plan>>,
    levels: Vec<Level>,
    /// Of the directory at the top of `levels`.
    path: Vec<u8>,
    told: HashSet<Weaker>,
    started: bool,
    /// The directory that is to be entered before anything else.
    door: Option<Door>,
    /// Met, and not yet handed on.
    pub(super) met: VecDeque<Step>,
}

/// What comes next.
pub(super) enum Next {
    /// More was met.
    Met,
    /// A directory is to be entered: [`Course::entered`] goes on with what comes of the request, or
    /// [`Course::unanswered`] without it.
    Enter(Request),
    /// Everything was met.
    End,
}

/// A directory that is to be entered.
struct Door {
    above: Option<Arc<Directory>>,
    name: Box<[u8]>,
    path: Vec<u8>,
    duty: Duty,
    place: Place,
}

/// What the kernel is asked for to enter a directory.
pub(super) struct Request {
    above: Above,
    name: Box<[u8]>,
    /// It is not entered on any other device.
    device: Option<(u32, u32)>,
    /// Whether it is listed whole.
    lists: bool,
}

/// Where it lies.
enum Above {
    Directory(Arc<Directory>),
    /// It is the root itself.
    Root(Root),
}

/// A directory that was opened.
pub(super) struct Entered {
    /// `None` for a mount that is not crossed: it is not even opened, since its server may be dead.
    fd: Option<OwnedFd>,
    stat: Result<Stat, Errno>,
    /// Listed where it is to be walked whole.
    names: Option<Result<Names, Errno>>,
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

impl Course {
    pub(super) fn new(root: &Root, scope: &Scope, plan: Option<&Plan>) -> Course {
        Course {
            root: root.clone(),
            scope: scope.clone(),
            plan: plan.map(|plan| Arc::new(plan.clone())),
            levels: Vec::new(),
            path: Vec::new(),
            told: HashSet::new(),
            started: false,
            door: None,
            met: VecDeque::new(),
        }
    }

    /// Goes on to the next entry.
    pub(super) fn next(&mut self) -> Next {
        if !self.started {
            self.started = true;
            let Some(duty) = self.scope.root_duty() else {
                return Next::End;
            };
            // Opened anew: a clone would share its place in the list of entries with every other walk.
            return self.enter(Door {
                above: None,
                name: (*b".").into(),
                path: Vec::new(),
                duty,
                place: self.scope.root(),
            });
        }
        match self.entry() {
            Some(next) => next,
            None => self.leave(),
        }
    }

    fn enter(&mut self, door: Door) -> Next {
        // Another file system is listed only where it is walked.
        let device = self.levels.last().map(|level| level.id.device);
        let request = Request {
            above: match &door.above {
                Some(above) => Above::Directory(above.clone()),
                None => Above::Root(self.root.clone()),
            },
            name: door.name.clone(),
            device: device.filter(|_| !door.duty.demand.cross_mounts),
            lists: !self.is_alone(&door.path),
        };
        self.door = Some(door);
        Next::Enter(request)
    }

    /// Path of the directory that is to be entered, relative to the root.
    pub(super) fn door(&self) -> Option<&[u8]> {
        self.door.as_ref().map(|door| door.path.as_slice())
    }

    /// Goes on with what the kernel said to the request.
    pub(super) fn entered(&mut self, answer: Result<Entered, Errno>) {
        let Some(door) = self.door.take() else {
            return;
        };
        let (path, duty) = (door.path, door.duty);
        let step = match (answer, door.above) {
            (Ok(entered), _) => self.open(entered, path.clone(), duty, door.place),
            (Err(Errno::NOENT), Some(_)) => return,
            // Replaced by something else since the listing: looked at as what it is now.
            (Err(Errno::NOTDIR | Errno::LOOP), Some(above)) => {
                leaf(above, door.name, Hint::Other, duty)
            }
            (Err(errno), _) => Step::Blind {
                path: path.clone(),
                duty,
                why: Blindness::Refused("open", errno),
            },
        };
        self.meet(step, path, duty);
    }

    /// Goes on without an answer.
    pub(super) fn unanswered(&mut self) {
        if let Some(Door { path, duty, .. }) = self.door.take() {
            let step = Step::Blind {
                path: path.clone(),
                duty,
                why: Blindness::Silent,
            };
            self.meet(step, path, duty);
        }
    }

    fn meet(&mut self, step: Step, path: Vec<u8>, duty: Duty) {
        if let Some(weaker) = duty.weaker
            && self.plan.is_none()
            && self.told.insert(weaker)
        {
            self.met.push_back(Step::Weaker { path, weaker, duty });
        }
        self.met.push_back(step);
    }

    /// Whether only what is planned in the directory at `path` is met.
    fn is_alone(&self, path: &[u8]) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.has_alone(path))
    }

    /// Enters the directory that was opened, which lies in the one at the top of `levels`.
    fn open(&mut self, entered: Entered, path: Vec<u8>, duty: Duty, place: Place) -> Step {
        let blind = |path, why| Step::Blind { path, duty, why };
        let Entered { fd, stat, names } = entered;
        let stat = match stat {
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
        let Some(fd) = fd else {
            return blind(path, Blindness::Mount);
        };
        let everyday = |name: &[u8]| {
            let duty = self.scope.reach(&place, name);
            duty.is_none_or(|duty| duty.leads || duty.demand.is_loose())
        };
        let listed = match self.plan.as_ref().filter(|plan| plan.has_alone(&path)) {
            // What else lies in it matters to the directory all the same.
            Some(plan) => {
                node::any_name(fd.as_fd(), everyday).map(|loose| (plan.names_in(&path), loose))
            }
            None => names.unwrap_or(Err(Errno::AGAIN)).map(|names| {
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
    fn entry(&mut self) -> Option<Next> {
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
                (Hint::Dir, _) | (_, Some(_)) => join(&self.path, &name),
                _ => Vec::new(),
            };
            if hint == Hint::Dir {
                let place = self.scope.enter(&level.place, &name);
                return Some(self.enter(Door {
                    above: Some(directory),
                    name,
                    path,
                    duty,
                    place,
                }));
            }
            self.meet(leaf(directory, name, hint, duty), path, duty);
            return Some(Next::Met);
        }
    }

    /// Leaves the directory at the top and makes sure that the one above it is open.
    fn leave(&mut self) -> Next {
        let Some(left) = self.levels.pop() else {
            return Next::End;
        };
        self.met.push_back(Step::Leave);
        if self
            .levels
            .last()
            .is_some_and(|above| above.directory.is_none())
        {
            self.reopen(&left);
        }
        self.path.truncate(left.parent);
        Next::Met
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
                    self.met.push_back(Step::Blind {
                        path: self.path.clone(),
                        duty,
                        why,
                    });
                }
                descend(&self.root, path).and_then(is_it)
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
                    self.met.push_back(Step::Blind {
                        path: path.to_vec(),
                        duty,
                        why,
                    });
                }
            }
        }
    }
}

impl Request {
    /// Opens the directory and, if it is to be, lists it.
    pub(super) fn ask(&self) -> Result<Entered, Errno> {
        let above = match &self.above {
            Above::Directory(above) => above.fd.as_fd(),
            Above::Root(root) => root.as_fd(),
        };
        let leaves = |stat: &Stat, device| stat.mount_root || stat.id.device != device;
        if let Some(device) = self.device
            && let Ok(stat) = node::stat_known_at(above, &self.name)
            && leaves(&stat, device)
        {
            return Ok(Entered {
                fd: None,
                stat: Ok(stat),
                names: None,
            });
        }
        let fd = node::open_dir(above, &self.name)?;
        let stat = node::stat(&fd);
        let stays = stat
            .as_ref()
            .is_ok_and(|stat| self.device.is_none_or(|device| !leaves(stat, device)));
        let names = (self.lists && stays).then(|| node::read_names(fd.as_fd()));
        let fd = Some(fd);
        Ok(Entered { fd, stat, names })
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
