//! Files that somebody may be writing to now: open for writing, or mapped shared, as far as /proc shows it
//! (proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_maps(5)).
//!
//! Whoever is not root sees of other users' processes nothing of this without CAP_SYS_PTRACE; how many hide it is
//! counted.

use crate::os::root::Root;
use crate::os::{node, others, procfs};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What /proc shows.
#[derive(Clone, Debug, Default)]
pub struct Writers {
    /// Inode numbers, whatever the file system: what a mapping names as its device is not always what a stat says.
    inodes: HashSet<u64>,
    /// Processes that do not show what they have open.
    pub hidden: u64,
}

impl Writers {
    /// Looks through all processes.
    pub fn now() -> Writers {
        let mut writers = Writers::default();
        let processes = Root::open(Path::new("/")).and_then(|root| procfs::processes(&root));
        let Ok(processes) = processes else {
            writers.hidden = 1;
            return writers;
        };
        for pid in processes {
            let shown = others::process(pid).and_then(|handle| {
                writers.add_descriptors(&handle)?;
                writers.add_mappings(&handle)
            });
            match shown {
                // Ended meanwhile.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound) || is_gone(&error) => {}
                Err(_) => writers.hidden = writers.hidden.saturating_add(1),
                Ok(()) => {}
            }
        }
        writers
    }

    /// Whether somebody has a file of that inode number open for writing, or mapped.
    pub fn have(&self, inode: u64) -> bool {
        self.inodes.contains(&inode)
    }

    fn add_descriptors(&mut self, handle: &OwnedFd) -> io::Result<()> {
        let descriptors = node::open_dir(handle.as_fd(), b"fd")?;
        for (number, _) in node::read_names(descriptors.as_fd())?.iter() {
            let named = |directory: &str| [directory.as_bytes(), number].concat();
            let mut told = String::new();
            match others::open(handle, &named("fdinfo/")) {
                Ok(mut text) => text.read_to_string(&mut told).map(|_| ())?,
                // Closed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            if may_write(&told)
                && let Ok(there) = others::handle(handle, &named("fd/"))
                && let Ok(file) = File::from(there).metadata()
                && file.is_file()
            {
                self.inodes.insert(file.ino());
            }
        }
        Ok(())
    }

    fn add_mappings(&mut self, process: &OwnedFd) -> io::Result<()> {
        let maps = BufReader::new(others::open(process, b"maps")?);
        for line in maps.split(b'\n') {
            self.inodes.extend(shared_inode(&line?));
        }
        Ok(())
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}

/// Whether an fdinfo says that the file is open for writing.
fn may_write(fdinfo: &str) -> bool {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags
        .is_some_and(|flags| flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_RDONLY)
}

/// The inode of a shared mapping of a file: `START-END rw-s OFFSET MAJOR:MINOR INODE PATH`.
fn shared_inode(line: &[u8]) -> Option<u64> {
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let rights = words.nth(1)?;
    let inode = words.nth(2)?;
    let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
    (rights.last() == Some(&b's') && inode != 0).then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};

    fn inode(path: &Path) -> u64 {
        fs::metadata(path).expect("there").ino()
    }

    #[test]
    fn a_file_is_written_as_long_as_somebody_has_it_open_for_that() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, "text").expect("written");
        let reader = File::open(&path).expect("there");
        assert!(!Writers::now().have(inode(&path)), "it is only read");
        let writer = OpenOptions::new().append(true).open(&path).expect("there");
        assert!(Writers::now().have(inode(&path)));
        drop((reader, writer));
        assert!(!Writers::now().have(inode(&path)));
    }

    #[test]
    fn what_proc_says_is_understood() {
        assert!(may_write("pos:\t0\nflags:\t0100002\nmnt_id:\t25\n"));
        assert!(may_write("pos:\t0\nflags:\t0102001\nmnt_id:\t25\n"));
        assert!(!may_write("pos:\t0\nflags:\t0100000\nmnt_id:\t25\n"));
        assert!(!may_write("pos:\t0\nflags:\t012000000\n") && !may_write(""));
        let line = "7f1c00000000-7f1c00001000 rw-s 00000000 fe:00 4711          /srv/a b";
        assert_eq!(shared_inode(line.as_bytes()), Some(4711));
        let private = line.replace("rw-s", "rw-p");
        assert_eq!(shared_inode(private.as_bytes()), None);
        let anonymous = "7f1c00000000-7f1c00001000 rw-s 00000000 00:00 0 ";
        assert_eq!(shared_inode(anonymous.as_bytes()), None);
        assert_eq!(shared_inode(b""), None);
    }
}
