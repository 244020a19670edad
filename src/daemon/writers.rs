//! What a sealed writer explains: lowered when it is seen, and when a scan finds it again. Pure.

use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::run_record::Written;
use agent_baseline::Baseline;
use agent_baseline::manifest::verified::SealStatus;
use agent_core::escape;
use agent_core::explained::{Evidence, ExplainedBy, ExplanationKind};
use agent_core::finding::{Finding, Severity, Verdict};
use serde_json::json;
use sha2::{Digest, Sha256};

/// As many are remembered; a profile names a handful of files.
// Own bound: of what is remembered; the rest keeps its severity.
const MOST: usize = 64;

/// The finding is explained by a program that may write exactly that.
pub(in crate::daemon) fn lower(finding: &mut Finding, program: &str, at: String) {
    finding.unexplained_severity = Some(finding.severity).filter(|s| *s > Severity::Low);
    finding.severity = Severity::Low;
    finding.explained_by = Some(ExplainedBy {
        at: Some(at),
        evidence: Some(Evidence::Attribution),
        reason: Some(program.to_owned()),
        ..ExplainedBy::new(ExplanationKind::Writer)
    });
}

/// Remembers what a writer explains, and explains the same by it when it is found again; whether what is remembered is
/// something else now. It holds only while the sealed profile lets that program write these contents.
pub(in crate::daemon) fn recall(
    finding: &mut Finding,
    baseline: &ActiveBaseline,
    written: &mut Vec<Written>,
) -> bool {
    if finding.verdict != Verdict::Fail || !finding.check.id.starts_with("files.") {
        return false;
    }
    if let Some(by) = &finding.explained_by {
        let Some((program, at)) = by.reason.clone().zip(by.at.clone()) else {
            return false;
        };
        let deviation = deviation(finding);
        if by.kind != ExplanationKind::Writer || written.iter().any(|w| w.deviation == deviation) {
            return false;
        }
        written.push(Written {
            deviation,
            program,
            at,
        });
        let more = written.len().saturating_sub(MOST);
        written.drain(..more);
        return true;
    }
    if written.is_empty() {
        return false;
    }
    let deviation = deviation(finding);
    let known = written.iter().find(|w| w.deviation == deviation);
    if let Some(known) = known.filter(|known| may_write(finding, baseline, &known.program)) {
        lower(finding, &known.program, known.at.clone());
    }
    false
}

/// Whether the sealed profile lets the program write what is there.
fn may_write(finding: &Finding, baseline: &ActiveBaseline, program: &str) -> bool {
    let Some(Baseline::Manifest(sealed)) = &baseline.opened.baseline else {
        return false;
    };
    let contents = finding.observed["sha256"].as_str();
    let contents = contents.and_then(|text| escape::from_hex::<32>(text.as_bytes()));
    let path = finding.subject.strip_prefix(b"/").unwrap_or_default();
    let mut writers = sealed.scope.writers(path).iter();
    matches!(sealed.verified.seal_status, SealStatus::Sealed(_))
        && writers.any(|writer| {
            writer.program == program && contents.is_some_and(|c| writer.contents.contains(&c))
        })
}

/// Path, what should be and what is.
pub(in crate::daemon) fn deviation(finding: &Finding) -> String {
    let all = json!([
        finding.check.id,
        escape::hex(&finding.subject),
        finding.changed.to_string(),
        finding.expected,
        finding.observed,
    ]);
    escape::hex(&Sha256::digest(all.to_string()))
}
