//! Whether the program of a process is what lies at its place: a mount that was put over it, or taken away under it
//! (`umount -l`), leaves the name that the kernel shows (proc(5), exe) to something else.

use super::code::PROGRAM;
use agent_core::bytes;
use agent_core::os::mounts::Mounts;
use agent_core::os::root::Root;
use agent_core::os::{others, procfs};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Below `/proc/PID`: which mounts the process sees.
const NAMESPACE: &[u8] = b"ns/mnt";

/// The places of programs, as whoever looks sees them.
pub(super) struct Places<'a> {
    pub(super) root: &'a Root,
    mounts: Arc<Mounts>,
    /// Namespaces whose mounts are those of the host: the first process's, and this one's.
    namespaces: Vec<Vec<u8>>,
}

impl<'a> Places<'a> {
    pub(super) fn of(root: &'a Root) -> Places<'a> {
        let ids = [1, std::process::id()];
        let namespace = |pid| others::read_link(others::process(pid).ok()?, NAMESPACE).ok();
        Places {
            root,
            mounts: Mounts::now(),
            namespaces: ids.into_iter().filter_map(namespace).collect(),
        }
    }

    /// Whether at the place of a process's program, by its name, there is nothing or something else. False where that
    /// cannot be told: the process sees other mounts, or a server would have to be asked.
    pub(super) fn has_another(&self, process: &OwnedFd, name: &[u8]) -> bool {
        self.compare(process, name).unwrap_or(false)
    }

    fn compare(&self, process: &OwnedFd, name: &[u8]) -> io::Result<bool> {
        let Some(path) = name.strip_prefix(b"/") else {
            return Ok(false);
        };
        let is_remote = self.mounts.over(path).is_none_or(|mount| mount.remote);
        if is_remote
            || !self
                .namespaces
                .contains(&others::read_link(process, NAMESPACE)?)
        {
            return Ok(false);
        }
        let runs = fstat(others::handle(process, PROGRAM.as_bytes())?)?;
        let place = match self.root.resolve(path, false) {
            Ok(resolved) => resolved.handle,
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(error),
        };
        let another = match &place {
            None => true,
            Some(place) => {
                let lies = fstat(place)?;
                // The same contents elsewhere are the same program: layers of file systems come and go.
                (runs.st_dev, runs.st_ino) != (lies.st_dev, lies.st_ino)
                    && (runs.st_size != lies.st_size || !same(process, place)?)
            }
        };
        // What was replaced meanwhile has another name by now.
        let still = others::read_link(process, PROGRAM.as_bytes())? == name;
        Ok(another && still)
    }
}

/// Whether what the process runs and what lies there have the same contents.
fn same(process: &OwnedFd, place: &OwnedFd) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let lies = openat(CWD, procfs::path_to(place.as_fd())?, flags, Mode::empty())?;
    Ok(digest(others::open(process, PROGRAM.as_bytes())?)? == digest(lies.into())?)
}

fn is_gone(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// SHA-256 of all of it.
pub(super) fn digest(mut file: File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            length => digest.update(bytes::first(&buffer, length)),
        }
    }
}
