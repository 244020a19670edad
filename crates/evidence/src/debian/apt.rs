//! apt's lists: which package a digest belongs to, by an InRelease that a recorded key signed.

use super::sources::Suites;
use crate::openpgp::Keyring;
use agent_core::bounds;
use agent_core::bytes;
use agent_core::escape;
use agent_core::os::root::Root;
use agent_packages::{Package, unpack};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};

const LISTS: &str = "var/lib/apt/lists";
const RELEASE: &str = "InRelease";

/// A package as a signed list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Name, version and architecture.
    pub(crate) package: Package,
    /// Bytes of the .deb.
    size: u64,
}

/// What the lists say.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// Of the digests that were asked for, those that stand in a signed list.
    pub(crate) found: HashMap<[u8; 32], Listed>,
    /// What of the lists could not be believed, the first of each kind.
    pub(crate) refused: Vec<String>,
}

/// Looks the digests up, each with the size of its file, in all lists of all releases that the keys signed.
///
/// Path, size and digest of a list must all be as the release says: small lists are equal and their digests with them.
pub(crate) fn look_up(root: &Root, keys: &Keyring, wanted: &HashMap<[u8; 32], u64>) -> Lookup {
    let mut lookup = Lookup::default();
    let names = match root.list(LISTS.as_bytes()) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) => {
            lookup.refused.push(format!("/{LISTS}: {error}"));
            return lookup;
        }
    };
    let names: Vec<&str> = names
        .iter()
        .filter_map(|(name, _)| std::str::from_utf8(name).ok())
        .collect();
    let suites = Suites::read(root);
    let releases = names.iter().filter_map(|name| name.strip_suffix(RELEASE));
    let mut seen = false;
    for prefix in releases {
        seen = true;
        let place = format!("{LISTS}/{prefix}{RELEASE}");
        let lists = match release(root, keys, &suites, &place) {
            Ok(lists) => lists,
            Err(why) => {
                lookup.refused.push(format!("/{place}: {why}"));
                continue;
            }
        };
        for name in names.iter().filter(|name| name.starts_with(prefix)) {
            let Some(known) = lists.of(&name[prefix.len()..]) else {
                continue;
            };
            match packages(root, &format!("{LISTS}/{name}"), wanted) {
                Ok(list) if list.digest == known => lookup.found.extend(list.found),
                Ok(_) => {
                    let why = format!("/{LISTS}/{name} is not the list that its release names");
                    lookup.refused.push(why);
                }
                Err(error) => lookup.refused.push(format!("/{LISTS}/{name}: {error}")),
            }
        }
    }
    lookup
        .found
        .retain(|digest, listed| wanted.get(digest) == Some(&listed.size));
    if !seen {
        lookup.refused.push(format!("/{LISTS} holds no InRelease"));
    }
    lookup
}

/// The lists that a release names: path to digest and size.
struct Lists(HashMap<String, ([u8; 32], u64)>);

impl Lists {
    /// Digest and size of the list that apt keeps under this name: `main_binary-amd64_Packages`, perhaps packed by LZ4.
    fn of(&self, name: &str) -> Option<([u8; 32], u64)> {
        let name = name.strip_suffix(".lz4").unwrap_or(name);
        name.ends_with("Packages")
            .then(|| self.0.get(name).copied())
            .flatten()
    }
}

fn release(root: &Root, keys: &Keyring, suites: &Suites, place: &str) -> Result<Lists, String> {
    let message = root
        .read(place.as_bytes(), bounds::APT_RELEASE)
        .map_err(|error| error.to_string())?
        .ok_or("it is gone")?;
    let (text, _) = keys.cleartext(&message)?;
    let mut lists = HashMap::new();
    let mut within = false;
    let (mut suite, mut codename) = (None, None);
    for line in text.split(|byte| *byte == b'\n') {
        match line {
            [b' ', entry @ ..] if within => {
                let entry = std::str::from_utf8(entry).unwrap_or_default();
                let mut words = entry.split_ascii_whitespace();
                if let (Some(digest), Some(size), Some(path)) =
                    (words.next(), words.next(), words.next())
                    && let Some(digest) = escape::from_hex::<32>(digest.as_bytes())
                    && let Ok(size) = size.parse()
                {
                    // As apt writes a path into a name (URItoFileName): what would be read as a separator is escaped.
                    lists.insert(path.replace('_', "%5f").replace('/', "_"), (digest, size));
                }
            }
            [b' ', ..] => {}
            line if line.starts_with(b"Suite:") => suite = Some(word(line)),
            line if line.starts_with(b"Codename:") => codename = Some(word(line)),
            line => within = line.eq_ignore_ascii_case(b"SHA256:"),
        }
    }
    let prefix = place
        .strip_prefix(LISTS)
        .and_then(|name| name.strip_suffix(RELEASE));
    let prefix = prefix.unwrap_or_default().trim_start_matches('/');
    if !suites.has(suite.as_deref(), codename.as_deref(), prefix) {
        let name = suite.or(codename).unwrap_or_default();
        let name = escape::terminal_text(&name).into_owned();
        return Err(format!("no source of apt's names its suite ({name})"));
    }
    match lists.is_empty() {
        true => Err("it names no list by SHA-256".into()),
        false => Ok(Lists(lists)),
    }
}

/// The first word of a field's value.
fn word(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let value = line.split_once(':').map_or("", |(_, value)| value);
    value
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A list that was read to its end.
struct List {
    /// SHA-256 and size of its text.
    digest: ([u8; 32], u64),
    found: HashMap<[u8; 32], Listed>,
}

/// Reads a list in one pass, and keeps what was asked for.
fn packages(root: &Root, place: &str, wanted: &HashMap<[u8; 32], u64>) -> io::Result<List> {
    let file = root
        .open_file(place.as_bytes())?
        .ok_or_else(|| io::Error::other("it is gone"))?;
    let text = unpack::reader(place, file, bounds::PACKAGE_LIST)
        .ok_or_else(|| io::Error::other("a compression that is not known here"))?;
    let mut digest = Sha256::new();
    let mut size = 0;
    let hashing = Hashing {
        text,
        digest: &mut digest,
        size: &mut size,
    };
    let mut lines = BufReader::with_capacity(256 * 1024, hashing);
    let mut found = HashMap::new();
    let mut stanza = Stanza::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut lines)
            .take(bounds::PACKAGE_LIST_LINE + 1)
            .read_until(b'\n', &mut line)?;
        if length as u64 > bounds::PACKAGE_LIST_LINE {
            return Err(io::Error::other("a line longer than any list has"));
        }
        if line.trim_ascii_end().is_empty() {
            std::mem::take(&mut stanza).finish(wanted, &mut found);
        }
        if length == 0 {
            break;
        }
        stanza.field(&line);
    }
    drop(lines);
    Ok(List {
        digest: (digest.finalize().into(), size),
        found,
    })
}

#[derive(Default)]
struct Stanza {
    name: String,
    version: String,
    arch: String,
    size: Option<u64>,
    digest: Option<[u8; 32]>,
}

impl Stanza {
    fn field(&mut self, line: &[u8]) {
        let value = |name: &[u8]| Some(line.strip_prefix(name)?.trim_ascii());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(value) = value(b"Package:") {
            self.name = text(value);
        } else if let Some(value) = value(b"Version:") {
            self.version = text(value);
        } else if let Some(value) = value(b"Architecture:") {
            self.arch = text(value);
        } else if let Some(value) = value(b"Size:") {
            self.size = text(value).parse().ok();
        } else if let Some(value) = value(b"SHA256:") {
            self.digest = escape::from_hex(value);
        }
    }

    fn finish(self, wanted: &HashMap<[u8; 32], u64>, found: &mut HashMap<[u8; 32], Listed>) {
        if let (Some(digest), Some(size)) = (self.digest, self.size)
            && wanted.contains_key(&digest)
            && !self.name.is_empty()
        {
            let package = Package {
                name: self.name,
                version: self.version,
                arch: self.arch,
            };
            found.insert(digest, Listed { package, size });
        }
    }
}

struct Hashing<'a> {
    text: Box<dyn BufRead + 'a>,
    digest: &'a mut Sha256,
    size: &'a mut u64,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.text.read(buffer)?;
        self.digest.update(bytes::first(buffer, length));
        *self.size = self.size.saturating_add(length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    /// What is said of the lists of a tree with that one file among them.
    fn refused(name: &str, size: u64) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let lists = directory.path().join(LISTS);
        fs::create_dir_all(&lists).expect("made");
        let file = File::create(lists.join(name)).expect("made");
        file.set_len(size).expect("a hole");
        let root = Root::open(directory.path()).expect("a root");
        look_up(&root, &Keyring::default(), &HashMap::new())
            .refused
            .join("; ")
    }

    #[test]
    fn a_release_beyond_its_bound_is_refused_by_name() {
        let place = format!("/{LISTS}/a_{RELEASE}");
        let whole = refused("a_InRelease", bounds::APT_RELEASE);
        assert!(
            whole.contains(&place) && !whole.contains("larger"),
            "{whole}"
        );
        let cut = refused("a_InRelease", bounds::APT_RELEASE + 1);
        assert!(cut.contains(&place) && cut.contains("larger"), "{cut}");
    }

    #[test]
    fn a_line_longer_than_any_is_an_error_and_no_line_of_its_own() {
        let digest = [7; 32];
        let wanted = HashMap::from([(digest, 5)]);
        let directory = tempfile::tempdir().expect("a directory");
        let root = Root::open(directory.path()).expect("a root");
        // What is behind the bound would be a field, were it read as a line.
        let field = format!("SHA256: {}\n", escape::hex(&digest));
        for (more, good) in [(0, true), (1, false)] {
            let before = "Package: a\nSize: 5\n";
            let length = usize::try_from(bounds::PACKAGE_LIST_LINE).expect("small") + more;
            let text = format!("{before}{}\n{field}\n", "x".repeat(length - 1));
            fs::write(directory.path().join("list"), text).expect("written");
            match packages(&root, "list", &wanted) {
                Ok(list) => assert!(good && list.found.contains_key(&digest)),
                Err(error) => assert!(!good && error.to_string().contains("longer than any")),
            }
        }
    }
}
