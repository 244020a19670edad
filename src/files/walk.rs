//! A depth-first walk in the manifest's order, through open directories: a directory swapped for a link
//! leads nowhere, and a path may be longer than any system call takes.

use super::hand::{self, Hand, Silent};
use super::observe::{Directory, Target};
use super::plan::Plan;
use super::scope::{Duty, Place, Scope, Weaker};
use crate::os::node::{self, Hint, Id, Names, Stat};
use crate::os::root::Root;
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
    /// The file system gave no answer in time.
    Silent,
    /// It, or a directory above it, was moved while it was walked.
    Moved,
    /// It is one of its own ancestors, mounted again.
    Loop,
    /// Something is mounted there and its entry does not cross mounts.
    Mount,
}

/// The walk under way.
pub struct Walk<'a> {
    root: &'a Root,
    scope: &'a Scope,
    /// What alone is met; `None`: everything.
    plan: Option<&'a Plan>,
    levels: Vec<Level>,
    /// Of the directory at the top of `levels`.
    path: Vec<u8>,
    pending: VecDeque<Step>,
    told: HashSet<Weaker>,
    started: bool,
    hand: Hand,
}

/// A directory that was opened.
struct Entered {
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
            levels: Vec::new(),
            path: Vec::new(),
            pending: VecDeque::new(),
            told: HashSet::new(),
            started: false,
            hand: Hand::default(),
        }
    }

    fn start(&mut self) -> Option<Step> {
        let duty = self.scope.root_duty()?;
        // Opened anew: a clone would share its place in the list of entries with every other walk.
        let alone = self.is_alone(b"");
        match enter(self.root.as_fd(), b".", None, !alone) {
            Ok(entered) => Some(self.open(entered, Vec::new(), duty, self.scope.root())),
            Err(errno) => Some(Step::Blind {
                path: Vec::new(),
                duty,
                why: Blindness::Refused("open", errno),
            }),
        }
    }

    /// Whether only what is planned in the directory at `path` is met.
    fn is_alone(&self, path: &[u8]) -> bool {
        self.plan.is_some_and(|plan| plan.has_alone(path))
    }

    /// Opens an entry of a directory by the hand that may be given up; the inner error is the kernel's.
    fn enter(
        &mut self,
        directory: &Arc<Directory>,
        name: &[u8],
        path: &[u8],
        crosses: bool,
    ) -> Result<Result<Entered, Errno>, Silent> {
        if hand::hangs(|| path.to_vec()) {
            return Err(Silent { at: Some(0) });
        }
        let lists = !self.is_alone(path);
        // Another file system is listed only where it is walked.
        let device = self.levels.last().map(|level| level.id.device);
        let device = device.filter(|_| !crosses);
        let (above, own) = (directory.clone(), Box::<[u8]>::from(name));
        self.hand.run(
            move |_| enter(above.fd.as_fd(), &own, device, lists),
            |_| path.to_vec(),
        )
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
        let listed = match self.plan.filter(|plan| plan.has_alone(&path)) {
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
                match self.enter(&directory, &name, &path, duty.demand.cross_mounts) {
                    Err(Silent { .. }) => Step::Blind {
                        path: path.clone(),
                        duty,
                        why: Blindness::Silent,
                    },
                    Ok(Ok(entered)) => self.open(entered, path.clone(), duty, place),
                    Ok(Err(Errno::NOENT)) => continue,
                    // Replaced by something else since the listing: looked at as what it is now.
                    Ok(Err(Errno::NOTDIR | Errno::LOOP)) => {
                        leaf(directory, name, Hint::Other, duty)
                    }
                    Ok(Err(errno)) => Step::Blind {
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

/// Opens the directory and, if it `lists`, lists it; not one on another device than `device`.
fn enter(
    above: BorrowedFd<'_>,
    name: &[u8],
    device: Option<(u32, u32)>,
    lists: bool,
) -> Result<Entered, Errno> {
    let leaves = |stat: &Stat, device| stat.mount_root || stat.id.device != device;
    if let Some(device) = device
        && let Ok(stat) = node::stat_known_at(above, name)
        && leaves(&stat, device)
    {
        return Ok(Entered {
            fd: None,
            stat: Ok(stat),
            names: None,
        });
    }
    let fd = node::open_dir(above, name)?;
    let stat = node::stat(&fd);
    let stays = stat
        .as_ref()
        .is_ok_and(|stat| device.is_none_or(|device| !leaves(stat, device)));
    let names = (lists && stays).then(|| node::read_names(fd.as_fd()));
    let fd = Some(fd);
    Ok(Entered { fd, stat, names })
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
