//! Whether a package manager still decides as the sealed manifest saw it decide whom to believe.

use crate::recorded::{Recorded, is_keyring, trust_paths};
use agent_core::attributes::{Attributes, Digest, FileType};
use agent_core::bounds;
use agent_core::escape;
use agent_core::os::node::{self, Hint};
use agent_core::os::root::Root;
use agent_packages::Kind;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

/// Deeper than apt and dnf look.
const DEPTH: usize = 6;

/// What of those settings is not as recorded.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Of settings that are no keyring, the first that was added, removed or changed; `None`: all are as recorded.
    pub(crate) changed: Option<String>,
    /// Keyrings that are as recorded, relative to the root.
    pub(crate) keyrings: BTreeSet<Vec<u8>>,
}

/// Looks at all of them. What cannot be read counts as changed.
pub(crate) fn judge(root: &Root, manager: Kind, recorded: &Recorded) -> Settings {
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
                true => Ok(()),
                false => Err("was changed"),
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
        let note = || {
            format!(
                "/{} {what} since the image was recorded",
                escape::lossless_text(path).0
            )
        };
        self.changed.get_or_insert_with(note);
    }
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
            Hint::File | Hint::Other => drop(found.insert(below)),
            Hint::Dir | Hint::Unknown if depth == DEPTH => {
                return Err(io::Error::other("directories without end"));
            }
            Hint::Dir | Hint::Unknown => collect(root, &below, depth + 1, found)?,
        }
        if found.len() > bounds::TRUST_FILES {
            return Err(io::Error::other("more files than any host has there"));
        }
    }
    Ok(())
}

/// Whether contents, or where a link leads, are as recorded.
fn is_same(root: &Root, path: &[u8], known: &Attributes) -> bool {
    match known.kind {
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
            let Ok(Some(bytes)) = root.read(path, bounds::KEYRING) else {
                return false;
            };
            is_file && known.digest == Some(Digest::Sha256(Sha256::digest(&bytes).into()))
        }
        _ => false,
    }
}
