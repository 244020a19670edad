//! What was found out of signed packages, kept as small files: apt removes a package at the end of the run that brought
//! it, and a week later no list may have it any more.
//!
//! They lie in the daemon's state directory, are written and read by the daemon alone, and are believed as its ledger
//! is. Each says under which keyrings it was verified, and counts under no others.

use super::deb::Control;
use super::tar::{Listing, Shipped};
use crate::products::alternatives::Alternative;
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::escape;
use agent_core::os::own;
use agent_packages::Package;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const FIRST: &str = "host-integrity-agent evidence 1";
const LAST: &str = "end";
/// Alternatives and members of control archives, of all packages together.
// Own bound: twenty of each of as many packages as are kept.
const ROWS: usize = 160_000;

/// What is kept of one package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) package: Package,
    pub(crate) sha256: [u8; 32],
    pub(crate) control: Control,
    pub(crate) files: Option<Listing>,
    /// It is not of a signed package, but of the list that dpkg had of it, which was as the manifest has it.
    pub(crate) recorded: bool,
}

/// The same, as it lies there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) facts: Facts,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// When that was written.
    pub(crate) since: SystemTime,
}

/// Where they are kept, and under which keyrings they count.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    keyrings: [u8; 32],
}

impl Store {
    /// A directory that is made when something is to be kept.
    pub(crate) fn new(directory: &Path, keyrings: [u8; 32]) -> Store {
        Store {
            directory: directory.to_owned(),
            keyrings,
        }
    }

    /// Each that is kept and counts, newest first. Returns what was removed unread where more lay there than may be kept.
    /// What cannot be read is passed over: it only makes evidence go.
    pub(crate) fn each(&self, take: &mut dyn FnMut(Stored)) -> Option<String> {
        let entries = fs::read_dir(&self.directory).ok()?;
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(Result::ok)
            .take(bounds::DEBS)
            .filter_map(|entry| {
                let data = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((data.modified().ok()?, data.len(), entry.path()))
            })
            .collect();
        files.sort_by(|a, b| b.cmp(a));
        let mut all: u64 = 0;
        let newest = files.iter().take(bounds::EVIDENCE_KEPT);
        let within = newest.take_while(|(_, bytes, _)| {
            all = all.saturating_add(*bytes);
            all <= bounds::EVIDENCE_BYTES
        });
        let within = within.count();
        let beyond = files.split_off(within);
        for (_, _, path) in &beyond {
            // Where it cannot be removed it stays unread.
            fs::remove_file(path).unwrap_or_default();
        }
        let mut given_up = beyond.len();
        let mut rows: usize = 0;
        for (since, bytes, path) in files {
            if let Some(facts) = self.parse(&path) {
                // They take ten times their length in memory, and a package has some ten of each.
                let Control {
                    alternatives,
                    members,
                    ..
                } = &facts.control;
                rows = rows
                    .saturating_add(alternatives.len())
                    .saturating_add(members.len());
                if rows > ROWS {
                    given_up = given_up.saturating_add(1);
                    continue;
                }
                take(Stored {
                    facts,
                    bytes,
                    since,
                });
            }
        }
        (given_up > 0).then(|| self::given_up(given_up))
    }

    /// What is kept of that .deb.
    pub(crate) fn read(&self, sha256: &[u8; 32]) -> Option<Facts> {
        let facts = self.parse(&self.place(sha256))?;
        Some(facts).filter(|facts| facts.sha256 == *sha256)
    }

    fn parse(&self, path: &Path) -> Option<Facts> {
        let text = own::read(path, bounds::EVIDENCE_BYTES).ok()??;
        parse(std::str::from_utf8(&text).ok()?, &self.keyrings)
    }

    /// Keeps it, in place of what was kept of the same package. Returns how many bytes that takes.
    pub(crate) fn keep(&self, facts: &Facts) -> io::Result<u64> {
        fs::create_dir_all(&self.directory)?;
        let place = self.place(&facts.sha256);
        let text = text(facts, &self.keyrings);
        own::replace(&place, text.as_bytes())?;
        Ok(text.len() as u64)
    }

    /// Keeps what is known of that .deb no longer.
    pub(crate) fn forget(&self, sha256: &[u8; 32]) {
        // What is there still is removed when it is read again.
        fs::remove_file(self.place(sha256)).unwrap_or_default();
    }

    fn place(&self, sha256: &[u8; 32]) -> PathBuf {
        self.directory.join(escape::hex(sha256))
    }
}

/// That what was known of so many packages is known no longer.
pub(crate) fn given_up(packages: usize) -> String {
    let (most, bytes) = (bounds::EVIDENCE_KEPT, bounds::EVIDENCE_BYTES >> 20);
    format!(
        "what was known of {packages} signed packages was given up: of at most {most} something is kept, {bytes} MiB in all"
    )
}

fn text(facts: &Facts, keyrings: &[u8; 32]) -> String {
    let Package {
        name,
        version,
        arch,
    } = &facts.package;
    let mut out = format!(
        "{FIRST}\nkeyrings {}\npackage {name} {version} {arch}\ndeb {}\n",
        escape::hex(keyrings),
        escape::hex(&facts.sha256)
    );
    // Writing into memory cannot fail.
    let mut line = |line: std::fmt::Arguments<'_>| out.write_fmt(line).unwrap_or_default();
    if facts.recorded {
        line(format_args!("recorded\n"));
    }
    for (path, md5) in &facts.control.sums {
        line(format_args!(
            "sum {} {}\n",
            escape::hex(md5),
            escape::octal(path)
        ));
    }
    for Alternative { link, name, target } in &facts.control.alternatives {
        let [link, name, target] = [link, name, target].map(|word| escape::octal(word));
        line(format_args!("alternative {link} {name} {target}\n"));
    }
    for (path, shipped) in &facts.control.members {
        line(format_args!("control {}\n", row(path, shipped)));
    }
    if let Some(files) = &facts.files {
        line(format_args!("files\n"));
        for (path, shipped) in files {
            line(format_args!("file {}\n", row(path, shipped)));
        }
    }
    out + LAST + "\n"
}

/// `KIND MODE UID GID NAMES SHA256 =LINK PATH`
fn row(path: &[u8], shipped: &Shipped) -> String {
    let Shipped {
        kind,
        mode,
        uid,
        gid,
        names,
        ..
    } = shipped;
    let mode = mode.map_or("-".to_owned(), |mode| format!("{mode:o}"));
    let digest = shipped
        .sha256
        .map_or("-".to_owned(), |digest| escape::hex(&digest));
    let link = shipped
        .link
        .as_ref()
        .map_or("-".to_owned(), |link| format!("={}", escape::octal(link)));
    let kind = kind.name();
    format!(
        "{kind} {mode} {uid} {gid} {names} {digest} {link} {}",
        escape::octal(path)
    )
}

fn parse(text: &str, keyrings: &[u8; 32]) -> Option<Facts> {
    let mut lines = text.lines();
    if lines.next()? != FIRST || !text.ends_with("\nend\n") {
        return None;
    }
    let known = lines.next()?.strip_prefix("keyrings ")?;
    if escape::from_hex::<32>(known.as_bytes())? != *keyrings {
        return None;
    }
    let words: Vec<&str> = lines.next()?.strip_prefix("package ")?.split(' ').collect();
    let [name, version, arch] = words[..] else {
        return None;
    };
    let package = Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
    };
    let sha256 = escape::from_hex(lines.next()?.strip_prefix("deb ")?.as_bytes())?;
    let mut facts = Facts {
        package,
        sha256,
        control: Control::default(),
        files: None,
        recorded: false,
    };
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["sum", md5, path] => {
                let path = escape::from_octal(path.as_bytes())?.into_boxed_slice();
                let md5 = escape::from_hex(md5.as_bytes())?;
                facts.control.sums.insert(path, md5);
            }
            ["alternative", link, name, target] => {
                let of = |word: &str| escape::from_octal(word.as_bytes());
                let (link, name, target) = (of(link)?, of(name)?, of(target)?);
                let known = &mut facts.control.alternatives;
                known.push(Alternative { link, name, target });
            }
            ["recorded"] => facts.recorded = true,
            ["control", ..] => {
                let (name, shipped) = file(&words)?;
                facts.control.members.insert(name, shipped);
            }
            ["files"] => facts.files = Some(Listing::new()),
            ["file", ..] => {
                let (path, shipped) = file(&words)?;
                facts.files.as_mut()?.insert(path, shipped);
            }
            [LAST] => return Some(facts),
            _ => return None,
        }
    }
    None
}

fn file(words: &[&str]) -> Option<(Box<[u8]>, Shipped)> {
    let [_, kind, mode, uid, gid, names, digest, link, path] = *words else {
        return None;
    };
    let shipped = Shipped {
        kind: FileType::from_name(kind.as_bytes())?,
        mode: match mode {
            "-" => None,
            mode => Some(u16::from_str_radix(mode, 8).ok()?),
        },
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        mtime: None,
        link: match link.strip_prefix('=') {
            Some(link) => Some(escape::from_octal(link.as_bytes())?.into_boxed_slice()),
            None => None,
        },
        sha256: match digest {
            "-" => None,
            digest => Some(escape::from_hex(digest.as_bytes())?),
        },
        names: names.parse().ok()?,
    };
    Some((
        escape::from_octal(path.as_bytes())?.into_boxed_slice(),
        shipped,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::deb::Sums;
    use super::*;

    fn load(store: &Store) -> (Vec<Stored>, Option<String>) {
        let mut stored = Vec::new();
        let given_up = store.each(&mut |one| stored.push(one));
        (stored, given_up)
    }

    #[test]
    fn what_is_kept_comes_back_whole_under_the_same_keyrings_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let shipped = |kind, mode, link: Option<&[u8]>| Shipped {
            kind,
            mode,
            uid: 3,
            gid: 5,
            mtime: None,
            link: link.map(Into::into),
            sha256: (kind == FileType::File).then_some([9; 32]),
            names: 2,
        };
        let path = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
        let mut facts = Facts {
            package: Package {
                name: "a".into(),
                version: "1:2-3".into(),
                arch: "all".into(),
            },
            sha256: [1; 32],
            control: Control {
                sums: Sums::from([(path("usr/bin/a b\n"), [7; 16])]),
                alternatives: vec![Alternative {
                    link: "/usr/bin/b".into(),
                    name: "b".into(),
                    target: "/usr/bin/a b\n".into(),
                }],
                members: Listing::from([(
                    path("postinst"),
                    shipped(FileType::File, Some(0o755), None),
                )]),
            },
            files: None,
            recorded: true,
        };
        let store = Store::new(&directory.path().join("evidence"), [4; 32]);
        let loaded = |store: &Store| -> Vec<Facts> {
            let (stored, given_up) = load(store);
            assert_eq!(given_up, None);
            stored.into_iter().map(|stored| stored.facts).collect()
        };
        assert_eq!(loaded(&store), []);
        let bytes = store.keep(&facts).expect("kept");
        assert_eq!(load(&store).0[0].bytes, bytes);
        assert_eq!(
            loaded(&store),
            [Facts {
                control: facts.control.clone(),
                package: facts.package.clone(),
                ..facts
            }]
        );
        facts.files = Some(Listing::from([
            (
                path("usr/bin/a b\n"),
                shipped(FileType::File, Some(0o4755), None),
            ),
            (path("usr/l"), shipped(FileType::Link, None, Some(b"a b"))),
            (path("usr"), shipped(FileType::Dir, Some(0o755), None)),
        ]));
        store.keep(&facts).expect("kept");
        let sha256 = facts.sha256;
        let read = store.read(&sha256).expect("it");
        assert_eq!((&read, store.read(&[2; 32])), (&facts, None));
        assert_eq!(loaded(&store), [facts]);
        let other = Store::new(&directory.path().join("evidence"), [5; 32]);
        assert_eq!(loaded(&other), []);
        let file = fs::read_dir(directory.path().join("evidence"))
            .expect("it")
            .next();
        let file = file.expect("one").expect("read").path();
        let text = fs::read_to_string(&file).expect("text");
        for cut in [text.len() / 2, text.len() - 2] {
            fs::write(&file, &text[..cut]).expect("written");
            assert_eq!(loaded(&store), [], "cut off");
        }
        store.forget(&sha256);
        assert!(!file.exists());
    }

    /// A file of that size and age in the directory.
    fn put(directory: &Path, name: &str, size: u64, age: u64) {
        let file = fs::File::create(directory.join(name)).expect("made");
        file.set_len(size).expect("a hole");
        let then = SystemTime::now() - std::time::Duration::from_secs(age);
        file.set_modified(then).expect("dated");
    }

    #[test]
    fn what_is_more_than_may_be_kept_is_removed_and_said_the_oldest_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::new(directory.path(), [4; 32]);
        for n in 0..bounds::EVIDENCE_KEPT as u64 {
            put(directory.path(), &n.to_string(), 0, n);
        }
        assert_eq!(load(&store).1, None);
        put(directory.path(), "old", 0, 100_000);
        let said = load(&store).1.expect("told");
        assert!(said.contains("of 1 signed packages"), "{said}");
        assert!(!directory.path().join("old").exists() && directory.path().join("7").exists());
        for name in ["0", "1"] {
            fs::remove_file(directory.path().join(name)).expect("it");
        }
        put(directory.path(), "large", bounds::EVIDENCE_BYTES, 0);
        assert_eq!(load(&store).1, None, "the others are empty");
        put(directory.path(), "new", 1, 0);
        let said = load(&store).1.expect("told");
        assert!(said.contains(" signed packages was given up"), "{said}");
        assert!(!directory.path().join("large").exists());
    }

    #[test]
    fn rows_that_no_package_has_are_given_up_and_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::new(directory.path(), [4; 32]);
        let file = |name: &str, rows: usize| {
            let (keyrings, deb) = (escape::hex(&[4; 32]), escape::hex(&[1; 32]));
            let head = format!("{FIRST}\nkeyrings {keyrings}\npackage {name} 1 all\ndeb {deb}\n");
            let text = format!("{head}{}{LAST}\n", "alternative a a a\n".repeat(rows));
            fs::write(directory.path().join(name), text).expect("written");
        };
        file("a", 3);
        assert_eq!((load(&store).0.len(), load(&store).1), (1, None));
        file("b", ROWS + 1);
        let (stored, said) = load(&store);
        assert!(stored.len() < 2);
        assert!(said.is_some_and(|said| said.contains("was given up")));
    }
}
