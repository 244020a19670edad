//! A .deb (deb(5)), read once and in order: its digest, and what it says of its files, out of the same bytes.
//!
//! So nobody who writes to the file meanwhile can have one thing hashed and another believed: whatever was read counts
//! only if the digest of all that was read is the signed one.

use super::tar::{self, Listing};
use super::xz;
use crate::products::alternatives::{self, Alternative};
use agent_core::bounds;
use agent_core::bytes;
use agent_core::os::root::Root;
use agent_packages::dpkg::sums;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

/// MD5 by path, as `md5sums` of a control archive lists them.
pub(crate) type Sums = HashMap<Box<[u8]>, [u8; 16]>;

/// What is read of a package beside its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its md5sums, and what its scripts register: cheap.
    Control,
    /// All of its files with their attributes and SHA-256: as dear as unpacking it.
    Files,
}

/// What was read of a package.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Of the whole file.
    pub(crate) sha256: [u8; 32],
    /// Its length in bytes.
    pub(crate) size: u64,
    /// What the part that was asked for says; why it cannot be used, where it cannot.
    pub(crate) part: Result<Parts, String>,
}

/// See [`Part`].
#[derive(Debug)]
pub(crate) enum Parts {
    /// Of [`Part::Control`].
    Control(Control),
    /// Of [`Part::Files`].
    Files(Listing),
}

/// What a control archive says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) sums: Sums,
    /// Everything in it by name: maintainer scripts, `md5sums`, `triggers` and their like, which dpkg keeps for itself.
    pub(crate) members: Listing,
    /// What its postinst registers.
    pub(crate) alternatives: Vec<Alternative>,
}

const MAGIC: &[u8; 8] = b"!<arch>\n";

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Reads the file to its end. An error: it could not be read; what it holds is judged by whoever knows its digest.
pub(crate) fn read(file: impl Read, wanted: Part) -> io::Result<Contents> {
    let mut source = Digesting {
        source: BufReader::with_capacity(256 * 1024, file),
        digest: Sha256::new(),
        size: 0,
        failed: None,
    };
    let part = members(&mut source, wanted).map_err(|error| error.to_string());
    if let Some(error) = source.failed.take() {
        return Err(error);
    }
    io::copy(&mut source, &mut io::sink())?;
    Ok(Contents {
        sha256: source.digest.finalize().into(),
        size: source.size,
        part,
    })
}

/// The data archive of the file, if its digest still is the one that was looked up.
pub(crate) fn listing(
    root: &Root,
    path: &str,
    held: Option<&File>,
    sha256: [u8; 32],
) -> Result<Listing, String> {
    let fault = |error: io::Error| format!("/{path}: {error}");
    let contents = match held {
        Some(mut file) => {
            file.rewind().map_err(fault)?;
            read(file, Part::Files)
        }
        None => {
            let file = root.open_file(path.as_bytes()).map_err(fault)?;
            read(file.ok_or_else(|| format!("/{path} is gone"))?, Part::Files)
        }
    };
    let contents = contents.map_err(fault)?;
    match contents.part {
        _ if contents.sha256 != sha256 => Err(format!("/{path} is another file than a moment ago")),
        Ok(Parts::Files(files)) => Ok(files),
        Ok(Parts::Control(_)) => Err(format!("/{path} has no data archive")),
        Err(why) => Err(format!("/{path}: {why}")),
    }
}

fn members(source: &mut impl Read, wanted: Part) -> io::Result<Parts> {
    let mut magic = [0; 8];
    source.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(bad("it is no Debian package"));
    }
    loop {
        let mut header = [0; 60];
        source.read_exact(&mut header)?;
        let name = header[..16].trim_ascii_end();
        let name = name.strip_suffix(b"/").unwrap_or(name).to_vec();
        let size = std::str::from_utf8(header[48..58].trim_ascii()).ok();
        let size: u64 = size
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| bad("a member without a length"))?;
        let mut member = source.take(size);
        let part = match wanted {
            Part::Control if name.starts_with(b"control.tar") => {
                Some(Parts::Control(control(&name, &mut member, size)?))
            }
            Part::Files if name.starts_with(b"data.tar") => {
                let text = decompressed(&name, &mut member, size, bounds::DEB_DATA)?;
                Some(Parts::Files(tar::read(text)?))
            }
            _ => None,
        };
        if let Some(part) = part {
            return Ok(part);
        }
        io::copy(&mut member, &mut io::sink())?;
        if size % 2 == 1 {
            source.read_exact(&mut [0])?;
        }
    }
}

/// The `md5sums` in a control archive, none where it has none, as packages without files do not; and what its script
/// registers.
fn control(name: &[u8], member: &mut dyn Read, size: u64) -> io::Result<Control> {
    let mut text = Vec::new();
    decompressed(name, member, size, bounds::DEB_CONTROL)?.read_to_end(&mut text)?;
    let script = tar::file(&text, b"postinst")?.unwrap_or_default();
    let mut found = Control {
        sums: Sums::new(),
        members: tar::read(&text[..])?,
        alternatives: alternatives::registered(script),
    };
    let Some(list) = tar::file(&text, b"md5sums")? else {
        return Ok(found);
    };
    for line in list
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let (md5, path) = sums(line).ok_or_else(|| bad("its md5sums are damaged"))?;
        let path = path.into_owned().into_boxed_slice();
        found.sums.insert(path, md5);
    }
    Ok(found)
}

/// The text behind a member of `size` bytes, by the ending of its name; more than `most` bytes are an error.
fn decompressed<'a>(
    name: &[u8],
    member: impl Read + 'a,
    size: u64,
    most: u64,
) -> io::Result<Box<dyn Read + 'a>> {
    let bounded = |text: Box<dyn Read + 'a>| Box::new(Bounded { text, left: most });
    let ending = name.splitn(3, |byte| *byte == b'.').nth(2);
    Ok(match ending {
        None => bounded(Box::new(member)),
        Some(b"xz") => bounded(xz::reader(member, size)?),
        Some(b"zst") => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(member)
                .map_err(|error| bad(&error.to_string()))?;
            bounded(Box::new(decoder))
        }
        Some(b"gz") => {
            let text = agent_packages::unpack::reader("data.tar.gz", member, most);
            Box::new(text.ok_or_else(|| bad("a compression that is not known here"))?)
        }
        Some(_) => return Err(bad("a compression that is not known here")),
    })
}

/// Text that ends within a bound, or in an error.
struct Bounded<'a> {
    text: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.text.read(buffer)?;
        let left = self.left.checked_sub(length as u64);
        self.left = left.ok_or_else(|| bad("it unpacks to more than any package does"))?;
        Ok(length)
    }
}

/// A reader that digests what passes.
struct Digesting<R> {
    source: R,
    digest: Sha256,
    size: u64,
    /// The first error of the file itself, which decompressors would make one of their own.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(length) => {
                self.digest.update(bytes::first(buffer, length));
                self.size = self.size.saturating_add(length as u64);
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.failed = Some(error);
                Err(told)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text of which nobody looks at the bytes: what counts its length takes no time for it.
    struct Unseen(u64);

    impl Read for Unseen {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length =
                usize::try_from(self.0).map_or(buffer.len(), |left| left.min(buffer.len()));
            self.0 -= length as u64;
            Ok(length)
        }
    }

    #[test]
    fn a_package_that_unpacks_to_more_than_any_is_an_error() {
        let mut buffer = vec![0; 64 << 20];
        for (most, name) in [
            (bounds::DEB_CONTROL, &b"control.tar"[..]),
            (bounds::DEB_DATA, b"data.tar"),
        ] {
            for (more, good) in [(0, true), (1, false)] {
                let mut text = decompressed(name, Unseen(most + more), most, most).expect("known");
                let read = loop {
                    match text.read(&mut buffer) {
                        Ok(0) => break Ok(()),
                        Ok(_) => {}
                        Err(error) => break Err(error.to_string()),
                    }
                };
                match read {
                    Ok(()) => assert!(good, "{most}"),
                    Err(error) => assert!(!good && error.contains("unpacks to more"), "{error}"),
                }
            }
        }
    }
}
