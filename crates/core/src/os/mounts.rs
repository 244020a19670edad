//! The mount table of this process (proc_pid_mountinfo(5)): what is mounted where, without asking any file system.

pub mod table;

use crate::bounds;
use crate::os::procfs;
use crate::paths;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use table::Line;

/// Types whose files come from this host's memory or block devices. Every other type asks a server or a program, which
/// may never answer.
const LOCAL: [&[u8]; 49] = [
    b"bcachefs",
    b"binfmt_misc",
    b"bpf",
    b"btrfs",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"cramfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"erofs",
    b"exfat",
    b"ext2",
    b"ext3",
    b"ext4",
    b"f2fs",
    b"fusectl",
    b"hfs",
    b"hfsplus",
    b"hugetlbfs",
    b"iso9660",
    b"jfs",
    b"minix",
    b"mqueue",
    b"msdos",
    b"nilfs2",
    b"nsfs",
    b"ntfs3",
    b"overlay",
    b"proc",
    b"pstore",
    b"ramfs",
    b"reiserfs",
    b"romfs",
    b"rootfs",
    b"securityfs",
    b"selinuxfs",
    b"squashfs",
    b"sysfs",
    b"tmpfs",
    b"tracefs",
    b"ubifs",
    b"udf",
    b"vfat",
    b"xenfs",
    b"xfs",
    b"zfs",
];

/// Major and minor number of the file system's device.
pub type Device = (u32, u32);

/// What is mounted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Of its file system. Of btrfs, not what a stat says.
    pub device: Device,
    /// Whether a server or a program answers for its files.
    pub remote: bool,
}

impl Mount {
    fn of(layer: &Layer) -> Mount {
        Mount {
            device: layer.device,
            remote: !LOCAL.contains(&layer.fstype.as_bytes()),
        }
    }
}

/// One of the file systems that lie on a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Its type.
    pub fstype: String,
    /// What is mounted, as its file system names it; odd bytes are replaced.
    pub source: String,
    /// Which directory of that file system is shown there: another one than `/` where a part of it was bound.
    pub shown: String,
    /// Of its file system: what it calls its source is whatever the mounter said.
    pub device: Device,
    /// Owners are shown as others than they are (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
    pub idmapped: bool,
}

/// The mounts that paths lead to, each by its place without the leading slash.
#[derive(Debug, Default)]
pub struct Mounts {
    places: HashMap<Box<[u8]>, Mount>,
    /// What lies on each place, lowest first.
    layers: HashMap<Box<[u8]>, Vec<Layer>>,
    /// Directories that these are entries of.
    holders: HashSet<Box<[u8]>>,
}

impl Mounts {
    /// Whether there is a table at all: every process has a root.
    pub fn is_known(&self) -> bool {
        !self.places.is_empty()
    }

    /// What lies on a place, lowest first; nothing where nothing is mounted.
    pub fn layers(&self, place: &[u8]) -> &[Layer] {
        self.layers.get(place).map_or(&[], Vec::as_slice)
    }

    /// The places at which something is mounted within a directory, itself among them, sorted as a walk meets them.
    pub fn within<'a>(&'a self, directory: &[u8]) -> Vec<&'a [u8]> {
        let places = self.places.keys().map(|place| &**place);
        let mut within: Vec<&[u8]> = places
            .filter(|place| paths::is_within(place, directory))
            .collect();
        within.sort_by(|a, b| paths::compare(a, b));
        within
    }

    /// The table as it is now; empty where it cannot be read. It is read again when it has changed.
    pub fn now() -> Arc<Mounts> {
        // Threads may have namespaces of their own: none goes by another's table.
        thread_local! {
            static LAST: RefCell<Option<Kept>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| {
            if let Some(kept) = last.as_ref()
                && !kept.has_changed()
            {
                return kept.mounts.clone();
            }
            let Ok(kept) = Kept::read(last.take().map(|kept| kept.file)) else {
                return Arc::default();
            };
            last.insert(kept).mounts.clone()
        })
    }

    /// That of process 1.
    ///
    /// # Errors
    /// Those of reading it, which takes the rights to trace that process, and one where its root is another one.
    pub fn of_first_process() -> io::Result<Mounts> {
        let table = table::read(&procfs::mounts_of_first_process()?)?;
        Ok(Mounts::parse(&table))
    }

    /// What is mounted at that very place.
    pub fn at(&self, place: &[u8]) -> Option<Mount> {
        self.places.get(place).copied()
    }

    /// The mount that a place lies in.
    pub fn over(&self, place: &[u8]) -> Option<Mount> {
        let mut above = place;
        loop {
            if let Some(mount) = self.at(above) {
                return Some(mount);
            }
            if above.is_empty() {
                return None;
            }
            above = paths::split(above).0;
        }
    }

    /// Whether anything is mounted on an entry of that directory.
    pub fn in_directory(&self, directory: &[u8]) -> bool {
        self.holders.contains(directory)
    }

    /// Of a table's text.
    fn parse(table: &[u8]) -> Mounts {
        let lines: Vec<Line> = table::lines(table)
            .filter(|line| line.place.starts_with(b"/"))
            .collect();
        let mut below: HashMap<u64, Vec<usize>> = HashMap::new();
        let numbers: HashMap<u64, usize> = lines
            .iter()
            .enumerate()
            .map(|(i, l)| (l.number, i))
            .collect();
        let mut reached = Vec::new();
        for (i, line) in lines.iter().enumerate() {
            match numbers.contains_key(&line.parent) && line.parent != line.number {
                true => below.entry(line.parent).or_default().push(i),
                false => reached.push(i),
            }
        }
        let mut places: HashMap<Box<[u8]>, Mount> = HashMap::new();
        let mut layers: HashMap<Box<[u8]>, Vec<Layer>> = HashMap::new();
        while let Some(i) = reached.pop() {
            let Some(line) = lines.get(i) else {
                continue;
            };
            // What is mounted on the root of a mount comes later, and takes its place.
            places.insert(inner(line).into(), Mount::of(&line.layer));
            let on_place = layers.entry(inner(line).into()).or_default();
            on_place.push(line.layer.clone());
            let mut on_it = below.remove(&line.number).unwrap_or_default();
            let place = |i: usize| lines.get(i).map_or(&b""[..], inner);
            on_it.sort_by(|a, b| paths::compare(place(*a), place(*b)));
            // Where something was mounted on a directory above, no path leads to it.
            let mut shown: Vec<usize> = Vec::new();
            for i in on_it {
                let hidden = |over: &usize| {
                    let (place, over) = (place(i), place(*over));
                    place != over && paths::is_within(place, over)
                };
                if !shown.last().is_some_and(hidden) {
                    shown.push(i);
                }
            }
            reached.extend(shown);
        }
        let holders = places.keys().filter(|place| !place.is_empty());
        Mounts {
            holders: holders.map(|place| paths::split(place).0.into()).collect(),
            places,
            layers,
        }
    }
}

/// The place of a mount without the leading slash.
fn inner(line: &Line) -> &[u8] {
    line.place.strip_prefix(b"/").unwrap_or(&line.place)
}

/// The path of an open directory in this process's tree, without the leading slash; `None` if none leads there.
pub fn place_of(directory: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let path = procfs::path_of(directory).ok()?;
    Some(path.strip_prefix(b"/")?.to_vec())
}

/// A table with the file that tells when it changes.
struct Kept {
    file: File,
    mounts: Arc<Mounts>,
}

impl Kept {
    fn read(file: Option<File>) -> io::Result<Kept> {
        let file = match file {
            Some(file) => file,
            None => procfs::mounts(bounds::MOUNTS)?,
        };
        let mounts = Arc::new(Mounts::parse(&table::read(&file)?));
        Ok(Kept { file, mounts })
    }

    /// Since this was asked before, or it was opened.
    fn has_changed(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::PRI)];
        let ready = poll(&mut fds, Some(&Timespec::default()));
        !matches!(ready, Ok(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{self, Mode, OFlags};

    const TABLE: &[u8] = b"20 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
        22 20 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n\
        30 20 0:40 / /mnt/with\\040space\\134 rw - nfs4 server:/ rw\n\
        31 20 0:41 / /srv/hidden rw - nfs4 server:/ rw\n\
        32 20 0:42 / /srv rw - tmpfs tmpfs rw\n\
        33 32 0:43 / /srv/shown rw - fuse.sshfs there rw\n\
        34 20 0:44 / /srv-beside rw master:3 - 9p host rw\n\
        35 20 8:2 / /over rw - xfs /dev/sdb rw\n\
        36 35 0:45 / /over rw,idmapped - fuseblk /dev/sdc rw\n\nodd\n";

    fn mount(device: Device, remote: bool) -> Option<Mount> {
        Some(Mount { device, remote })
    }

    #[test]
    fn places_are_found_with_what_answers_for_them() {
        let mounts = Mounts::parse(TABLE);
        assert_eq!(mounts.at(b""), mount((8, 1), false));
        assert_eq!(mounts.at(b"mnt/with space\\"), mount((0, 40), true));
        assert_eq!(mounts.at(b"srv-beside"), mount((0, 44), true));
        assert_eq!(mounts.at(b"mnt"), None);
        assert_eq!(mounts.over(b"srv/shown/a/b"), mount((0, 43), true));
        assert_eq!(mounts.over(b"srv/other"), mount((0, 42), false));
        assert_eq!(mounts.over(b"etc"), mount((8, 1), false));
        assert!(mounts.in_directory(b"mnt") && mounts.in_directory(b""));
        assert!(!mounts.in_directory(b"etc") && !mounts.in_directory(b"mn"));
    }

    #[test]
    fn what_is_mounted_over_is_not_there() {
        let mounts = Mounts::parse(TABLE);
        assert_eq!(mounts.at(b"srv/hidden"), None);
        assert_eq!(mounts.over(b"srv/hidden"), mount((0, 42), false));
        assert_eq!(mounts.at(b"over"), mount((0, 45), true));
    }

    #[test]
    fn what_lies_on_a_place_is_named_from_below() {
        let mounts = Mounts::parse(TABLE);
        let layer = |fstype: &str, source: &str, device| Layer {
            fstype: fstype.into(),
            source: source.into(),
            shown: "/".into(),
            device,
            idmapped: fstype == "fuseblk",
        };
        let over = [
            layer("xfs", "/dev/sdb", (8, 2)),
            layer("fuseblk", "/dev/sdc", (0, 45)),
        ];
        assert_eq!(mounts.layers(b"over"), over);
        assert_eq!(mounts.layers(b"srv/hidden"), []);
        assert_eq!(mounts.within(b"srv"), [&b"srv"[..], b"srv/shown"]);
        assert!(mounts.is_known() && !Mounts::default().is_known());
    }

    #[test]
    fn this_host_has_a_root() {
        let mounts = Mounts::now();
        assert!(mounts.at(b"").is_some());
        let proc = fs::open("/proc", OFlags::PATH, Mode::empty()).expect("/proc");
        assert_eq!(place_of(proc.as_fd()).as_deref(), Some(b"proc".as_slice()));
        assert_eq!(mounts.at(b"proc").map(|mount| mount.remote), Some(false));
    }
}
