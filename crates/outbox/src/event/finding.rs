//! Findings as events: Detection Finding (2004) for files, Compliance Finding (2003) for the rest.

use super::draft::{Class, Draft, INFORMATIONAL, resources, severity};
use super::source::EventSource;
use super::stored_finding::StoredFinding;
use agent_core::change::{Actor, ChangeContext};
use agent_core::escape;
use agent_core::finding::{Check, Finding, Severity, Verdict};
use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

/// What became of a deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was not there before, as far as anybody was told.
    Raised,
    /// It is another one now.
    Changed,
    /// It is still there, a day after it was last told.
    Reminded,
    /// It is there no longer.
    Cleared,
}

impl Step {
    /// OCSF's activity and status.
    pub(super) fn words(self) -> (u64, &'static str, (u64, &'static str)) {
        match self {
            Step::Raised => (1, "Create", (1, "New")),
            Step::Changed => (2, "Update", (1, "New")),
            Step::Reminded => (2, "Update", (2, "In Progress")),
            Step::Cleared => (3, "Close", (4, "Resolved")),
        }
    }
}

/// The life of one deviation.
#[derive(Clone, Copy, Debug)]
pub struct Life<'a> {
    /// `finding_info.uid`: the same from the first event to the last.
    pub uid: &'a str,
    /// When it was first seen.
    pub first_seen: i64,
    /// When it was last seen.
    pub last_seen: i64,
    /// The flood that it is part of, where a reader may fold it.
    pub flood: Option<&'a str>,
}

/// The event for a step in the life of a deviation, told at `now`.
pub fn draft(
    source: &EventSource,
    stored: &StoredFinding,
    step: Step,
    life: Life<'_>,
    now: i64,
) -> Draft {
    let StoredFinding { finding, context } = stored;
    let (activity, activity_name, status) = step.words();
    let file = stored.is_file();
    let class = Class {
        uid: if file { 2004 } else { 2003 },
        name: match file {
            true => "Detection Finding",
            false => "Compliance Finding",
        },
        category: 2,
        activity,
        activity_name,
    };
    // What was put right wakes nobody; how much it had mattered stands in `unmapped`.
    let level = match (step, finding.verdict) {
        (Step::Cleared, _) | (_, Verdict::Pass | Verdict::NotApplicable) => INFORMATIONAL,
        _ => severity(finding.severity),
    };
    let (subject, whole) = escape::lossless_text(&finding.subject);
    let message = format!("{subject}: {}", finding.message);
    let check = source.check(&finding.check);
    let mut draft = Draft::new(class, level, status, &message, now)
        .with("finding_info", info(stored, check, life));
    draft = match file {
        true => of_file(draft, finding, step, &subject),
        false => of_setting(source, draft, finding, check, step),
    };
    if step != Step::Cleared
        && let Some(text) = &finding.remediation
    {
        draft = draft.with("remediation", json!({ "desc": text }));
    }
    if let Some(actor) = context.as_ref().and_then(|c| c.actor.as_ref()) {
        draft = draft.with("actor", json!({ "process": process(actor) }));
    }
    if let Some(resources) = resources(source) {
        draft = draft.with("resources", resources);
    }
    if let Some(flood) = life.flood {
        draft = draft.unmapped("flood", json!(flood));
    }
    draft = draft
        .unmapped("verdict", json!(finding.verdict.name()))
        .unmapped("subject", json!(subject));
    if step == Step::Cleared {
        draft = draft.unmapped("was_severity", json!(finding.severity.name()));
        let manifest = &source.digests.manifest;
        if file && !manifest.is_empty() {
            // Another manifest may be all that has changed.
            draft = draft.unmapped("manifest", json!(manifest));
        }
    }
    if !whole {
        let bytes = Base64::encode_string(&finding.subject);
        draft = draft.unmapped("subject_base64", json!(bytes));
    }
    draft = draft.unmapped("location", json!(finding.location));
    if let (true, Some(check)) = (file && step != Step::Cleared, check) {
        // One leaf; class 2004 has no `compliance`.
        let references = source.host.benchmarks.references(check).join(", ");
        draft = draft.unmapped("references", json!(references));
    }
    if let Some(waived_by) = &finding.waived_by {
        draft = draft.unmapped("waived_by", json!(waived_by));
    }
    if step != Step::Cleared {
        let lines = finding.lines.as_ref().map(|lines| lines.join("\n"));
        draft = draft.unmapped("lines", json!(lines));
        draft = draft.unmapped("explained_by", explained(finding)).unmapped(
            "unexplained_severity",
            json!(finding.unexplained_severity.map(Severity::name)),
        );
    }
    if let Some(context) = context {
        draft = draft.unmapped("cause", circumstances(context));
    }
    draft.finish(source)
}

fn info(stored: &StoredFinding, check: Option<&Check>, life: Life<'_>) -> Value {
    let StoredFinding { finding, .. } = stored;
    json!({
        "uid": life.uid,
        "title": title(finding, check),
        "types": [if stored.is_file() { "file_integrity" } else { "configuration_check" }],
        "analytic": { "uid": finding.check, "type_id": 1 },
        "created_time": life.first_seen,
        "first_seen_time": life.first_seen,
        "last_seen_time": life.last_seen,
    })
}

/// What happened, rather than what should hold, where there is a word for it.
fn title<'a>(finding: &'a Finding<String>, check: Option<&'a Check>) -> &'a str {
    match finding.check.as_str() {
        "files.added" => "A path was added",
        "files.removed" => "A path was removed",
        "files.changed" => "A path was changed",
        "files.unreadable" => "A path could not be looked at",
        id => check.map_or(id, |check| check.title),
    }
}

fn of_file(draft: Draft, finding: &Finding<String>, step: Step, path: &str) -> Draft {
    let (expected, expected_rest) = file(path, &finding.expected);
    let (observed, observed_rest) = file(path, &finding.observed);
    let mut evidences = Vec::new();
    match (&finding.expected, &finding.observed) {
        // Of a path that holds again, or that could not be looked at, there is its name.
        (Value::Null, Value::Null) => {
            evidences.push(json!({ "name": "subject", "file": observed }))
        }
        (was, is) => {
            if !is.is_null() {
                evidences.push(json!({ "name": "observed", "file": observed }));
            }
            if !was.is_null() {
                let mut expected = expected;
                if let (false, Some(object)) = (is.is_null(), expected.as_object_mut()) {
                    object.shift_remove("parent_folder");
                }
                evidences.push(json!({ "name": "baseline", "file": expected }));
            }
        }
    }
    let changed: Vec<&str> = finding.changed.iter().map(|a| a.name()).collect();
    draft
        .with("is_alert", json!(step != Step::Cleared))
        .with("confidence_id", json!(confidence(finding.verdict)))
        .with("evidences", Value::Array(evidences))
        .with(
            "observables",
            json!([{ "name": "evidences.file.path", "type_id": 45, "value": path }]),
        )
        .unmapped("changed", joined(&changed))
        .unmapped("expected", expected_rest)
        .unmapped("observed", observed_rest)
}

/// What could not be looked at is suspected of nothing yet.
fn confidence(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Unknown => 1,
        _ => 3,
    }
}

fn joined(words: &[&str]) -> Value {
    match words {
        [] => Value::Null,
        words => json!(words.join(" ")),
    }
}

/// A file object of what evidence there is, and the evidence that OCSF has no place for.
fn file(path: &str, evidence: &Value) -> (Value, Value) {
    let (folder, name) = match path.rsplit_once('/') {
        Some((_, "")) | None => ("", path),
        Some(("", name)) => ("/", name),
        Some((folder, name)) => (folder, name),
    };
    let mut file = json!({ "name": name, "path": path, "type_id": 0 });
    if !folder.is_empty() {
        file["parent_folder"] = json!(folder);
    }
    let mut rest = Map::new();
    let mut hashes = Vec::new();
    for (key, value) in evidence.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("type", Value::String(kind)) => file["type_id"] = json!(file_type(kind)),
            ("size", Value::Number(_)) => file["size"] = value.clone(),
            ("uid", Value::Number(uid)) => file["owner"] = json!({ "uid": uid.to_string() }),
            ("md5", _) => hashes.push(json!({ "algorithm_id": 1, "value": value })),
            ("sha1", _) => hashes.push(json!({ "algorithm_id": 2, "value": value })),
            ("sha256", _) => hashes.push(json!({ "algorithm_id": 3, "value": value })),
            ("sha512", _) => hashes.push(json!({ "algorithm_id": 4, "value": value })),
            ("sha224" | "sha384" | "sha3-256" | "sha3-512", _) => {
                hashes.push(json!({ "algorithm_id": 99, "algorithm": key, "value": value }));
            }
            ("mtime", Value::String(time)) => {
                // To the nanosecond only in words: OCSF counts milliseconds.
                if let Ok(time) = time.parse::<jiff::Timestamp>() {
                    file["modified_time"] = json!(time.as_millisecond());
                }
                rest.insert(key.clone(), value.clone());
            }
            _ => {
                rest.insert(key.clone(), value.clone());
            }
        }
    }
    if !hashes.is_empty() {
        // Only regular files have contents to digest.
        file["type_id"] = json!(1);
        file["hashes"] = Value::Array(hashes);
    }
    let rest = match rest.is_empty() {
        true => Value::Null,
        false => Value::Object(rest),
    };
    (file, rest)
}

fn file_type(kind: &str) -> u64 {
    match kind {
        "file" => 1,
        "dir" => 2,
        "char" => 3,
        "block" => 4,
        "socket" => 5,
        "fifo" => 6,
        "link" => 7,
        _ => 0,
    }
}

fn of_setting(
    source: &EventSource,
    draft: Draft,
    finding: &Finding<String>,
    check: Option<&Check>,
    step: Step,
) -> Draft {
    let (status_id, status) = match (step, finding.verdict) {
        (Step::Cleared, _) | (_, Verdict::Pass) => (1, "Pass"),
        (_, Verdict::NotApplicable) => (99, "Not Applicable"),
        (_, Verdict::Fail) => (3, "Fail"),
        (_, Verdict::Unknown) => (0, "Unknown"),
    };
    let mut compliance = json!({
        "control": finding.check, "status_id": status_id, "status": status,
    });
    if let Some(check) = check {
        compliance["requirements"] = json!([check.demand]);
        let references = source.host.benchmarks.references(check);
        if !references.is_empty() {
            compliance["standards"] = json!(references);
        }
    }
    draft
        .with("compliance", compliance)
        .unmapped("expected", finding.expected.clone())
        .unmapped("observed", finding.observed.clone())
}

pub(super) fn process(actor: &Actor) -> Value {
    let mut process = json!({ "pid": actor.pid });
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            process[key] = value;
        }
    };
    put("name", actor.name.as_ref().map(|name| json!(name)));
    put("cmd_line", actor.command_line.as_ref().map(|c| json!(c)));
    put(
        "file",
        actor.program.as_ref().map(|program| {
            let name = program.rsplit('/').next().unwrap_or(program);
            json!({ "name": name, "path": program, "type_id": 1 })
        }),
    );
    put("user", actor.uid.map(|id| json!({ "uid": id.to_string() })));
    put(
        "parent_process",
        actor.parent_pid.map(|pid| {
            let mut parent = json!({ "pid": pid });
            if let Some(name) = &actor.parent_name {
                parent["name"] = json!(name);
            }
            parent
        }),
    );
    process
}

/// What explains it, as far as that is known.
fn explained<C>(finding: &Finding<C>) -> Value {
    let mut explained = json!(finding.explained_by);
    if let Some(object) = explained.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    explained
}

fn circumstances(context: &ChangeContext) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() && value != false {
            object.insert(key.into(), value);
        }
    };
    put("transaction", json!(context.transaction));
    put("while_down", json!(context.while_down));
    put("restored", json!(context.restored));
    if let Some(actor) = &context.actor {
        put("login_uid", json!(actor.login_uid));
        put("unit", json!(actor.unit));
        put("container", json!(actor.container));
    }
    match object.is_empty() {
        true => Value::Null,
        false => Value::Object(object),
    }
}
