//! A tree that dice build and edit.

use super::snapshot;
use rustix::fs::{self as sys, AtFlags, CWD, Mode, RenameFlags, Timespec, Timestamps, XattrFlags};
use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// SplitMix64: the same numbers everywhere, for ever.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).expect("below a usize")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.roll().to_le_bytes()[0]).collect()
    }
}

/// A tree that dice build and edit.
pub(super) struct Garden {
    pub(super) root: PathBuf,
    pub(super) dice: Dice,
}

/// What happens to a tree; chosen by the dice.
pub(super) const EDITS: [fn(&mut Garden); 16] = [
    Garden::add,
    Garden::poke,
    Garden::append,
    Garden::truncate,
    Garden::chmod,
    Garden::chown,
    Garden::set_time,
    Garden::set_xattr,
    Garden::link_again,
    Garden::rename,
    Garden::exchange,
    Garden::remove,
    Garden::replace,
    Garden::retarget,
    Garden::renumber,
    Garden::come_and_go,
];

impl Garden {
    /// All paths, the root among them only if asked for.
    pub(super) fn paths(&self, root: bool) -> Vec<PathBuf> {
        let paths = snapshot(&self.root);
        let paths = paths.keys().filter(|path| root || !path.is_empty());
        paths
            .map(|path| self.root.join(OsStr::from_bytes(path)))
            .collect()
    }

    /// One path out of those that `fits`.
    fn any(&mut self, root: bool, fits: fn(&fs::Metadata) -> bool) -> Option<PathBuf> {
        let mut paths = self.paths(root);
        paths.retain(|path| fits(&fs::symlink_metadata(path).expect("listed")));
        (!paths.is_empty()).then(|| self.dice.pick(&paths).clone())
    }

    /// A name that is not taken, in one of the directories. Few letters, so that names often begin alike.
    fn free_place(&mut self) -> PathBuf {
        const PIECES: [&[u8]; 16] = [
            b"a",
            b"b",
            b"A",
            b".",
            b"-",
            b" ",
            b"!",
            b"0",
            b"~",
            b"#",
            b"*",
            b"\n",
            b"\t",
            b"\xff",
            "é".as_bytes(),
            b"long-long-long-long-long-long-long-long-long",
        ];
        loop {
            let directory = self.any(true, fs::Metadata::is_dir).expect("the root");
            let length = 1 + self.dice.below(3);
            let name: Vec<u8> = (0..length)
                .flat_map(|_| self.dice.pick(&PIECES).to_vec())
                .collect();
            let path = directory.join(OsStr::from_bytes(&name));
            if name != b"." && name != b".." && fs::symlink_metadata(&path).is_err() {
                return path;
            }
        }
    }

    pub(super) fn add(&mut self) {
        let path = self.free_place();
        self.make(&path);
    }

    /// Makes something at a path where nothing is.
    fn make(&mut self, path: &Path) {
        let special = |kind, device| {
            sys::mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), device).expect("a node")
        };
        let targets: [&[u8]; 4] = [b"a", b"../b", b"/", b"\xff\n"];
        let target = *self.dice.pick(&targets);
        match self.dice.below(20) {
            0..8 => fs::write(path, self.dice.bytes(100)).expect("a file"),
            8..14 => fs::create_dir(path).expect("a directory"),
            14..16 => symlink(OsStr::from_bytes(target), path).expect("a link"),
            16 => special(sys::FileType::Fifo, 0),
            17 => special(sys::FileType::Socket, 0),
            18 => special(
                sys::FileType::CharacterDevice,
                sys::makedev(1, *self.dice.pick(&[3, 5, 70_000])),
            ),
            _ => special(
                sys::FileType::BlockDevice,
                sys::makedev(8, *self.dice.pick(&[0, 1])),
            ),
        }
    }

    /// A file to write to, with the time that it had: half of the writers restore it.
    fn write(&mut self, how: impl FnOnce(&mut Dice, &mut fs::File)) {
        let Some(path) = self.any(false, fs::Metadata::is_file) else {
            return;
        };
        let about = fs::metadata(&path).expect("a file");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("a file");
        how(&mut self.dice, &mut file);
        drop(file);
        if self.dice.below(2) == 0 {
            touch(&path, about.mtime(), about.mtime_nsec());
        }
    }

    fn poke(&mut self) {
        self.write(|dice, file| {
            let length = file.metadata().expect("a file").len();
            file.seek(SeekFrom::Start(dice.roll() % (length + 1)))
                .expect("in the file");
            file.write_all(&[dice.roll().to_le_bytes()[0]])
                .expect("a byte");
        });
    }

    fn append(&mut self) {
        self.write(|dice, file| {
            file.seek(SeekFrom::End(0)).expect("the end");
            file.write_all(&dice.bytes(9)).expect("some bytes");
        });
    }

    fn truncate(&mut self) {
        self.write(|dice, file| file.set_len(dice.roll() % 300_000).expect("a length"));
    }

    pub(super) fn chmod(&mut self) {
        let mode = *self
            .dice
            .pick(&[0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o7000]);
        if let Some(path) = self.any(true, |about| !about.is_symlink()) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
    }

    pub(super) fn chown(&mut self) {
        let ids = [0, 0, 1000, 4_000_000_000];
        let (uid, gid) = (*self.dice.pick(&ids), *self.dice.pick(&ids));
        if let Some(path) = self.any(true, |_| true) {
            lchown(path, Some(uid), Some(gid)).expect("an owner");
        }
    }

    fn set_time(&mut self) {
        let seconds = *self
            .dice
            .pick(&[-1, 0, 1, 1_700_000_000, 1_700_000_001, 10_000_000_000]);
        let nanoseconds = *self.dice.pick(&[0, 1, 999_999_999]);
        if let Some(path) = self.any(true, |_| true) {
            touch(&path, seconds, nanoseconds);
        }
    }

    pub(super) fn set_xattr(&mut self) {
        let name = *self.dice.pick(&["user.a", "user.b", "user.a,b=c"]);
        let value = self.dice.bytes(2);
        let take = self.dice.below(3) == 0;
        if let Some(path) = self.any(true, |about| about.is_file() || about.is_dir()) {
            // There may be none to take.
            match take {
                true => drop(sys::lremovexattr(&path, name)),
                false => sys::lsetxattr(&path, name, &value, XattrFlags::empty()).expect("a value"),
            }
        }
    }

    pub(super) fn link_again(&mut self) {
        let new = self.free_place();
        if let Some(path) = self.any(false, |about| !about.is_dir()) {
            fs::hard_link(path, new).expect("a link");
        }
    }

    fn rename(&mut self) {
        let new = self.free_place();
        if let Some(path) = self
            .any(false, |_| true)
            .filter(|path| !new.starts_with(path))
        {
            fs::rename(path, new).expect("a name");
        }
    }

    fn exchange(&mut self) {
        let (a, b) = (self.any(false, |_| true), self.any(false, |_| true));
        if let (Some(a), Some(b)) = (a, b)
            && !a.starts_with(&b)
            && !b.starts_with(&a)
        {
            sys::renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).expect("two names");
        }
    }

    fn remove(&mut self) {
        if let Some(path) = self.any(false, |_| true) {
            remove(&path);
        }
    }

    fn replace(&mut self) {
        if let Some(path) = self.any(false, |_| true) {
            let about = fs::symlink_metadata(&path).expect("listed");
            remove(&path);
            self.make(&path);
            touch(&path, about.mtime(), about.mtime_nsec());
        }
    }

    fn retarget(&mut self) {
        let target = [b"./a", &self.dice.bytes(3)[..]]
            .concat()
            .into_iter()
            .filter(|b| *b != 0)
            .collect();
        if let Some(path) = self.any(false, fs::Metadata::is_symlink) {
            remove(&path);
            symlink(std::ffi::OsString::from_vec(target), path).expect("a link");
        }
    }

    fn renumber(&mut self) {
        let minor = *self.dice.pick(&[3, 4, 5]);
        if let Some(path) = self.any(false, |about| about.file_type().is_char_device()) {
            remove(&path);
            let kind = sys::FileType::CharacterDevice;
            sys::mknodat(
                CWD,
                path,
                kind,
                Mode::from_raw_mode(0o644),
                sys::makedev(1, minor),
            )
            .expect("a node");
        }
    }

    fn come_and_go(&mut self) {
        let path = self.free_place();
        self.make(&path);
        remove(&path);
    }
}

pub(super) fn touch(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    sys::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time");
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path).expect("listed").is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
    .expect("removed");
}
