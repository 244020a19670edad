//! Reading compressed lists of a package manager piece by piece: LZ4 frames, as apt keeps them on images, gzip, and what
//! repositories of rpm have today, zstd and xz.
//!
//! Checksums are not verified but of xz: a damaged list shows as text that cannot be parsed, or ends early. A file may
//! have several members, frames or streams: all of them are read.
// Long: each form of packing stands beside the others, with its tests.

mod zstd;

pub use zstd::zstd;

use agent_core::bounds;
use agent_core::bytes;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

/// No reference of LZ4 reaches farther back.
const LZ4_WINDOW: usize = 64 * 1024;
/// The largest block that a frame may announce.
// Own bound: the format's.
const LZ4_MAX_BLOCK: usize = 4 << 20;
const LZ4_MAGIC: u32 = 0x184d_2204;

/// A reader of the text behind `file`, by its name's ending. More than `most` bytes of text are an error, so that a part
/// never passes for the whole. `None`: a compression that is not known here.
pub fn reader<'a>(name: &str, file: impl Read + 'a, most: u64) -> Option<Box<dyn BufRead + 'a>> {
    let ending = name.rsplit('/').next().unwrap_or(name).rsplit_once('.');
    let packed = Rc::new(Cell::new(0));
    let file = Counted {
        file,
        count: packed.clone(),
    };
    let text: Box<dyn Read + 'a> = match ending.map(|(_, ending)| ending) {
        Some("lz4") => Box::new(Lz4::new(file)),
        Some("gz") => Box::new(Gzip::new(file)),
        Some("zst") => Box::new(zstd(BufReader::with_capacity(32 * 1024, file))),
        // Several streams, as xz writes them with threads.
        Some("xz") => Box::new(lzma_rust2::XzReader::new(file, true)),
        Some("bz2" | "lzma" | "zck") => return None,
        _ => Box::new(file),
    };
    let bounded = Bounded {
        text,
        packed,
        unpacked: 0,
        most,
    };
    Some(Box::new(BufReader::with_capacity(64 * 1024, bounded)))
}

/// The text of a gzip file, all of its members. A file that ends within one is an error.
pub fn gzip(file: impl Read) -> impl Read {
    Gzip::new(file)
}

/// What may be unpacked of anything, however small it is.
const FREE: u64 = 8 << 20;

/// A file whose bytes are counted as they are read.
struct Counted<R> {
    file: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.count
            .set(self.count.get().saturating_add(length as u64));
        Ok(length)
    }
}

/// Text that ends within its bounds, in all and for each byte that it is unpacked from, or in an error.
struct Bounded<'a> {
    text: Box<dyn Read + 'a>,
    packed: Rc<Cell<u64>>,
    unpacked: u64,
    most: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.text.read(buffer)?;
        self.unpacked = self.unpacked.saturating_add(length as u64);
        if self.unpacked > self.most {
            return Err(io::Error::other("it is larger than any real list"));
        }
        let sound = self.packed.get().saturating_mul(bounds::PACKAGE_LIST_RATIO);
        if self.unpacked > sound.saturating_add(FREE) {
            return Err(io::Error::other(
                "it unpacks to far more than any real list of its size",
            ));
        }
        Ok(length)
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// One LZ4 frame (lz4_Frame_format.md), linked blocks or not.
struct Lz4<R> {
    source: R,
    /// What later blocks may refer to, then what was not handed out yet.
    window: Vec<u8>,
    handed_out: usize,
    block: Vec<u8>,
    checksums: bool,
    begun: bool,
    ended: bool,
}

impl<R: Read> Lz4<R> {
    fn new(source: R) -> Lz4<R> {
        Lz4 {
            source,
            window: Vec::new(),
            handed_out: 0,
            block: Vec::new(),
            checksums: false,
            begun: false,
            ended: false,
        }
    }

    fn word(&mut self) -> io::Result<u32> {
        let mut raw = [0; 4];
        self.source.read_exact(&mut raw)?;
        Ok(u32::from_le_bytes(raw))
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.word()? != LZ4_MAGIC {
            return Err(bad("no LZ4 frame"));
        }
        let mut flags = [0; 2];
        self.source.read_exact(&mut flags)?;
        if flags[0] >> 6 != 1 {
            return Err(bad("an unknown version of LZ4 frames"));
        }
        self.checksums = flags[0] & 0x10 != 0;
        // Content size, dictionary id, and the header's own checksum.
        if flags[0] & 0x08 != 0 {
            self.source.read_exact(&mut [0; 8])?;
        }
        if flags[0] & 0x01 != 0 {
            self.source.read_exact(&mut [0; 4])?;
        }
        self.source.read_exact(&mut [0; 1])?;
        self.begun = true;
        Ok(())
    }

    fn next_block(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begin()?;
        }
        let size = self.word()?;
        if size == 0 {
            self.ended = true;
            return Ok(());
        }
        let (length, plain) = ((size & 0x7fff_ffff) as usize, size >> 31 == 1);
        if length > LZ4_MAX_BLOCK {
            return Err(bad("an LZ4 block that is too large"));
        }
        let out_of_reach = self.window.len().saturating_sub(LZ4_WINDOW);
        self.window.drain(..out_of_reach);
        self.handed_out = self.window.len();
        self.block.resize(length, 0);
        self.source.read_exact(&mut self.block)?;
        if self.checksums {
            self.word()?;
        }
        match plain {
            true => self.window.extend_from_slice(&self.block),
            false => unpack_block(&self.block, &mut self.window)
                .ok_or_else(|| bad("a damaged LZ4 block"))?,
        }
        Ok(())
    }
}

/// Sequences of literals and references (lz4_Block_format.md), appended to `out`.
fn unpack_block(mut block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    fn length(block: &mut &[u8], nibble: u8) -> Option<usize> {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let (more, rest) = block.split_first()?;
                *block = rest;
                length = length.checked_add(usize::from(*more))?;
                if *more != 255 {
                    break;
                }
            }
        }
        Some(length)
    }
    let start = out.len();
    while let Some((token, rest)) = block.split_first() {
        block = rest;
        let literals = length(&mut block, token >> 4)?;
        let (bytes, rest) = block.split_at_checked(literals)?;
        out.extend_from_slice(bytes);
        block = rest;
        if block.is_empty() {
            // The last sequence has literals alone.
            return Some(());
        }
        let (offset, rest) = block.split_first_chunk()?;
        let offset = usize::from(u16::from_le_bytes(*offset));
        block = rest;
        let matched = length(&mut block, token & 15)?.checked_add(4)?;
        let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
        if out.len().saturating_sub(start).checked_add(matched)? > LZ4_MAX_BLOCK {
            return None;
        }
        // A reference may reach into what it makes.
        for at in (from..).take(matched) {
            out.push(*out.get(at)?);
        }
    }
    Some(())
}

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.handed_out == self.window.len() && !self.ended {
            self.next_block()?;
        }
        let length = bytes::behind(&self.window, self.handed_out).read(buffer)?;
        self.handed_out = self.handed_out.saturating_add(length);
        Ok(length)
    }
}

/// A gzip file of one member (RFC 1952).
struct Gzip<R> {
    source: BufReader<R>,
    state: Box<InflateState>,
    begun: bool,
    ended: bool,
}

impl<R: Read> Gzip<R> {
    fn new(source: R) -> Gzip<R> {
        Gzip {
            source: BufReader::with_capacity(32 * 1024, source),
            state: InflateState::new_boxed(DataFormat::Raw),
            begun: false,
            ended: false,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut header = [0; 10];
        self.source.read_exact(&mut header)?;
        if header[..3] != [0x1f, 0x8b, 8] {
            return Err(bad("no gzip file"));
        }
        let flags = header[3];
        if flags & 4 != 0 {
            let mut length = [0; 2];
            self.source.read_exact(&mut length)?;
            let mut extra = vec![0; usize::from(u16::from_le_bytes(length))];
            self.source.read_exact(&mut extra)?;
        }
        // The file's name, and a comment: texts that NUL ends.
        for flag in [8, 16] {
            let mut byte = [1];
            while flags & flag != 0 && byte[0] != 0 {
                self.source.read_exact(&mut byte)?;
            }
        }
        if flags & 2 != 0 {
            self.source.read_exact(&mut [0; 2])?;
        }
        self.begun = true;
        Ok(())
    }

    /// Goes past checksum and length, and begins the next member if there is one.
    fn next_member(&mut self) -> io::Result<()> {
        self.source.read_exact(&mut [0; 8])?;
        self.ended = self.source.fill_buf()?.is_empty();
        if !self.ended {
            self.state.reset(DataFormat::Raw);
            self.begin()?;
        }
        Ok(())
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.begun {
            self.begin()?;
        }
        while !self.ended && !buffer.is_empty() {
            let input = self.source.fill_buf()?;
            let at_end = input.is_empty();
            let step = inflate(&mut self.state, input, buffer, MZFlush::None);
            self.source.consume(step.bytes_consumed);
            match step.status {
                Ok(MZStatus::StreamEnd) => self.next_member()?,
                Ok(_) | Err(MZError::Buf) => {}
                Err(_) => return Err(bad("a damaged gzip file")),
            }
            if step.bytes_written > 0 {
                return Ok(step.bytes_written);
            }
            if at_end && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Packed by the programs themselves.
    fn packed(program: &str, options: &[&str], text: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut input = child.stdin.take().expect("piped");
        let text = text.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&text));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("it reads");
        output.stdout
    }

    fn unpacked(name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(name, bytes, u64::MAX)
            .expect("known")
            .read_to_end(&mut out)
            .map(|_| out)
    }

    #[test]
    fn what_is_larger_than_its_bound_is_an_error() {
        let text = vec![b'x'; 100_000];
        let gzip = packed("gzip", &["-c"], &text);
        assert!(gzip.len() < 1000);
        for (name, bytes) in [("a.gz", &gzip), ("a", &text)] {
            for (most, good) in [(100_000, true), (99_999, false)] {
                let mut out = Vec::new();
                let mut reader = reader(name, &bytes[..], most).expect("known");
                assert_eq!(reader.read_to_end(&mut out).is_ok(), good, "{name} {most}");
            }
        }
    }

    #[test]
    fn what_unpacks_to_far_more_than_a_list_does_is_an_error() {
        let zeros = vec![0; usize::try_from(FREE).expect("small") + (2 << 20)];
        let gzip = packed("gzip", &["-c"], &zeros);
        let sound = gzip.len() as u64 * bounds::PACKAGE_LIST_RATIO + FREE;
        assert!(sound < zeros.len() as u64);
        let mut out = Vec::new();
        let mut text = reader("a.gz", &gzip[..], u64::MAX).expect("known");
        let error = text.read_to_end(&mut out).expect_err("far more");
        assert!(error.to_string().contains("far more"), "{error}");
        assert!(out.len() as u64 <= sound);
        // The same length of what does not shrink as much.
        let mut random = fastrand::Rng::with_seed(3);
        let text: Vec<u8> = (0..zeros.len()).map(|_| random.u8(..16)).collect();
        let gzip = packed("gzip", &["-1", "-c"], &text);
        assert_eq!(unpacked("a.gz", &gzip).expect("a list"), text);
    }

    /// Text of which nobody looks at the bytes: what counts its length takes no time for it.
    struct Unseen;

    impl Read for Unseen {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_list_longer_than_any_is_an_error() {
        let mut text = reader("list", Unseen, bounds::PACKAGE_LIST).expect("known");
        let mut read = 0;
        let error = loop {
            match text.fill_buf().map(<[u8]>::len) {
                Ok(length) => {
                    text.consume(length);
                    read += length as u64;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(read, bounds::PACKAGE_LIST);
        assert!(error.to_string().contains("larger than"), "{error}");
    }

    #[test]
    fn what_the_programs_packed() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut texts = vec![Vec::new(), b"a".to_vec(), vec![b'x'; 200_000]];
        let words = [
            "Package: ",
            "Version: 1.2",
            "\n",
            "Architecture: amd64\n",
            "libfoo",
        ];
        let list: String = (0..200_000)
            .map(|_| *random.choice(&words).expect("a choice"))
            .collect();
        texts.push(list.into_bytes());
        texts.push((0..300_000).map(|_| random.u8(..)).collect());
        for text in &texts {
            for options in [&["-c"][..], &["-9", "-c"]] {
                let gzip = packed("gzip", options, text);
                assert_eq!(&unpacked("a.gz", &gzip).expect("sound"), text);
            }
            for options in [&["-c"][..], &["-19", "--check", "-c"]] {
                let zstd = packed("zstd", options, text);
                assert_eq!(&unpacked("a.zst", &zstd).expect("sound"), text);
                // Frames one after the other, and one that holds nothing of it (RFC 8878, skippable).
                let twice = [&zstd, &b"\x50\x2a\x4d\x18\x02\0\0\0ab"[..], &zstd].concat();
                let text = [&text[..], text].concat();
                assert_eq!(unpacked("a.zst", &twice).expect("sound"), text);
            }
            for options in [&["-c"][..], &["-T2", "--block-size=65536", "-c"]] {
                let xz = packed("xz", options, text);
                assert_eq!(&unpacked("a.xz", &xz).expect("sound"), text);
                let text = [&text[..], text].concat();
                assert_eq!(
                    unpacked("a.xz", &[&xz[..], &xz].concat()).expect("sound"),
                    text
                );
            }
            for options in [
                &["-c", "-"][..],
                &["-9", "-c", "-"],
                &["-B4", "-BD", "-c", "-"],
                &["-BX", "--content-size", "-c", "-"],
            ] {
                let lz4 = packed("lz4", options, text);
                assert_eq!(
                    &unpacked("a.lz4", &lz4).expect("sound"),
                    text,
                    "{options:?}"
                );
            }
        }
    }

    #[test]
    fn rubbish_is_an_error_and_ends() {
        let text: Vec<u8> = (0..60_000u32).map(|n| (n % 251) as u8).collect();
        let mut random = fastrand::Rng::with_seed(2);
        for (name, good) in [
            ("a.gz", packed("gzip", &["-c"], &text)),
            ("a.lz4", packed("lz4", &["-c", "-"], &text)),
            ("a.zst", packed("zstd", &["-c"], &text)),
            ("a.xz", packed("xz", &["-c"], &text)),
        ] {
            assert!(unpacked(name, &good[..good.len() / 2]).is_err(), "{name}");
            assert!(unpacked(name, b"nonsense that is long enough").is_err());
            for _ in 0..300 {
                let mut bytes = good.clone();
                let at = random.usize(..bytes.len());
                bytes[at] ^= 1 << random.u8(..8);
                // Whatever comes out: no panic, no end that never comes.
                if let Ok(out) = unpacked(name, &bytes) {
                    assert!(out.len() < 100 << 20);
                }
            }
        }
        assert!(reader("a.zck", &b""[..], 1).is_none());
    }
}
