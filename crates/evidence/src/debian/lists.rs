//! dpkg's lists as they were recorded, kept beside the evidence: dpkg replaces a package's lists as it unpacks its next
//! version, and what the version before had is asked for afterwards.
//!
//! One file, written once for each manifest with its amendments, and read by nobody but [`KeptLists`]. Who changes it
//! makes evidence go, and can forge none: what is read counts only with the digest that is recorded.

use crate::recorded::{INFO, RecordedPackages};
use agent_core::bounds;
use agent_core::escape;
use agent_core::os::own;
use agent_core::os::root::Root;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

const NAME: &str = "lists";
const FIRST: &str = "host-integrity-agent lists 1";
/// Paths shrink to a fifth by the fastest level, and to a sixth by the best.
const LEVEL: u8 = 1;
/// Bytes of one list, packed.
// Own bound: the longest list that Debian ships has 5 MB unpacked.
const PACKED: u64 = 8 << 20;
/// Bytes of one of the file's lines, longer than any that is written.
// Own bound: a name of a package and its architecture, in octal at the worst.
const LINE: u64 = 4096;

/// What is kept, as far as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct KeptLists {
    /// `None`: nothing is kept anywhere.
    file: Option<PathBuf>,
    /// Where each lies in it, by path: offset and bytes. Read when the first is asked for.
    places: Option<HashMap<Vec<u8>, (u64, u64)>>,
}

/// What there is to keep, and where: nobody who asks has to wait while it is written.
#[derive(Debug)]
pub struct ListsToKeep {
    root: Root,
    lists: Vec<(Vec<u8>, [u8; 32])>,
    file: PathBuf,
    /// Bytes of all together, packed.
    most: u64,
}

impl KeptLists {
    /// What lies in the directory, unread.
    pub(crate) fn below(directory: &Path) -> KeptLists {
        KeptLists {
            file: Some(directory.join(NAME)),
            places: None,
        }
    }

    /// The list, if it is kept and as recorded.
    pub(crate) fn get(&mut self, path: &[u8], recorded: &[u8; 32]) -> Option<Vec<u8>> {
        let file = self.file.as_ref()?;
        let places = self.places.get_or_insert_with(|| places(file));
        let (offset, bytes) = *places.get(path)?;
        if bytes > PACKED {
            return None;
        }
        let mut file = own::open(file).ok()??;
        file.seek(SeekFrom::Start(offset)).ok()?;
        let mut packed = Vec::new();
        file.take(bytes).read_to_end(&mut packed).ok()?;
        let text = unpack(&packed)?;
        (sha256(&text) == *recorded).then_some(text)
    }
}

impl ListsToKeep {
    /// The recorded lists; `None` where there are none.
    pub(crate) fn of(
        root: &Root,
        recorded: &RecordedPackages,
        directory: &Path,
    ) -> Option<ListsToKeep> {
        if recorded.lists.is_empty() {
            return None;
        }
        let known = recorded.lists.iter();
        let mut lists: Vec<_> = known
            .map(|(path, sha256)| (path.clone(), *sha256))
            .collect();
        lists.sort_unstable();
        Some(ListsToKeep {
            root: root.clone(),
            lists,
            file: directory.join(NAME),
            most: bounds::LISTS_KEPT,
        })
    }

    /// Keeps those that are as recorded, or were when others were kept; does nothing where that was done before. Errors:
    /// the file cannot be written, and what was kept before stays.
    pub fn keep(&self) -> io::Result<()> {
        let of = self.digest();
        if head(&self.file).is_ok_and(|(known, _)| known == of) {
            return Ok(());
        }
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let new = self.file.with_extension("new");
        let written = self.write(&new, &of);
        if written.is_err() {
            // What is left of it is overwritten by the next one.
            fs::remove_file(&new).unwrap_or_default();
        }
        written?;
        fs::rename(&new, &self.file)
    }

    /// Of all that is to be kept: the file is of these lists, or is written anew.
    fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (path, sha256) in &self.lists {
            digest.update(path);
            digest.update([0]);
            digest.update(sha256);
        }
        escape::hex(&<[u8; 32]>::from(digest.finalize()))
    }

    fn write(&self, new: &Path, of: &str) -> io::Result<()> {
        let mut before = KeptLists {
            file: Some(self.file.clone()),
            places: None,
        };
        let mut out = BufWriter::new(own::create(new)?);
        writeln!(out, "{FIRST}\n{of}")?;
        let mut all: u64 = 0;
        for (path, sha256) in &self.lists {
            let there = self.root.read(path, bounds::DPKG_LIST).ok().flatten();
            let there = there.filter(|text| self::sha256(text) == *sha256);
            let Some(text) = there.or_else(|| before.get(path, sha256)) else {
                continue;
            };
            let packed = compress_to_vec(&text, LEVEL);
            all = all.saturating_add(packed.len() as u64);
            if all > self.most {
                break;
            }
            writeln!(out, "{} {}", packed.len(), escape::octal(name(path)))?;
            out.write_all(&packed)?;
        }
        out.flush()
    }
}

/// What the file is of, and the rest of it.
fn head(file: &Path) -> io::Result<(String, BufReader<File>)> {
    let file = own::open(file)?.ok_or(io::ErrorKind::NotFound)?;
    let mut rest = BufReader::new(file);
    let mut line = || -> io::Result<String> {
        let mut text = String::new();
        (&mut rest).take(LINE).read_line(&mut text)?;
        Ok(text.trim_end().to_owned())
    };
    match (line()?, line()?) {
        (first, of) if first == FIRST => Ok((of, rest)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Where each of the file's lists lies; what is cut off is not among them.
fn places(file: &Path) -> HashMap<Vec<u8>, (u64, u64)> {
    let mut places = HashMap::new();
    let Ok((_, mut rest)) = head(file) else {
        return places;
    };
    let mut next = || -> Option<(Vec<u8>, (u64, u64))> {
        let mut line = Vec::new();
        (&mut rest).take(LINE).read_until(b'\n', &mut line).ok()?;
        let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
        let (bytes, name) = line.split_once(' ')?;
        let bytes: u64 = bytes.parse().ok()?;
        let offset = rest.stream_position().ok()?;
        rest.seek_relative(i64::try_from(bytes).ok()?).ok()?;
        let name = escape::from_octal(name.as_bytes())?;
        let path = [INFO.as_bytes(), b"/", &name].concat();
        Some((path, (offset, bytes)))
    };
    while let Some((path, place)) = next() {
        places.insert(path, place);
    }
    places
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let most = usize::try_from(bounds::DPKG_LIST).unwrap_or(usize::MAX);
    decompress_to_vec_with_limit(packed, most).ok()
}

fn sha256(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The last part of a path below [`INFO`].
fn name(path: &[u8]) -> &[u8] {
    let rest = path.strip_prefix(INFO.as_bytes()).unwrap_or(path);
    rest.strip_prefix(b"/").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: [(&str, &str); 3] = [
        ("a.list", "/.\n/usr\n/usr/a\n"),
        ("a.conffiles", "/etc/a b\n"),
        ("b:amd64.list", "/.\n/usr\n/usr/b\n"),
    ];

    struct Tree {
        place: tempfile::TempDir,
        recorded: RecordedPackages,
    }

    fn path(name: &str) -> Vec<u8> {
        format!("{INFO}/{name}").into_bytes()
    }

    impl Tree {
        fn new() -> Tree {
            let place = tempfile::tempdir().expect("a directory");
            fs::create_dir_all(place.path().join(INFO)).expect("made");
            let mut tree = Tree {
                place,
                recorded: RecordedPackages::default(),
            };
            for (name, text) in LISTS {
                tree.write(name, text);
                tree.record(name, text);
            }
            tree
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.place.path().join(INFO).join(name), text).expect("written");
        }

        fn record(&mut self, name: &str, text: &str) {
            let digest = sha256(text.as_bytes());
            self.recorded.lists.insert(path(name), digest);
        }

        fn state(&self) -> PathBuf {
            self.place.path().join("state")
        }

        fn keep(&self) {
            let root = Root::open(self.place.path()).expect("a root");
            let lists = ListsToKeep::of(&root, &self.recorded, &self.state());
            lists.expect("some").keep().expect("kept");
        }

        fn kept(&self, name: &str) -> Option<String> {
            let recorded = self.recorded.lists.get(&path(name))?;
            let text = KeptLists::below(&self.state()).get(&path(name), recorded)?;
            Some(String::from_utf8_lossy(&text).into_owned())
        }
    }

    #[test]
    fn what_was_as_recorded_is_there_when_dpkg_has_replaced_it() {
        let mut tree = Tree::new();
        assert_eq!(tree.kept("a.list"), None, "nothing is kept yet");
        tree.keep();
        for (name, text) in LISTS {
            tree.write(name, "/another\n");
            assert_eq!(tree.kept(name).as_deref(), Some(text), "{name}");
        }
        tree.record("a.list", "/another\n");
        assert_eq!(tree.kept("a.list"), None, "of what is recorded now");
        tree.record("c.list", "/usr/c\n");
        tree.keep();
        for (name, text) in [
            ("a.list", Some("/another\n")),
            ("b:amd64.list", Some(LISTS[2].1)),
            ("c.list", None),
        ] {
            assert_eq!(tree.kept(name).as_deref(), text, "{name}");
        }
    }

    #[test]
    fn lists_beyond_what_may_be_kept_are_left_out() {
        let tree = Tree::new();
        let root = Root::open(tree.place.path()).expect("a root");
        let mut lists = ListsToKeep::of(&root, &tree.recorded, &tree.state()).expect("some");
        assert_eq!(lists.most, bounds::LISTS_KEPT);
        lists.most = 25;
        lists.keep().expect("kept");
        let kept = LISTS.iter().filter(|(name, _)| tree.kept(name).is_some());
        assert!((1..LISTS.len()).contains(&kept.count()));
    }

    #[test]
    fn what_is_kept_already_is_not_written_again() {
        let tree = Tree::new();
        tree.keep();
        let written = || {
            fs::metadata(tree.state().join(NAME))
                .expect("it")
                .modified()
        };
        let before = written().expect("a time");
        tree.keep();
        assert_eq!(written().expect("a time"), before);
    }

    #[test]
    fn what_somebody_wrote_or_cut_off_vouches_for_nothing() {
        let tree = Tree::new();
        tree.keep();
        let file = tree.state().join(NAME);
        let whole = fs::read(&file).expect("it");
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).expect("written");
            for (name, text) in LISTS {
                assert!(tree.kept(name).is_none_or(|kept| kept == text), "{length}");
            }
            let mut other = whole.clone();
            other[length] ^= 1;
            fs::write(&file, &other).expect("written");
            for (name, text) in LISTS {
                assert!(tree.kept(name).is_none_or(|kept| kept == text), "{length}");
            }
        }
    }
}
