//! Reading a hash of Berkeley DB (dbinc/db_page.h of 5.3), as `Packages` of Amazon Linux 2 is one.
//!
//! The pages are gone through as they lie, not by their hashes: each pair stands once, and nothing has to be found.
//! Every length is checked, nothing is written, no lock is taken.

use agent_core::bounds;
use agent_core::bytes;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0x0006_1561;
/// Page types.
const INVALID: u8 = 0;
const HASH_UNSORTED: u8 = 2;
const HASH: u8 = 13;
const OVERFLOW: u8 = 7;
/// Item types.
const KEYDATA: u8 = 1;
const OFFPAGE: u8 = 3;
/// Of a page: lsn, its number, the one before, the next, entries, offset, level, type.
const PAGE_HEADER: usize = 26;

/// Buckets come in groups, each twice as large as the one before (`spares` of `HMETA`).
const GROUPS: usize = 32;
/// Where the number of the last bucket and the first pages of groups stand in the first page (`HMETA`).
const LAST_BUCKET: usize = 72;
const SPARES: usize = 96;

/// What of one page cannot be.
fn bad_page(number: u32, what: &str) -> io::Error {
    bad(&format!("page {number}: {what}"))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the database is damaged: {what}"),
    )
}

/// What kind of page it is; a page has at least 512 bytes.
fn page_type(page: &[u8]) -> u8 {
    page.get(25).copied().unwrap_or(INVALID)
}

/// An open database.
pub(super) struct Database {
    file: File,
    page_size: usize,
    pages: u32,
    swapped: bool,
    /// The number of the last bucket.
    last_bucket: u32,
    /// Of each group of buckets, what is added to a bucket's number for that of its page.
    spares: [u32; GROUPS],
}

impl Database {
    pub(super) fn open(file: File) -> io::Result<Database> {
        let mut meta = [0; 512];
        file.read_exact_at(&mut meta, 0)
            .map_err(|_| bad("it is cut off"))?;
        let word = |at: usize| {
            let raw = bytes::behind(&meta, at).first_chunk();
            raw.map_or(0, |raw| u32::from_ne_bytes(*raw))
        };
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
        let there = length.checked_div(page_size as u64).unwrap_or(0);
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        let pages = number(32).saturating_add(1);
        if pages > there {
            return Err(bad("it is cut off"));
        }
        let last_bucket = number(LAST_BUCKET);
        if last_bucket >= pages {
            return Err(bad("more buckets than pages"));
        }
        let mut places = (SPARES..).step_by(4);
        let spares = [(); GROUPS].map(|()| places.next().map_or(u32::MAX, number));
        Ok(Database {
            file,
            page_size,
            pages,
            swapped,
            last_bucket,
            spares,
        })
    }

    fn page(&self, number: u32, page: &mut Vec<u8>) -> io::Result<()> {
        if number >= self.pages {
            return Err(bad_page(number, "it is not there"));
        }
        page.resize(self.page_size, 0);
        let at = u64::from(number).saturating_mul(self.page_size as u64);
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
        self.check_buckets()?;
        let (mut page, mut value) = (Vec::new(), Vec::new());
        let mut taken = HashSet::new();
        for number in 1..self.pages {
            self.page(number, &mut page)?;
            match page_type(&page) {
                HASH | HASH_UNSORTED => {}
                OVERFLOW => continue,
                INVALID if self.short(&page, 20)? == 0 => continue,
                kind => {
                    return Err(bad_page(number, &format!("a page of type {kind}")));
                }
            }
            let entries = self.short(&page, 20)?;
            // Items lie from the end of the page towards its beginning: each ends where the one before begins.
            let mut end = self.page_size;
            let mut key_is_zero = false;
            let places = (PAGE_HEADER..).step_by(2).take(entries);
            for (entry, place) in places.enumerate() {
                let start = self.short(&page, place)?;
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
                    Some(&KEYDATA) => each(bytes::behind(item, 1))?,
                    Some(&OFFPAGE) => {
                        let first = self.number(item, 4)?;
                        let length = self.number(item, 8)? as usize;
                        self.chain(first, length, &mut taken, &mut value)?;
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

    /// Whether each bucket's pages are what libdb takes: else a page whose type is damaged would hide what it holds.
    fn check_buckets(&self) -> io::Result<()> {
        let (mut page, mut met) = (Vec::new(), HashSet::new());
        for bucket in 0..=self.last_bucket {
            // BS_TO_PAGE of dbinc/hash.h: the group is the logarithm of the number behind, rounded up.
            let group = (u64::from(bucket) + 1).next_power_of_two().trailing_zeros();
            let spare = self.spares.get(group as usize).copied().unwrap_or(u32::MAX);
            let mut number = bucket
                .checked_add(spare)
                .ok_or_else(|| bad("a bucket outside the file"))?;
            while number != 0 {
                if !met.insert(number) {
                    return Err(bad_page(number, "it belongs to two buckets"));
                }
                self.page(number, &mut page)?;
                let kind = page_type(&page);
                let is_empty = kind == INVALID && self.short(&page, 20)? == 0;
                if !(matches!(kind, HASH | HASH_UNSORTED) || is_empty) {
                    return Err(bad_page(number, &format!("a bucket of type {kind}")));
                }
                number = match is_empty {
                    true => 0,
                    false => self.number(&page, 16)?,
                };
            }
        }
        Ok(())
    }

    /// A value that is spread over pages of its own.
    fn chain(
        &self,
        first: u32,
        length: usize,
        taken: &mut HashSet<u32>,
        value: &mut Vec<u8>,
    ) -> io::Result<()> {
        if length > bounds::RPM_HEADER {
            return Err(bad("a record that is larger than any package's header"));
        }
        value.clear();
        let (mut next, mut page) = (first, Vec::new());
        // Each page brings something, so that the record's length bounds the chain.
        while value.len() < length {
            if !taken.insert(next) {
                return Err(bad_page(next, "it belongs to two records"));
            }
            self.page(next, &mut page)?;
            let here = self.short(&page, 22)?;
            let content = bytes::behind(&page, PAGE_HEADER).get(..here);
            match content {
                Some(content) if page_type(&page) == OVERFLOW && here > 0 => {
                    value.extend_from_slice(content)
                }
                _ => return Err(bad_page(next, "a record that breaks off")),
            }
            next = self.number(&page, 16)?;
        }
        match value.len() == length {
            true => Ok(()),
            false => Err(bad("a record of another length than it says")),
        }
    }
}
