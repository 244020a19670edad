//! Opening the amendments of a host: their owners judged on the opened descriptor, their seals before anything is parsed.

use super::{Amendment, Refused};
use crate::manifest::verified::{self, SealStatus, Trust, VerifiedManifest, seal_path};
use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::os::trust::{self, Owner};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a host's amendments lie, as `NAME.mtree` and `NAME.mtree.sig`.
pub const DIRECTORY: &str = "/etc/host-integrity-agent/amendments";
/// How their names end,
const SUFFIX: &[u8] = b".mtree";
/// and those of their seals.
const SEAL: &[u8] = b".mtree.sig";

/// Too many links in a path (errno(3)).
const ELOOP: i32 = 40;

/// What lies in the directory of amendments.
#[derive(Debug, Default)]
pub struct LoadedAmendments {
    /// Those whose form and seal are good.
    pub good: Vec<Amendment>,
    /// Those that count for nothing.
    pub refused: Vec<Refused>,
    /// Those that count, with a seal that nobody can check here: no signer is trusted, and the manifest is not sealed.
    pub unchecked: Vec<PathBuf>,
}

/// Opens the amendments that lie in the tree. One of a file that anybody but its owner could have written is an error,
/// as it is with the manifest.
///
/// Of the running host they count as the manifest does: sealed by a trusted signer, where the manifest has a seal. Those
/// of any other tree count only so.
pub fn load(root: &Root, manifest: &VerifiedManifest, trust: &Trust) -> Result<LoadedAmendments> {
    let mut found = LoadedAmendments::default();
    if is_link(root) {
        let why = "a symbolic link lies here in the place of the directory of amendments, and none is followed";
        found.refuse(root.path().join(&DIRECTORY[1..]), why.into());
        return Ok(found);
    }
    let Some(names) = names(root)? else {
        return Ok(found);
    };
    let shown = |name: &[u8]| {
        let directory = root.path().join(&DIRECTORY[1..]);
        directory.join(std::ffi::OsStr::from_bytes(name))
    };
    let mut entries: usize = 0;
    let amendments = names.iter().filter(|name| name.ends_with(SUFFIX));
    if amendments.clone().count() > bounds::AMENDMENTS {
        let why = format!(
            "there are more than {} amendments, so none of them counts: record the image anew",
            bounds::AMENDMENTS
        );
        found.refuse(root.path().join(&DIRECTORY[1..]), why);
        return Ok(found);
    }
    for name in &names {
        let path = shown(name);
        if let Some(stem) = name.strip_suffix(SEAL) {
            if !names.contains(&[stem, SUFFIX].concat()) {
                let why = "there is a seal here and no amendment: it was removed";
                found.refuse(path, why.into());
            }
            continue;
        }
        if !name.ends_with(SUFFIX) || name.len() == SUFFIX.len() {
            let why = "it is neither an amendment (NAME.mtree) nor the seal of one";
            found.refuse(path, why.into());
            continue;
        }
        match open(root, name, &path, manifest, trust)? {
            None => {}
            Some(Err(why)) => found.refuse(path, why),
            Some(Ok((amendment, checked))) => {
                entries = entries.saturating_add(amendment.entries.len());
                if entries > bounds::AMENDMENT_ENTRIES {
                    let most = bounds::AMENDMENT_ENTRIES;
                    found.refuse(
                        path,
                        format!("all amendments together have more than {most} entries"),
                    );
                    break;
                }
                if !checked {
                    found.unchecked.push(path);
                }
                found.good.push(amendment);
            }
        }
    }
    Ok(found)
}

impl LoadedAmendments {
    fn refuse(&mut self, path: PathBuf, why: String) {
        self.refused.push(Refused { path, why });
    }
}

/// Whether a link lies in their place: nobody compares it as a file, so it could lead elsewhere tomorrow.
fn is_link(root: &Root) -> bool {
    let found = root.resolve(DIRECTORY.as_bytes(), false);
    let handle = found.ok().and_then(|found| found.handle);
    let stat = handle.and_then(|handle| node::stat(&handle).ok());
    stat.is_some_and(|stat| stat.kind == FileType::Link)
}

/// The names in the directory, sorted; `None` where there is none.
fn names(root: &Root) -> Result<Option<Vec<Vec<u8>>>> {
    let shown = root.path().join(&DIRECTORY[1..]);
    let fault = |error| Error::in_file(&shown, format!("cannot be listed: {error}"));
    let resolved = match root.resolve(DIRECTORY.as_bytes(), true) {
        // A path that leads nowhere leads to no amendment.
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
                || error.raw_os_error() == Some(ELOOP) =>
        {
            return Ok(None);
        }
        resolved => resolved.map_err(fault)?,
    };
    let Some(handle) = resolved.handle else {
        return Ok(None);
    };
    trust::judge_directory(&handle, &shown, owner(root))?;
    let names = root.list(DIRECTORY.as_bytes()).map_err(fault)?;
    Ok(names.map(|names| names.iter().map(|(name, _)| name.to_vec()).collect()))
}

/// One of them, and whether its seal was checked, or none is wanted; else why it counts for nothing. `None`: it has gone.
#[allow(clippy::type_complexity)]
fn open(
    root: &Root,
    name: &[u8],
    path: &Path,
    manifest: &VerifiedManifest,
    trust: &Trust,
) -> Result<Option<std::result::Result<(Amendment, bool), String>>> {
    let seal_name = [name, b".sig"].concat();
    let file = match open_one(root, name, path)? {
        Ok(None) => return Ok(None),
        Ok(Some(file)) => file,
        Err(why) => return Ok(Some(Err(why))),
    };
    let seal = match open_one(root, &seal_name, &seal_path(path))? {
        Ok(seal) => seal,
        Err(why) => return Ok(Some(Err(format!("its seal {why}")))),
    };
    let wanted = manifest.seal_status != SealStatus::Unsealed || !root.is_live();
    let judged = verified::measure(file, path, seal, trust, bounds::AMENDMENT);
    let (measured, seal_status) = match judged {
        Ok(measured) => measured,
        Err(error) => {
            return Ok(Some(Err(format!(
                "its seal is not good: {}",
                error.message
            ))));
        }
    };
    let (signer, checked) = match seal_status {
        SealStatus::Sealed(signer) => (Some(signer), true),
        SealStatus::Unchecked if wanted => {
            let why =
                "it is sealed, and no signer is trusted on this host, so its seal proves nothing";
            return Ok(Some(Err(why.into())));
        }
        SealStatus::Unsealed if wanted => {
            let why = match root.is_live() {
                true => "it is not sealed, and the manifest is",
                false => {
                    "it is not sealed: amendments of a tree count only if a signer trusted here sealed them"
                }
            };
            return Ok(Some(Err(why.into())));
        }
        SealStatus::Unchecked => (None, false),
        SealStatus::Unsealed => (None, true),
    };
    let rules = &manifest.manifest.header().path_rules;
    let parsed = measured.amendment(rules).map_err(|error| {
        let line = error.line.map(|line| format!("line {line}: "));
        format!(
            "it is malformed: {}{}",
            line.unwrap_or_default(),
            error.message
        )
    });
    Ok(Some(parsed.map(|amendment| {
        (
            Amendment {
                signer,
                ..amendment
            },
            checked,
        )
    })))
}

/// Whose files are believed: of the running host root's alone.
fn owner(root: &Root) -> Owner {
    match root.is_live() {
        true => Owner::Root,
        false => Owner::RootOrCaller,
    }
}

/// A file in the directory, judged by its owner; the text says why it cannot be opened.
fn open_one(
    root: &Root,
    name: &[u8],
    shown: &Path,
) -> Result<std::result::Result<Option<File>, String>> {
    let path = [DIRECTORY.as_bytes(), b"/", name].concat();
    match root.open_file(&path) {
        Ok(Some(file)) => {
            trust::judge(&file, shown, owner(root))?;
            Ok(Ok(Some(file)))
        }
        Ok(None) => Ok(Ok(None)),
        Err(error) => Ok(Err(format!("cannot be opened: {error}"))),
    }
}
