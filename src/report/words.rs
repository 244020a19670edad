//! What the reports for people say in the same words.

use super::Summary;
use crate::assess::summary::{AmendmentSummary, Evidence, PackagesSummary};
use agent_baseline::Baseline;
use agent_core::finding::{Finding, Severity, Verdict};
pub(super) use agent_core::words::plural;
pub(crate) use agent_core::words::{counted, thousands};

/// The verdict's own word, as a headline.
pub(super) fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "UNKNOWN",
        Verdict::NotApplicable => "NOT APPLICABLE",
    }
}

/// What came of it in one line, without the verdict's own word.
pub(super) fn outcome(summary: &Summary) -> String {
    let counts = summary.counts.all();
    let mut parts = Vec::new();
    if counts.fail > 0 {
        let severities: Vec<String> = Severity::WORST_FIRST
            .into_iter()
            .zip(summary.counts.by_severity)
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {}", thousands(count), severity.name()))
            .collect();
        parts.push(format!(
            "{}: {}",
            counted(counts.fail, "deviation"),
            severities.join(", ")
        ));
    }
    if counts.unknown > 0 {
        parts.push(format!("{} could not be judged", thousands(counts.unknown)));
    }
    if parts.is_empty() {
        parts.push(match (summary.verdict(), &summary.evidence) {
            (Verdict::NotApplicable, _) => {
                format!("0 judged, {}", do_not_apply(counts.not_applicable))
            }
            (_, Some(Baseline::Manifest(_))) => "as recorded".into(),
            (_, Some(Baseline::Packages(_))) => "as installed by its packages".into(),
            (_, None) => "nothing deviates".into(),
        });
    }
    if counts.waived > 0 {
        parts.push(format!("{} waived", thousands(counts.waived)));
    }
    parts.join("; ")
}

/// How many were judged, passed, failed, are unknown and do not apply: a line for settings, one for files.
pub(super) fn tallies(summary: &Summary) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let settings = &summary.counts.settings;
    if settings.total() > 0 || summary.files.is_none() {
        let mut row = format!(
            "{} judged: {} passed, {} failed; {} unknown, {} not applicable",
            thousands(settings.judged()),
            thousands(settings.pass),
            thousands(settings.fail),
            thousands(settings.unknown),
            thousands(settings.not_applicable),
        );
        if settings.waived > 0 {
            row += &format!(", {} waived", thousands(settings.waived));
        }
        rows.push(("Settings", row));
    }
    let tally = &summary.counts.files;
    if let Some(files) = &summary.files {
        let mut row = format!(
            "{} looked at: {} failed, {} unknown; {} in {:.2} s, against {}",
            counted(files.checked, "path"),
            thousands(tally.fail),
            thousands(tally.unknown),
            bytes(files.bytes),
            files.elapsed.as_secs_f64(),
            against(summary.evidence.as_ref()),
        );
        if let Some(launch) = &summary.launch {
            row += &format!(
                "; {} compared with the launch record {}",
                counted(launch.files, "path"),
                launch.path
            );
        }
        rows.push(("Files", row));
    } else if tally.total() > 0 {
        let (fail, unknown) = (thousands(tally.fail), thousands(tally.unknown));
        rows.push((
            "Files",
            format!("0 looked at: {fail} failed, {unknown} unknown"),
        ));
    }
    for amendment in &summary.amendments {
        rows.push(("Accepted", accepted(amendment)));
    }
    rows
}

/// What was checked, when, for how long, and what was demanded.
pub(super) fn about(summary: &Summary) -> String {
    let host = &summary.host;
    let names = [&host.hostname, &host.instance_id, &host.os];
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.retain(|name| !name.is_empty());
    let what = match (summary.root.as_str(), names.is_empty()) {
        ("/", true) => "this host".to_owned(),
        ("/", false) => names.join(", "),
        (root, true) => root.to_owned(),
        (root, false) => format!("{root} ({})", names.join(", ")),
    };
    format!(
        "{what}; {}, took {:.1} s; profile {}",
        summary.began(),
        summary.took.as_secs_f64(),
        summary.profile
    )
}

/// What `--fail-on` made of the exit status, where it was asked for.
pub(super) fn asked(summary: &Summary) -> Option<String> {
    let least = summary.counts.fail_on?.name();
    let exit = summary.counts.exit();
    Some(match exit {
        0 => format!("exit status 0: nothing is {least} or worse (--fail-on {least})"),
        _ => format!("exit status {exit} (--fail-on {least})"),
    })
}

/// What is read after the verdict: waivers, mounts, `--fail-on`, notes.
pub(super) fn notes(summary: &Summary) -> Vec<String> {
    let mut notes: Vec<String> = asked(summary).into_iter().collect();
    let mounts = summary.files.iter().flat_map(|files| &files.mounts);
    let mounts: Vec<&str> = mounts.map(String::as_str).collect();
    if !mounts.is_empty() {
        notes.push(format!(
            "not crossed into what is mounted at {}",
            mounts.join(", ")
        ));
    }
    notes.extend(summary.notes.iter().cloned());
    notes
}

fn do_not_apply(count: u64) -> String {
    match count {
        1 => "1 does not apply".into(),
        count => format!("{} do not apply", thousands(count)),
    }
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
            format!("{}{made}, {seal}", m.path)
        }
        Some(Baseline::Packages(PackagesSummary { database, count })) => {
            format!(
                "the {database} database of {}",
                counted(*count as u64, "package")
            )
        }
        None => "nothing".into(),
    }
}

/// Rank of what could not be judged.
pub(super) const UNKNOWN: u8 = 4;
/// Rank of what somebody answers for.
pub(super) const WAIVED: u8 = 5;

/// How many ranks there are.
pub(super) const RANKS: usize = 7;

/// Worst first: failures by severity, then what could not be judged, what is waived, then the rest.
pub(super) fn rank(finding: &Finding) -> u8 {
    match (finding.verdict, finding.severity) {
        (Verdict::Fail | Verdict::Unknown, _) if finding.waived_by.is_some() => WAIVED,
        (Verdict::Fail, Severity::Critical) => 0,
        (Verdict::Fail, Severity::High) => 1,
        (Verdict::Fail, Severity::Medium) => 2,
        (Verdict::Fail, Severity::Low) => 3,
        (Verdict::Unknown, _) => UNKNOWN,
        _ => 6,
    }
}

/// `953 MB`, in thousands as disks are sold.
pub(crate) fn bytes(count: u64) -> String {
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
fn accepted(amendment: &AmendmentSummary) -> String {
    let seal = match &amendment.signer {
        Some(signer) => format!("sealed by {signer}"),
        None => "not sealed".into(),
    };
    format!(
        "{} accepted by {} at {} ({seal}): {}",
        counted(amendment.files, "path"),
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
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(953_000_000), "953 MB");
    }
}
