//! What the reports for people say in the same words.

use super::Summary;
use crate::assess::summary::{AmendmentSummary, Evidence, PackagesSummary};
use agent_baseline::Baseline;
use agent_core::finding::{Finding, Severity, Verdict};

/// What came of it in one line, without the verdict's own word.
pub(super) fn outcome(summary: &Summary) -> String {
    let counts = &summary.counts;
    let mut parts = Vec::new();
    if counts.fail > 0 {
        let severities: Vec<String> = Severity::WORST_FIRST
            .into_iter()
            .zip(counts.by_severity)
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {}", thousands(count), severity.name()))
            .collect();
        parts.push(format!(
            "{} deviation{}: {}",
            thousands(counts.fail),
            plural(counts.fail),
            severities.join(", ")
        ));
    }
    if counts.unknown > 0 {
        parts.push(format!("{} could not be judged", thousands(counts.unknown)));
    }
    if parts.is_empty() {
        parts.push(match &summary.evidence {
            Some(Baseline::Manifest(_)) => "as recorded".into(),
            Some(Baseline::Packages(_)) => "as installed by its packages".into(),
            None => "nothing deviates".into(),
        });
    }
    parts.join("; ")
}

/// What the files were compared with.
pub(super) fn against(evidence: Option<&Evidence>) -> String {
    match evidence {
        Some(Baseline::Manifest(m)) => {
            let made = match m.made.is_empty() {
                true => String::new(),
                false => format!(" of {}", m.made),
            };
            let seal = match (&m.signer, m.sealed) {
                (Some(signer), _) => format!("sealed by {signer}"),
                (None, true) => "its seal was not checked: no signer is trusted".into(),
                (None, false) => "not sealed".into(),
            };
            format!("{}{made} ({seal})", m.path)
        }
        Some(Baseline::Packages(PackagesSummary { database, count })) => {
            format!(
                "the {database} database of {} packages",
                thousands(*count as u64)
            )
        }
        None => "nothing".into(),
    }
}

/// Worst first: failures by severity, then what could not be judged, then the rest.
pub(super) fn rank(finding: &Finding) -> u8 {
    match (finding.verdict, finding.severity) {
        (Verdict::Fail, Severity::Critical) => 0,
        (Verdict::Fail, Severity::High) => 1,
        (Verdict::Fail, Severity::Medium) => 2,
        (Verdict::Fail, Severity::Low) => 3,
        (Verdict::Unknown, _) => 4,
        _ => 5,
    }
}

pub(super) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// `26,454`
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `953 MB`, in thousands as disks are sold.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return match unit {
                "B" => format!("{value:.0} {unit}"),
                _ if value < 10.0 => format!("{value:.1} {unit}"),
                _ => format!("{value:.0} {unit}"),
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// An amendment in one line.
pub(super) fn accepted(amendment: &AmendmentSummary) -> String {
    let seal = match &amendment.signer {
        Some(signer) => format!("sealed by {signer}"),
        None => "not sealed".into(),
    };
    format!(
        "{} path{} accepted by {} at {} ({seal}): {}",
        thousands(amendment.files),
        plural(amendment.files),
        amendment.by,
        amendment.at,
        amendment.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(26_454), "26,454");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(953_000_000), "953 MB");
    }
}
