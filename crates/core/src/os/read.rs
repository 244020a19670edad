//! Reading file contents without filling the page cache with them.
//!
//! From Linux 6.14 exactly what a read brought in leaves again. Before that a file is dropped from its first byte
//! that had to be fetched to its end, with what others may have had of it there.

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;

/// `RWF_DONTCACHE` (Linux 6.14): what this read brings into the page cache leaves it again.
const DONTCACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// Fills the buffer from `offset`, and says how much it is: less only at the end of the file.
pub fn fill_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let (mut rest, mut filled) = (buffer, 0_usize);
    while !rest.is_empty() {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(length) => {
                filled = filled.saturating_add(length);
                rest = rest.get_mut(length..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A reader that learns what the file system at hand supports.
#[derive(Clone, Debug, Default)]
pub struct FileReader {
    device: Option<(u32, u32)>,
    /// The file system refused to say whether contents are cached.
    no_nowait: bool,
    /// The kernel or file system does not know `RWF_DONTCACHE`.
    no_dontcache: bool,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Bytes; 0 at the end of the file.
    pub length: usize,
    /// Whether they were fetched into the page cache, are still there and should be dropped by [`FileReader::drop_from`].
    pub left_behind: bool,
}

impl FileReader {
    /// Says on which device the file that is read next lies: what one file system refuses another may grant.
    pub fn on_device(&mut self, device: (u32, u32)) {
        if self.device != Some(device) {
            *self = FileReader {
                device: Some(device),
                ..FileReader::default()
            };
        }
    }

    /// Whether the file system at hand tells what is cached.
    pub fn tells(&self) -> bool {
        !self.no_nowait
    }

    /// Whether what it fetches stays in the page cache until it is dropped; known once something was read.
    pub fn leaves_behind(&self) -> bool {
        self.no_dontcache && self.tells()
    }

    /// Reads what is cached at `offset`; `None` if nothing is, or if nobody can tell.
    ///
    /// The kernel begins to fetch what is not cached: a [`FileReader::fetch_at`] that comes later waits less.
    pub fn cached_at(
        &mut self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<Option<usize>, Errno> {
        if self.no_nowait {
            return Ok(None);
        }
        let nowait = ReadWriteFlags::NOWAIT;
        // What this call begins to fetch must be marked to leave again, too.
        match self.with_dontcache(nowait, |flags| {
            preadv2(file, &mut [IoSliceMut::new(buffer)], offset, flags)
        }) {
            Ok(length) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) if unsupported(errno) => {
                self.no_nowait = true;
                Ok(None)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Reads at `offset`, waiting for the disk; may bring less than fits.
    pub fn fetch_at(
        &mut self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<Piece, Errno> {
        let length =
            self.with_dontcache(ReadWriteFlags::empty(), |flags| match flags.is_empty() {
                true => pread(file, &mut *buffer, offset),
                false => preadv2(file, &mut [IoSliceMut::new(buffer)], offset, flags),
            })?;
        // Where nothing tells warm from cold, nothing is dropped: it might be somebody's.
        Ok(Piece {
            length,
            left_behind: self.leaves_behind(),
        })
    }

    /// Reads at `offset`: what is cached, else what the disk has. May bring less than fits.
    pub fn read_at(
        &mut self,
        file: BorrowedFd<'_>,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<Piece, Errno> {
        match self.cached_at(file, buffer, offset)? {
            Some(length) => Ok(Piece {
                length,
                left_behind: false,
            }),
            None => self.fetch_at(file, buffer, offset),
        }
    }

    /// Calls with `RWF_DONTCACHE` where that is known, and without it once it was refused.
    fn with_dontcache(
        &mut self,
        flags: ReadWriteFlags,
        mut call: impl FnMut(ReadWriteFlags) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        if !self.no_dontcache {
            match retry(|| call(flags | DONTCACHE)) {
                Err(errno) if unsupported(errno) => {}
                result => return result,
            }
        }
        let result = retry(|| call(flags));
        // Refused without it too, something else was meant.
        self.no_dontcache |= !result.is_err_and(unsupported);
        result
    }

    /// Drops from the page cache what lies at `offset` and beyond. A refusal costs nobody anything.
    pub fn drop_from(file: BorrowedFd<'_>, offset: u64) {
        fadvise(file, offset, None::<NonZeroU64>, Advice::DontNeed).unwrap_or_default();
    }
}

fn unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)
}

fn retry(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
