//! The agent's own sealed files: manifest, seal, kept texts, amendments. They are judged by seal and digest, never
//! compared as files: none of them can hold its own digest. No profile has to say so, and none can say otherwise.
//!
//! What lies in the place of a manifest, a seal or texts and could run, or that others may write, is none of them, and is
//! compared as any file is.

use agent_baseline::manifest::verified::seal_path;
use agent_baseline::texts::text_path;
use agent_core::attributes::FileType;
use agent_core::config::MANIFEST;
use agent_core::os::node::Stat;
use agent_core::os::root::Root;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where amendments lie, with all that is in it: whoever opens them tells what else is there.
const AMENDMENTS: &[u8] = b"etc/host-integrity-agent/amendments";
/// Bits of a mode with which a file can run, or be written by others than its owner.
const HARMFUL: u16 = 0o7133;
/// As many paths at most, one a bit of [`OwnPlace`]: two manifests, each by two names, have sixteen.
// Own bound: bits of a number.
const MOST: usize = 32;

/// Which paths they have in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFiles {
    /// Relative to the root; that of amendments is the first.
    paths: Arc<[Box<[u8]>]>,
    /// Whose they may be besides root's.
    owner: Option<u32>,
}

impl Default for OwnFiles {
    /// Those of the default places.
    fn default() -> OwnFiles {
        OwnFiles::beside(vec![relative(Path::new(MANIFEST))], None)
    }
}

impl OwnFiles {
    /// Those of manifests that are in use, by their paths on this host. A tree that is not the running host may hold
    /// them at the default places as well: it was recorded before they were put there.
    pub fn of(root: &Root, manifests: &[&Path]) -> OwnFiles {
        let mut found = Vec::new();
        for manifest in manifests {
            found.extend(places(root, manifest));
        }
        if !root.is_live() || found.is_empty() {
            found.push(relative(Path::new(MANIFEST)));
        }
        let caller = rustix::process::geteuid().as_raw();
        OwnFiles::beside(found, (!root.is_live()).then_some(caller))
    }

    fn beside(manifests: Vec<PathBuf>, owner: Option<u32>) -> OwnFiles {
        let mut paths = vec![AMENDMENTS.into()];
        for manifest in manifests {
            for path in [seal_path(&manifest), text_path(&manifest), manifest] {
                let path: Box<[u8]> = path.as_os_str().as_bytes().into();
                if !paths.contains(&path) && paths.len() < MOST {
                    paths.push(path);
                }
            }
        }
        OwnFiles {
            paths: paths.into(),
            owner,
        }
    }

    /// Where the root stands.
    pub(super) fn root(&self) -> OwnPlace {
        OwnPlace {
            within: (0..self.paths.len()).fold(0, |all, n| all | 1 << n),
            length: 0,
        }
    }

    /// Where the entry `name` of a directory stands.
    pub(super) fn enter(&self, place: OwnPlace, name: &[u8]) -> OwnPlace {
        let leads = |rest: &[u8]| {
            let rest = rest.strip_prefix(name);
            rest.is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        OwnPlace {
            within: self.choose(place, leads),
            length: place.length + name.len() + 1,
        }
    }

    /// What the entry `name` of a directory is of them.
    pub(super) fn kind(&self, place: OwnPlace, name: &[u8]) -> Own {
        match self.choose(place, |rest| rest == name) {
            0 => Own::Not,
            found if found & 1 == 1 => Own::Amendments,
            _ => Own::File,
        }
    }

    /// Whether one of them may come or go in the directory, so that its times and links say nothing.
    pub(super) fn are_in(&self, place: OwnPlace) -> bool {
        self.choose(place, |rest| !rest.contains(&b'/')) != 0
    }

    /// Whether the path, relative to the root, is one of them or lies in their directory.
    pub(super) fn have(&self, path: &[u8]) -> bool {
        let mut place = self.root();
        path.split(|byte| *byte == b'/').any(|name| {
            let found = self.kind(place, name) != Own::Not;
            place = self.enter(place, name);
            found
        })
    }

    /// Whether what lies in the place of one of those files may be one.
    pub(super) fn may_be(&self, stat: &Stat) -> bool {
        let owned = stat.uid == 0 || Some(stat.uid) == self.owner;
        stat.kind == FileType::File && owned && stat.mode & HARMFUL == 0
    }

    fn choose(&self, place: OwnPlace, holds: impl Fn(&[u8]) -> bool) -> u32 {
        if place.within == 0 {
            return 0;
        }
        let candidates = self.paths.iter().enumerate();
        let chosen = candidates.filter(|(n, path)| {
            place.within & (1 << n) != 0 && path.get(place.length..).is_some_and(&holds)
        });
        chosen.fold(0, |all, (n, _)| all | 1 << n)
    }
}

/// Where a directory stands with respect to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnPlace {
    /// A bit for each path that lies below it.
    within: u32,
    /// Bytes of its own path, with the slash after it.
    length: usize,
}

/// What an entry is of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// None.
    Not,
    /// The place of a manifest, a seal or texts.
    File,
    /// The directory of amendments.
    Amendments,
}

/// Where a manifest lies in the tree, by its name and by that of the file that a link leads to; nothing where it lies
/// elsewhere.
fn places(root: &Root, manifest: &Path) -> Vec<PathBuf> {
    let base = root.path().canonicalize();
    let base = base.as_deref().unwrap_or(root.path());
    let named = match (manifest.parent(), manifest.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = match parent.as_os_str().is_empty() {
                true => Path::new("."),
                false => parent,
            };
            let parent = parent.canonicalize();
            parent.map_or_else(|_| manifest.to_owned(), |parent| parent.join(name))
        }
        _ => return Vec::new(),
    };
    let mut found = vec![named];
    if let Ok(led_to) = manifest.canonicalize()
        && !found.contains(&led_to)
    {
        found.push(led_to);
    }
    let below = found.iter().filter_map(|path| path.strip_prefix(base).ok());
    below.map(Path::to_owned).collect()
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::os::node;

    #[test]
    fn these_and_no_others() {
        let files = OwnFiles::default();
        for own in [
            "usr/share/host-integrity-agent/manifest.mtree",
            "usr/share/host-integrity-agent/manifest.mtree.sig",
            "usr/share/host-integrity-agent/manifest.mtree.text",
            "etc/host-integrity-agent/amendments",
            "etc/host-integrity-agent/amendments/a.mtree",
        ] {
            assert!(files.have(own.as_bytes()), "{own}");
        }
        for other in [
            "",
            "usr/share/host-integrity-agent",
            "usr/share/host-integrity-agent/manifest.mtree.old",
            "usr/share/host-integrity-agent/amendments",
            "etc/host-integrity-agent/profile.toml",
            "etc/amendments",
            "opt/etc/host-integrity-agent/amendments",
            "opt/rec/manifest.mtree",
        ] {
            assert!(!files.have(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn of_the_running_host_those_in_use_alone() {
        let live = Root::open(Path::new("/")).expect("open");
        let files = OwnFiles::of(&live, &[Path::new("/nowhere/rec/manifest.mtree")]);
        for own in [
            "manifest.mtree",
            "manifest.mtree.sig",
            "manifest.mtree.text",
        ] {
            assert!(files.have(format!("nowhere/rec/{own}").as_bytes()), "{own}");
        }
        assert!(!files.have(&MANIFEST.as_bytes()[1..]));
        assert!(files.have(AMENDMENTS));
        let place = files.enter(files.root(), b"nowhere");
        assert!(!files.are_in(place));
        assert!(files.are_in(files.enter(place, b"rec")));
    }

    #[test]
    fn of_a_tree_those_at_the_default_places_as_well() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().canonicalize().expect("a path");
        std::fs::create_dir_all(path.join("root/rec")).expect("made");
        std::fs::write(path.join("root/rec/real"), "").expect("written");
        std::os::unix::fs::symlink("real", path.join("root/rec/m")).expect("linked");
        let root = Root::open(&path.join("root")).expect("open");
        let files = OwnFiles::of(&root, &[&path.join("m2.mtree"), &path.join("root/rec/m")]);
        for own in ["rec/m", "rec/m.sig", "rec/real", &MANIFEST[1..]] {
            assert!(files.have(own.as_bytes()), "{own}");
        }
        assert!(!files.have(b"m2.mtree"));
    }

    #[test]
    fn what_could_run_is_none_of_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("m");
        std::fs::write(&path, "").expect("written");
        let caller = rustix::process::geteuid().as_raw();
        let files = OwnFiles::beside(Vec::new(), Some(caller));
        let may_be = |mode: u32| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("set");
            files.may_be(&node::stat_path(&path).expect("stat"))
        };
        for mode in [0o644, 0o600, 0o444, 0o640] {
            assert!(may_be(mode), "{mode:o}");
        }
        for mode in [0o755, 0o4644, 0o2644, 0o1644, 0o645, 0o646, 0o664, 0o744] {
            assert!(!may_be(mode), "{mode:o}");
        }
        let stat = node::stat_path(directory.path()).expect("stat");
        assert!(!files.may_be(&stat));
        let stat = node::stat_path(&path).expect("stat");
        assert!(!OwnFiles::default().may_be(&stat));
    }
}
