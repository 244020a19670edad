//! One finding of the page: a line that unfolds.

use super::super::markup;
use super::super::words::rank;
use super::push;
use agent_core::benchmarks::Benchmarks;
use agent_core::escape;
use agent_core::finding::{FILES_CHANGED, Finding, Verdict};
use serde_json::{Map, Value};

/// What a row is called by style and filter: its severity where it fails, else its verdict.
pub(super) fn class(finding: &Finding) -> &'static str {
    match finding.verdict {
        Verdict::Fail => finding.severity.name(),
        verdict => verdict.name(),
    }
}

/// The finding as markup; `whole` also tells what was expected beside what was observed.
pub(super) fn row(finding: &Finding, benchmarks: Benchmarks, whole: bool) -> String {
    let class = class(finding);
    let mut out = format!(
        "<details class=\"f {class}\"><summary><b>{}</b><code>{}</code><span>{}",
        class.replace('_', " "),
        markup::text(&name(finding)),
        markup::text(said(finding)),
    );
    if let Some(place) = &finding.location {
        push(
            &mut out,
            format_args!(" <code>{}</code>", markup::text(place)),
        );
    }
    out.push_str("</span></summary>");
    if whole {
        comparison(finding, &mut out);
    }
    if let Some(lines) = &finding.lines {
        let lines: Vec<String> = lines.iter().map(|line| markup::text(line)).collect();
        push(&mut out, format_args!("<pre>{}</pre>", lines.join("\n")));
    }
    if !finding.check.id.starts_with("files.") {
        demand(finding, benchmarks, &mut out);
    } else if let Some(remedy) = &finding.remediation {
        push(&mut out, format_args!("<p>{}</p>", markup::text(remedy)));
    }
    out.push_str("</details>\n");
    out
}

/// A file by its path, a setting by its check and, where it says more, by its subject.
fn name(finding: &Finding) -> String {
    let subject = escape::lossless_text(&finding.subject).0;
    let id = finding.check.id;
    match id.split_once('.') {
        Some(("files", _)) => subject,
        Some((area, _)) if area == subject => id.into(),
        _ => format!("{id} · {subject}"),
    }
}

/// What happened, without the words that a whole section shares.
fn said(finding: &Finding) -> &str {
    let message = finding.message.as_str();
    match finding.check.id == FILES_CHANGED.id {
        true => message.split_once(": ").map_or(message, |(_, what)| what),
        false => message,
    }
}

/// Why the check exists and how its failure is mended; only where somebody has to act.
fn demand(finding: &Finding, benchmarks: Benchmarks, out: &mut String) {
    let check = finding.check;
    push(
        out,
        format_args!("<p>Demanded: {}.</p>", markup::text(check.demand)),
    );
    if rank(finding) > 4 {
        return;
    }
    push(
        out,
        format_args!("<p>Why: {}.</p>", markup::text(check.why)),
    );
    if let Some(remedy) = &finding.remediation {
        push(
            out,
            format_args!("<p>To mend it: {}</p>", markup::text(remedy)),
        );
    }
    let references = benchmarks.references(check).join(", ");
    if !references.is_empty() {
        push(
            out,
            format_args!("<p class=\"dim\">{}</p>", markup::text(&references)),
        );
    }
}

/// A table of what was expected and what was observed, one attribute a line.
fn comparison(finding: &Finding, out: &mut String) {
    let empty = Map::new();
    let expected = finding.expected.as_object().unwrap_or(&empty);
    let observed = finding.observed.as_object().unwrap_or(&empty);
    let mut keys: Vec<&String> = expected.keys().collect();
    keys.extend(observed.keys().filter(|key| !expected.contains_key(*key)));
    keys.retain(|key| says(expected.get(*key)) || says(observed.get(*key)));
    if keys.is_empty() {
        return;
    }
    out.push_str("<table><thead><tr><th></th><th>expected</th><th>observed</th></tr></thead>");
    for key in keys {
        push(
            out,
            format_args!(
                "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
                markup::text(key),
                value(expected.get(key)),
                value(observed.get(key))
            ),
        );
    }
    out.push_str("</table>");
}

/// Whether there is anything to show of a value.
fn says(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(object)) => !object.is_empty(),
        Some(_) => true,
    }
}

fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => markup::text(text),
        Some(Value::Array(list)) => {
            let items: Vec<String> = list.iter().map(|item| self::value(Some(item))).collect();
            items.join("<br>")
        }
        Some(Value::Object(object)) => {
            let items = object
                .iter()
                .map(|(key, item)| format!("{}: {}", markup::text(key), self::value(Some(item))));
            items.collect::<Vec<String>>().join("<br>")
        }
        Some(other) => markup::text(&other.to_string()),
    }
}
