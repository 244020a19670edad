//! From what each package claims to one claim a path.

use super::database::{ClaimedFile, Files, ShippedAttributes};
use super::dirs::Dirs;
use agent_core::attributes::Digest;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use agent_core::paths::split;
use std::collections::HashMap;

/// What stands behind a claim; the first kind that a path has decides.
///
/// A conffile is claimed as such and, by careless packages, in the list of digests as well. A conffile that
/// its package no longer ships may have become a plain file of it or of another package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Conffile,
    File,
    ObsoleteConffile,
}

/// One package's word on one path.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    /// `None`: nothing is known of its contents.
    pub(super) digest: Option<Digest>,
    /// What [`Claims::record`] returned; [`NOTHING`] where no attributes are known. With no digest either, the
    /// path is spoken for and no more.
    pub(super) recorded: u32,
    pub(super) package: u32,
    pub(super) source: Source,
    pub(super) optional: bool,
}

/// No attributes are recorded.
pub(super) const NOTHING: u32 = u32::MAX;

/// All claims, until they are settled.
#[derive(Default)]
pub(super) struct Claims {
    dirs: Dirs,
    names: Vec<u8>,
    recorded: Vec<ShippedAttributes>,
    claims: Vec<(Claim, ClaimedPath)>,
    bytes: usize,
}

#[derive(Clone, Copy)]
struct ClaimedPath {
    dir: u32,
    name: u32,
    length: u16,
}

impl Claims {
    /// Adds a claim on `path`: relative, without `.`, `..`, NUL and doubled slashes.
    ///
    /// More claims than any system has are an error.
    pub(super) fn add(&mut self, path: &[u8], claim: Claim) -> Result<()> {
        let (dir, name) = split(path);
        self.add_parts(dir, name, claim)
    }

    /// Adds a claim on a directory, which may be reached through a link in its own place, too.
    pub(super) fn add_directory(&mut self, path: &[u8], claim: Claim) -> Result<()> {
        self.add_parts(path, b"", claim)
    }

    /// Keeps attributes, and returns what a claim calls them by.
    pub(super) fn record(&mut self, recorded: ShippedAttributes) -> u32 {
        let number = u32::try_from(self.recorded.len()).unwrap_or(NOTHING);
        self.recorded.push(recorded);
        number
    }

    fn add_parts(&mut self, dir: &[u8], name: &[u8], claim: Claim) -> Result<()> {
        let parts = [dir.len(), name.len(), 1];
        self.bytes = parts.into_iter().fold(self.bytes, usize::saturating_add);
        let (Ok(start), Ok(length)) = (u32::try_from(self.names.len()), u16::try_from(name.len()))
        else {
            return Err(too_large());
        };
        if self.bytes > bounds::CLAIMS_BYTES || self.claims.len() >= bounds::CLAIMS {
            return Err(too_large());
        }
        self.names.extend_from_slice(name);
        let dir = self.dirs.id(dir);
        let place = ClaimedPath {
            dir,
            name: start,
            length,
        };
        self.claims.push((claim, place));
        Ok(())
    }

    /// One claim a path, in walk order, links in the directories resolved below `root`.
    ///
    /// Of the claims on one path those of the first [`Source`] count. Where their digests differ each is
    /// accepted; where one of them knows nothing it adds nothing, and a path of which nobody knows anything
    /// is left out. Attributes in which they differ are not compared, nor is a path of which they do not agree
    /// what it is. A path is optional if each of the claims that count says so.
    pub(super) fn settle(self, root: &Root) -> Result<Files> {
        let dirs = self
            .dirs
            .canonical(root, bounds::CLAIMS_BYTES)
            .ok_or_else(too_large)?;
        let mut arena = Vec::with_capacity(arena_size(&dirs, &self.claims)?);
        let mut sorted = Vec::with_capacity(self.claims.len());
        for (claim, place) in &self.claims {
            let start = arena.len();
            let dir = dirs.get(place.dir as usize).map_or(&b""[..], |dir| dir);
            arena.extend_from_slice(dir);
            if !dir.is_empty() && place.length > 0 {
                arena.push(b'/');
            }
            let name = bytes::behind(&self.names, place.name as usize);
            arena.extend_from_slice(bytes::first(name, usize::from(place.length)));
            let length =
                u16::try_from(bytes::behind(&arena, start).len()).map_err(|_| too_large())?;
            // arena_size has seen that it fits.
            let start = u32::try_from(start).map_err(|_| too_large())?;
            sorted.push((*claim, start, length));
        }
        drop((self.names, self.claims));
        let mut recorded = self.recorded;
        // No path holds NUL: as separator it makes the order of bytes the order of a walk.
        replace(&mut arena, b'/', 0);
        let path = |start: u32, length: u16| {
            bytes::first(bytes::behind(&arena, start as usize), usize::from(length))
        };
        // Lists come sorted, which a stable sort makes use of.
        sorted.sort_by(|(_, a, a_length), (_, b, b_length)| {
            path(*a, *a_length).cmp(path(*b, *b_length))
        });
        let mut entries: Vec<ClaimedFile> = Vec::with_capacity(sorted.len());
        let mut alternatives = HashMap::new();
        for group in sorted.chunk_by(|a, b| path(a.1, a.2) == path(b.1, b.2)) {
            let Some(agreed) = agreed(group, &mut recorded) else {
                continue;
            };
            if !agreed.alternatives.is_empty() {
                let index = u32::try_from(entries.len()).unwrap_or(u32::MAX);
                alternatives.insert(index, agreed.alternatives);
            }
            entries.push(agreed.entry);
        }
        replace(&mut arena, 0, b'/');
        entries.shrink_to_fit();
        Ok(Files {
            arena,
            entries,
            alternatives,
            recorded,
        })
    }
}

/// What the claims on one path agree on.
struct Agreed {
    entry: ClaimedFile,
    /// Digests that count beside the entry's own.
    alternatives: Vec<Digest>,
}

/// Settles the claims on one path, each with where the path begins and how long it is; `None` where nobody knows
/// anything, or they do not agree what it is.
fn agreed(group: &[(Claim, u32, u16)], recorded: &mut Vec<ShippedAttributes>) -> Option<Agreed> {
    let source = group.iter().map(|(claim, ..)| claim.source).min()?;
    let mut settled: Option<Agreed> = None;
    for (claim, start, length) in group.iter().filter(|(claim, ..)| claim.source == source) {
        if claim.digest.is_none() && claim.recorded == NOTHING {
            continue;
        }
        let Some(Agreed {
            entry,
            alternatives,
        }) = &mut settled
        else {
            settled = Some(Agreed {
                entry: ClaimedFile {
                    digest: claim.digest,
                    start: *start,
                    package: claim.package,
                    recorded: claim.recorded,
                    length: *length,
                    conffile: source != Source::File,
                    optional: claim.optional,
                },
                alternatives: Vec::new(),
            });
            continue;
        };
        entry.optional &= claim.optional;
        let of = |number: u32| recorded.get(number as usize);
        if let (Some(known), Some(other)) = (of(entry.recorded), of(claim.recorded))
            && known != other
        {
            let common = known.common(other)?;
            entry.recorded = u32::try_from(recorded.len()).unwrap_or(NOTHING);
            recorded.push(common);
        }
        // A digest of another kind tells nothing that the first one does not: contents have one of each.
        let same_kind = |known: &Digest, other: &Digest| known.algorithm() == other.algorithm();
        if entry.digest.is_none() {
            entry.digest = claim.digest;
        }
        if let Some(digest) = claim.digest
            && entry.digest != Some(digest)
            && entry.digest.is_some_and(|known| same_kind(&known, &digest))
            && !alternatives.contains(&digest)
        {
            alternatives.push(digest);
        }
    }
    settled
}

/// Bytes of all paths.
fn arena_size(dirs: &[Box<[u8]>], claims: &[(Claim, ClaimedPath)]) -> Result<usize> {
    let lengths = claims.iter().map(|(_, place)| {
        let dir = dirs.get(place.dir as usize).map_or(0, |dir| dir.len());
        dir.saturating_add(1)
            .saturating_add(usize::from(place.length))
    });
    let total = lengths.fold(0, usize::saturating_add);
    if total > 2 * bounds::CLAIMS_BYTES {
        return Err(too_large());
    }
    Ok(total)
}

fn replace(bytes: &mut [u8], old: u8, new: u8) {
    for byte in bytes {
        if *byte == old {
            *byte = new;
        }
    }
}

fn too_large() -> Error {
    Error::new(format!(
        "the package database names more than {} files or {} bytes of paths",
        bounds::CLAIMS,
        bounds::CLAIMS_BYTES
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Tree;
    use super::*;
    use agent_core::attributes::FileType;

    const FILE: Claim = Claim {
        digest: Some(Digest::Md5([1; 16])),
        recorded: NOTHING,
        package: 0,
        source: Source::File,
        optional: false,
    };

    fn settle(tree: &Tree, claims: &[(&str, Claim)]) -> Vec<(String, ClaimedFile, Vec<Digest>)> {
        let mut all = Claims::default();
        for (path, claim) in claims {
            all.add(path.as_bytes(), *claim).expect("few claims");
        }
        let files = all.settle(&tree.root()).expect("few claims");
        (0u32..)
            .zip(&files.entries)
            .map(|(index, entry)| {
                let start = entry.start as usize;
                let path = &files.arena[start..start + usize::from(entry.length)];
                let more = files.alternatives.get(&index).cloned().unwrap_or_default();
                (String::from_utf8_lossy(path).into_owned(), *entry, more)
            })
            .collect()
    }

    fn paths(settled: &[(String, ClaimedFile, Vec<Digest>)]) -> Vec<&str> {
        settled.iter().map(|(path, ..)| path.as_str()).collect()
    }

    #[test]
    fn more_files_than_any_system_has_are_an_error() {
        let mut claims = Claims::default();
        for _ in 0..bounds::CLAIMS {
            claims.add(b"a", FILE).expect("as many as there may be");
        }
        let error = claims.add(b"a", FILE).expect_err("one more");
        assert!(error.message.contains("more than 2000000 files"), "{error}");
    }

    #[test]
    fn more_bytes_of_names_than_any_system_has_are_an_error() {
        let name = [b'a'; 65_535];
        let mut claims = Claims::default();
        for _ in 0..bounds::CLAIMS_BYTES / (name.len() + 1) {
            claims.add(&name, FILE).expect("as many as there may be");
        }
        let error = claims.add(&name, FILE).expect_err("one more");
        assert!(error.message.contains("134217728 bytes"), "{error}");
    }

    #[test]
    fn a_walk_orders_paths() {
        let claims = ["b", "a.b", "a/z", "a/b/c", "a/b-c", "a", "a!/x", "ä"].map(|p| (p, FILE));
        let settled = settle(&Tree::new(), &claims);
        let expected = ["a", "a/b/c", "a/b-c", "a/z", "a!/x", "a.b", "b", "ä"];
        assert_eq!(paths(&settled), expected);
    }

    #[test]
    fn paths_that_meet_behind_a_link_are_one() {
        let tree = Tree::new();
        tree.dir("usr/bin");
        tree.link("bin", "usr/bin");
        let other = Claim {
            digest: Some(Digest::Md5([2; 16])),
            package: 1,
            optional: true,
            ..FILE
        };
        let settled = settle(
            &tree,
            &[("bin/x", FILE), ("usr/bin/x", FILE), ("usr/bin/x", other)],
        );
        assert_eq!(paths(&settled), ["usr/bin/x"]);
        let (_, entry, more) = &settled[0];
        assert_eq!(
            (entry.digest, entry.package, entry.optional),
            (FILE.digest, 0, false)
        );
        assert_eq!(more, &[Digest::Md5([2; 16])]);
    }

    #[test]
    fn a_conffile_wins_and_an_obsolete_one_yields() {
        let claim = |source, digest| Claim {
            digest: Some(Digest::Md5([digest; 16])),
            source,
            ..FILE
        };
        let settled = settle(
            &Tree::new(),
            &[
                ("etc/a", FILE),
                ("etc/a", claim(Source::Conffile, 2)),
                ("etc/b", claim(Source::ObsoleteConffile, 3)),
                ("etc/b", FILE),
                ("etc/c", claim(Source::ObsoleteConffile, 4)),
            ],
        );
        let first = |entry: &ClaimedFile| entry.digest.map_or(0, |digest| digest.bytes()[0]);
        let seen: Vec<_> = settled
            .iter()
            .map(|(path, entry, more)| (path.as_str(), first(entry), entry.conffile, more.len()))
            .collect();
        let expected = [
            ("etc/a", 2, true, 0),
            ("etc/b", 1, false, 0),
            ("etc/c", 4, true, 0),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_conffile_of_unknown_contents_is_left_out_with_what_else_is_said_of_it() {
        let unknown = Claim {
            digest: None,
            source: Source::Conffile,
            ..FILE
        };
        let settled = settle(
            &Tree::new(),
            &[("etc/a", FILE), ("etc/a", unknown), ("etc/b", FILE)],
        );
        assert_eq!(paths(&settled), ["etc/b"]);
    }

    #[test]
    fn attributes_count_as_far_as_packages_agree() {
        let tree = Tree::new();
        tree.dir("data/www");
        tree.dir("var");
        tree.link("var/www", "/data/www");
        let mut all = Claims::default();
        let mut claim = |kind, mode| {
            let recorded = all.record(ShippedAttributes {
                kind,
                mode: Some(mode),
                uid: Some(0),
                gid: None,
                size: None,
                link: None,
                capability: None,
            });
            Claim {
                digest: None,
                recorded,
                ..FILE
            }
        };
        let directory = claim(FileType::Dir, 0o755);
        let other = claim(FileType::Dir, 0o700);
        let link = claim(FileType::Link, 0o777);
        all.add_directory(b"var/www", directory)
            .expect("few claims");
        all.add_directory(b"usr", directory).expect("few claims");
        all.add_directory(b"usr", other).expect("few claims");
        all.add(b"lib", link).expect("few claims");
        all.add_directory(b"lib", directory).expect("few claims");
        let files = all.settle(&tree.root()).expect("few claims");
        let seen: Vec<(String, Option<u16>, Option<u32>)> = files
            .entries
            .iter()
            .map(|entry| {
                let start = entry.start as usize;
                let path = &files.arena[start..start + usize::from(entry.length)];
                let recorded = &files.recorded[entry.recorded as usize];
                let path = String::from_utf8_lossy(path).into_owned();
                (path, recorded.mode, recorded.uid)
            })
            .collect();
        let expected = [
            ("data/www".to_owned(), Some(0o755), Some(0)),
            ("usr".to_owned(), None, Some(0)),
        ];
        assert_eq!(seen, expected);
    }
}
