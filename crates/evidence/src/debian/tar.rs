//! The headers of a data archive (tar(5)): ustar, GNU's long names, pax's paths.

use agent_core::attributes::{FileType, Timestamp};
use agent_core::bounds;
use agent_core::bytes;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};

const BLOCK: usize = 512;
const BLOCK_BYTES: u64 = BLOCK as u64;

/// What an archive ships a path with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Kind of object.
    pub(crate) kind: FileType,
    /// Permission bits; of a link none.
    pub(crate) mode: Option<u16>,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Last change of the contents.
    pub(crate) mtime: Option<Timestamp>,
    /// Target of a link.
    pub(crate) link: Option<Box<[u8]>>,
    /// Of a file's contents.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Names that the archive has for the file.
    pub(crate) names: u64,
}

/// What an archive ships, by path: relative, without `./` and a slash at the end.
pub(crate) type Listing = HashMap<Box<[u8]>, Shipped>;

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Reads an archive to its end.
pub(crate) fn read(archive: impl Read) -> io::Result<Listing> {
    read_after(0, archive)
}

/// The same, where that many names of the package have been read before.
fn read_after(mut names: u64, mut archive: impl Read) -> io::Result<Listing> {
    let mut found = Listing::new();
    let mut long = Long::default();
    let mut block = [0; BLOCK];
    loop {
        archive.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let header = Header::parse(&block)?;
        let size = long.size.unwrap_or(header.size);
        // A size may be any number, so that rounding it up could overflow; 2^64 is a multiple of a block.
        let rest = size.wrapping_neg() % BLOCK_BYTES;
        match header.kind {
            b'L' | b'K' | b'x' | b'g' => {
                let text = text(&mut archive, size)?;
                skip(&mut archive, rest)?;
                long.take(header.kind, &text)?;
                continue;
            }
            _ => {}
        }
        names = names.saturating_add(1);
        if names > bounds::DEB_FILES {
            return Err(bad("more files than any package has"));
        }
        let Long { path, link, .. } = std::mem::take(&mut long);
        let path = clean(&path.unwrap_or(header.path));
        let link = link.unwrap_or(header.link);
        let mut shipped = Shipped {
            kind: FileType::File,
            mode: Some(header.mode),
            uid: header.uid,
            gid: header.gid,
            mtime: Some(header.mtime),
            link: None,
            sha256: None,
            names: 1,
        };
        match header.kind {
            b'0' | 0 | b'7' => {
                let mut digest = Sha256::new();
                let copied = io::copy(&mut (&mut archive).take(size), &mut Writer(&mut digest))?;
                if copied != size {
                    return Err(bad("it is cut off"));
                }
                skip(&mut archive, rest)?;
                shipped.sha256 = Some(digest.finalize().into());
            }
            b'1' => {
                // Another name of a file that came before.
                let target = clean(&link);
                let of = found
                    .get_mut(&target[..])
                    .ok_or_else(|| bad("a link to nothing"))?;
                of.names = of.names.saturating_add(1);
                shipped = of.clone();
            }
            b'2' => {
                shipped.kind = FileType::Link;
                shipped.mode = None;
                shipped.link = Some(link.into());
            }
            b'5' => shipped.kind = FileType::Dir,
            b'3' => shipped.kind = FileType::Char,
            b'4' => shipped.kind = FileType::Block,
            b'6' => shipped.kind = FileType::Fifo,
            _ => return Err(bad("an entry of a kind that is not known here")),
        }
        if !path.is_empty() {
            found.insert(path.into(), shipped);
        }
    }
    Ok(found)
}

struct Writer<'a>(&'a mut Sha256);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What stands before an entry since it does not fit into its header.
#[derive(Default)]
struct Long {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Long {
    fn take(&mut self, kind: u8, text: &[u8]) -> io::Result<()> {
        let ended = || text.split(|byte| *byte == 0).next().unwrap_or_default();
        match kind {
            b'L' => self.path = Some(ended().to_vec()),
            b'K' => self.link = Some(ended().to_vec()),
            b'x' => self.pax(text)?,
            // For all entries: dpkg passes it over too.
            _ => {}
        }
        Ok(())
    }

    /// `LENGTH KEY=VALUE\n`, the length that of the whole record.
    fn pax(&mut self, mut text: &[u8]) -> io::Result<()> {
        let odd = || bad("a damaged pax header");
        while !text.is_empty() {
            let (digits, _) = bytes::split_once(text, b' ').ok_or_else(odd)?;
            let length = std::str::from_utf8(digits).ok();
            let length: usize = length.and_then(|n| n.parse().ok()).ok_or_else(odd)?;
            let (record, behind) = text.split_at_checked(length).ok_or_else(odd)?;
            let (_, record) = bytes::split_once(record, b' ').ok_or_else(odd)?;
            let record = record.strip_suffix(b"\n").ok_or_else(odd)?;
            text = behind;
            let (key, value) = bytes::split_once(record, b'=').ok_or_else(odd)?;
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|n| n.parse().ok());
                    self.size = Some(size.ok_or_else(odd)?);
                }
                // dpkg knows no more of them either (lib/dpkg/tarfn.c).
                _ => {}
            }
        }
        Ok(())
    }
}

struct Header {
    path: Vec<u8>,
    link: Vec<u8>,
    kind: u8,
    mode: u16,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: Timestamp,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> io::Result<Header> {
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                u64::from(if (148..156).contains(&at) {
                    b' '
                } else {
                    *byte
                })
            })
            .sum();
        if number(&block[148..156])? != sum {
            return Err(bad("a header whose checksum is wrong"));
        }
        let text = |range: std::ops::Range<usize>| {
            bytes::until(block.get(range).unwrap_or_default(), 0).to_vec()
        };
        let small = |range: std::ops::Range<usize>| {
            u32::try_from(number(block.get(range).unwrap_or_default())?)
                .map_err(|_| bad("a number too large"))
        };
        let mut path = text(0..100);
        // GNU's own headers have other things there.
        if &block[257..263] == b"ustar\0" && block[345] != 0 {
            path = [&text(345..500)[..], b"/", &path].concat();
        }
        Ok(Header {
            path,
            link: text(157..257),
            kind: block[156],
            mode: u16::try_from(small(100..108)? & 0o7777).unwrap_or(0),
            uid: small(108..116)?,
            gid: small(116..124)?,
            size: number(&block[124..136])?,
            mtime: Timestamp {
                seconds: i64::try_from(number(&block[136..148])?).unwrap_or(i64::MAX),
                nanoseconds: 0,
            },
        })
    }
}

/// Octal digits between blanks and NULs, or, for large ones, binary behind a set bit.
fn number(field: &[u8]) -> io::Result<u64> {
    if let [first, rest @ ..] = field
        && *first == 0x80
    {
        return rest.iter().try_fold(0u64, |value, byte| {
            let high = value
                .checked_mul(256)
                .ok_or_else(|| bad("a number too large"))?;
            Ok(high | u64::from(*byte))
        });
    }
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | 0))
        .collect();
    let none = || bad("a number that is none");
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(8).ok_or_else(none)?;
        Ok(value << 3 | u64::from(digit))
    })
}

fn text(archive: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > bounds::DEB_NAME {
        return Err(bad("a name longer than any"));
    }
    let mut text = Vec::new();
    archive.take(size).read_to_end(&mut text)?;
    match text.len() as u64 == size {
        true => Ok(text),
        false => Err(bad("it is cut off")),
    }
}

fn skip(archive: &mut impl Read, length: u64) -> io::Result<()> {
    match io::copy(&mut archive.take(length), &mut io::sink())? == length {
        true => Ok(()),
        false => Err(bad("it is cut off")),
    }
}

/// Without what dpkg skips in front and behind.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut path = path;
    while let [b'/', rest @ ..] | [b'.', b'/', rest @ ..] = path {
        path = rest;
    }
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    match path {
        b"." => Vec::new(),
        path => path.to_vec(),
    }
}

/// The contents of the file of that name in an archive that is in memory; `None` where it has none.
pub(crate) fn file<'a>(archive: &'a [u8], wanted: &[u8]) -> io::Result<Option<&'a [u8]>> {
    let mut rest = archive;
    while let Some((block, behind)) = rest.split_first_chunk() {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let header = Header::parse(block)?;
        let size = usize::try_from(header.size).map_err(|_| bad("it is cut off"))?;
        let contents = behind.get(..size).ok_or_else(|| bad("it is cut off"))?;
        if matches!(header.kind, b'0' | 0) && clean(&header.path) == wanted {
            return Ok(Some(contents));
        }
        rest = bytes::behind(behind, size.next_multiple_of(BLOCK));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// As GNU tar writes them, in both formats that dpkg-deb has used.
    #[test]
    fn what_tar_packs_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let long = "a".repeat(120);
        let script = format!(
            "mkdir -p t/usr/bin t/{long}; echo x > t/usr/bin/p; chown 3:5 t/usr/bin/p; chmod 4755 t/usr/bin/p; \
             touch -d @1700000000 t/usr/bin/p; ln t/usr/bin/p t/usr/bin/q; ln -s {long} t/usr/bin/l; echo y > t/{long}/f; \
             for f in gnu pax; do tar --format=$f -C t -cf $f.tar . ; done"
        );
        let run = Command::new("sh")
            .args(["-ec", &script])
            .current_dir(directory.path())
            .status();
        assert!(run.expect("sh").success());
        for format in ["gnu", "pax"] {
            let bytes =
                std::fs::read(directory.path().join(format!("{format}.tar"))).expect("read");
            let found = read(&bytes[..]).expect(format);
            let program = &found[&b"usr/bin/p"[..]];
            assert_eq!(
                (program.mode, program.uid, program.gid),
                (Some(0o4755), 3, 5),
                "{format}"
            );
            assert_eq!(program.sha256, Some(Sha256::digest(b"x\n").into()));
            assert_eq!(program.mtime.map(|time| time.seconds), Some(1_700_000_000));
            assert_eq!(
                found[&b"usr/bin/q"[..]].sha256,
                program.sha256,
                "a second name"
            );
            assert_eq!(
                found[&b"usr/bin/l"[..]].link.as_deref(),
                Some(long.as_bytes())
            );
            assert_eq!(found[&b"usr/bin"[..]].kind, FileType::Dir);
            assert!(
                found.contains_key(format!("{long}/f").as_bytes()),
                "{format}"
            );
            // Which of the two names is the file and which the link to it is the directory's matter.
            let names = [&b"usr/bin/p"[..], b"usr/bin/q"];
            let contents = names.map(|name| file(&bytes, name).expect("sound"));
            assert!(contents.contains(&Some(&b"x\n"[..])), "{format}");
            for cut in (0..bytes.len().min(4096)).step_by(97) {
                // Never a listing that looks whole.
                assert!(read(&bytes[..cut]).is_err(), "{format} {cut}");
            }
        }
    }

    /// The header of an entry of that kind and size.
    fn header(kind: u8, size: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[0] = b'd';
        for (at, value) in [(100, 0o755), (108, 0), (116, 0), (136, 1)] {
            block[at..at + 7].copy_from_slice(format!("{value:07o}").as_bytes());
        }
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().copied().map(u64::from).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    #[test]
    fn more_files_or_longer_names_than_packages_have_are_an_error() {
        let archive = [header(b'5', 0), header(b'5', 0), [0; BLOCK]].concat();
        let after = |names| read_after(names, &archive[..]).map_err(|error| error.to_string());
        assert!(after(bounds::DEB_FILES - 2).is_ok());
        let error = after(bounds::DEB_FILES - 1).expect_err("one too many");
        assert!(error.contains("more files than"), "{error}");
        for (more, good) in [(0, true), (1, false)] {
            let size = bounds::DEB_NAME + more;
            let name = io::repeat(b'n').take(size.next_multiple_of(BLOCK as u64));
            let entries = [header(b'5', 0), [0; BLOCK]].concat();
            let archive = io::Cursor::new(header(b'L', size))
                .chain(name)
                .chain(&entries[..]);
            let found = read(archive).map_err(|error| error.to_string());
            match found {
                Ok(_) => assert!(good),
                Err(error) => assert!(!good && error.contains("longer than any"), "{error}"),
            }
        }
    }
    #[test]
    fn a_size_that_no_file_can_have_is_an_error() {
        let mut record = [0; BLOCK];
        let text = b"29 size=18446744073709551615\n";
        record[..text.len()].copy_from_slice(text);
        let archive = [header(b'x', 29), record, header(b'0', 0), [0; BLOCK]].concat();
        let error = read(&archive[..]).expect_err("nothing of it is there");
        assert_eq!(error.to_string(), "it is cut off");
    }
}
