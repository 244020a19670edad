//! Opening the directories of a walk: those of this host's own file systems directly, all others by a helper thread.

use super::probe::{Directory, join};
use super::remote::{self, Device, Unanswered};
use super::step::Blindness;
use agent_core::bounds;
use agent_core::os::mounts::{self, Mount, Mounts};
use agent_core::os::node::{self, Hint, Id, Names, Stat};
use agent_core::os::root::Root;
use rustix::io::Errno;
use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A directory that was opened.
#[derive(Debug)]
pub struct OpenedDirectory {
    /// For listing.
    pub fd: OwnedFd,
    /// What was asked of it as well, where asking takes a thread.
    pub seen: Option<(Stat, Names)>,
    /// Where a server or a program answers for it.
    pub remote: Option<Device>,
}

/// Why a directory is not opened.
#[derive(Debug)]
pub enum Shut {
    /// There is nothing.
    Gone,
    /// There is something else.
    Other,
    /// It cannot be seen.
    Blind(Blindness),
}

/// Which file system answers for what.
#[derive(Debug)]
pub struct Doors {
    root: Root,
    /// Where the root lies in this process's tree; `None` if that cannot be told.
    base: Option<Vec<u8>>,
    mounts: Arc<Mounts>,
    /// Whether file systems of the host's own are asked like remote ones.
    doubted: bool,
    /// How long an answer may take.
    patience: Duration,
}

impl Doors {
    /// Those below a root.
    pub fn of(root: &Root) -> Doors {
        Doors {
            root: root.clone(),
            base: mounts::place_of(root.as_fd()),
            mounts: Mounts::now(),
            doubted: remote::doubts_local(),
            patience: bounds::ANSWER,
        }
    }

    /// The same with another deadline for an answer.
    #[must_use]
    pub fn within(self, patience: Duration) -> Doors {
        Doors { patience, ..self }
    }

    /// Asks a file system.
    pub fn ask<T: Send + 'static>(
        &self,
        device: Device,
        request: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        remote::ask(self.patience, device, |_| request())
    }

    /// The place of a path in this process's tree.
    fn place<'p>(&self, path: &'p [u8]) -> Option<Cow<'p, [u8]>> {
        let base = self.base.as_deref()?;
        Some(match (base, path) {
            (b"", path) => Cow::Borrowed(path),
            (base, b"") => Cow::Owned(base.to_vec()),
            (base, path) => Cow::Owned(join(base, path)),
        })
    }

    /// What is mounted at a path, relative to the root.
    pub fn mount(&self, path: &[u8]) -> Option<Mount> {
        let mount = self.mounts.at(&self.place(path)?)?;
        let remote = mount.remote || self.doubted;
        Some(Mount { remote, ..mount })
    }

    /// Whether something is mounted on an entry of that directory.
    pub fn mounts_in(&self, directory: &[u8]) -> bool {
        self.place(directory)
            .is_some_and(|place| self.mounts.in_directory(&place))
    }

    /// Opens the root. Anew: a clone would share its place in the list of entries with every other walk.
    pub fn root(&self) -> Result<OpenedDirectory, Shut> {
        let mount = self.base.as_deref().and_then(|base| self.mounts.over(base));
        let device = match mount {
            Some(mount) if mount.remote => Some(mount.device),
            _ if self.doubted => Some(mount.map_or(UNKNOWN, |mount| mount.device)),
            _ => None,
        };
        let Some(device) = device else {
            return opened(node::open_dir(self.root.as_fd(), b"."));
        };
        let root = self.root.clone();
        let answer = self.ask(device, move || all_of(root.as_fd(), b".", true));
        away(answer?, |_| Some(device))
    }

    /// Opens the directory `name` of another one, at `path` relative to the root.
    pub fn open(
        &mut self,
        above: &Arc<Directory>,
        name: &[u8],
        path: &[u8],
        cross_mounts: bool,
    ) -> Result<OpenedDirectory, Shut> {
        let mount = self.mount(path);
        // What is mounted and not crossed is not even touched: its server may be gone, or it would be mounted first.
        if mount.is_some() && !cross_mounts {
            return Err(Shut::Blind(Blindness::Mount));
        }
        let device = match (mount, above.remote) {
            (Some(mount), _) => mount.device,
            (None, Some(device)) => device,
            (None, None) => match node::open_dir_unmounted(above.fd.as_fd(), name) {
                // Mounted since the table was read.
                Err(Errno::XDEV) if cross_mounts => {
                    self.mounts = Mounts::now();
                    self.mount(path).map_or(UNKNOWN, |mount| mount.device)
                }
                fd => return opened(fd),
            },
        };
        // Who answers is not known before it was opened, since mounts come and go.
        let (above, name) = (above.clone(), Box::<[u8]>::from(name));
        let answer = self.ask(device, move || {
            all_of(above.fd.as_fd(), &name, cross_mounts)
        });
        self.mounts = Mounts::now();
        away(answer?, |stat| match self.mount(path) {
            Some(mount) => mount.remote.then_some(mount.device),
            None => Some(stat.id.device),
        })
    }

    /// What an entry is, whose directory did not say it.
    pub fn hint(
        &self,
        directory: &Arc<Directory>,
        name: &[u8],
        remote: Option<Device>,
    ) -> Result<Hint, Errno> {
        let Some(device) = remote else {
            return node::hint_at(directory.fd.as_fd(), name);
        };
        let (directory, name) = (directory.clone(), Box::<[u8]>::from(name));
        let answer = self.ask(device, move || node::hint_at(directory.fd.as_fd(), &name));
        // Whoever looks at it next learns that there is no answer.
        answer.unwrap_or(Ok(Hint::Other))
    }

    /// What an entry of a directory is now; `None` where that cannot be told.
    pub fn stat(
        &self,
        directory: &Arc<Directory>,
        name: &[u8],
        remote: Option<Device>,
    ) -> Option<node::Stat> {
        let (directory, name) = (directory.clone(), Box::<[u8]>::from(name));
        let look = move || {
            let handle = node::open_handle(directory.fd.as_fd(), &name).ok()?;
            node::stat(&handle).ok()
        };
        match remote {
            Some(device) => self.ask(device, look).ok().flatten(),
            None => look(),
        }
    }

    /// Opens a directory again that must be `id`: through `..` of one in it, or by its path where that leads elsewhere,
    /// since the one below was moved; whether that is so.
    pub fn again(
        &self,
        below: Option<Arc<Directory>>,
        id: Id,
        path: &[u8],
        remote: Option<Device>,
    ) -> (Option<Blindness>, Result<OwnedFd, Blindness>) {
        let (root, path) = (self.root.clone(), path.to_vec());
        match remote {
            None => again(below.as_deref(), id, &root, &path),
            Some(device) => {
                let answer = self.ask(device, move || again(below.as_deref(), id, &root, &path));
                answer.unwrap_or_else(|unanswered| (None, Err(unanswered.into())))
            }
        }
    }
}

/// The device of what the mount table does not show; 0:0 is none.
const UNKNOWN: Device = (0, 0);

/// What is tried, and how it failed.
type Refused = (&'static str, Errno);

fn opened(fd: Result<OwnedFd, Errno>) -> Result<OpenedDirectory, Shut> {
    match fd {
        Ok(fd) => Ok(OpenedDirectory {
            fd,
            seen: None,
            remote: None,
        }),
        Err(errno) => Err(shut(("open", errno))),
    }
}

fn away(
    answer: Result<(OwnedFd, Stat, Names), Refused>,
    remote: impl FnOnce(&Stat) -> Option<Device>,
) -> Result<OpenedDirectory, Shut> {
    let (fd, stat, names) = answer.map_err(shut)?;
    Ok(OpenedDirectory {
        fd,
        remote: remote(&stat),
        seen: Some((stat, names)),
    })
}

fn shut(refused: Refused) -> Shut {
    match refused {
        ("open", Errno::NOENT) => Shut::Gone,
        ("open", Errno::NOTDIR | Errno::LOOP) => Shut::Other,
        ("open", Errno::XDEV) => Shut::Blind(Blindness::Mount),
        (what, errno) => Shut::Blind(Blindness::Refused(what, errno)),
    }
}

impl From<Unanswered> for Shut {
    fn from(unanswered: Unanswered) -> Shut {
        Shut::Blind(unanswered.into())
    }
}

/// Opens, stats and lists a directory.
fn all_of(
    above: BorrowedFd<'_>,
    name: &[u8],
    cross_mounts: bool,
) -> Result<(OwnedFd, Stat, Names), Refused> {
    let fd = match cross_mounts {
        true => node::open_dir(above, name),
        false => node::open_dir_unmounted(above, name),
    };
    let fd = fd.map_err(|errno| ("open", errno))?;
    let stat = node::stat(&fd).map_err(|errno| ("stat", errno))?;
    let names = node::read_names(fd.as_fd()).map_err(|errno| ("list", errno))?;
    Ok((fd, stat, names))
}

fn again(
    below: Option<&Directory>,
    id: Id,
    root: &Root,
    path: &[u8],
) -> (Option<Blindness>, Result<OwnedFd, Blindness>) {
    let is_it = |fd: OwnedFd| match node::stat(&fd) {
        Ok(stat) if stat.id == id => Ok(fd),
        Ok(_) => Err(Blindness::Moved),
        Err(errno) => Err(Blindness::Refused("stat", errno)),
    };
    let upwards = below.map(|below| open(below.fd.as_fd(), b"..").and_then(is_it));
    match upwards {
        Some(Ok(fd)) => (None, Ok(fd)),
        moved => (
            moved.and_then(Result::err),
            descend(root, path).and_then(is_it),
        ),
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
