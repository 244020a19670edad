//! What somebody has seen of a host, to be held against what is there when it is accepted.

use agent_core::attributes::{Attribute, AttributeSet, Attributes, FileType};
use agent_core::benchmarks::Benchmarks;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape;
use agent_core::finding::{self, FILES_ADDED, FILES_CHANGED, FILES_REMOVED, Finding};
use agent_core::host::Host;
use agent_core::os::trust::{self, Owner};
use agent_core::paths::subject;
use agent_scan::files::amend::Accepted;
use base64ct::{Base64, Encoding};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// What to do where the host has moved on.
pub(super) const LOOK_AGAIN: &str =
    "look at it again: agent check --format json --output REPORT; then accept with --seen REPORT";

/// Findings of files, by subject.
#[derive(Debug)]
pub(super) struct Seen {
    findings: HashMap<Vec<u8>, Value>,
    /// SHA-256 of the report, in hexadecimal; empty where it was no file.
    pub(super) sha256: String,
    /// Where it was seen, for errors.
    pub(super) word: &'static str,
}

impl Seen {
    /// Reads a JSON report of that host under that manifest.
    pub(super) fn read(path: &Path, host: &Host, manifest: &str) -> Result<Seen> {
        let file = trust::open(path, Owner::RootOrCaller)?
            .ok_or_else(|| Error::in_file(path, "no such file, expected a report"))?;
        let text = trust::read(&file, path, bounds::SEEN_REPORT)?;
        let mut findings = HashMap::new();
        let mut summary = None;
        let lines = text.split(|byte| *byte == b'\n').zip(1u64..);
        for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
            let wrong = || {
                Error::in_file(path, "expected a line of `agent check --format json`")
                    .at_line(number)
                    .help(LOOK_AGAIN)
            };
            let value: Value = serde_json::from_slice(line).map_err(|_| wrong())?;
            match value["kind"].as_str() {
                Some("finding") if is_of_file(value["check"].as_str()) => {
                    let subject = subject_of(&value).ok_or_else(wrong)?;
                    findings.insert(subject, value);
                }
                Some("finding") => {}
                Some("summary") => summary = Some(value),
                _ => return Err(wrong()),
            }
        }
        let Some(summary) = summary else {
            return Err(Error::in_file(path, "has no summary: it was cut short").help(LOOK_AGAIN));
        };
        let differs =
            |key: &str, own: &str| summary["host"][key].as_str().is_some_and(|its| its != own);
        if differs("machine_id", &host.machine_id) || differs("instance_id", &host.instance_id) {
            return Err(Error::in_file(path, "is a report of another host").help(LOOK_AGAIN));
        }
        if summary["manifest"]["sha256"] != manifest {
            return Err(Error::in_file(path, "is a report under another manifest").help(LOOK_AGAIN));
        }
        Ok(Seen {
            findings,
            sha256: escape::hex(&Sha256::digest(&text)),
            word: "the report has it",
        })
    }

    /// What a look at the files has just found.
    pub(super) fn of(findings: &[Finding]) -> Seen {
        let all = findings.iter();
        Seen {
            findings: all
                .map(|f| (f.subject.clone(), f.to_json(Benchmarks::default())))
                .collect(),
            sha256: String::new(),
            word: "it was a moment ago",
        }
    }

    /// Whether it was seen exactly so.
    pub(super) fn has(&self, accepted: &Accepted) -> bool {
        // What entries do to their directory is told by the entries.
        let of_entries = accepted
            .changed
            .without(AttributeSet::OF_ENTRIES)
            .is_empty();
        let directory =
            |a: &Option<Attributes>| a.as_ref().is_some_and(|a| a.kind == FileType::Dir);
        if of_entries && directory(&accepted.before) && directory(&accepted.now) {
            return true;
        }
        let Some(seen) = self.findings.get(&subject(&accepted.entry.path)) else {
            return false;
        };
        let check = seen["check"].as_str();
        let Some(now) = &accepted.now else {
            return check == Some(FILES_REMOVED.id);
        };
        let observed = seen["observed"].as_object();
        let is = finding::evidence(now, AttributeSet::ALL);
        let is_own = |name: &str| {
            let of_entries = Attribute::from_name(name)
                .is_some_and(|attribute| AttributeSet::OF_ENTRIES.has(attribute));
            now.kind != FileType::Dir || !of_entries
        };
        let same = observed
            .into_iter()
            .flatten()
            .filter(|(name, _)| is_own(name))
            .all(|(name, value)| is[name] == *value);
        if accepted.before.is_none() {
            return check == Some(FILES_ADDED.id) && same;
        }
        let then = seen["changed"].as_array().into_iter().flatten();
        let then = then.filter_map(Value::as_str).filter(|name| is_own(name));
        let today = accepted.changed.iter().map(Attribute::name);
        let today = today.filter(|name| is_own(name));
        check == Some(FILES_CHANGED.id) && same && then.eq(today)
    }
}

fn is_of_file(check: Option<&str>) -> bool {
    let checks = [FILES_ADDED.id, FILES_CHANGED.id, FILES_REMOVED.id];
    check.is_some_and(|check| checks.contains(&check))
}

fn subject_of(finding: &Value) -> Option<Vec<u8>> {
    match finding["subject_base64"].as_str() {
        Some(whole) => Base64::decode_vec(whole).ok(),
        None => Some(finding["subject"].as_str()?.as_bytes().to_vec()),
    }
}
