//! The files that packages claim, in the order of a walk.

use super::DatabaseKind;
use agent_core::attributes::{Digest, FileType};
use agent_core::bytes;
use agent_core::paths;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// One file that a package claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    /// Relative to the root, links in its directory resolved; any bytes but NUL.
    pub path: &'a [u8],
    /// Of the contents that the package shipped; `None` for what is no file, and where it is not known.
    pub digest: Option<Digest>,
    /// Further digests that are as good, where several packages claim the path and nothing tells which
    /// of them wrote it last.
    pub alternatives: &'a [Digest],
    /// What else the package shipped it with; `None` where the database knows files and digests alone.
    pub recorded: Option<&'a ShippedAttributes>,
    /// The package, with `:ARCH` where several architectures of it can be installed together.
    pub package: &'a str,
    /// Whether it is a configuration file (deb-conffiles(5)), which administrators change and delete.
    pub conffile: bool,
    /// Whether it may be missing: left out by `path-exclude`, or a conffile that no package ships any more.
    pub optional: bool,
}

impl Owned<'_> {
    /// Whether contents of that digest are a package's.
    pub fn accepts(&self, digest: &Digest) -> bool {
        self.digest == Some(*digest) || self.alternatives.contains(digest)
    }
}

/// What a package shipped a path with, besides its contents. `None` where it is not to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedAttributes {
    /// Kind of object.
    pub kind: FileType,
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Bytes.
    pub size: Option<u64>,
    /// Target of a link.
    pub link: Option<Box<[u8]>>,
    /// The SHA-256 of the value of `security.capability`; the inner `None`: it has none.
    pub capability: Option<Option<[u8; 32]>>,
}

impl ShippedAttributes {
    /// What both say; `None` where they do not speak of the same kind of object.
    pub(super) fn common(&self, other: &ShippedAttributes) -> Option<ShippedAttributes> {
        fn same<T: PartialEq + Clone>(a: &Option<T>, b: &Option<T>) -> Option<T> {
            a.clone().filter(|_| a == b)
        }
        (self.kind == other.kind).then(|| ShippedAttributes {
            kind: self.kind,
            mode: same(&self.mode, &other.mode),
            uid: same(&self.uid, &other.uid),
            gid: same(&self.gid, &other.gid),
            size: same(&self.size, &other.size),
            link: same(&self.link, &other.link),
            capability: same(&self.capability, &other.capability),
        })
    }
}

/// A place in the database that could not be used: the files it spoke of are not among the database's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// As seen from the root, starting with `/`; odd bytes as `\xHH`.
    pub file: String,
    /// Its line, counted from 1, or the first of several; `None` where the whole file is unusable.
    pub line: Option<u64>,
    /// What is wrong there.
    pub reason: String,
    /// How many lines of the file are unusable; 0 where `line` is `None`.
    pub lines: u64,
}

/// What the package manager's database claims of a tree. 100,000 files take about 10 MiB.
#[derive(Debug, Default)]
pub struct Database {
    pub(super) files: Files,
    /// Those that own a file, removed ones with conffiles left among them.
    pub(super) packages: Vec<Box<str>>,
    pub(super) kind: DatabaseKind,
    pub(super) verified: usize,
    pub(super) unverified: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) damaged: Vec<Damaged>,
    /// Relative to the root, links in the directory resolved.
    pub(super) undigested: HashSet<Vec<u8>>,
}

/// The claimed files themselves.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Paths end to end.
    pub(super) arena: Vec<u8>,
    /// In walk order, each path once.
    pub(super) entries: Vec<ClaimedFile>,
    /// Further digests by index of the entry.
    pub(super) alternatives: HashMap<u32, Vec<Digest>>,
    /// By the number in the entry.
    pub(super) recorded: Vec<ShippedAttributes>,
}

/// Where one path lies in the arena and what is claimed of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimedFile {
    pub(super) digest: Option<Digest>,
    pub(super) start: u32,
    pub(super) package: u32,
    /// Where in [`Files::recorded`]; beyond its end where nothing is.
    pub(super) recorded: u32,
    pub(super) length: u16,
    pub(super) conffile: bool,
    pub(super) optional: bool,
}

impl Database {
    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.entries.len()
    }

    /// Whether no file is claimed.
    pub fn is_empty(&self) -> bool {
        self.files.entries.is_empty()
    }

    /// All files in walk order, each path once: names compared component by component, by bytes, a
    /// directory's files and subdirectories before its next sibling.
    pub fn iter(&self) -> impl Iterator<Item = Owned<'_>> {
        self.at_index(0)
    }

    /// The files from `path` on, itself included, in the same order. Found in O(log n).
    pub fn starting_at(&self, path: &[u8]) -> impl Iterator<Item = Owned<'_>> {
        let is_before =
            |entry: &ClaimedFile| paths::compare(self.files.path(entry), path) == Ordering::Less;
        self.at_index(self.files.entries.partition_point(is_before))
    }

    fn at_index(&self, first: usize) -> impl Iterator<Item = Owned<'_>> {
        let files = &self.files;
        let all = (0u32..).zip(&files.entries).skip(first);
        all.map(move |(index, entry)| Owned {
            path: files.path(entry),
            digest: entry.digest,
            alternatives: files.alternatives.get(&index).map_or(&[], Vec::as_slice),
            recorded: files.recorded.get(entry.recorded as usize),
            package: self
                .packages
                .get(entry.package as usize)
                .map_or("", |name| name),
            conffile: entry.conffile,
            optional: entry.optional,
        })
    }

    /// Which manager's database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// Number of packages that are installed and whose files are among these.
    pub fn package_count(&self) -> usize {
        self.verified
    }

    /// Packages that are half installed or half configured: what they own is not among the files.
    pub fn unverified(&self) -> &[String] {
        &self.unverified
    }

    /// Whether a package owns the path though nothing is known of its contents: the package is half installed,
    /// or its digests are gone. Such files are not among the files.
    pub fn owns_undigested(&self, path: &[u8]) -> bool {
        self.undigested.contains(path)
    }

    /// What a reader of a report must know of the database, as sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What of the database could not be used, one entry a file; whoever verifies can't speak for it.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }
}

impl Files {
    fn path(&self, entry: &ClaimedFile) -> &[u8] {
        let rest = bytes::behind(&self.arena, entry.start as usize);
        bytes::first(rest, usize::from(entry.length))
    }
}

/// Collects what could not be used, one entry a file however many lines it concerns.
#[derive(Default)]
pub(super) struct Damages(pub(super) Vec<Damaged>);

impl Damages {
    /// A whole file is unusable.
    pub(super) fn file(&mut self, file: &str, reason: impl ToString) {
        self.0.push(Damaged {
            file: file.to_owned(),
            line: None,
            reason: reason.to_string(),
            lines: 0,
        });
    }

    /// A line is unusable. The lines of one file come in a row.
    pub(super) fn line(&mut self, file: &str, line: u64, reason: &str) {
        match self.0.last_mut() {
            Some(last) if last.file == file && last.line.is_some() => {
                last.lines = last.lines.saturating_add(1);
            }
            _ => self.0.push(Damaged {
                file: file.to_owned(),
                line: Some(line),
                reason: reason.to_owned(),
                lines: 1,
            }),
        }
    }
}
