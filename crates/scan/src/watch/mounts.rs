//! The mount table: what was mounted and unmounted since it was read before. inotify tells of neither.

use agent_core::bounds;
use agent_core::os::mounts::unescape;
use rustix::fs::{self, CWD, Mode, OFlags};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};

/// The mount table of this thread's namespace (proc_pid_mountinfo(5)). Polls as exceptional when it has changed.
#[derive(Debug)]
pub(super) struct Mounts {
    file: File,
    mounted: BTreeSet<Mount>,
}

/// A mount: its number, which tells one from another at the same place, and its place.
type Mount = (u64, Vec<u8>);

impl Mounts {
    /// Opens and reads the table.
    pub(super) fn open() -> io::Result<Mounts> {
        // Threads may have namespaces of their own.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = fs::openat(CWD, c"/proc/thread-self/mountinfo", flags, Mode::empty())?;
        let mut mounts = Mounts {
            file: file.into(),
            mounted: BTreeSet::new(),
        };
        mounts.changed()?;
        Ok(mounts)
    }

    /// To poll.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The places where something is mounted.
    pub(super) fn places(&self) -> impl Iterator<Item = &[u8]> {
        self.mounted.iter().map(|(_, place)| place.as_slice())
    }

    /// The places where something was mounted or unmounted since the table was read before.
    pub(super) fn changed(&mut self) -> io::Result<BTreeSet<Vec<u8>>> {
        let mut table = Vec::new();
        self.file.rewind()?;
        Read::by_ref(&mut self.file)
            .take(bounds::MOUNTS + 1)
            .read_to_end(&mut table)?;
        if table.len() as u64 > bounds::MOUNTS {
            return Err(io::Error::other("the table of mounts is larger than any"));
        }
        let mounted = parse(&table);
        let places = mounted.symmetric_difference(&self.mounted);
        let places = places.map(|(_, place)| place.clone()).collect();
        self.mounted = mounted;
        Ok(places)
    }
}

/// Number and place of each mount.
fn parse(table: &[u8]) -> BTreeSet<Mount> {
    let line = |line: &[u8]| {
        let mut words = line.split(|b| *b == b' ');
        let number = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        Some((number, unescape(words.nth(3)?)))
    };
    table.split(|b| *b == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let table = b"22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n\
            31 22 8:1 /a\\040b /mnt/with\\040space\\134 rw - ext4 /dev/sda1 rw\n\nodd\n";
        let expected: BTreeSet<Mount> =
            [(22, b"/proc".to_vec()), (31, b"/mnt/with space\\".to_vec())].into();
        assert_eq!(parse(table), expected);
    }

    #[test]
    fn a_table_larger_than_any_is_an_error_and_not_a_part_of_one() {
        let file = tempfile::tempfile().expect("a file");
        for (more, good) in [(0, true), (1, false)] {
            file.set_len(bounds::MOUNTS + more).expect("a hole");
            let mut mounts = Mounts {
                file: file.try_clone().expect("a handle"),
                mounted: BTreeSet::new(),
            };
            assert_eq!(mounts.changed().is_ok(), good, "{more}");
        }
    }

    #[test]
    fn the_table_of_this_host_has_a_root() {
        let mut mounts = Mounts::open().expect("a mount table");
        assert!(mounts.mounted.iter().any(|(_, place)| place == b"/"));
        let nothing = mounts.changed().expect("readable");
        // Other tests mount in namespaces of their own.
        assert!(nothing.len() < mounts.mounted.len());
    }
}
