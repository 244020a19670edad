//! The manifest was replaced by another one: what had deviated may hold from then on, so the log side must know.

use super::draft::{Draft, INFORMATIONAL, severity};
use super::finding::process;
use super::own::{SUCCESS, lifecycle};
use agent_core::change::Actor;
use agent_core::finding::Severity;
use serde_json::json;

/// Another manifest than before is what files are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestReplaced {
    /// Where it lies.
    pub path: String,
    /// The one before.
    pub before: ManifestMark,
    /// The one from now on.
    pub after: ManifestMark,
    /// Who wrote the file last, as far as anybody saw.
    pub actor: Option<Actor>,
}

/// What tells one manifest from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestMark {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The trusted signer who sealed it, as `PRINCIPAL (FINGERPRINT)`; empty where none did, or where nobody knows.
    pub signer: String,
}

/// Critical unless somebody who is trusted sealed it.
pub(super) fn draft(replaced: &ManifestReplaced, now: i64) -> Draft {
    let ManifestReplaced {
        path,
        before,
        after,
        actor,
    } = replaced;
    let (level, by) = match after.signer.is_empty() {
        true => (
            severity(Severity::Critical),
            "which no trusted signer sealed".to_owned(),
        ),
        false => (INFORMATIONAL, format!("sealed by {}", after.signer)),
    };
    let message = format!(
        "the manifest {path} was replaced: files are judged by {} from now on, {by}; before by {}",
        after.sha256, before.sha256
    );
    let mark = |mark: &ManifestMark| {
        let signer = Some(&mark.signer).filter(|signer| !signer.is_empty());
        json!({ "sha256": mark.sha256, "signer": signer })
    };
    let draft = lifecycle(99, "Manifest replaced", level, SUCCESS, &message, now)
        .unmapped("manifest_before", mark(before))
        .unmapped("manifest_after", mark(after));
    match actor {
        Some(actor) => draft.with("actor", json!({ "process": process(actor) })),
        None => draft,
    }
}
