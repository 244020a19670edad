//! What was recorded of the files when the image was baked: an mtree(5) file and its seal.
//!
//! ```text
//! #mtree
//! # host-integrity-agent manifest 1
//! # profile debian-12 6b51…
//! # cover high all cross_mounts /usr/bin        what was covered, and how: rides with the seal
//! # exclude /usr/share/doc/**
//! . type=dir mode=0755 uid=0 gid=0
//! ./usr type=dir …
//! ./usr/bin/ls type=file mode=0755 … sha256digest=… tags=,xattr.security.capability=…,
//! # entries 3                                   a file cut short is seen
//! ```
//! Entries stand in the order of a sorted depth-first walk (`agent_core::paths`), so that a scan is a merge join.
//! NetBSD's mtree and libarchive both read the file; what mtree has no word for rides in `tags=`.

pub mod diff;
pub mod header;
pub mod line;
pub mod read;
pub mod verified;
pub mod write;

use agent_core::attributes::{Attributes, FileType};

/// One recorded path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root, without `./`; empty for the root itself. Any bytes but NUL.
    pub path: Vec<u8>,
    /// What was recorded of it.
    pub attributes: Attributes,
    /// In launch records: what the entry stands for.
    pub role: Role,
    /// The package that owned the path when it was recorded, with `:ARCH` where several architectures of it can be
    /// installed together. For people: nothing is judged by it.
    pub package: Option<Box<str>>,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The path is as recorded here.
    #[default]
    Recorded,
    /// The first boot removed the path (`optional tags=,removed,`).
    Removed,
    /// Something was mounted there and not crossed (`tags=,mount,`): all that is known is that it was a directory.
    Mount,
    /// Only there because its entries follow (`tags=,parent,`): mtree wants parents first. Says nothing of the path.
    Parent,
}

impl Entry {
    /// A place where something is mounted that is not crossed.
    pub fn mount(path: Vec<u8>) -> Entry {
        Entry {
            path,
            attributes: Attributes::new(FileType::Dir),
            role: Role::Mount,
            package: None,
        }
    }

    /// The path as findings show it: from the root, starting with `/`.
    pub fn subject(&self) -> Vec<u8> {
        agent_core::paths::subject(&self.path)
    }
}
