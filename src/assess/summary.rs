//! What was compared and with what, as reports and events show it.

use agent_baseline::Baseline;
use std::time::Duration;

/// What files were compared with.
pub(crate) type Evidence = Baseline<ManifestSummary, PackagesSummary>;

/// The manifest in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestSummary {
    /// Where it is.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Who sealed it, if a trusted signer did.
    pub signer: Option<String>,
    /// When it was made, as it says.
    pub made: String,
    /// The profile it was made under.
    pub profile: String,
    /// Whether there is a seal, trusted or not.
    pub sealed: bool,
}

/// The package database in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackagesSummary {
    /// `dpkg` or `rpm`.
    pub database: &'static str,
    /// Installed packages.
    pub count: usize,
}

/// The launch record in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LaunchSummary {
    /// Where it is.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Paths that were compared with it.
    pub files: u64,
}

/// An amendment in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AmendmentSummary {
    /// Where it is.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Who sealed it, if a trusted signer did.
    pub signer: Option<String>,
    /// The host that it belongs to; `None`: it is for all hosts of an image.
    pub host: Option<String>,
    /// Why, in the words of whoever accepted it.
    pub reason: String,
    /// Who that was, as far as the host could tell.
    pub by: String,
    /// When.
    pub at: String,
    /// Paths that are compared with it, unless a later one has them.
    pub files: u64,
}

/// What was looked at of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilesSummary {
    /// Paths.
    pub checked: u64,
    /// Bytes digested.
    pub bytes: u64,
    /// Time taken.
    pub elapsed: Duration,
    /// Mount points that were not crossed, from the root.
    pub mounts: Vec<String>,
    /// Files that no package owns, where packages are all that is known.
    pub unowned: Option<u64>,
}
