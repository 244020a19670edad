//! What is known of one signed package.

use super::deb::Control;
use super::tar::{self, Listing};
use crate::change::Shipped;
use agent_core::attributes::{Digest, FileType};
use agent_packages::Package;
use std::fs::File;
use std::time::SystemTime;

/// Name, version and architecture.
pub(super) type Key = (String, String, String);

/// One of them.
#[derive(Debug)]
pub(super) struct SignedDeb {
    /// Relative to the root.
    pub(super) path: String,
    /// Held, so that its data archive can still be read when apt has removed it.
    pub(super) file: Option<File>,
    pub(super) sha256: [u8; 32],
    pub(super) control: Control,
    pub(super) files: Files,
    /// See [`super::kept::Facts::recorded`]: it only says what an older version had.
    pub(super) recorded: bool,
    /// Bytes of the file in which that is kept, and when it was written.
    pub(super) kept: (u64, SystemTime),
}

/// What is known of a data archive.
#[derive(Debug)]
pub(super) enum Files {
    Unread,
    Known(Listing),
    /// The store has it.
    Shelved,
    /// Why it cannot be read.
    Failed(String),
}

/// A package and the names in its sums.
pub(super) fn indexed<'a>(
    (key, deb): (&Key, &'a SignedDeb),
) -> (Key, impl Iterator<Item = &'a [u8]> + use<'a>) {
    (key.clone(), deb.control.sums.keys().map(|name| &name[..]))
}

pub(super) fn package_of((name, version, arch): &Key) -> Package {
    Package {
        name: name.clone(),
        version: version.clone(),
        arch: arch.clone(),
    }
}

pub(super) fn key(package: &Package) -> Key {
    let Package {
        name,
        version,
        arch,
    } = package.clone();
    (name, version, arch)
}

pub(super) fn shipped(entry: &tar::Shipped) -> Shipped {
    Shipped {
        kind: entry.kind,
        mode: entry.mode,
        uid: Some(entry.uid),
        gid: Some(entry.gid),
        link: entry.link.clone(),
        digest: entry.sha256.map(Digest::Sha256),
        // dpkg sets none: what a file has is a maintainer script's.
        capability: Some(None),
        names: (entry.kind == FileType::File).then_some(entry.names),
    }
}
