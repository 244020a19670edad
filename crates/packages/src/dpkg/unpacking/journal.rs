//! dpkg's journal `updates/`, read as it grows: dpkg adds an entry for each step of each package, and puts none into one that
//! is there.

use super::super::UPDATES;
use super::{FileStamp, StatusEntry, entries, expire, stamp_of};
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::os::node;
use agent_core::os::root::Root;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// The entries that were there the last time.
#[derive(Debug, Default)]
pub(super) struct Journal(BTreeMap<Vec<u8>, (FileStamp, Vec<StatusEntry>)>);

impl Journal {
    /// Reads what has come since the last time, or is another file by now.
    pub(super) fn refresh(&mut self, root: &Root, deadline: Instant) -> io::Result<()> {
        let mut known = std::mem::take(&mut self.0);
        let dir = match root.resolve(UPDATES.as_bytes(), true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            resolved => resolved?.handle,
        };
        let Some(dir) = dir else {
            return Ok(());
        };
        let names = node::read_names(node::open_dir(dir.as_fd(), b".")?.as_fd())?;
        if names.len() > bounds::UNPACKING_UPDATES {
            return Err(io::Error::other("a journal of too many entries"));
        }
        for (name, _) in names.iter() {
            if name.is_empty() || !name.iter().all(u8::is_ascii_digit) {
                continue;
            }
            let stat = match node::stat_at(dir.as_fd(), name) {
                // dpkg has just taken it over into the status file.
                Err(Errno::NOENT) => continue,
                stat => stat?,
            };
            let read = match known.remove(name) {
                Some(read) if read.0 == stamp_of(&stat) => read,
                _ if stat.kind != FileType::File => {
                    return Err(io::Error::other("an entry that is no file"));
                }
                _ => match read(dir.as_fd(), name, deadline)? {
                    Some(read) => read,
                    None => continue,
                },
            };
            self.0.insert(name.to_vec(), read);
        }
        expire(deadline)
    }

    /// All entries, in the order of their numbers, which all have one length.
    pub(super) fn entries(&self) -> impl Iterator<Item = &StatusEntry> {
        self.0.values().flat_map(|(_, entries)| entries)
    }
}

/// What it says, and of which state; `None`: it is gone.
fn read(
    dir: BorrowedFd<'_>,
    name: &[u8],
    deadline: Instant,
) -> io::Result<Option<(FileStamp, Vec<StatusEntry>)>> {
    let file = match node::open_file(dir, name) {
        Err(Errno::NOENT) => return Ok(None),
        file => File::from(file?),
    };
    let stat = node::stat(&file)?;
    if stat.kind != FileType::File {
        return Err(io::Error::other("an entry that is no file"));
    }
    let mut found = Vec::new();
    let file = io::Read::take(file, bounds::UNPACKING_UPDATE);
    entries(file, deadline, |entry| {
        found.push(entry);
        Ok(())
    })?;
    Ok(Some((stamp_of(&stat), found)))
}
