//! What ldconfig reads of a shared library: for which machine it is, and the name that it is asked for by (elf(5)).

use agent_core::bytes;
use agent_core::os::read::fill_at;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
/// Object file type of shared objects.
const ET_DYN: u16 = 3;
/// Program headers, and bytes of the dynamic section and of a name, that are read.
// Own bound: of one library; what has more is none that ldconfig made an entry of.
const MOST_HEADERS: usize = 256;
const DYNAMIC: usize = 64 << 10;
const NAME: usize = 4096;

/// A shared library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Library {
    /// 32 or 64 bits, and the machine (`e_machine`).
    pub(crate) class: u8,
    pub(crate) machine: u16,
    /// `DT_SONAME`
    pub(crate) soname: Option<Vec<u8>>,
}

/// What the file says; `None` where it is no shared library of this byte order.
pub(crate) fn read(file: &File) -> io::Result<Option<Library>> {
    let mut head = [0; 64];
    let length = fill_at(file, &mut head, 0)?;
    let head = bytes::first(&head, length);
    if !head.starts_with(b"\x7fELF") || head.get(5) != Some(&1) {
        return Ok(None);
    }
    let wide = match head.get(4) {
        Some(1) => false,
        Some(2) => true,
        _ => return Ok(None),
    };
    let elf = ElfFile { file, wide };
    Ok(elf.shared_object(head))
}

struct ElfFile<'a> {
    file: &'a File,
    wide: bool,
}

/// A part of the file and where it is in memory.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl ElfFile<'_> {
    fn shared_object(&self, head: &[u8]) -> Option<Library> {
        if short(head, 16)? != ET_DYN {
            return None;
        }
        let machine = short(head, 18)?;
        let (at, size, count) = match self.wide {
            true => (long(head, 32)?, short(head, 54)?, short(head, 56)?),
            false => (word(head, 28)?.into(), short(head, 42)?, short(head, 44)?),
        };
        let count = usize::from(count);
        if count > MOST_HEADERS {
            return None;
        }
        let table = self.bytes(at, usize::from(size).checked_mul(count)?)?;
        let rows = table.chunks_exact(usize::from(size.max(1)));
        let segments: Vec<Segment> = rows.filter_map(|row| self.segment(row)).collect();
        Some(Library {
            class: if self.wide { 64 } else { 32 },
            machine,
            soname: self.soname(&segments),
        })
    }

    fn segment(&self, row: &[u8]) -> Option<Segment> {
        let kind = word(row, 0)?;
        let (offset, address, size) = match self.wide {
            true => (long(row, 8)?, long(row, 16)?, long(row, 32)?),
            false => (
                word(row, 4)?.into(),
                word(row, 8)?.into(),
                word(row, 16)?.into(),
            ),
        };
        Some(Segment {
            kind,
            offset,
            address,
            size,
        })
    }

    fn soname(&self, segments: &[Segment]) -> Option<Vec<u8>> {
        let dynamic = segments.iter().find(|one| one.kind == PT_DYNAMIC)?;
        let size = usize::try_from(dynamic.size).ok()?.min(DYNAMIC);
        let text = self.bytes(dynamic.offset, size)?;
        let (mut strings, mut name) = (None, None);
        for row in text.chunks_exact(if self.wide { 16 } else { 8 }) {
            let (tag, value): (u64, u64) = match self.wide {
                true => (long(row, 0)?, long(row, 8)?),
                false => (word(row, 0)?.into(), word(row, 4)?.into()),
            };
            match tag {
                0 => break,
                DT_STRTAB => strings = Some(value),
                DT_SONAME => name = Some(value),
                _ => {}
            }
        }
        let address = strings?.checked_add(name?)?;
        let holds = |one: &&Segment| {
            one.kind == PT_LOAD
                && address
                    .checked_sub(one.address)
                    .is_some_and(|at| at < one.size)
        };
        let segment = segments.iter().find(holds)?;
        let at = segment
            .offset
            .checked_add(address.checked_sub(segment.address)?)?;
        let mut text = [0; NAME];
        let length = fill_at(self.file, &mut text, at).ok()?;
        let (name, _) = bytes::split_once(bytes::first(&text, length), 0)?;
        Some(name.to_vec())
    }

    fn bytes(&self, at: u64, size: usize) -> Option<Vec<u8>> {
        let mut text = vec![0; size];
        self.file.read_exact_at(&mut text, at).ok()?;
        Some(text)
    }
}

fn short(text: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

fn word(text: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

fn long(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_which_readelf_tells() {
        // The C library of whatever runs this: every program here is linked with it.
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let libc = maps.lines().find_map(|line| {
            let path = line.split_whitespace().nth(5)?;
            path.ends_with("/libc.so.6").then(|| path.to_owned())
        });
        let path = libc.expect("a C library");
        let told = std::process::Command::new("readelf")
            .args(["-d", &path])
            .output()
            .expect("readelf");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.contains("soname: [libc.so.6]"), "{told}");
        let library = read(&File::open(&path).expect("it")).expect("read");
        assert_eq!(
            library.and_then(|library| library.soname).as_deref(),
            Some(&b"libc.so.6"[..])
        );
    }

    #[test]
    fn what_is_cut_off_or_mutated_never_panics() {
        let path = std::env::current_exe().expect("a program");
        let whole = std::fs::read(path).expect("read");
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("a");
        let head = &whole[..whole.len().min(4096)];
        let cut = (0..head.len()).step_by(97).map(|end| head[..end].to_vec());
        let mutated = (4..512).map(|at| {
            let mut text = head.to_vec();
            text[at] ^= 0xff;
            text
        });
        for text in cut.chain(mutated) {
            std::fs::write(&place, &text).expect("written");
            let read = read(&File::open(&place).expect("it"));
            assert!(read.is_ok(), "{read:?}");
        }
    }
}
