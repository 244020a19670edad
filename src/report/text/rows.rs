//! Rows of the short report: one a finding, or one for several that say the same.

use crate::report::words::{UNKNOWN, WAIVED, rank, thousands};
use agent_checks::registry;
use agent_core::escape::{terminal_bytes, terminal_text};
use agent_core::finding::{Finding, Verdict};

/// Rows of settings with all that is said of them; where there are more, the least severe are named alone.
const WHOLE: usize = 10;
/// Subjects of one check that are named; more are counted.
const SUBJECTS: usize = 3;
/// The same of a check that tells of a way in, or of what could not be judged.
const SUBJECTS_NAMED: usize = 12;

/// Bytes of a demand that a row has room for.
const DEMAND: usize = 40;

/// Checks whose deviations are ways in: each has a row of its own.
const WAYS_IN: [&str; 8] = [
    "accounts.",
    "console.",
    "credentials.",
    "sshd.permit_root_login",
    "sshd.root_authorized_keys",
    "sshd.permit_empty_passwords",
    "sshd.password_authentication",
    "sshd.hostbased_authentication",
];

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// See [`rank`].
    pub(super) rank: u8,
    /// What stands in place of the rank's own word.
    pub(super) word: Option<&'static str>,
    /// The check that can be explained.
    pub(super) check: &'static str,
    /// What it is about.
    pub(super) name: String,
    /// What is said of it.
    pub(super) said: String,
}

impl Row {
    /// The row without its label.
    pub(super) fn text(&self) -> String {
        match (self.name.as_str(), self.said.as_str()) {
            (name, "") => name.to_owned(),
            ("", said) => said.to_owned(),
            (name, said) => format!("{name}  {said}"),
        }
    }

    fn of(finding: &Finding) -> Row {
        let message = terminal_text(without_long_demand(&finding.message)).into_owned();
        let (said, location) = match place(finding) {
            (None, location) => (message, location),
            (Some(place), location) => (format!("{place}: {message}"), location),
        };
        Row {
            rank: rank(finding),
            word: None,
            check: finding.check.id,
            name: finding.check.id.to_owned(),
            said: said + &location,
        }
    }
}

/// The message without what is demanded, where that is longer than a word or two: `agent explain` says it.
fn without_long_demand(message: &str) -> &str {
    match message.split_once("; demanded: ") {
        Some((what, demand)) if demand.len() > DEMAND => what,
        _ => message,
    }
}

/// What a finding is about, where its check's id and its message do not say so, and where else its cause stands, in
/// brackets.
fn place(finding: &Finding) -> (Option<String>, String) {
    let subject = terminal_bytes(&finding.subject);
    let area = finding.check.id.split('.').next().unwrap_or_default();
    // As `sshd Match User x` is by `Match User x: …`.
    let inner = subject
        .strip_prefix(area)
        .map_or(&subject[..], str::trim_start);
    // What could not be looked at anywhere is about nothing narrower than the check.
    let everywhere =
        finding.verdict == Verdict::Unknown && finding.location.is_none() && !subject.contains('/');
    let told = everywhere || subject == area || finding.message.contains(inner);
    match &finding.location {
        // A line of the subject itself.
        Some(line) if !told && line.starts_with(&format!("{subject}:")) => {
            (Some(terminal_text(line).into_owned()), String::new())
        }
        _ => ((!told).then_some(subject), location(finding)),
    }
}

/// Where the cause stands, in brackets behind a blank; empty where that is not known, or has been said.
pub(super) fn location(finding: &Finding) -> String {
    match &finding.location {
        Some(place) if !finding.message.contains(place.as_str()) => {
            format!(" ({})", terminal_text(place))
        }
        _ => String::new(),
    }
}

/// The rows of settings that deviate or could not be judged, worst first.
pub(super) fn settings(mut findings: Vec<Finding>) -> Vec<Row> {
    let order = |finding: &Finding| {
        let place = registry::all().position(|check| check.id == finding.check.id);
        (rank(finding), !way_in(finding.check.id), place)
    };
    findings.sort_by_cached_key(order);
    let mut rows = Vec::new();
    let same = |a: &Finding, b: &Finding| rank(a) == rank(b) && a.check.id == b.check.id;
    for of_check in findings.chunk_by(same) {
        rows.extend(subjects(of_check));
    }
    names_alone(said_once(rows))
}

fn way_in(check: &str) -> bool {
    WAYS_IN.iter().any(|way| check.starts_with(way))
}

/// Rows for all that one check found: those of which the same is said in one row, and of more than a few rows one that
/// counts the rest.
fn subjects(findings: &[Finding]) -> Vec<Row> {
    let Some(first) = findings.first() else {
        return Vec::new();
    };
    let mut alike: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        match alike
            .iter_mut()
            .find(|like| like[0].message == finding.message)
        {
            Some(like) => like.push(finding),
            None => alike.push(vec![finding]),
        }
    }
    let bound = match way_in(first.check.id) || rank(first) == UNKNOWN {
        true => SUBJECTS_NAMED,
        false => SUBJECTS,
    };
    let (named, counted) = alike.split_at(shown(alike.len(), bound));
    let mut rows: Vec<Row> = named.iter().map(|alike| together(alike, bound)).collect();
    if let Some(next) = counted.first() {
        let count: usize = counted.iter().map(Vec::len).sum();
        let next = terminal_bytes(&next[0].subject);
        rows.push(Row {
            said: format!("… and {} more, as {next}", thousands(count as u64)),
            ..Row::of(first)
        });
    }
    rows
}

/// How many of `count` are named: one that would be counted alone is.
fn shown(count: usize, bound: usize) -> usize {
    if count <= bound + 1 { count } else { bound }
}

/// One row for findings of which the same is said.
fn together(alike: &[&Finding], bound: usize) -> Row {
    let row = Row::of(alike[0]);
    if alike.len() == 1 {
        return row;
    }
    let shown = shown(alike.len(), bound);
    let names = alike[..shown].iter().map(|finding| {
        let (name, location) = place(finding);
        name.unwrap_or_else(|| terminal_bytes(&finding.subject)) + &location
    });
    let mut names: Vec<String> = names.collect();
    if alike.len() > shown {
        let left = thousands((alike.len() - shown) as u64);
        names.push(format!("… and {left} more"));
    }
    let message = terminal_text(without_long_demand(&alike[0].message));
    Row {
        said: format!("{message}: {}", names.join(", ")),
        ..row
    }
}

/// Rows of which the same is said become one.
fn said_once(rows: Vec<Row>) -> Vec<Row> {
    let mut once: Vec<Row> = Vec::new();
    for row in rows {
        let like = |other: &&mut Row| other.rank == row.rank && other.said == row.said;
        match once.iter_mut().find(like) {
            Some(other) => other.name = format!("{}, {}", other.name, row.name),
            None => once.push(row),
        }
    }
    once
}

/// Where the rows are many, those of the least severity that are no way in become one row of names.
fn names_alone(mut rows: Vec<Row>) -> Vec<Row> {
    for least in [WAIVED, 3, 2] {
        if rows.len() <= WHOLE {
            break;
        }
        let folds = |row: &Row| row.rank == least && !way_in(row.check);
        let Some(place) = rows.iter().position(folds) else {
            continue;
        };
        let (folded, mut left): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(folds);
        let mut names: Vec<&str> = folded.iter().map(|row| row.name.as_str()).collect();
        names.dedup();
        let row = Row {
            name: names.join(", "),
            said: String::new(),
            ..folded[0].clone()
        };
        left.insert(place.min(left.len()), row);
        rows = left;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::Severity;

    fn found(check: &str, verdict: Verdict, severity: Severity, subject: &str) -> Finding {
        let check = registry::all()
            .find(|known| known.id == check)
            .expect(check);
        Finding::new(
            check,
            verdict,
            severity,
            subject,
            format!("{} here", check.title),
        )
    }

    #[test]
    fn many_settings_leave_ways_in_and_unknowns_whole() {
        let mut findings: Vec<Finding> = registry::all()
            .filter(|check| check.id.starts_with("sshd.") || check.id.starts_with("kernel."))
            .map(|check| found(check.id, Verdict::Fail, Severity::Medium, "x"))
            .collect();
        findings.push(found(
            "accounts.only_root_uid0",
            Verdict::Fail,
            Severity::High,
            "toor",
        ));
        findings.push(found(
            "packages.minimal",
            Verdict::Unknown,
            Severity::Low,
            "packages",
        ));
        findings.push(found(
            "packages.gpgcheck",
            Verdict::Unknown,
            Severity::Low,
            "packages",
        ));
        let count = findings.len();
        let rows = settings(findings);
        assert!(count > 30 && rows.len() < WHOLE, "{count}: {rows:#?}");
        assert_eq!(rows[0].check, "accounts.only_root_uid0");
        assert!(rows[0].said.starts_with("toor: "), "{:?}", rows[0]);
        let text: Vec<String> = rows.iter().map(Row::text).collect();
        let text = text.join("\n");
        for named in [
            "sshd.password_authentication  ",
            "packages.minimal  ",
            "kernel.aslr, ",
        ] {
            assert!(text.contains(named), "{named}: {text}");
        }
    }

    #[test]
    fn the_same_is_said_once_and_many_subjects_are_counted() {
        let message = |mut finding: Finding| {
            finding.message = "there is no package database".into();
            finding
        };
        let of = |id| message(found(id, Verdict::Unknown, Severity::High, "packages"));
        let mut findings = vec![of("packages.minimal"), of("packages.security_pending")];
        for i in 0..9 {
            let subject = format!("/mnt/{i}");
            let check = "network.encrypted_mounts";
            let mut finding = found(check, Verdict::Fail, Severity::Medium, &subject);
            finding.message += if i > 4 { "" } else { &subject };
            findings.push(finding);
        }
        let rows = settings(findings);
        let text: Vec<String> = rows.iter().map(Row::text).collect();
        assert_eq!(rows.len(), SUBJECTS + 2, "{text:#?}");
        assert!(text[3].ends_with("… and 6 more, as /mnt/3"), "{text:#?}");
        assert_eq!(
            text[4],
            "packages.security_pending, packages.minimal  there is no package database"
        );
    }
}
