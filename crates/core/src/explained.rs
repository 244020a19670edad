//! What explains a change of a file, and how strong that is. Values only.

use serde::{Deserialize, Serialize};

/// What a change of a file is explained by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedBy {
    /// What explains it.
    pub kind: Kind,
    /// The package that owns the path.
    #[serde(default)]
    pub package: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// The transaction that brought it.
    #[serde(default)]
    pub transaction: Option<String>,
    /// When (RFC 3339, UTC).
    #[serde(default)]
    pub at: Option<String>,
    /// How strong the evidence is.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// In the words of whoever expected it, or what the evidence lacks.
    #[serde(default)]
    pub reason: Option<String>,
}

impl ExplainedBy {
    /// By `kind`, and nothing known of it yet.
    pub fn new(kind: Kind) -> ExplainedBy {
        ExplainedBy {
            kind,
            package: None,
            version: None,
            transaction: None,
            at: None,
            evidence: None,
            reason: None,
        }
    }
}

/// What explains a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A package that was installed.
    Package,
    /// A time in which changes were expected: told, and lowers nothing.
    Window,
    /// A program that the sealed profile lets write these contents there.
    Writer,
}

/// How strong evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A signature by a key that was trusted when the manifest was recorded.
    Signed,
    /// The installed database says so by SHA-256.
    Sha256,
    /// The installed database says so by MD5.
    Md5,
    /// Who wrote it was seen.
    Attribution,
}
