//! `--format sarif`: SARIF 2.1.0 (OASIS, errata 01), for code scanning beside the sources of an image.
//!
//! What deviates and what could not be judged are results, and nothing else is: readers show every result as something
//! to be mended. Each points at a file (its place in the tree, the path itself, or the configuration of its area), since
//! GitHub refuses a whole log for one result without.

use super::words::notes;
use super::worst::Worst;
use super::{Report, Summary};
use agent_core::benchmarks::Benchmarks;
use agent_core::escape::{hex, lossless_text, terminal_text};
use agent_core::finding::{Check, Finding, Severity, Verdict};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Results of a log: GitHub refuses one with more.
// Own bound: GitHub's.
const MOST: usize = 25_000;

/// Where a finding is shown that names no file: what decides in its area.
const PLACES: [(&str, &str); 11] = [
    ("files", "usr/share/host-integrity-agent/manifest.mtree"),
    ("sshd", "etc/ssh/sshd_config"),
    ("accounts", "etc/passwd"),
    ("console", "etc/default/grub"),
    ("credentials", "etc/passwd"),
    ("network", "etc/nftables.conf"),
    ("logging", "etc/rsyslog.conf"),
    ("kernel", "etc/sysctl.conf"),
    ("packages", "etc/os-release"),
    ("processes", "etc/os-release"),
    ("instance", "etc/host-integrity-agent/agent.toml"),
];

/// Collects findings, and writes when all are there: the rules stand before their results.
#[derive(Debug)]
pub(crate) struct Sarif<W> {
    out: W,
    kept: Worst,
}

impl<W: Write> Sarif<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W) -> Sarif<W> {
        Sarif {
            out,
            kept: Worst::of(MOST),
        }
    }
}

impl<W: Write> Report for Sarif<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        if matches!(finding.verdict, Verdict::Fail | Verdict::Unknown) {
            self.kept.keep(finding);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let findings = self.kept.take();
        let rules = rules(&findings);
        let described: Vec<Value> = rules.iter().map(rule).collect();
        let tool = json!({ "driver": {
            "name": "host-integrity-agent",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": described,
        }});
        writeln!(
            self.out,
            "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\"tool\":{tool},\n\"invocations\":[{}],\n\
             \"columnKind\":\"utf16CodeUnits\",\"properties\":{},\n\"results\":[",
            invocation(summary, self.kept.left_out()),
            summary.to_json()
        )?;
        for (i, finding) in findings.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            writeln!(
                self.out,
                "{comma}{}",
                result(finding, &rules, summary.host.benchmarks)
            )?;
        }
        writeln!(self.out, "]}}]}}")?;
        self.out.flush()
    }
}

/// The checks that found something, each with the worst that it found.
fn rules(findings: &[Finding]) -> Vec<(&'static Check, Severity)> {
    let mut rules: Vec<(&'static Check, Severity)> = Vec::new();
    for finding in findings {
        match rules
            .iter_mut()
            .find(|(check, _)| check.id == finding.check.id)
        {
            Some((_, worst)) => *worst = finding.severity.max(*worst),
            None => rules.push((finding.check, finding.severity)),
        }
    }
    rules
}

fn rule((check, worst): &(&'static Check, Severity)) -> Value {
    let area = area(check.id);
    let mend = check.remedy.map(|remedy| format!(" To mend it: {remedy}."));
    let help = format!(
        "Demanded: {}. Why: {}.{} `agent explain {}` says more.",
        check.demand,
        check.why,
        mend.unwrap_or_default(),
        check.id
    );
    json!({
        "id": check.id,
        "name": check.id,
        "shortDescription": { "text": check.title },
        "fullDescription": { "text": format!("{}: {}.", check.title, check.demand) },
        "help": { "text": help },
        "defaultConfiguration": { "level": level(*worst) },
        "properties": {
            "tags": ["security", area],
            "precision": "very-high",
            // GitHub's own: it sorts by this, and knows no severity of a single result.
            "security-severity": score(*worst),
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// A number that GitHub translates back into the word.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn invocation(summary: &Summary, left_out: u64) -> Value {
    let mut told = notes(summary);
    if left_out > 0 {
        told.push(format!(
            "{left_out} of the least severe findings are left out: --format json has all"
        ));
    }
    let notes: Vec<Value> = told
        .iter()
        .map(|note| json!({ "level": "note", "message": { "text": terminal_text(note) } }))
        .collect();
    let ended = summary.began.checked_add(summary.took);
    let mut told = json!({
        "executionSuccessful": true,
        "exitCode": summary.counts.exit(),
        "startTimeUtc": summary.began(),
        "endTimeUtc": format!("{:.0}", ended.unwrap_or(summary.began)),
        "toolExecutionNotifications": notes,
    });
    if !summary.host.hostname.is_empty() {
        told["machine"] = json!(summary.host.hostname);
    }
    told
}

fn result(
    finding: &Finding,
    rules: &[(&'static Check, Severity)],
    benchmarks: Benchmarks,
) -> Value {
    let index = rules
        .iter()
        .position(|(check, _)| check.id == finding.check.id);
    let mut text = terminal_text(&finding.message).into_owned();
    let (subject, _) = lossless_text(&finding.subject);
    let subject = terminal_text(&subject);
    if !text.contains(&*subject) {
        text = format!("{subject}: {text}");
    }
    if let Some(remedy) = &finding.remediation {
        text = format!("{text}. To mend it: {}", terminal_text(remedy));
    }
    // The specification's own words for "cannot tell"; anything but a failure has no level.
    let (kind, level) = match finding.verdict {
        Verdict::Unknown => ("open", "none"),
        _ => ("fail", level(finding.severity)),
    };
    let mut told = json!({
        "ruleId": finding.check.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": place(finding) }],
        // Which result of one run is which of another, whatever line it is at.
        "partialFingerprints": { "primaryLocationLineHash": fingerprint(finding) },
        "properties": finding.to_json(benchmarks),
    });
    if let Some(waived) = &finding.waived_by {
        let waived =
            json!({ "kind": "external", "status": "accepted", "justification": waived.words() });
        told["suppressions"] = json!([waived]);
    }
    told
}

fn fingerprint(finding: &Finding) -> String {
    let whole = [finding.check.id.as_bytes(), b"\0", &finding.subject].concat();
    let digest = hex(&Sha256::digest(whole));
    format!("{}:1", &digest[..16])
}

/// File and line of the cause, else the path that the finding is about, else what decides in its area: from the root
/// of the tree, which GitHub takes for the root of the repository.
fn place(finding: &Finding) -> Value {
    let located = finding.location.as_deref().and_then(|location| {
        let path = location.strip_prefix('/')?;
        match path
            .rsplit_once(':')
            .map(|(file, line)| (file, line.parse::<u64>()))
        {
            Some((file, Ok(line @ 1..))) => Some((file.as_bytes(), Some(line))),
            _ => Some((path.as_bytes(), None)),
        }
    });
    let area = area(finding.check.id);
    let instead = PLACES.iter().find(|(name, _)| *name == area);
    let instead = instead
        .map_or("etc/os-release", |(_, file)| file)
        .as_bytes();
    let (path, line) = located
        .or_else(|| Some((finding.subject.strip_prefix(b"/")?, None)))
        .unwrap_or((instead, None));
    let uri = match path {
        b"" => ".".to_owned(),
        path => uri(path),
    };
    let mut place = json!({ "artifactLocation": { "uri": uri } });
    place["region"] = json!({ "startLine": line.unwrap_or(1) });
    place
}

fn area(check: &str) -> &str {
    check.split('.').next().unwrap_or(check)
}

/// As RFC 3986 has relative references: what could mean anything but itself as `%HH`.
fn uri(path: &[u8]) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::FILES_CHANGED;

    #[test]
    fn every_finding_has_a_place() {
        let at = |finding: &Finding| {
            let place = place(finding);
            let uri = place["artifactLocation"]["uri"]
                .as_str()
                .expect("text")
                .to_owned();
            (uri, place["region"]["startLine"].as_u64())
        };
        let finding = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::Low,
            b"/a b%\xff".to_vec(),
            "m",
        );
        assert_eq!(at(&finding), ("a%20b%25%FF".into(), Some(1)));
        let finding = finding.location("/etc/x:y:7");
        assert_eq!(at(&finding), ("etc/x%3Ay".into(), Some(7)));
        let root = Finding::new(&FILES_CHANGED, Verdict::Fail, Severity::Low, "/", "m");
        assert_eq!(at(&root).0, ".");
        let nowhere = Finding::new(
            &FILES_CHANGED,
            Verdict::Fail,
            Severity::Low,
            "manifest",
            "m",
        );
        assert_eq!(at(&nowhere).0, PLACES[0].1);
    }
}
