//! Random trees under random edits. What must be found is predicted by a recorder of the test's own: plain
//! std::fs, contents kept whole instead of digested, and the contract's rule for directories in ten lines.

mod garden;

use garden::{Dice, EDITS, Garden, touch};
use harness::{Lab, readable};
use rustix::fs as sys;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

const ROUNDS: u64 = 40;

/// The order in which findings list attributes.
const ATTRIBUTES: [&str; 11] = [
    "type", "mode", "uid", "gid", "size", "mtime", "link", "nlink", "sha256", "xattrs", "device",
];

/// What there is to know of a path; an attribute that its kind has not is left out.
type Known = BTreeMap<&'static str, Vec<u8>>;

/// Every path below the root, relative to it; the root itself is the empty path.
type Snapshot = BTreeMap<Vec<u8>, Known>;

fn know(path: &Path) -> Known {
    let about = fs::symlink_metadata(path).expect("it was listed");
    let kind = about.file_type();
    let kinds = [
        ("file", kind.is_file()),
        ("dir", kind.is_dir()),
        ("link", kind.is_symlink()),
        ("fifo", kind.is_fifo()),
        ("socket", kind.is_socket()),
        ("char", kind.is_char_device()),
        ("block", kind.is_block_device()),
    ];
    let (word, _) = kinds.iter().find(|(_, is)| *is).expect("one of these");
    let mut known = Known::new();
    let mut tell = |name, value: &dyn std::fmt::Display| {
        known.insert(name, value.to_string().into_bytes());
    };
    tell("type", word);
    tell("mode", &(about.mode() & 0o7777));
    tell("uid", &about.uid());
    tell("gid", &about.gid());
    tell("nlink", &about.nlink());
    tell(
        "mtime",
        &format_args!("{}.{:09}", about.mtime(), about.mtime_nsec()),
    );
    if kind.is_file() || kind.is_symlink() {
        tell("size", &about.size());
    }
    if kind.is_char_device() || kind.is_block_device() {
        tell("device", &about.rdev());
    }
    if kind.is_file() {
        known.insert("sha256", fs::read(path).expect("a file"));
    }
    if kind.is_symlink() {
        known.insert(
            "link",
            fs::read_link(path)
                .expect("a link")
                .into_os_string()
                .into_vec(),
        );
    }
    let mut names = vec![0; 4096];
    let length = sys::llistxattr(path, &mut names[..]).expect("a list");
    let mut xattrs = Vec::new();
    for name in names[..length]
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; 4096];
        let length =
            sys::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).expect("a value");
        xattrs.extend([name, b"=", &value[..length], b"\0"].concat());
    }
    known.insert("xattrs", xattrs);
    known
}

fn snapshot(root: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let place = root.join(OsStr::from_bytes(&path));
        if fs::symlink_metadata(&place)
            .expect("it was listed")
            .is_dir()
        {
            for entry in fs::read_dir(&place).expect("a directory") {
                let name = entry.expect("readable").file_name();
                let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
                waiting.push([&path, slash, name.as_bytes()].concat());
            }
        }
        found.insert(path, know(&place));
    }
    found
}

fn parent(path: &[u8]) -> &[u8] {
    &path[..path.iter().rposition(|b| *b == b'/').unwrap_or(0)]
}

/// What a check must find, as [`deviations`](harness::Ran::deviations) puts it.
fn predict(before: &Snapshot, after: &Snapshot) -> BTreeSet<String> {
    let mut told: BTreeMap<&[u8], String> = BTreeMap::new();
    let shown = |path: &[u8]| format!("/{}", readable(path));
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        told.insert(path, format!("- {}", shown(path)));
    }
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        told.insert(path, format!("+ {}", shown(path)));
    }
    let mut both: Vec<&Vec<u8>> = before
        .keys()
        .filter(|path| after.contains_key(*path))
        .collect();
    // What lies deeper first: whether an entry is told decides on its directory.
    both.sort_by_key(|path| {
        std::cmp::Reverse((
            path.iter().filter(|b| **b == b'/').count(),
            !path.is_empty(),
        ))
    });
    for path in both {
        let (was, is) = (&before[path], &after[path]);
        let stayed_a_directory = was["type"] == b"dir" && is["type"] == b"dir";
        let excused = stayed_a_directory
            && told
                .keys()
                .any(|other| !other.is_empty() && parent(other) == path.as_slice());
        let differs = |name: &&&str| match (was.get(**name), is.get(**name)) {
            (Some(a), Some(b)) => a != b && !(excused && matches!(**name, "mtime" | "nlink")),
            _ => false,
        };
        let changed: Vec<&str> = ATTRIBUTES.iter().filter(differs).copied().collect();
        if !changed.is_empty() {
            told.insert(path, format!("~ {} {}", shown(path), changed.join(" ")));
        }
    }
    told.into_values().collect()
}

#[test]
fn every_edit_is_found_and_nothing_else() {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..ROUNDS {
        let lab = Lab::new();
        let mut garden = Garden {
            root: lab.root(),
            dice: Dice(seed),
        };
        for _ in 0..10 + garden.dice.below(30) {
            garden.add();
        }
        for _ in 0..garden.dice.below(60) {
            garden.dice.pick(
                &[
                    Garden::chmod,
                    Garden::chown,
                    Garden::set_xattr,
                    Garden::link_again,
                ][..],
            )(&mut garden);
        }
        for path in garden.paths(true) {
            // In the past: an edit that comes at once shows all the same.
            touch(
                &path,
                1_600_000_000 + i64::try_from(garden.dice.below(9)).expect("small"),
                5,
            );
        }
        lab.create().expect(0);
        let before = snapshot(&lab.root());
        let clean = lab.check(&[]).expect(0);
        assert_eq!(clean.deviations(), BTreeSet::new(), "seed {seed}");
        assert_eq!(
            clean.summary()["files"]["checked"],
            before.len(),
            "seed {seed}"
        );

        for _ in 0..1 + garden.dice.below(12) {
            garden.dice.pick(&EDITS)(&mut garden);
        }
        let after = snapshot(&lab.root());
        let expected = predict(&before, &after);
        let ran = lab.check(&[]);
        assert_eq!(ran.deviations(), expected, "seed {seed}");
        assert_eq!(ran.status, i32::from(!expected.is_empty()), "seed {seed}");
        for line in &expected {
            let (kind, rest) = line.split_at(1);
            let attributes = rest.split(' ').filter(|word| ATTRIBUTES.contains(word));
            for word in attributes.chain([kind]) {
                *seen.entry(word.to_owned()).or_default() += 1;
            }
        }
    }
    // Dice that never change something would prove nothing of it.
    for word in ATTRIBUTES.iter().chain(&["+", "-", "~"]) {
        assert!(seen.contains_key(*word), "{word} never differed: {seen:?}");
    }
}
