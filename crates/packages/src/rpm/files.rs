//! What each package claims of its files.

use super::header::{Header, tag};
use super::{capability, find, headers, name};
use crate::DatabaseKind;
use crate::claims::{Claim, Claims, NOTHING, Source};
use crate::database::{Damages, Database, ShippedAttributes};
use agent_core::attributes::{Digest, FileType, NOBODY};
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use agent_core::words::counted;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io;

/// FILEFLAGS (rpmfiles.h).
pub(super) const CONFIG: u64 = 1;
const MISSINGOK: u64 = 1 << 3;
pub(super) const GHOST: u64 = 1 << 6;
/// FILEVERIFYFLAGS (rpmvf.h).
const VERIFY_DIGEST: u64 = 1;
const VERIFY_SIZE: u64 = 1 << 1;
const VERIFY_LINK: u64 = 1 << 2;
const VERIFY_USER: u64 = 1 << 3;
const VERIFY_GROUP: u64 = 1 << 4;
const VERIFY_MODE: u64 = 1 << 6;
const VERIFY_CAPS: u64 = 1 << 8;
/// FILEDIGESTALGO (rpmcrypto.h); without it digests are MD5.
const MD5: u64 = 1;
const SHA1: u64 = 2;
const SHA256: u64 = 8;
const SHA384: u64 = 9;
const SHA512: u64 = 10;
const SHA224: u64 = 11;
const SHA3_256: u64 = 12;
const SHA3_512: u64 = 14;

/// No name of an account is longer.
// Own bound: useradd's; such a row names nobody.
const MAX_NAME: usize = 256;

impl Database {
    /// Reads rpm's database of the tree at `root`.
    ///
    /// A database of no known kind, and one that cannot be read to its end, is an error: half of it
    /// would show the files of the other half as nobody's.
    pub fn load_rpm(root: &Root) -> Result<Database> {
        let place = find(root).map_err(Error::new)?;
        let shown = root.path().join(&place.path()[1..]);
        let mut damages = Damages::default();
        let mut loader = Loader {
            users: accounts(root, "etc/passwd", &mut damages),
            groups: accounts(root, "etc/group", &mut damages),
            claims: Claims::default(),
            database: Database {
                kind: DatabaseKind::Rpm,
                ..Database::default()
            },
            damages,
            undigested: 0,
        };
        let mut fault = None;
        let read = headers(root, &place, &mut |header| {
            loader.package(&header, &place.path()).map_err(|error| {
                let message = error.message.clone();
                fault = Some(error);
                io::Error::other(message)
            })
        });
        match (read, fault) {
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(Error::in_file(shown, error.to_string())),
            (Ok(()), None) => {}
        }
        loader.finish(root, &place.path())
    }
}

struct Loader {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
    claims: Claims,
    database: Database,
    damages: Damages,
    /// Files whose digest is of a kind that is not computed here.
    undigested: u64,
}

/// Names to numbers out of passwd(5) or group(5); of several rows of a name the first counts. Where it cannot be read, no
/// owner can be compared.
pub(super) fn accounts(root: &Root, path: &str, damages: &mut Damages) -> HashMap<Vec<u8>, u32> {
    let mut found = HashMap::new();
    let text = root
        .read(path.as_bytes(), bounds::RPM_ACCOUNTS)
        .unwrap_or_else(|error| {
            damages.file(&format!("/{path}"), error);
            None
        });
    for line in text.unwrap_or_default().split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().unwrap_or_default();
        let number = fields
            .nth(1)
            .and_then(|field| std::str::from_utf8(field).ok()?.parse().ok());
        if let (1..=MAX_NAME, Some(number)) = (name.len(), number) {
            found.entry(name.to_vec()).or_insert(number);
        }
    }
    // rpm knows root without asking.
    found.entry(b"root".to_vec()).or_insert(0);
    found
}

impl Loader {
    fn package(&mut self, header: &Header<'_>, file: &str) -> Result<()> {
        let Some(name) = name(header) else {
            self.damages.file(file, "a package without a name");
            return Ok(());
        };
        if name == "gpg-pubkey" {
            return Ok(());
        }
        let id = u32::try_from(self.database.packages.len()).unwrap_or(u32::MAX);
        let mut fault = Ok(());
        let whole = each_file(header, &mut |path, facts| {
            match path {
                Some(path) if path.is_empty() => {}
                Some(path) => match self.file(&path, facts, id) {
                    Ok(()) => {}
                    Err(error) => fault = Err(error),
                },
                None => self
                    .damages
                    .file(file, format!("package {name} names a path that is none")),
            }
            fault.is_ok()
        });
        fault?;
        if !whole {
            self.damages.file(
                file,
                format!("the list of files of package {name} is damaged"),
            );
        }
        self.database.verified = self.database.verified.saturating_add(1);
        self.database.packages.push(name.into_boxed_str());
        Ok(())
    }

    fn file(&mut self, path: &[u8], facts: &Facts<'_>, package: u32) -> Result<()> {
        // Replaced, left out, on a shared file system, of another architecture, missing: not this package's to say.
        if facts.state != 0 {
            return Ok(());
        }
        let claim = Claim {
            digest: None,
            recorded: NOTHING,
            package,
            source: match facts.flags & CONFIG != 0 {
                true => Source::Conffile,
                false => Source::File,
            },
            optional: facts.flags & MISSINGOK != 0,
        };
        let Some(kind) = facts.kind().filter(|_| facts.flags & GHOST == 0) else {
            self.database.undigested.insert(path.to_vec());
            return self.claims.add(path, claim);
        };
        let digest = match kind {
            FileType::File if facts.verifies(VERIFY_DIGEST) => facts.digest(),
            _ => None,
        };
        if kind == FileType::File && facts.verifies(VERIFY_DIGEST) && digest.is_none() {
            self.undigested = self.undigested.saturating_add(1);
        }
        let is_link = kind == FileType::Link;
        let recorded = ShippedAttributes {
            kind,
            mode: facts
                .verifies(VERIFY_MODE)
                .then(|| u16::try_from(facts.mode & 0o7777).ok())
                .flatten()
                .filter(|_| !is_link),
            uid: facts
                .verifies(VERIFY_USER)
                .then(|| self.users.get(facts.user).copied().unwrap_or(NOBODY)),
            gid: facts
                .verifies(VERIFY_GROUP)
                .then(|| self.groups.get(facts.group).copied().unwrap_or(NOBODY)),
            size: facts
                .size
                .filter(|_| kind == FileType::File && facts.verifies(VERIFY_SIZE)),
            link: (is_link && facts.verifies(VERIFY_LINK)).then(|| facts.link.into()),
            capability: (kind == FileType::File && facts.verifies(VERIFY_CAPS))
                .then(|| facts.capability())
                .flatten(),
        };
        let recorded = self.claims.record(recorded);
        let claim = Claim {
            digest,
            recorded,
            ..claim
        };
        match kind {
            FileType::Dir => self.claims.add_directory(path, claim),
            _ => self.claims.add(path, claim),
        }
    }

    fn finish(mut self, root: &Root, place: &str) -> Result<Database> {
        if self.undigested > 0 {
            let message = format!(
                "the contents of {} are not compared: their digests are of no kind that is computed here",
                counted(self.undigested, "file")
            );
            self.damages.file(place, message);
        }
        let mut database = self.database;
        database.files = self.claims.settle(root)?;
        database.damaged = self.damages.0;
        Ok(database)
    }
}

/// Hands each file of a header on, as long as `each` wants more; `None` for a path that is none. False where the lists
/// of the header do not fit together.
pub(super) fn each_file(
    header: &Header<'_>,
    each: &mut dyn FnMut(Option<Vec<u8>>, &Facts<'_>) -> bool,
) -> bool {
    let directories: Vec<&[u8]> = header.texts(tag::DIRNAMES).collect();
    let mut states = header.numbers(tag::FILESTATES);
    let mut modes = header.numbers(tag::FILEMODES);
    let mut digests = header.texts(tag::FILEDIGESTS);
    let mut links = header.texts(tag::FILELINKTOS);
    let mut flags = header.numbers(tag::FILEFLAGS);
    let mut verify = header.numbers(tag::FILEVERIFYFLAGS);
    let mut users = header.texts(tag::FILEUSERNAME);
    let mut groups = header.texts(tag::FILEGROUPNAME);
    let mut caps = header.texts(tag::FILECAPS);
    let mut indexes = header.numbers(tag::DIRINDEXES);
    let long = header.count(tag::LONGFILESIZES) > 0;
    let mut sizes = header.numbers(match long {
        true => tag::LONGFILESIZES,
        false => tag::FILESIZES,
    });
    let algorithm = header.number(tag::FILEDIGESTALGO).unwrap_or(MD5);
    let wanted = header.count(tag::BASENAMES);
    let mut seen: usize = 0;
    for base in header.texts(tag::BASENAMES) {
        seen = seen.saturating_add(1);
        let (Some(index), Some(mode)) = (indexes.next(), modes.next()) else {
            break;
        };
        let directory = usize::try_from(index)
            .ok()
            .and_then(|at| directories.get(at));
        let facts = Facts {
            mode: mode & 0xffff,
            state: states.next().unwrap_or(0),
            flags: flags.next().unwrap_or(0),
            verify: verify.next().unwrap_or(u64::MAX),
            digest: digests.next().unwrap_or_default(),
            link: links.next().unwrap_or_default(),
            user: users.next().unwrap_or_default(),
            group: groups.next().unwrap_or_default(),
            caps: caps.next().unwrap_or_default(),
            size: sizes.next(),
            algorithm,
        };
        if !each(
            directory.and_then(|directory| path(directory, base)),
            &facts,
        ) {
            return true;
        }
    }
    seen == wanted && indexes.next().is_none()
}

/// What a header says of one file.
pub(super) struct Facts<'a> {
    pub(super) mode: u64,
    pub(super) state: u64,
    pub(super) flags: u64,
    verify: u64,
    digest: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) user: &'a [u8],
    pub(super) group: &'a [u8],
    caps: &'a [u8],
    pub(super) size: Option<u64>,
    algorithm: u64,
}

impl Facts<'_> {
    fn verifies(&self, what: u64) -> bool {
        self.verify & what != 0
    }

    pub(super) fn kind(&self) -> Option<FileType> {
        Some(match self.mode & 0o170_000 {
            0o100_000 => FileType::File,
            0o040_000 => FileType::Dir,
            0o120_000 => FileType::Link,
            0o010_000 => FileType::Fifo,
            0o020_000 => FileType::Char,
            0o060_000 => FileType::Block,
            0o140_000 => FileType::Socket,
            _ => return None,
        })
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        match self.algorithm {
            SHA256 => hex(self.digest).map(Digest::Sha256),
            MD5 => hex(self.digest).map(Digest::Md5),
            SHA1 => hex(self.digest).map(Digest::Sha1),
            SHA224 => hex(self.digest).map(Digest::Sha224),
            SHA384 => hex(self.digest).map(Digest::Sha384),
            SHA512 => hex(self.digest).map(Digest::Sha512),
            SHA3_256 => hex(self.digest).map(Digest::Sha3_256),
            SHA3_512 => hex(self.digest).map(Digest::Sha3_512),
            _ => None,
        }
    }

    /// The digest of what `security.capability` should hold; the outer `None` where that is not understood.
    pub(super) fn capability(&self) -> Option<Option<[u8; 32]>> {
        let text = std::str::from_utf8(self.caps).ok()?.trim();
        match text {
            "" | "=" => Some(None),
            text => Some(Some(Sha256::digest(capability::parse(text)?).into())),
        }
    }
}

/// As many bytes as `N`, in hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // A sign is a digit to nobody but the parser of numbers.
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The path relative to the root; `None` for one that is none: with `.`, `..` or NUL, or too long.
fn path(directory: &[u8], base: &[u8]) -> Option<Vec<u8>> {
    let whole = [directory, base].concat();
    let parts: Vec<&[u8]> = whole
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    let odd = parts.iter().any(|part| matches!(*part, b"." | b".."));
    (whole.first() == Some(&b'/') && !odd && whole.len() < 4096).then(|| parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn accounts_that_cannot_be_read_are_told() {
        let tree = Tree::new();
        tree.write("etc/passwd", "root:x:0:\nann:x:1000:\nann:x:7:\n");
        let mut damages = Damages::default();
        let found = accounts(&tree.root(), "etc/passwd", &mut damages);
        assert_eq!(found.get(&b"ann"[..]), Some(&1000));
        assert_eq!(accounts(&tree.root(), "etc/group", &mut damages).len(), 1);
        assert!(damages.0.is_empty());
        let file = std::fs::File::create(tree.path("etc/group")).expect("a file");
        file.set_len(bounds::RPM_ACCOUNTS + 1).expect("its length");
        accounts(&tree.root(), "etc/group", &mut damages);
        let told = format!("{:?}", damages.0);
        assert!(
            told.contains("/etc/group") && told.contains("larger than"),
            "{told}"
        );
    }

    #[test]
    fn paths_and_digests() {
        assert_eq!(path(b"/usr/bin/", b"x"), Some(b"usr/bin/x".to_vec()));
        assert_eq!(path(b"/", b""), Some(Vec::new()));
        for (directory, base) in [
            (&b"/usr/../"[..], &b"x"[..]),
            (b"usr/", b"x"),
            (b"/a/", b".."),
        ] {
            assert_eq!(path(directory, base), None);
        }
        assert_eq!(hex::<2>(b"0aFF"), Some([0x0a, 0xff]));
        for bad in [
            &b"0aF"[..],
            b"",
            b"0aFFF",
            b"0ag0",
            b"+a+b",
            "0aé".as_bytes(),
        ] {
            assert_eq!(hex::<2>(bad), None);
        }
    }
}
