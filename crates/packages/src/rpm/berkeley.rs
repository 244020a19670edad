//! Reading a hash of Berkeley DB (dbinc/db_page.h of 5.3), as `Packages` of Amazon Linux 2 is one.
//!
//! The pages are gone through as they lie, not by their hashes: each pair stands once, and nothing has to be found.
//! Every length is checked, nothing is written, no lock is taken.

use agent_core::bounds;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0x0006_1561;
/// Page types.
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;
/// Item types.
const KEYDATA: u8 = 1;
const OFFPAGE: u8 = 3;
/// Of a page: lsn, its number, the one before, the next, entries, offset, level, type.
const PAGE_HEADER: usize = 26;

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the database is damaged: {what}"),
    )
}

/// An open database.
pub(super) struct Database {
    file: File,
    page_size: usize,
    pages: u32,
    swapped: bool,
}

impl Database {
    pub(super) fn open(file: File) -> io::Result<Database> {
        let mut meta = [0; 512];
        file.read_exact_at(&mut meta, 0)
            .map_err(|_| bad("it is cut off"))?;
        let word =
            |at: usize| u32::from_ne_bytes([meta[at], meta[at + 1], meta[at + 2], meta[at + 3]]);
        let swapped = match word(12) {
            MAGIC => false,
            magic if magic.swap_bytes() == MAGIC => true,
            _ => return Err(io::Error::other("it is no hash of Berkeley DB")),
        };
        let number = |at| {
            if swapped {
                word(at).swap_bytes()
            } else {
                word(at)
            }
        };
        if meta[24] != 0 {
            return Err(io::Error::other("it is encrypted"));
        }
        let page_size = number(20) as usize;
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(bad("an impossible page size"));
        }
        let length = file.metadata()?.len();
        let there = u32::try_from(length / page_size as u64).unwrap_or(u32::MAX);
        let pages = number(32).saturating_add(1);
        if pages > there {
            return Err(bad("it is cut off"));
        }
        Ok(Database {
            file,
            page_size,
            pages,
            swapped,
        })
    }

    fn page(&self, number: u32, page: &mut Vec<u8>) -> io::Result<()> {
        if number >= self.pages {
            return Err(bad("a page that is not there"));
        }
        page.resize(self.page_size, 0);
        let at = u64::from(number) * self.page_size as u64;
        self.file
            .read_exact_at(page, at)
            .map_err(|_| bad("it is cut off"))
    }

    fn short(&self, bytes: &[u8], at: usize) -> io::Result<usize> {
        let raw = bytes.get(at..).and_then(<[u8]>::first_chunk);
        let number = raw.map(|raw| u16::from_ne_bytes(*raw));
        let number = number.ok_or_else(|| bad("a number outside its page"))?;
        Ok(usize::from(if self.swapped {
            number.swap_bytes()
        } else {
            number
        }))
    }

    fn number(&self, bytes: &[u8], at: usize) -> io::Result<u32> {
        let raw = bytes.get(at..).and_then(<[u8]>::first_chunk);
        let number = raw.map(|raw| u32::from_ne_bytes(*raw));
        let number = number.ok_or_else(|| bad("a number outside its page"))?;
        Ok(if self.swapped {
            number.swap_bytes()
        } else {
            number
        })
    }

    /// Hands each value on that does not belong to the key 0, under which rpm keeps a number of its own, until
    /// one is enough.
    pub(super) fn values(
        &self,
        each: &mut dyn FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        let (mut page, mut value) = (Vec::new(), Vec::new());
        for number in 1..self.pages {
            self.page(number, &mut page)?;
            if !matches!(page[25], HASH | HASH_UNSORTED) {
                continue;
            }
            let entries = self.short(&page, 20)?;
            // Items lie from the end of the page towards its beginning: each ends where the one before begins.
            let mut end = self.page_size;
            let mut key_is_zero = false;
            for entry in 0..entries {
                let start = self.short(&page, PAGE_HEADER + 2 * entry)?;
                let item = page
                    .get(start..end)
                    .ok_or_else(|| bad("an item outside its page"))?;
                end = start;
                if entry % 2 == 0 {
                    key_is_zero = matches!(item, [KEYDATA, 0, 0, 0, 0]);
                    continue;
                }
                if key_is_zero {
                    continue;
                }
                let flow = match item.first() {
                    Some(&KEYDATA) => each(&item[1..])?,
                    Some(&OFFPAGE) => {
                        let first = self.number(item, 4)?;
                        let length = self.number(item, 8)? as usize;
                        self.chain(first, length, &mut value)?;
                        each(&value)?
                    }
                    _ => return Err(bad("an item of no known kind")),
                };
                if flow.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A value that is spread over pages of its own.
    fn chain(&self, first: u32, length: usize, value: &mut Vec<u8>) -> io::Result<()> {
        if length > bounds::RPM_HEADER {
            return Err(bad("a record of more than 64 MiB"));
        }
        value.clear();
        let (mut next, mut page) = (first, Vec::new());
        // Each page brings something, so that the record's length bounds the chain.
        while value.len() < length {
            self.page(next, &mut page)?;
            let here = self.short(&page, 22)?;
            let content = page.get(PAGE_HEADER..PAGE_HEADER + here);
            match content {
                Some(content) if page[25] == OVERFLOW && here > 0 => {
                    value.extend_from_slice(content)
                }
                _ => return Err(bad("a record that breaks off")),
            }
            next = self.number(&page, 16)?;
        }
        match value.len() == length {
            true => Ok(()),
            false => Err(bad("a record of another length than it says")),
        }
    }
}
