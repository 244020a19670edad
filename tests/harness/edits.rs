//! Random edits of a small tree, each with what it touched: what a watch that misses nothing would tell.

use rustix::fs::{self as sys, AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// Names that sort differently by bytes and by paths, and hold what names may hold.
const NAMES: [&[u8]; 8] = [
    b"a",
    b"b",
    b"a-b",
    b"a b",
    b"c\xff",
    b"d\ne",
    b"tmp",
    b"\xc3\xa4",
];

/// Profiles that differ in what a directory's own times say.
pub static PROFILES: [Rules; 3] = [
    Rules {
        name: "strict",
        profile: STRICT,
        records: |_| true,
    },
    Rules {
        name: "mixed",
        profile: MIXED,
        records: |names| {
            let second = names.get(1).copied().unwrap_or_default();
            names[0] != b"a"
                && second != b"b"
                && !names.contains(&&b"tmp"[..])
                && !(names[0] == b"b" && second.starts_with(b"a"))
        },
    },
    Rules {
        name: "leads",
        profile: LEADS,
        records: |names| names[0] == b"a",
    },
];

/// A profile for random edits.
#[derive(Debug)]
pub struct Rules {
    pub name: &'static str,
    pub profile: &'static str,
    /// Whether it demands contents and number of names of the file whose path has these components; where that is
    /// hard to say, no.
    records: fn(&[&[u8]]) -> bool,
}

impl Rules {
    fn records(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        (self.records)(&names)
    }
}

const STRICT: &str = "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n";
/// Directories whose entries come and go, entries demanded less of, patterns.
pub const MIXED: &str = r#"
name = "lab"
[[paths]]
path = "/"
severity = "high"
[[paths]]
path = "/a"
severity = "low"
attributes = "content"
[[paths]]
path = "/*/b"
severity = "critical"
attributes = ["type", "mode"]
[[exclude]]
path = "/**/tmp/**"
reason = "test"
[[exclude]]
path = "/b/a*"
reason = "test"
"#;
/// Most directories only lead.
const LEADS: &str = r#"
name = "lab"
[[paths]]
path = "/a"
severity = "high"
[[paths]]
path = "/*/b/a"
severity = "high"
[[paths]]
path = "/a b/*"
severity = "low"
"#;

/// What an edit touched.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// Whether all below it was touched as well.
    pub below: bool,
}

/// Storms, and the seed of the first. `WATCH_STORMS` asks for another number of them, `WATCH_SEED` for others.
pub fn storms(usual: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let seed = number("WATCH_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    (number("WATCH_STORMS").unwrap_or(usual), seed)
}

/// A tree under random edits, and a copy of it as it was.
pub struct Edits {
    root: PathBuf,
    pristine: PathBuf,
    pub random: fastrand::Rng,
}

impl Edits {
    /// Fills the empty directory at `root`; the copy goes to `pristine`. Some files have several names, all of which
    /// the profile, whose paths are relative to `root`, has recorded.
    pub fn new(root: &Path, pristine: &Path, seed: u64, rules: &Rules) -> Edits {
        let mut edits = Edits {
            root: root.to_owned(),
            pristine: pristine.to_owned(),
            random: fastrand::Rng::with_seed(seed),
        };
        edits.fill(root, 3);
        for _ in 0..12 {
            edits.link(rules);
        }
        let copied = std::process::Command::new("cp")
            .args(["-a", "--preserve=all"])
            .args([root, pristine])
            .status();
        assert!(copied.expect("cp").success());
        edits
    }

    fn fill(&mut self, directory: &Path, depth: u8) {
        for name in NAMES {
            let path = directory.join(OsStr::from_bytes(name));
            match self.random.u8(0..10) {
                0..5 => fs::write(&path, format!("{}", self.random.u8(..))).expect("a file"),
                5..8 if depth > 0 => {
                    fs::create_dir(&path).expect("a directory");
                    self.fill(&path, depth - 1);
                }
                8 => symlink("a", &path).expect("a link"),
                _ => continue,
            }
            old(&path);
        }
        old(directory);
    }

    /// One more name for a file, if there is one and the name is free.
    fn link(&mut self, rules: &Rules) {
        let (from, to) = (self.some().unwrap_or_default(), self.new_path());
        // Which names are one file is known by the contents, and by one whose number of names is recorded.
        let known = rules.records(&from) && rules.records(&to);
        let (from, to) = (self.at(&from), self.at(&to));
        if known && from.is_file() && !from.is_symlink() && fs::hard_link(&from, &to).is_ok() {
            old(&from);
            old(to.parent().expect("a directory"));
        }
    }

    /// Whether a file with several names is at the path or below it.
    fn has_linked(&self, path: &[u8]) -> bool {
        let within = |other: &[u8]| match other.strip_prefix(path) {
            Some(rest) => rest.is_empty() || rest[0] == b'/',
            None => false,
        };
        let paths = self.paths().into_iter();
        let mut files = paths.filter(|(path, is_directory)| within(path) && !is_directory);
        files.any(|(path, _)| fs::symlink_metadata(self.at(&path)).is_ok_and(|m| m.nlink() > 1))
    }

    /// All paths of the tree, relative to it, and whether each is a directory.
    fn paths(&self) -> Vec<(Vec<u8>, bool)> {
        let mut found = vec![(Vec::new(), true)];
        let mut next = 0;
        while let Some((path, is_directory)) = found.get(next).cloned() {
            next += 1;
            if !is_directory {
                continue;
            }
            for entry in fs::read_dir(self.at(&path)).expect("a directory") {
                let entry = entry.expect("readable");
                let relative = entry.path();
                let relative = relative.strip_prefix(&self.root).expect("below");
                let is_directory = entry.file_type().expect("a type").is_dir();
                found.push((relative.as_os_str().as_bytes().to_vec(), is_directory));
            }
        }
        found
    }

    /// A path that is there, not the root.
    fn some(&mut self) -> Option<Vec<u8>> {
        let mut paths = self.paths();
        match paths.len() {
            1 => None,
            n => Some(paths.swap_remove(self.random.usize(1..n)).0),
        }
    }

    /// A path that may be there, in a directory that is.
    fn new_path(&mut self) -> Vec<u8> {
        let mut paths = self.paths();
        paths.retain(|(_, is_directory)| *is_directory);
        let (mut path, _) = paths.swap_remove(self.random.usize(..paths.len()));
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(NAMES[self.random.usize(..NAMES.len())]);
        path
    }

    /// Where a path of the tree lies.
    pub fn at(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// One edit; what it touched.
    pub fn edit(&mut self) -> Vec<Touched> {
        let Some(path) = self.some() else {
            return self.restore(b"a");
        };
        let place = self.at(&path);
        let about = fs::symlink_metadata(&place).expect("it is there");
        let all = |path: Vec<u8>| Touched { path, below: true };
        let itself = || Touched {
            path: path.clone(),
            below: !about.is_dir(),
        };
        match self.random.u8(0..16) {
            0 => {
                let new = self.new_path();
                // A link may lead anywhere.
                if fs::symlink_metadata(self.at(&new)).is_ok_and(|m| !m.is_file()) {
                    return Vec::new();
                }
                fs::write(self.at(&new), "new").expect("written");
                vec![all(new)]
            }
            1 if about.is_file() => {
                let mut file = fs::OpenOptions::new()
                    .append(true)
                    .open(&place)
                    .expect("open");
                file.write_all(b"more").expect("written");
                vec![all(path)]
            }
            2 | 3 => {
                remove(&place);
                vec![all(path)]
            }
            4 if !about.is_symlink() => {
                let mode = 0o600 | self.random.u32(..0o200);
                fs::set_permissions(&place, PermissionsExt::from_mode(mode | 0o700)).expect("mode");
                vec![itself()]
            }
            5 => {
                lchown(&place, Some(self.random.u32(..3)), None).expect("owner");
                vec![itself()]
            }
            6 => {
                old(&place);
                vec![itself()]
            }
            7 => {
                let new = self.new_path();
                let below = self.at(&[&new[..], b"/b/a"].concat());
                let is_link =
                    |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
                let leads_away = is_link(&self.at(&new)) || is_link(below.parent().expect("b"));
                if !leads_away && fs::create_dir_all(&below).is_ok() {
                    fs::write(below.join("deep"), "x").expect("written");
                }
                vec![all(new)]
            }
            8 | 9 => {
                let new = self.new_path();
                // A name that is not recorded: what is done through it shows under the others with the next scan.
                if self.has_linked(&path) {
                    return Vec::new();
                }
                match fs::rename(&place, self.at(&new)) {
                    Ok(()) => vec![all(path), all(new)],
                    Err(_) => Vec::new(),
                }
            }
            10 => {
                let new = self.new_path();
                match symlink(
                    ["a", "..", "/etc/passwd"][self.random.usize(..3)],
                    self.at(&new),
                ) {
                    Ok(()) => vec![all(new)],
                    Err(_) => Vec::new(),
                }
            }
            11 if !about.is_symlink() => {
                let value = self.random.alphanumeric().to_string();
                sys::setxattr(&place, "user.note", value.as_bytes(), XattrFlags::empty())
                    .expect("an attribute");
                vec![itself()]
            }
            12 => {
                // A whole directory, or a link to one, in the place of something else.
                remove(&place);
                match self.random.bool() {
                    true => fs::create_dir(&place).expect("made"),
                    false => symlink("/etc", &place).expect("a link"),
                }
                vec![all(path)]
            }
            13..16 => self.restore(&path),
            _ => Vec::new(),
        }
    }

    /// Puts a path back as it was, with the times of the directories above it.
    fn restore(&mut self, path: &[u8]) -> Vec<Touched> {
        let from = self.pristine.join(OsStr::from_bytes(path));
        if fs::symlink_metadata(self.at(path)).is_ok() {
            remove(&self.at(path));
        }
        if fs::symlink_metadata(&from).is_ok() {
            let copied = std::process::Command::new("cp")
                .args(["-a", "--preserve=all"])
                .args([from, self.at(path)])
                .status();
            assert!(copied.expect("cp").success());
        }
        let mut touched = vec![Touched {
            path: path.to_vec(),
            below: true,
        }];
        let mut above = PathBuf::from(OsStr::from_bytes(path));
        while above.pop() {
            old(&self.root.join(&above));
            touched.push(Touched {
                path: above.clone().into_os_string().into_vec(),
                below: false,
            });
        }
        touched
    }
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path).expect("there").is_dir() {
        true => fs::remove_dir_all(path).expect("removed"),
        false => fs::remove_file(path).expect("removed"),
    }
}

/// Gives a path the time that everything had when it was recorded.
fn old(path: &Path) {
    let then = Timespec {
        tv_sec: 1_700_000_000,
        tv_nsec: 5,
    };
    let times = Timestamps {
        last_access: then,
        last_modification: then,
    };
    assert!(fs::symlink_metadata(path).expect("there").nlink() > 0);
    sys::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("times");
}
