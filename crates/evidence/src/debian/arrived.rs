//! What has come into apt's cache since the last look.

use super::evidence::ARCHIVES;
use agent_core::bounds;
use agent_core::os::node::{self, Id, Stat};
use agent_core::os::root::Root;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A package that has come into the cache since the last time.
pub(crate) struct Arrived {
    /// Relative to the root.
    pub(crate) path: String,
    /// Open, of as many as may be ([`bounds::DEBS_HELD`]).
    pub(crate) file: Option<File>,
}

/// Identity, size and times of a file: seconds and nanoseconds of mtime and ctime.
pub(crate) type Stamp = (Id, u64, [i64; 2], [u32; 2]);

/// One look.
#[derive(Default)]
pub(crate) struct Found {
    /// What lies there and did not the last time.
    pub(crate) came: Vec<Arrived>,
    /// The stamps of all that lies there.
    pub(crate) there: HashSet<Stamp>,
    /// What could not be looked at.
    pub(crate) refused: Vec<String>,
}

/// What lies there now; `seen` the last time. `held`: packages that are held open.
pub(crate) fn look(root: &Root, seen: &HashSet<Stamp>, mut held: usize) -> io::Result<Found> {
    let Some(directory) = directory(root)? else {
        return Ok(Found::default());
    };
    let names = node::read_names(node::open_dir(directory.as_fd(), b".")?.as_fd())?;
    let mut packages = names.iter().filter(|(name, _)| name.ends_with(b".deb"));
    let mut found = Found::default();
    for (name, _) in packages.by_ref().take(bounds::DEBS) {
        // What was there the last time is not opened: hundreds of packages lie there while one after the other is unpacked.
        if let Ok(stat) = node::stat_at(directory.as_fd(), name)
            && seen.contains(&stamp(&stat))
        {
            found.there.insert(stamp(&stat));
            continue;
        }
        let path = format!("{ARCHIVES}/{}", String::from_utf8_lossy(name));
        let file = match root.open_file(path.as_bytes()) {
            Ok(Some(file)) => file,
            Ok(None) => continue,
            Err(error) => {
                found.refused.push(format!("/{path}: {error}"));
                continue;
            }
        };
        let Ok(stat) = node::stat(&file) else {
            continue;
        };
        let stamp = stamp(&stat);
        if !seen.contains(&stamp) {
            let file = (held < bounds::DEBS_HELD).then_some(file);
            held = held.saturating_add(usize::from(file.is_some()));
            found.came.push(Arrived { path, file });
        }
        found.there.insert(stamp);
    }
    let more = packages.count();
    if more > 0 {
        let most = bounds::DEBS;
        let why = format!("/{ARCHIVES} holds more than {most} packages, and {more} are not read");
        found.refused.push(why);
    }
    Ok(found)
}

/// The cache; `None` where there is none.
fn directory(root: &Root) -> io::Result<Option<OwnedFd>> {
    match root.resolve(ARCHIVES.as_bytes(), true) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        resolved => Ok(resolved?.handle),
    }
}

fn stamp(stat: &Stat) -> Stamp {
    let seconds = [stat.mtime.seconds, stat.ctime.seconds];
    let nanoseconds = [stat.mtime.nanoseconds, stat.ctime.nanoseconds];
    (stat.id, stat.size, seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A tree with that many packages in its cache, and what has arrived there.
    fn arrived(packages: usize) -> (usize, usize, Vec<String>) {
        let directory = tempfile::tempdir().expect("a directory");
        let archives = directory.path().join(ARCHIVES);
        fs::create_dir_all(&archives).expect("made");
        // One file under many names: its descriptors are counted, not its blocks.
        let first = archives.join("0.deb");
        fs::write(&first, "").expect("written");
        for n in 1..packages {
            fs::hard_link(&first, archives.join(format!("{n}.deb"))).expect("linked");
        }
        let root = Root::open(directory.path()).expect("a root");
        let Found { came, refused, .. } = look(&root, &HashSet::new(), 0).expect("listed");
        let held = came.iter().filter(|package| package.file.is_some()).count();
        (came.len(), held, refused)
    }

    #[test]
    fn what_was_there_the_last_time_and_is_the_same_has_not_come_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let archives = directory.path().join(ARCHIVES);
        let root = Root::open(directory.path()).expect("a root");
        let mut seen = HashSet::new();
        let mut came = || -> Vec<String> {
            let found = look(&root, &seen, 0).expect("listed");
            seen = found.there;
            let paths = found.came.into_iter().map(|package| package.path);
            paths.collect()
        };
        assert_eq!(came(), [""; 0], "there is no cache");
        fs::create_dir_all(&archives).expect("made");
        for name in ["a.deb", "b.deb", "lock"] {
            fs::write(archives.join(name), name).expect("written");
        }
        let at = |name: &str| format!("{ARCHIVES}/{name}");
        assert_eq!(came(), [at("a.deb"), at("b.deb")]);
        assert_eq!(came(), [""; 0]);
        fs::write(archives.join("c.deb"), "c").expect("written");
        fs::write(archives.join("b.deb"), "in place").expect("written");
        assert_eq!(came(), [at("b.deb"), at("c.deb")]);
        fs::write(archives.join("new"), "a.deb").expect("written");
        fs::rename(archives.join("new"), archives.join("a.deb")).expect("renamed");
        assert_eq!(came(), [at("a.deb")], "another file of that size and name");
    }

    #[test]
    fn of_very_many_packages_some_are_held_and_those_that_are_not_read_are_told() {
        let most = bounds::DEBS;
        assert_eq!(arrived(3), (3, 3, vec![]));
        let (came, held, refused) = arrived(most + 2);
        assert_eq!((came, held), (most, bounds::DEBS_HELD));
        assert_eq!(
            refused,
            [format!(
                "/{ARCHIVES} holds more than {most} packages, and 2 are not read"
            )]
        );
    }
}
