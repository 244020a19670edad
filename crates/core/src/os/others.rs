//! What the kernel shows of other processes only to whoever may trace them (ptrace(2), "Ptrace access mode checking"): which
//! program they run, their environment, their mappings, their open files.
//!
//! A process in a landlock domain may trace none outside of it, root included (landlock(7)). Then whoever stays outside is
//! asked: [`through`]. All that reads such things of other processes goes through here, so that a domain takes away no
//! evidence, and evidence that nobody can give is an error of permission, never a process that has ended.

use crate::os::procfs;
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

/// Looks below `/proc/PID`, of which a handle is given: whatever becomes of the number, it is that process.
pub trait Look: Debug + Send + Sync {
    /// The target of a link: `exe`, `ns/mnt`, or a number below `fd`.
    fn read_link(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>>;

    /// Opens for reading: `exe`, `environ`, `maps`, a range below `map_files`, a number below `fdinfo`.
    fn open(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<File>;

    /// A handle (`O_PATH`) to what a link leads to: `exe`, or a number below `fd`.
    fn handle(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd>;
}

/// By this process itself.
#[derive(Debug)]
struct Itself;

impl Look for Itself {
    fn read_link(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(readlinkat(process, name, Vec::new())?.into_bytes())
    }

    fn open(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(openat(process, name, flags, Mode::empty())?.into())
    }

    fn handle(&self, process: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(openat(process, name, flags, Mode::empty())?)
    }
}

static LOOK: OnceLock<Box<dyn Look>> = OnceLock::new();

/// From now on others are looked at through that, for as long as the process lives. The first one stays.
pub fn through(look: Box<dyn Look>) {
    LOOK.get_or_init(|| look);
}

fn look() -> &'static dyn Look {
    LOOK.get().map_or(&Itself, |look| &**look)
}

/// See [`Look::read_link`].
pub fn read_link(process: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    look().read_link(process.as_fd(), name)
}

/// See [`Look::open`].
pub fn open(process: impl AsFd, name: &[u8]) -> io::Result<File> {
    look().open(process.as_fd(), name)
}

/// See [`Look::handle`].
pub fn handle(process: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    look().handle(process.as_fd(), name)
}

/// All of what [`open`] opens. More than `limit` bytes is an error.
pub fn read(process: impl AsFd, name: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let text = open(process, name)?;
    text.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("larger than {limit} bytes"))),
        false => Ok(bytes),
    }
}

/// `/proc/PID`, for the above.
pub fn process(pid: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = procfs::open()?;
    Ok(openat(proc, pid.to_string(), flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_of_itself_what_there_is() {
        let own = process(std::process::id()).expect("/proc");
        let program = std::env::current_exe().expect("known");
        let link = read_link(&own, b"exe").expect("a link");
        assert_eq!(link, program.as_os_str().as_encoded_bytes());
        let maps = read(&own, b"maps", 1 << 20).expect("read");
        let maps = String::from_utf8_lossy(&maps);
        assert!(maps.contains("[stack]"), "{maps}");
        assert!(read(&own, b"maps", 10).is_err(), "more than the limit");
        let there = rustix::fs::fstat(handle(&own, b"exe").expect("a handle")).expect("a file");
        let same = std::os::unix::fs::MetadataExt::ino(&program.metadata().expect("there"));
        assert_eq!(there.st_ino, same);
    }
}
