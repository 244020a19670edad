//! fanotify(7), as far as notification needs it. nix makes groups and marks; events that say where by a handle it does
//! not read, and open_by_handle_at(2) it does not have.
//!
//! Everything that the kernel writes is read as bytes, so that `unsafe` stands at what makes descriptors alone.

use nix::sys::fanotify::{EventFFlags, Fanotify as Group, InitFlags, MarkFlags, MaskFlags};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

/// What changes a file, or a directory's entries, on files and directories. No permission event: nobody is held up.
const CHANGES: u64 = libc::FAN_MODIFY
    | libc::FAN_ATTRIB
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_ONDIR;

/// Bytes of `struct fanotify_event_metadata`, of `struct fanotify_event_info_header`, and of the fixed part of
/// `struct fanotify_event_info_fid` with that of its `struct file_handle`.
const METADATA: usize = 24;
const INFO: usize = 4;
const HANDLE: usize = INFO + 8 + 8;
/// The longest handle that the kernel gives (MAX_HANDLE_SZ).
// Own bound: the kernel's.
const MOST_HANDLE: usize = 128;

/// A notification group.
#[derive(Debug)]
pub(super) struct Fanotify {
    group: Group,
}

/// A file system, as statfs(2) and events name it.
pub(super) type FileSystem = [u8; 8];

/// A directory, as events name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handle {
    /// Where it is.
    pub(super) file_system: FileSystem,
    /// `handle_type`
    kind: [u8; 4],
    /// `f_handle`
    bytes: Box<[u8]>,
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    /// What happened: FAN_…
    pub(super) what: u64,
    /// By which process.
    pub(super) pid: u32,
    /// The same, as something that cannot come to mean another one; `None` if it has ended or the kernel is too old.
    pub(super) process: Option<OwnedFd>,
    /// Where it happened.
    pub(super) directory: Option<Handle>,
    /// To which entry; `.` is the directory itself.
    pub(super) name: Box<[u8]>,
}

impl Event {
    /// Whether events were lost.
    pub(super) fn is_overflow(&self) -> bool {
        self.what & libc::FAN_Q_OVERFLOW != 0
    }

    /// Whether it concerns a directory.
    pub(super) fn on_directory(&self) -> bool {
        self.what & libc::FAN_ONDIR != 0
    }

    /// Whether an entry came, went or moved.
    pub(super) fn of_structure(&self) -> bool {
        let structure =
            libc::FAN_CREATE | libc::FAN_DELETE | libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO;
        self.what & structure != 0
    }

    /// Whether an entry moved.
    pub(super) fn is_move(&self) -> bool {
        self.what & (libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO) != 0
    }

    /// Whether it tells no more than that somebody who could have written has closed the file.
    pub(super) fn is_mere_close(&self) -> bool {
        self.what & CHANGES == libc::FAN_CLOSE_WRITE
    }
}

impl Fanotify {
    /// A new group. EPERM without CAP_SYS_ADMIN, EINVAL before Linux 5.9, ENOSYS where it is not built in.
    pub(super) fn new() -> Result<Fanotify, Errno> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_REPORT_DFID_NAME;
        // Pidfds since Linux 5.15.
        match init(flags | libc::FAN_REPORT_PIDFD) {
            Err(Errno::INVAL) => init(flags),
            result => result,
        }
        .map(|group| Fanotify { group })
    }

    /// To poll.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    /// Asks for events on the whole file system that the directory lies on.
    pub(super) fn mark(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
        self.change_marks(flags, CHANGES, Some(directory))
    }

    /// Asks for none on the entries of that directory, for as long as its inode is cached (Linux 6.0).
    pub(super) fn ignore(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_IGNORE_SURV | libc::FAN_MARK_EVICTABLE;
        let mask = CHANGES | libc::FAN_EVENT_ON_CHILD;
        self.change_marks(flags, mask, Some(directory))
    }

    /// Ignores no directory any more.
    pub(super) fn ignore_none(&self) -> Result<(), Errno> {
        self.change_marks(libc::FAN_MARK_FLUSH, 0, None)
    }

    fn change_marks(
        &self,
        flags: u32,
        mask: u64,
        directory: Option<BorrowedFd<'_>>,
    ) -> Result<(), Errno> {
        let flags = MarkFlags::from_bits_retain(flags);
        let mask = MaskFlags::from_bits_retain(mask);
        // Without a path the descriptor itself is meant.
        let directory = directory.unwrap_or(CWD);
        let done = self.group.mark(flags, mask, directory, None::<&Path>);
        done.map_err(errno)
    }

    /// What has happened since, as far as it fits into the buffer; nothing if nothing has.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<Vec<Event>, Errno> {
        match rustix::io::read(&self.group, &mut *buffer) {
            Ok(length) => Ok(parse(&buffer[..length])),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Vec::new()),
            Err(errno) => Err(errno),
        }
    }
}

/// Names the directory behind a handle (`O_PATH`). `mount` is any directory on its file system; paths are those of
/// that mount. ESTALE if the directory is gone.
pub(super) fn open(mount: BorrowedFd<'_>, handle: &Handle) -> Result<OwnedFd, Errno> {
    let length = handle.bytes.len();
    if length > MOST_HANDLE {
        return Err(Errno::INVAL);
    }
    // `struct file_handle`: two 32-bit numbers, then the bytes. Numbers, for their alignment.
    let mut raw = [0u32; 2 + MOST_HANDLE / 4];
    raw[0] = u32::try_from(length).unwrap_or(0);
    raw[1] = u32::from_ne_bytes(handle.kind);
    for (word, bytes) in raw[2..].iter_mut().zip(handle.bytes.chunks(4)) {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_ne_bytes(four);
    }
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: `raw` has the layout and alignment of `struct file_handle` and room for `handle_bytes` bytes behind it;
    // the kernel reads it during the call alone. `mount` is open for as long.
    let fd = unsafe { libc::open_by_handle_at(mount.as_raw_fd(), raw.as_mut_ptr().cast(), flags) };
    match fd {
        0.. => {
            // SAFETY: the kernel has just given it to us, so nobody else owns it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        }
        _ => Err(last_error()),
    }
}

fn init(flags: u32) -> Result<Group, Errno> {
    // nix has no names for those that have events say where.
    let flags = InitFlags::from_bits_retain(flags);
    let for_files = EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC;
    Group::init(flags, for_files).map_err(errno)
}

fn errno(error: nix::Error) -> Errno {
    Errno::from_raw_os_error(error as i32)
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The events in what the kernel wrote. Takes the descriptors in them, so each buffer is parsed once.
fn parse(mut buffer: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((metadata, rest)) = buffer.split_at_checked(METADATA) {
        let length = number(metadata, 0) as usize;
        let Some(infos) = length
            .checked_sub(METADATA)
            .and_then(|length| rest.get(..length))
        else {
            break;
        };
        buffer = &rest[infos.len()..];
        let mut event = Event {
            what: u64::from(number(metadata, 8)) | u64::from(number(metadata, 12)) << 32,
            pid: number(metadata, 20),
            process: None,
            directory: None,
            name: Box::default(),
        };
        read_infos(infos, &mut event);
        events.push(event);
    }
    events
}

fn read_infos(mut infos: &[u8], event: &mut Event) {
    while let [kind, _, low, high, ..] = *infos {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some((info, rest)) = infos.split_at_checked(length.max(INFO)) else {
            return;
        };
        infos = rest;
        match kind {
            libc::FAN_EVENT_INFO_TYPE_DFID_NAME | libc::FAN_EVENT_INFO_TYPE_DFID => {
                let Some((handle, name)) = read_handle(info) else {
                    continue;
                };
                event.directory = Some(handle);
                let name = name.split(|b| *b == 0).next().unwrap_or_default();
                event.name = match name {
                    b"" => (*b".").into(),
                    name => name.into(),
                };
            }
            libc::FAN_EVENT_INFO_TYPE_PIDFD if info.len() >= INFO + 4 => {
                let fd = number(info, INFO).cast_signed();
                if fd >= 0 {
                    // SAFETY: the kernel has put this descriptor into our table for this record, which is read once,
                    // so nobody else owns it.
                    event.process = Some(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            _ => {}
        }
    }
}

/// The handle in a record, and what follows it.
fn read_handle(info: &[u8]) -> Option<(Handle, &[u8])> {
    let file_system = info.get(INFO..INFO + 8)?.try_into().ok()?;
    let length = number(info.get(..HANDLE)?, INFO + 8) as usize;
    let kind = info.get(HANDLE - 4..HANDLE)?.try_into().ok()?;
    let (bytes, name) = info[HANDLE..].split_at_checked(length)?;
    let handle = Handle {
        file_system,
        kind,
        bytes: bytes.into(),
    };
    Some((handle, name))
}

/// The 32-bit number at `offset`; 0 beyond the end.
fn number(bytes: &[u8], offset: usize) -> u32 {
    let four = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    four.map_or(0, |four| u32::from_ne_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event as the kernel writes it: a directory's handle of 8 bytes, a name, no pidfd.
    fn written(what: u64, pid: u32, name: &[u8]) -> Vec<u8> {
        let mut info = vec![libc::FAN_EVENT_INFO_TYPE_DFID_NAME, 0, 0, 0];
        info.extend([7; 8]);
        info.extend(8u32.to_ne_bytes());
        info.extend(1u32.to_ne_bytes());
        info.extend([9; 8]);
        info.extend(name);
        info.push(0);
        info.resize(info.len().next_multiple_of(4), 0);
        let length = u16::try_from(info.len()).expect("short").to_ne_bytes();
        info[2..4].copy_from_slice(&length);
        info.extend([libc::FAN_EVENT_INFO_TYPE_PIDFD, 0]);
        info.extend(8u16.to_ne_bytes());
        info.extend(libc::FAN_NOPIDFD.to_ne_bytes());
        let mut event = u32::try_from(METADATA + info.len())
            .expect("short")
            .to_ne_bytes()
            .to_vec();
        event.extend([3, 0, 24, 0]);
        event.extend(what.to_ne_bytes());
        event.extend((-1i32).to_ne_bytes());
        event.extend(pid.to_ne_bytes());
        event.extend(info);
        event
    }

    #[test]
    fn events_are_read() {
        let bytes = [
            written(libc::FAN_CREATE | libc::FAN_ONDIR, 12, b"n\xff"),
            written(libc::FAN_MODIFY, 13, b"."),
        ]
        .concat();
        let events = parse(&bytes);
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].pid, &*events[0].name), (12, &b"n\xff"[..]));
        assert!(events[0].on_directory() && events[0].of_structure());
        assert!(events.iter().all(|event| event.process.is_none()));
        let handle = events[1].directory.as_ref().expect("a handle");
        assert_eq!((handle.file_system, &*handle.bytes), ([7; 8], &[9; 8][..]));
        assert!(!events[1].on_directory() && !events[1].is_mere_close());
    }

    #[test]
    fn what_is_cut_short_is_no_event() {
        let bytes = written(libc::FAN_MODIFY, 13, b"name");
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]).len(), 0, "{length}");
        }
    }
}
