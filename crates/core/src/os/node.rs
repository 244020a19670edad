//! One object of a file system, looked at through descriptors: never by a path that somebody could bend.

use crate::attributes::{Attributes, FileType, Flags, Timestamp, Xattr};
use crate::bytes;
use crate::os::{procfs, verity};
use rustix::fs::{
    self, AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// What one stat of an object told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Kind of object.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Number of names.
    pub nlink: u64,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of contents or attributes: nobody can set it.
    pub ctime: Timestamp,
    /// Device and inode: who it is.
    pub id: Id,
    /// Numbers of a device node.
    pub device: (u32, u32),
    /// Whether something is mounted here, as far as the kernel tells (Linux 5.8).
    pub mount_root: bool,
}

/// Who an object is, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// Inode.
    pub inode: u64,
}

impl Stat {
    fn new(raw: &Statx) -> Result<Stat, Errno> {
        let kind =
            known_kind(fs::FileType::from_raw_mode(raw.stx_mode.into())).ok_or(Errno::NOTSUP)?;
        let time = |t: &fs::StatxTimestamp| Timestamp {
            seconds: t.tv_sec,
            nanoseconds: t.tv_nsec,
        };
        Ok(Stat {
            kind,
            mode: raw.stx_mode & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            nlink: raw.stx_nlink.into(),
            mtime: time(&raw.stx_mtime),
            ctime: time(&raw.stx_ctime),
            id: Id {
                device: (raw.stx_dev_major, raw.stx_dev_minor),
                inode: raw.stx_ino,
            },
            device: (raw.stx_rdev_major, raw.stx_rdev_minor),
            mount_root: raw.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }

    /// The attributes that a stat alone gives.
    pub fn attributes(&self) -> Attributes {
        let is = |kinds: &[FileType]| kinds.contains(&self.kind);
        Attributes {
            mode: Some(self.mode),
            uid: Some(self.uid),
            gid: Some(self.gid),
            size: is(&[FileType::File, FileType::Link]).then_some(self.size),
            nlink: Some(self.nlink),
            mtime: Some(self.mtime),
            device: is(&[FileType::Char, FileType::Block]).then_some(self.device),
            ..Attributes::new(self.kind)
        }
    }
}

fn known_kind(kind: fs::FileType) -> Option<FileType> {
    Some(match kind {
        fs::FileType::RegularFile => FileType::File,
        fs::FileType::Directory => FileType::Dir,
        fs::FileType::Symlink => FileType::Link,
        fs::FileType::Fifo => FileType::Fifo,
        fs::FileType::CharacterDevice => FileType::Char,
        fs::FileType::BlockDevice => FileType::Block,
        fs::FileType::Socket => FileType::Socket,
        _ => return None,
    })
}

/// stat of an open object.
pub fn stat(fd: impl AsFd) -> Result<Stat, Errno> {
    let raw = fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    Stat::new(&raw)
}

/// Whether an open object is still what `before` told of it. By fstat(2), which costs half of what statx(2) does: what
/// that tells besides does not change while an object is open.
#[allow(
    clippy::useless_conversion,
    reason = "the number of names has 32 bits on AArch64"
)]
pub fn is_still(fd: impl AsFd, before: &Stat) -> Result<bool, Errno> {
    let now = fs::fstat(fd)?;
    let time = |seconds, nanoseconds: u64| Timestamp {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(u32::MAX),
    };
    let mode = u16::try_from(now.st_mode & 0o7777).unwrap_or(u16::MAX);
    let numbers = |device| (fs::major(device), fs::minor(device));
    let kind = fs::FileType::from_raw_mode(now.st_mode);
    Ok(known_kind(kind) == Some(before.kind)
        && before.mode == mode
        && (before.uid, before.gid) == (now.st_uid, now.st_gid)
        && u64::try_from(now.st_size) == Ok(before.size)
        && before.nlink == u64::from(now.st_nlink)
        && before.mtime == time(now.st_mtime, now.st_mtime_nsec)
        && before.ctime == time(now.st_ctime, now.st_ctime_nsec)
        && before.id.device == numbers(now.st_dev)
        && before.id.inode == now.st_ino
        && before.device == numbers(now.st_rdev))
}

/// stat of an entry of a directory, itself where it is a link. It may be replaced before it is opened.
pub fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    let raw = fs::statx(
        dir,
        name,
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS,
    )?;
    Stat::new(&raw)
}

/// stat of what a path that the caller vouches for leads to. Opens nothing.
pub fn stat_path(path: &std::path::Path) -> Result<Stat, Errno> {
    let raw = fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)?;
    Stat::new(&raw)
}

/// What a directory says an entry is; a hint, since the entry may be replaced before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything that is not opened for reading.
    Other,
    /// The file system does not say.
    Unknown,
}

/// The hint for an entry whose directory did not say what it is.
pub fn hint_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Hint, Errno> {
    let raw = fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE)?;
    Ok(match fs::FileType::from_raw_mode(raw.stx_mode.into()) {
        fs::FileType::RegularFile => Hint::File,
        fs::FileType::Directory => Hint::Dir,
        _ => Hint::Other,
    })
}

const SAFE: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

/// Opens without touching the access time where that is allowed: only the owner and CAP_FOWNER may ask.
fn open_quietly(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    patiently(
        || match fs::openat(dir, name, SAFE | flags | OFlags::NOATIME, Mode::empty()) {
            Err(Errno::PERM) => fs::openat(dir, name, SAFE | flags, Mode::empty()),
            result => result,
        },
    )
}

/// Out of descriptors, waits a second at most for other threads to be done with theirs.
fn patiently(mut open: impl FnMut() -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    for _ in 0..200 {
        match open() {
            Err(Errno::MFILE | Errno::NFILE) => std::thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
    open()
}

/// Opens what is thought to be a regular file. O_NONBLOCK: should it have become a fifo, nothing hangs.
pub fn open_file(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_quietly(dir, name, OFlags::RDONLY)
}

/// Opens a directory for listing.
pub fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    open_quietly(dir, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

/// Opens a directory for listing, and nothing that is mounted there: XDEV then, where the kernel can tell (openat2(2),
/// Linux 5.6); an older one opens it all the same. An open directory keeps what is mounted from being unmounted.
pub fn open_dir_unmounted(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = SAFE | OFlags::RDONLY | OFlags::DIRECTORY;
    let open = |flags| fs::openat2(dir, name, flags, Mode::empty(), ResolveFlags::NO_XDEV);
    let opened = patiently(|| match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        result => result,
    });
    match opened {
        // A filter of system calls may refuse what it does not know.
        Err(Errno::NOSYS | Errno::PERM) => open_dir(dir, name),
        result => result,
    }
}

/// Opens the directory at a path that the caller vouches for.
pub fn open_dir_path(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat(CWD, path, flags, Mode::empty())
}

/// A handle that names an object without opening it: a device or fifo does not notice.
pub fn open_handle(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    patiently(|| fs::openat(dir, name, flags, Mode::empty()))
}

/// As [`open_handle`], of what lies any number of components below, if no link is on the way (openat2(2), Linux 5.6).
/// A link in the last place is named itself, unless it were to be followed: LOOP then.
pub fn open_plain(dir: BorrowedFd<'_>, path: &[u8], follow_last: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, !follow_last);
    let how = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    patiently(|| fs::openat2(dir, path, flags, Mode::empty(), how))
}

/// Makes a directory that everybody may look into.
pub fn make_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    fs::mkdirat(dir, name, Mode::from_raw_mode(0o755))
}

/// Target of the symbolic link behind a handle from [`open_handle`].
pub fn read_link(handle: BorrowedFd<'_>) -> Result<Box<[u8]>, Errno> {
    let target = fs::readlinkat(handle, c"", Vec::with_capacity(256))?;
    Ok(target.into_bytes().into_boxed_slice())
}

/// Target of the symbolic link of that name.
pub fn read_link_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Box<[u8]>, Errno> {
    let target = fs::readlinkat(dir, name, Vec::with_capacity(256))?;
    Ok(target.into_bytes().into_boxed_slice())
}

/// Flags of an open file or directory, and whether fs-verity seals it; none where the file system knows none.
pub fn flags(fd: BorrowedFd<'_>) -> Result<(Flags, bool), Errno> {
    let bits = match fs::ioctl_getflags(fd) {
        Ok(bits) => bits.bits(),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => 0,
        Err(errno) => return Err(errno),
    };
    Ok((Flags::from_bits(bits), bits & verity::SEALED != 0))
}

/// How extended attributes are reached: through an open file, or through `/proc` for a mere handle,
/// on which the kernel refuses the calls that take a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Opened for reading.
    Open,
    /// From [`open_handle`].
    Handle,
}

/// Extended attributes without `trusted.*`, sorted by name; none where the file system knows none.
///
/// `without_selinux` leaves the label out, for manifests of trees that carry none.
pub fn xattrs(
    fd: BorrowedFd<'_>,
    access: Access,
    without_selinux: bool,
) -> Result<Vec<Xattr>, Errno> {
    let proc_path = match access {
        Access::Open => None,
        Access::Handle => Some(procfs::path_to(fd)?),
    };
    let list = |buffer: &mut [u8]| match &proc_path {
        None => fs::flistxattr(fd, buffer),
        Some(path) => fs::listxattr(path.as_str(), buffer),
    };
    let value = |name: &[u8], buffer: &mut [u8]| match &proc_path {
        None => fs::fgetxattr(fd, name, buffer),
        Some(path) => fs::getxattr(path.as_str(), name, buffer),
    };
    let mut stack = [0; 1024];
    let grown;
    let names = match list(&mut stack) {
        Ok(length) => bytes::first(&stack, length),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            grown = grow(list)?;
            &grown[..]
        }
        Err(errno) => return Err(errno),
    };
    let mut found = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.") || (without_selinux && name == b"security.selinux") {
            continue;
        }
        let value = grow(|buffer| value(name, buffer))?;
        found.push(Xattr {
            name: name.into(),
            sha256: Sha256::digest(&value).into(),
        });
    }
    found.sort();
    Ok(found)
}

/// Calls `read` with ever larger buffers until the answer fits. The kernel's limit is 64 KiB.
fn grow(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 4096];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => {
                buffer.resize(buffer.len().saturating_mul(8), 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// The names in a directory, sorted by bytes, in one arena: a million names cost little more than their bytes.
#[derive(Debug, Default)]
pub struct Names {
    arena: Vec<u8>,
    entries: Vec<(usize, u16, Hint)>,
}

impl Names {
    /// Number of names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The name at `index`, which counts from 0 in byte order.
    pub fn at(&self, index: usize) -> Option<(&[u8], Hint)> {
        let (start, length, hint) = *self.entries.get(index)?;
        let name = self.arena.get(start..)?.get(..usize::from(length))?;
        Some((name, hint))
    }

    /// Adds a name of which nothing is known; names come in byte order, each once.
    pub fn push(&mut self, name: &[u8]) {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.entries.push((self.arena.len(), length, Hint::Unknown));
        self.arena.extend_from_slice(name);
    }

    /// All names in byte order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Hint)> {
        (0..self.len()).filter_map(|index| self.at(index))
    }
}

/// Whether `wanted` holds for a name in the directory: the listing ends with the first, and nothing is kept of it.
pub fn any_name(dir: BorrowedFd<'_>, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<bool, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && wanted(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists a directory. An error part-way is an error: half a listing would show the rest as removed.
pub fn read_names(dir: BorrowedFd<'_>) -> Result<Names, Errno> {
    Ok(read_some_names(dir, usize::MAX)?.0)
}

/// Lists a directory up to `most` names, in whatever order the kernel gives them; whether these are all.
pub fn read_some_names(dir: BorrowedFd<'_>, most: usize) -> Result<(Names, bool), Errno> {
    let mut whole = true;
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut names = Names::default();
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if names.entries.len() >= most {
            whole = false;
            break;
        }
        let hint = match entry.file_type() {
            fs::FileType::RegularFile => Hint::File,
            fs::FileType::Directory => Hint::Dir,
            fs::FileType::Unknown => Hint::Unknown,
            _ => Hint::Other,
        };
        let length = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
        names.entries.push((names.arena.len(), length, hint));
        names.arena.extend_from_slice(name);
    }
    let Names { arena, entries } = &mut names;
    let name = |(start, length, _): &(usize, u16, Hint)| {
        bytes::first(bytes::behind(arena, *start), usize::from(*length))
    };
    entries.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    // A directory that changes while it is listed may give a name twice.
    entries.dedup_by(|a, b| name(a) == name(b));
    Ok((names, whole))
}
