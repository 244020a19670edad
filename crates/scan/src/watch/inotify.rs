//! inotify(7) by handles: a watch goes to the directory or file that was opened, whatever its path leads to now.
//!
//! The notify crate adds by path and forgets silently what the kernel says it watches no more (IGNORED).

use super::tree::Descriptor;
use agent_core::os::procfs;
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What changes a file, or a directory's entries. OPEN, ACCESS and CLOSE_NOWRITE are not among it, or every scan of
/// our own would wake the watch. What was unlinked concerns nobody (EXCL_UNLINK).
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::MASK_ADD);
/// What changes a file that is watched itself. Neither that it moves nor that it is removed: where that matters its
/// directory tells.
const CONTENTS: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MASK_ADD);
/// What changes a directory's names.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// What is read at a time: some two thousand events with short names.
const BUFFER: usize = 64 * 1024;

/// An inotify instance.
#[derive(Debug)]
pub(super) struct Inotify {
    fd: Arc<OwnedFd>,
    buffer: Vec<MaybeUninit<u8>>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Of which watch; -1 for none.
    pub(super) descriptor: Descriptor,
    /// What happened.
    pub(super) what: ReadFlags,
    /// To which entry; to the directory itself where there is none.
    pub(super) name: Option<Box<[u8]>>,
}

/// See [`Inotify::adder`].
pub(super) struct Adder(Arc<OwnedFd>);

impl Adder {
    /// See [`Inotify::add`].
    pub(super) fn add(&self, directory: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        watch(&self.0, directory, CHANGES)
    }

    /// Watches a file, by a handle of any kind. It has one descriptor, whichever of its names was opened.
    pub(super) fn add_file(&self, file: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        watch(&self.0, file, CONTENTS)
    }
}

fn watch(
    inotify: &OwnedFd,
    object: BorrowedFd<'_>,
    flags: WatchFlags,
) -> Result<Descriptor, Errno> {
    // What stands in /proc leads to the very object that is open.
    inotify::add_watch(inotify, procfs::path_to(object)?.as_str(), flags)
}

impl Inotify {
    /// A new instance.
    pub(super) fn new() -> Result<Inotify, Errno> {
        Ok(Inotify {
            fd: Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?),
            buffer: vec![MaybeUninit::uninit(); BUFFER],
        })
    }

    /// To poll.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Watches an open directory. The same directory has the same descriptor for as long as it is watched.
    pub(super) fn add(&self, directory: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        self.watch(directory, CHANGES)
    }

    /// The same for what comes and goes in it alone.
    pub(super) fn add_for_names(&self, directory: BorrowedFd<'_>) -> Result<Descriptor, Errno> {
        self.watch(directory, NAMES)
    }

    /// What adds watches from another thread.
    pub(super) fn adder(&self) -> Adder {
        Adder(self.fd.clone())
    }

    fn watch(&self, object: BorrowedFd<'_>, flags: WatchFlags) -> Result<Descriptor, Errno> {
        watch(&self.fd, object, flags)
    }

    /// Watches no more. The kernel may have been first.
    pub(super) fn remove(&self, descriptor: Descriptor) {
        inotify::remove_watch(&self.fd, descriptor).unwrap_or_default();
    }

    /// The watches that the kernel has, sorted (proc_pid_fdinfo(5)).
    pub(super) fn watches(&self) -> io::Result<Vec<Descriptor>> {
        let name = format!("fdinfo/{}", self.fd.as_raw_fd());
        let text = File::from(procfs::own(name.as_bytes(), OFlags::RDONLY)?);
        let mut watches = Vec::new();
        for line in BufReader::new(text).split(b'\n') {
            watches.extend(watch_of(&line?));
        }
        watches.sort_unstable();
        Ok(watches)
    }

    /// Moves what is waiting to `events`, up to `most` or a little more. An event that only says again what the last
    /// one said is left out.
    pub(super) fn read(&mut self, events: &mut Vec<Event>, most: usize) -> Result<(), Errno> {
        let mut reader = Reader::new(self.fd.as_fd(), &mut self.buffer);
        while events.len() < most || !reader.is_buffer_empty() {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            let name = event.file_name().map(|name| name.to_bytes());
            if events.last().is_some_and(|last| {
                last.descriptor == event.wd()
                    && last.what == event.events()
                    && last.name.as_deref() == name
            }) {
                continue;
            }
            events.push(Event {
                descriptor: event.wd(),
                what: event.events(),
                name: name.map(Box::from),
            });
        }
        Ok(())
    }
}

/// `inotify wd:HEX …`
fn watch_of(line: &[u8]) -> Option<Descriptor> {
    let rest = line.strip_prefix(b"inotify wd:")?;
    let number = rest.split(|byte| *byte == b' ').next()?;
    Descriptor::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_which_watches_it_has() {
        let inotify = Inotify::new().expect("an instance");
        let directories: Vec<_> = (0..20)
            .map(|_| tempfile::tempdir().expect("a directory"))
            .collect();
        let added = directories.iter().map(|directory| {
            let open = File::open(directory.path()).expect("a directory");
            inotify.add(open.as_fd()).expect("a watch")
        });
        let mut added: Vec<Descriptor> = added.collect();
        added.sort_unstable();
        assert_eq!(inotify.watches().expect("readable"), added);
        let gone = added.remove(11);
        inotify.remove(gone);
        assert_eq!(inotify.watches().expect("readable"), added);
    }
}
