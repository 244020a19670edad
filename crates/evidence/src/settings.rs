//! Whether a package manager still decides as the sealed manifest saw it decide whom to believe.

use crate::recorded::{RecordedPackages, is_keyring, trust_paths};
use agent_core::attributes::{Attributes, Digest, FileType};
use agent_core::bounds;
use agent_core::escape;
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use agent_packages::DatabaseKind;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

/// What dpkg calls a file before it has its name, and what it leaves beside it: apt and dpkg read none of them (apt.conf(5),
/// "Dir::Ignore-Files-Silently"; dpkg.cfg(5)), and while a package of theirs is unpacked they are there.
const PASSED_OVER: [&[u8]; 4] = [b".dpkg-new", b".dpkg-tmp", b".dpkg-old", b".dpkg-dist"];

/// What of those settings is not as recorded.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Of settings that are no keyring, the first that was added, removed or changed; `None`: all are as recorded.
    pub(crate) changed: Option<String>,
    /// Keyrings that are as recorded, relative to the root.
    pub(crate) keyrings: BTreeSet<Vec<u8>>,
}

/// Looks at all of them. What cannot be read counts as changed.
pub(crate) fn judge(root: &Root, manager: DatabaseKind, recorded: &RecordedPackages) -> Settings {
    let mut settings = Settings::default();
    let mut found = BTreeSet::new();
    for place in trust_paths(manager) {
        if let Err(error) = collect(root, place.as_bytes(), 0, &mut found) {
            settings.changed = Some(format!("/{place} cannot be read: {error}"));
        }
    }
    if recorded.settings.is_empty() {
        settings.changed = Some("the manifest does not hold the package manager's settings".into());
        return settings;
    }
    let gone = recorded.settings.iter().find(|(path, attributes)| {
        attributes.kind != FileType::Dir && !is_keyring(path) && !found.contains(*path)
    });
    if let Some((path, _)) = gone {
        settings.note(path, "was removed");
    }
    for path in found {
        let same = match recorded.settings.get(&path) {
            None => Err("was added"),
            Some(known) => match is_same(root, &path, known) {
                Ok(true) => Ok(()),
                Ok(false) => Err("was changed"),
                // A keyring counts as another one, which the rest does not suffer from.
                Err(error) if !is_keyring(&path) => {
                    let why = || format!("/{} cannot be read: {error}", shown(&path));
                    settings.changed.get_or_insert_with(why);
                    continue;
                }
                Err(_) => continue,
            },
        };
        match same {
            Ok(()) if is_keyring(&path) => {
                settings.keyrings.insert(path);
            }
            Err(what) if !is_keyring(&path) => settings.note(&path, what),
            Ok(()) | Err(_) => {}
        }
    }
    settings
}

impl Settings {
    fn note(&mut self, path: &[u8], what: &str) {
        let note = || format!("/{} {what} since the image was recorded", shown(path));
        self.changed.get_or_insert_with(note);
    }
}

fn shown(path: &[u8]) -> String {
    escape::lossless_text(path).0
}

/// What is no directory at or below the path.
fn collect(
    root: &Root,
    path: &[u8],
    depth: usize,
    found: &mut BTreeSet<Vec<u8>>,
) -> io::Result<()> {
    let Some(names) = (match root.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            found.insert(path.to_vec());
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        names => names?,
    }) else {
        return Ok(());
    };
    for (name, hint) in names.iter() {
        let below = [path, b"/", name].concat();
        match hint {
            Hint::File | Hint::Other if is_passed_over(&below) => {}
            Hint::File | Hint::Other => drop(found.insert(below)),
            Hint::Dir | Hint::Unknown if depth == bounds::TRUST_DEPTH => {
                return Err(io::Error::other("directories without end"));
            }
            Hint::Dir | Hint::Unknown => collect(root, &below, depth.saturating_add(1), found)?,
        }
        if found.len() > bounds::TRUST_FILES {
            return Err(io::Error::other("more files than any host has there"));
        }
    }
    Ok(())
}

/// Whether nobody reads the file, as its name says.
fn is_passed_over(path: &[u8]) -> bool {
    let is_dpkgs = trust_paths(DatabaseKind::Dpkg)
        .iter()
        .any(|place| path.starts_with(place.as_bytes()));
    is_dpkgs && !is_keyring(path) && PASSED_OVER.iter().any(|ending| path.ends_with(ending))
}

/// Whether contents, or where a link leads, are as recorded.
fn is_same(root: &Root, path: &[u8], known: &Attributes) -> io::Result<bool> {
    Ok(match known.kind {
        FileType::Link => {
            let target = root
                .resolve(path, false)
                .ok()
                .and_then(|found| found.handle);
            let target = target.and_then(|handle| node::read_link(handle.as_fd()).ok());
            target.is_some() && target.as_deref() == known.link.as_deref()
        }
        FileType::File => {
            let is_file = root
                .resolve(path, false)
                .ok()
                .and_then(|found| node::stat(found.handle?).ok())
                .is_some_and(|stat| stat.kind == FileType::File);
            let digest = |bytes: Vec<u8>| Digest::Sha256(Sha256::digest(&bytes).into());
            is_file && known.digest == root.read(path, bounds::KEYRING)?.map(digest)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::path::Path;

    const SOURCES: &str = "etc/apt/sources.list.d";

    /// A tree with such a file of sources, which is as recorded, and what is said of it.
    fn judged(tree: &Path, size: u64) -> Settings {
        let path = format!("{SOURCES}/a.list");
        fs::create_dir_all(tree.join(SOURCES)).expect("made");
        let file = File::create(tree.join(&path)).expect("made");
        file.set_len(size).expect("a hole");
        let zeros = vec![0; usize::try_from(size).expect("small")];
        let known = Attributes {
            digest: Some(Digest::Sha256(Sha256::digest(&zeros).into())),
            ..Attributes::new(FileType::File)
        };
        let recorded = RecordedPackages {
            settings: [(path.into_bytes(), known)].into(),
            ..RecordedPackages::default()
        };
        let root = Root::open(tree).expect("a root");
        judge(&root, DatabaseKind::Dpkg, &recorded)
    }

    #[test]
    fn a_setting_beyond_its_bound_is_not_as_recorded_and_says_why() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(judged(directory.path(), bounds::KEYRING).changed, None);
        let changed = judged(directory.path(), bounds::KEYRING + 1).changed;
        let changed = changed.expect("told");
        assert!(
            changed.contains("a.list cannot be read: larger than"),
            "{changed}"
        );
    }

    #[test]
    fn what_no_program_reads_there_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let add = |name: &str| {
            fs::write(directory.path().join(SOURCES).join(name), "deb x y z").expect("written");
            judged(directory.path(), 0).changed
        };
        assert_eq!(judged(directory.path(), 0).changed, None);
        for name in ["b.list.dpkg-new", "a.list.dpkg-old"] {
            assert_eq!(add(name), None, "{name}");
        }
        let changed = add("dpkg-new.list").expect("told");
        assert!(
            changed.contains("/etc/apt/sources.list.d/dpkg-new.list was added"),
            "{changed}"
        );
    }

    #[test]
    fn settings_below_very_many_directories_are_not_as_recorded() {
        let directory = tempfile::tempdir().expect("a directory");
        let below = |depth| directory.path().join(SOURCES).join("d/".repeat(depth));
        // The place itself, /etc/apt, is above them.
        let most = bounds::TRUST_DEPTH - 1;
        fs::create_dir_all(below(most)).expect("made");
        assert_eq!(judged(directory.path(), 0).changed, None);
        fs::create_dir_all(below(most + 1)).expect("made");
        let changed = judged(directory.path(), 0).changed.expect("told");
        assert!(changed.contains("without end"), "{changed}");
    }

    #[test]
    fn more_settings_than_any_host_has_are_not_as_recorded() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(judged(directory.path(), 0).changed, None);
        // Beside the one that is recorded.
        for n in 0..bounds::TRUST_FILES {
            let file = directory.path().join(SOURCES).join(n.to_string());
            File::create(file).expect("made");
        }
        let changed = judged(directory.path(), 0).changed.expect("told");
        assert!(changed.contains("more files than"), "{changed}");
    }
}
