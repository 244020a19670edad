//! What explains a change of a file, and how strong that is. Values only.

use serde::{Deserialize, Serialize};

/// What a change of a file is explained by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedBy {
    /// What explains it.
    pub kind: ExplanationKind,
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
    /// Whether the package was not there when the manifest was recorded or amended: told once of the package.
    #[serde(skip)]
    pub is_new: bool,
}

impl ExplainedBy {
    /// By `kind`, and nothing known of it yet.
    pub fn new(kind: ExplanationKind) -> ExplainedBy {
        ExplainedBy {
            kind,
            package: None,
            version: None,
            transaction: None,
            at: None,
            evidence: None,
            reason: None,
            is_new: false,
        }
    }

    /// For a person, in a line.
    pub fn words(&self) -> String {
        let mut words = match (self.kind, &self.package, &self.version) {
            (ExplanationKind::Window, ..) => "changes were expected".to_owned(),
            (ExplanationKind::Writer, ..) => "written by the program that may".to_owned(),
            (ExplanationKind::Package, Some(package), Some(version)) => {
                format!("package {package} {version}")
            }
            (ExplanationKind::Package, Some(package), None) => format!("package {package}"),
            (ExplanationKind::Package, None, _) => "no package ships it".to_owned(),
        };
        words += match self.evidence {
            Some(Evidence::Signed) => ", signed",
            Some(Evidence::Sha256) => ", by SHA-256 in the installed database alone",
            Some(Evidence::Md5) => ", by MD5 alone",
            Some(Evidence::Attribution) | None => "",
        };
        if let Some(at) = &self.at {
            words += &format!(", {at}");
        }
        if let Some(transaction) = &self.transaction {
            words += &format!(" by `{transaction}`");
        }
        if let Some(reason) = &self.reason {
            words += &format!("; {reason}");
        }
        words
    }
}

/// What explains a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplanationKind {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_what_vouches_and_what_is_missing() {
        let package = ExplainedBy {
            package: Some("tool".into()),
            version: Some("1.1".into()),
            at: Some("2026-11-29T17:00:00Z".into()),
            transaction: Some("apt-get install tool".into()),
            evidence: Some(Evidence::Signed),
            ..ExplainedBy::new(ExplanationKind::Package)
        };
        assert_eq!(
            package.words(),
            "package tool 1.1, signed, 2026-11-29T17:00:00Z by `apt-get install tool`"
        );
        let nobodys = ExplainedBy {
            reason: Some("nothing says what it did".into()),
            ..ExplainedBy::new(ExplanationKind::Package)
        };
        assert_eq!(
            nobodys.words(),
            "no package ships it; nothing says what it did"
        );
        let window = ExplainedBy {
            reason: Some("release 7".into()),
            ..ExplainedBy::new(ExplanationKind::Window)
        };
        assert_eq!(window.words(), "changes were expected; release 7");
    }
}
