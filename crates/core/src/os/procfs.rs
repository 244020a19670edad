//! /proc, where what it says lets something pass: procfs itself, and of a process namespace that this process is in.
//!
//! Whoever may mount can put a directory of links over /proc that leads into the real one, and to another process where
//! this one asks for itself (proc(5), `thread-self`). So nothing here follows a link that procfs did not make, nor goes
//! over to what is mounted on an entry (openat2(2), Linux 5.6; each component for itself where that is refused).

use crate::os::node::{self, Hint};
use crate::os::root::Root;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The magic number of procfs (statfs(2)).
const MAGIC: fs::FsWord = 0x9fa0;
/// The inode of its root directory (PROC_ROOT_INO of the kernel).
const ROOT: u64 = 1;
/// A handle to a directory.
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A handle to /proc.
pub fn open() -> io::Result<OwnedFd> {
    below(CWD, b"/proc")
}

/// The same of a running system's tree.
pub(super) fn of(root: &Root) -> io::Result<OwnedFd> {
    below(root.as_fd(), b"proc")
}

fn below(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let replaced = || io::Error::other("/proc is no procfs: is it mounted?");
    match fs::openat(dir, name, DIRECTORY, Mode::empty()) {
        Ok(proc) if is_root(proc.as_fd())? => Ok(proc),
        Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Err(replaced()),
        Err(errno) => Err(errno.into()),
    }
}

fn is_root(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(fs::fstatfs(directory)?.f_type == MAGIC && fs::fstat(directory)?.st_ino == ROOT)
}

/// Opens what /proc has of this thread, which has the process's files and program.
pub fn own(name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    Ok(own_in(open()?.as_fd(), name, flags | OFlags::CLOEXEC)?)
}

fn own_in(proc: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = [b"thread-self/", name].concat();
    let how = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    match fs::openat2(proc, path, flags, Mode::empty(), how) {
        // An older kernel, or a filter of calls that does not know this one.
        Err(Errno::NOSYS | Errno::PERM) => by_component(proc, name, flags),
        result => result,
    }
}

/// What is mounted on an entry from elsewhere shows by its device.
fn by_component(proc: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let device = fs::fstat(proc)?.st_dev;
    let own = node::read_link_at(proc, b"thread-self")?;
    let mut directory = proc.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for component in own.split(|byte| *byte == b'/') {
        directory = fs::openat(&directory, component, DIRECTORY, Mode::empty())?;
        if fs::fstat(&directory)?.st_dev != device {
            return Err(Errno::XDEV);
        }
    }
    if name.is_empty() {
        return Ok(directory);
    }
    let opened = fs::openat(&directory, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    match fs::fstat(&opened)?.st_dev == device {
        true => Ok(opened),
        false => Err(Errno::XDEV),
    }
}

/// The text of an entry of this thread's, at most `limit` bytes of it.
pub fn read_own(name: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let file: File = own(name, OFlags::RDONLY)?.into();
    let mut text = Vec::new();
    file.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

/// The program that this process runs.
pub fn own_program() -> io::Result<File> {
    let own = own(b"", OFlags::PATH | OFlags::DIRECTORY)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(fs::openat(own, c"exe", flags, Mode::empty())?.into())
}

/// The path that leads to an open object now.
pub fn path_of(open: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let descriptors = own(b"fd", OFlags::PATH | OFlags::DIRECTORY)?;
    let number = open.as_raw_fd().to_string();
    Ok(node::read_link_at(descriptors.as_fd(), number.as_bytes())?.into_vec())
}

/// A path for calls that take nothing else, which leads to the very object that is open. XDEV where it leads to another.
pub fn path_to(open: BorrowedFd<'_>) -> Result<String, Errno> {
    let path = format!("/proc/self/fd/{}", open.as_raw_fd());
    let (there, here) = (fs::stat(path.as_str())?, fs::fstat(open)?);
    match (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) {
        true => Ok(path),
        false => Err(Errno::XDEV),
    }
}

/// The mount table of this thread's namespace (proc_pid_mountinfo(5)), open at its beginning.
pub fn mounts(limit: u64) -> io::Result<File> {
    let proc = open()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut table: File = own_in(proc.as_fd(), b"mountinfo", flags)?.into();
    let told = fs::statx(&proc, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    // Since Linux 5.8.
    if StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::MNT_ID) {
        let mut text = Vec::new();
        Read::by_ref(&mut table)
            .take(limit)
            .read_to_end(&mut text)?;
        table.rewind()?;
        if !lists(&text, told.stx_mnt_id) {
            let why =
                "/proc shows another mount table than this process's: its own mount is missing";
            return Err(io::Error::other(why));
        }
    }
    Ok(table)
}

/// The mount table of process 1, open at its beginning; an error where that has another root than this process, whose
/// paths would mean something else.
pub fn mounts_of_first_process() -> io::Result<File> {
    let proc = open()?;
    let root = |name: &str| fs::statat(&proc, name, AtFlags::empty());
    let (theirs, ours) = (root("1/root/")?, root("thread-self/root/")?);
    if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino) {
        return Err(io::Error::other("process 1 has another root"));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(&proc, "1/mountinfo", flags, Mode::empty())?.into())
}

/// Whether the table has a mount of that number.
fn lists(table: &[u8], mount: u64) -> bool {
    let mount = mount.to_string();
    table
        .split(|byte| *byte == b'\n')
        .any(|line| line.split(|byte| *byte == b' ').next() == Some(mount.as_bytes()))
}

/// The numbers of all processes below `proc` of that root, in the order of their names. A link is no process. None at
/// all is an error, and so are those of a running system without this one.
pub fn processes(root: &Root) -> io::Result<Vec<u32>> {
    let names = match root.is_live() {
        true => {
            let proc = of(root)?;
            own_in(proc.as_fd(), b"", DIRECTORY).map_err(|errno| {
                io::Error::other(format!("/proc does not show this process: {errno}"))
            })?;
            Some(node::read_names(
                node::open_dir(proc.as_fd(), b".")?.as_fd(),
            )?)
        }
        false => root.list(b"proc")?,
    };
    let names = names.ok_or_else(|| io::Error::other("/proc is not there"))?;
    let processes: Vec<u32> = names
        .iter()
        .filter(|(_, hint)| matches!(hint, Hint::Dir | Hint::Unknown))
        .filter(|(name, _)| name.iter().all(u8::is_ascii_digit))
        .filter_map(|(name, _)| std::str::from_utf8(name).ok()?.parse().ok())
        .collect();
    match processes.is_empty() {
        true => Err(io::Error::other("/proc shows no process: is it mounted?")),
        false => Ok(processes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn root(path: &Path) -> Root {
        Root::open(path).expect("a root")
    }

    #[test]
    fn links_into_a_real_proc_are_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = root(directory.path());
        assert!(of(&tree).is_err(), "nothing");
        symlink("/proc", directory.path().join("proc")).expect("made");
        assert!(of(&tree).is_err(), "a link");
        std::fs::remove_file(directory.path().join("proc")).expect("removed");
        std::fs::create_dir(directory.path().join("proc")).expect("made");
        assert!(of(&tree).is_err(), "another file system");
        let own = own(b"", DIRECTORY).expect("/proc");
        assert_eq!(is_root(own.as_fd()), Ok(false), "a directory of procfs");
        assert!(of(&root(Path::new("/"))).is_ok());
    }

    #[test]
    fn both_ways_lead_to_this_thread() {
        let proc = open().expect("/proc");
        let text = |file: OwnedFd| {
            let mut text = String::new();
            File::from(file).read_to_string(&mut text).expect("read");
            text
        };
        let other = std::thread::spawn(move || {
            let both = [own_in(proc.as_fd(), b"comm", OFlags::RDONLY)];
            let [first] = both.map(|file| text(file.expect("there")));
            let second = by_component(proc.as_fd(), b"comm", OFlags::RDONLY).expect("there");
            let stat = by_component(proc.as_fd(), b"stat", OFlags::RDONLY).expect("there");
            let tid = rustix::thread::gettid().as_raw_nonzero().to_string();
            (first == text(second), text(stat).starts_with(&tid))
        });
        assert_eq!(other.join().expect("ended"), (true, true));
        let link = own(b"exe", OFlags::RDONLY).map_err(|error| error.raw_os_error());
        assert_eq!(link.err(), Some(Some(libc::ELOOP)), "no link is followed");
        assert!(own_program().is_ok());
    }

    #[test]
    fn a_table_without_the_mount_of_proc_is_another_ones() {
        let table = b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 20 0:20 / /proc rw - proc proc rw\n";
        assert!(lists(table, 22) && !lists(table, 2) && !lists(b"", 22));
        assert!(mounts(bounds::MOUNTS).is_ok());
    }

    #[test]
    fn a_path_leads_to_what_is_open_or_nowhere() {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = root(directory.path());
        assert!(path_to(tree.as_fd()).is_ok());
        let path = path_of(tree.as_fd()).expect("there");
        assert_eq!(path, directory.path().as_os_str().as_encoded_bytes());
    }

    #[test]
    fn processes_are_directories_and_never_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = root(directory.path());
        let proc = directory.path().join("proc");
        assert!(processes(&tree).is_err(), "no /proc");
        std::fs::create_dir_all(proc.join("x7")).expect("made");
        symlink("/proc/1", proc.join("1")).expect("made");
        std::fs::write(proc.join("8"), "").expect("written");
        assert!(processes(&tree).is_err(), "a link, a file and another name");
        std::fs::create_dir(proc.join("7")).expect("made");
        assert_eq!(processes(&tree).ok(), Some(vec![7]));
        let live = processes(&root(Path::new("/"))).expect("/proc");
        assert!(live.contains(&std::process::id()));
    }
}
