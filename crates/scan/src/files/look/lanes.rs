//! Which digests go through the lanes.

use agent_core::attributes::Algorithm;

/// Digests that are computed of many files in lock step; the others are rpm's, and rare.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lanes {
    /// What manifests hold.
    Sha256,
    /// What dpkg knows its files by.
    Md5,
}

impl Lanes {
    /// Those for an algorithm; `None`: it is computed of one file after the other.
    pub(super) fn of(algorithm: Algorithm) -> Option<Lanes> {
        match algorithm {
            Algorithm::Sha256 => Some(Lanes::Sha256),
            Algorithm::Md5 => Some(Lanes::Md5),
            _ => None,
        }
    }
}
