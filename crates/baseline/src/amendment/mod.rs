//! What somebody accepted after the manifest was sealed: only the differences, bound to the manifest by its digest.
//!
//! ```text
//! #mtree
//! # host-integrity-agent amendment 1
//! # manifest 9f0c…                  the manifest that it amends
//! # after 41ab…                     the amendment before it; left out by the first of a chain
//! # host i-0123456789abcdef0        left out by one that is for all hosts of an image
//! # reason ticket 4711
//! # by ann (uid 1000) as root
//! # at 2026-11-29T08:10:03Z
//! # seen 07d1…                      the report that was accepted, where one was
//! . type=dir tags=,parent,
//! ./etc type=dir tags=,parent,
//! ./etc/hosts type=file mode=0644 … sha256digest=…
//! ./etc/motd type=file optional tags=,removed,
//! # entries 4
//! ```
//! [`header`] is what stands before the entries, [`load`] opens a host's with their seals, [`chain`] says which of them
//! count, and in which order.

pub mod chain;
pub mod header;
pub mod load;

use crate::manifest::Entry;
use header::Header;
use sshsig::Signer;
use std::path::PathBuf;

/// An amendment of which every line has been checked.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The file that it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What stands before the entries.
    pub header: Header,
    /// What was accepted, in the order of a walk, with the directories that lead there.
    pub entries: Vec<Entry>,
    /// Who sealed it, where a trusted signer did.
    pub signer: Option<Signer>,
}

/// An amendment that counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// Why, as a clause.
    pub why: String,
}
