//! The amendments of a manifest, opened and sorted out.

use super::sealed::subject_of;
use super::summary::AmendmentSummary;
use super::tree::Tree;
use agent_baseline::amendment::chain::Chain;
use agent_baseline::amendment::{Amendment, load};
use agent_baseline::manifest::Role;
use agent_baseline::manifest::verified::{Trust, VerifiedManifest};
use agent_core::error::Result;
use agent_core::escape;
use agent_core::finding::{self, Finding, Severity, Verdict};
use std::path::Path;

/// What helps with an amendment that counts for nothing.
const MEND: &str = "find out who put it there; remove it, or bring the one that is missing (agent baseline verify says which count)";

/// Those that count, in order, and a finding for each that does not.
pub(crate) fn open(
    tree: &Tree,
    manifest: &VerifiedManifest,
    trust: &Trust,
) -> Result<(Vec<Amendment>, Vec<Finding>)> {
    let found = load::load(&tree.root, manifest, trust)?;
    let digest = escape::hex(&manifest.manifest.sha256());
    let host = tree.host.binding();
    let chain = Chain::of(found.good, &digest, host.as_deref());
    let mut findings = Vec::new();
    for refused in found.refused.iter().chain(&chain.refused) {
        let message = format!("the amendment counts for nothing: {}", refused.why);
        findings.push(of(tree, &refused.path, Verdict::Fail, message).remediation(MEND));
    }
    for path in &found.unchecked {
        let message = "the amendment is sealed and no signer is trusted on this host, so its seal proves nothing";
        let finding = of(tree, path, Verdict::Unknown, message.into());
        findings.push(finding.remediation(
            "put the signer's public key into /etc/host-integrity-agent/trusted_signers",
        ));
    }
    Ok((chain.used, findings))
}

/// As severe as any other change of the agent's own configuration: a forged amendment would excuse any change.
fn of(tree: &Tree, path: &Path, verdict: Verdict, message: String) -> Finding {
    let subject = subject_of(tree, path);
    Finding::new(
        &finding::FILES_AMENDMENT,
        verdict,
        Severity::Critical,
        subject,
        message,
    )
}

/// An amendment as reports show it.
pub(super) fn summary(amendment: &Amendment) -> AmendmentSummary {
    let header = &amendment.header;
    let entries = amendment.entries.iter();
    AmendmentSummary {
        path: amendment.path.display().to_string(),
        sha256: escape::hex(&amendment.sha256),
        signer: signer(amendment),
        host: header.host.clone(),
        reason: header.reason.clone(),
        by: header.by.clone(),
        at: header.at.clone(),
        files: entries.filter(|entry| entry.role != Role::Parent).count() as u64,
    }
}

/// Who sealed it, as reports and events name them.
pub(crate) fn signer(amendment: &Amendment) -> Option<String> {
    let signer = amendment.signer.as_ref()?;
    Some(format!("{} ({})", signer.principal, signer.fingerprint))
}
