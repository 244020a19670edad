//! Directories and processes by their handles.

use super::fanotify::FileSystem;
use agent_core::os::node;
use agent_core::os::root::Root;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// Opens a directory of the tree; a mere handle (O_PATH) can neither be marked nor open others.
pub(super) fn open(root: &Root, path: &[u8]) -> Option<OwnedFd> {
    let handle = root.resolve(path, false).ok()?.handle?;
    node::open_dir(handle.as_fd(), b".").ok()
}

/// Whether the process behind a pidfd runs: it reads as ready when it has ended.
pub(super) fn is_alive(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&at_once)), Ok(0))
}

/// How events name the file system of a directory.
pub(super) fn file_system(directory: &OwnedFd) -> Result<FileSystem, Errno> {
    // Two 32-bit numbers, the first one below.
    let id = rustix::fs::fstatvfs(directory)?.f_fsid;
    let mut bytes = [0; 8];
    for (place, number) in bytes.chunks_mut(4).zip([id & 0xffff_ffff, id >> 32]) {
        let number = u32::try_from(number).unwrap_or(0);
        place.copy_from_slice(&number.to_ne_bytes());
    }
    Ok(bytes)
}
