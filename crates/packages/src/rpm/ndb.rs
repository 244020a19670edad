//! Reading `Packages.db` of rpm's own kind of database, ndb, as SUSE's distributions have it (lib/backend/ndb/rpmpkg.c).
//!
//! A header, slots that say where each package lies, and the packages, in blocks of 16 bytes; numbers are little-endian.
//! Every length is checked, nothing is written, no lock is taken: that nobody wrote meanwhile is told by the generation,
//! which rpm counts up with each change.

use agent_core::bounds;
use agent_core::bytes;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT: u32 = u32::from_le_bytes(*b"Slot");
const HEAD: u32 = u32::from_le_bytes(*b"BlbS");
const TAIL: u32 = u32::from_le_bytes(*b"BlbE");
const VERSION: u32 = 0;
const PAGE: u64 = 4096;
const BLOCK: u64 = 16;
const SLOT_SIZE: usize = 16;
/// Of the file's first page: what is no slot.
const HEADER: usize = 32;
/// Magic, package, generation, length.
const HEAD_SIZE: usize = 16;
/// Checksum, length, magic.
const TAIL_SIZE: usize = 12;

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the database is damaged: {what}"),
    )
}

fn number(bytes: &[u8], at: usize) -> io::Result<u32> {
    let raw = bytes.get(at..).and_then(<[u8]>::first_chunk);
    raw.map(|raw| u32::from_le_bytes(*raw))
        .ok_or_else(|| bad("a number outside its place"))
}

/// Adler-32 (RFC 1950), in which rpm sums up each package.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    // As many bytes as `high` takes before it overflows.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            low = low.wrapping_add(u32::from(*byte));
            high = high.wrapping_add(low);
        }
        low %= 65_521;
        high %= 65_521;
    }
    high << 16 | low
}

/// An open database.
pub(super) struct Database {
    file: File,
    length: u64,
    generation: u32,
    slots: Vec<u8>,
}

impl Database {
    pub(super) fn open(file: File) -> io::Result<Database> {
        let length = file.metadata()?.len();
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)
            .map_err(|_| bad("it is cut off"))?;
        if number(&header, 0)? != MAGIC {
            return Err(io::Error::other("it is no database of the kind ndb"));
        }
        let version = number(&header, 4)?;
        if version != VERSION {
            return Err(io::Error::other(format!(
                "it is of version {version} of the kind ndb, {VERSION} is known"
            )));
        }
        let slots = u64::from(number(&header, 12)?).saturating_mul(PAGE);
        if slots == 0 || slots > length {
            return Err(bad("it is cut off"));
        }
        let slots = usize::try_from(slots).map_err(|_| bad("too many slots"))?;
        if slots > bounds::RPM_HEADER {
            return Err(bad("slots of more than 64 MiB"));
        }
        let mut database = Database {
            file,
            length,
            generation: number(&header, 8)?,
            slots: vec![0; slots],
        };
        let (file, slots) = (&database.file, &mut database.slots);
        file.read_exact_at(slots, 0)
            .map_err(|_| bad("it is cut off"))?;
        Ok(database)
    }

    /// Hands the header of each package on, until one is enough.
    pub(super) fn values(
        &self,
        each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        let mut blob = Vec::new();
        for slot in bytes::behind(&self.slots, HEADER).chunks_exact(SLOT_SIZE) {
            let (magic, package) = (number(slot, 0)?, number(slot, 4)?);
            if magic != SLOT {
                return Err(bad("a slot that is none"));
            }
            // The slot of no package.
            if package == 0 {
                continue;
            }
            let (start, blocks) = (number(slot, 8)?, number(slot, 12)?);
            self.blob(package, start, blocks, &mut blob)?;
            let length = number(&blob, 12)? as usize;
            let header = bytes::first(bytes::behind(&blob, HEAD_SIZE), length);
            if each(header)?.is_break() {
                break;
            }
        }
        self.unchanged()
    }

    /// One package as it lies there: head, header, padding, tail; checked to be that package, whole.
    fn blob(&self, package: u32, start: u32, blocks: u32, blob: &mut Vec<u8>) -> io::Result<()> {
        let [at, size] = [start, blocks].map(|blocks| u64::from(blocks).saturating_mul(BLOCK));
        if at < self.slots.len() as u64 || at.saturating_add(size) > self.length {
            return Err(bad("a package outside the file"));
        }
        let size = usize::try_from(size).map_err(|_| bad("a package of no possible size"))?;
        if size > bounds::RPM_HEADER {
            return Err(bad("a record of more than 64 MiB"));
        }
        blob.resize(size, 0);
        self.file
            .read_exact_at(blob, at)
            .map_err(|_| bad("it is cut off"))?;
        let whole = blob.split_last_chunk::<TAIL_SIZE>();
        let parts = whole.and_then(|(rest, tail)| Some((rest, rest.get(HEAD_SIZE..)?, tail)));
        let Some((summed, room, tail)) = parts else {
            return Err(bad("a package without a head or a tail"));
        };
        let length = number(blob, 12)?;
        let whole = number(blob, 0)? == HEAD
            && number(blob, 4)? == package
            && number(tail, 4)? == length
            && number(tail, 8)? == TAIL
            && length as usize <= room.len();
        if !whole || number(tail, 0)? != adler32(summed) {
            self.unchanged()?;
            return Err(bad("a package that is not whole"));
        }
        Ok(())
    }

    fn unchanged(&self) -> io::Result<()> {
        let mut now = [0; 4];
        self.file.read_exact_at(&mut now, 8)?;
        match u32::from_le_bytes(now) == self.generation {
            true => Ok(()),
            false => Err(io::Error::other(
                "it was written to while it was read: packages are being installed or removed",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_as_zlib_makes_them() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&[0xff; 10_000]), 0xb623_eb2b);
    }
}
