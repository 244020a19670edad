//! Listings: events that name every path, account and key; several, numbered, where it does not fit into one.

use super::draft::{Draft, INFORMATIONAL, severity};
use super::lifecycle::{Amendment, LaunchEntry};
use super::own::{SUCCESS, lifecycle};
use super::source::EventSource;
use agent_core::escape;
use agent_core::finding::Severity;
use agent_core::words::counted;
use serde_json::json;

/// Maximum bytes of one piece of a listing, well below what an event may have.
const LISTING: usize = 100_000;

/// The launch record was written.
pub(super) fn launch(
    source: &EventSource,
    sha256: &str,
    entries: &[LaunchEntry],
    accounts: &[String],
    keys: &[String],
    now: i64,
) -> Vec<Draft> {
    let accounts = accounts.iter().map(|name| format!("account {name}"));
    let keys = keys.iter().map(|key| format!("key {key}"));
    let message = format!(
        "the launch record was written: {} differ{} since the image was recorded",
        counted(entries.len() as u64, "path"),
        if entries.len() == 1 { "s" } else { "" }
    );
    let lines = accounts.chain(keys).chain(entries.iter().map(line));
    in_pieces(lines, &message, |message| {
        lifecycle(99, "Launch record", INFORMATIONAL, SUCCESS, message, now)
            .unmapped("sha256", json!(sha256))
    })
    .map(|draft| draft.finish(source))
    .collect()
}

/// An amendment holds from now on. Without a seal anybody who is root could have written it.
pub(super) fn amendment(source: &EventSource, amendment: &Amendment, now: i64) -> Vec<Draft> {
    let message = format!(
        "{} {} accepted by {}: {}",
        counted(amendment.entries.len() as u64, "path"),
        if amendment.entries.len() == 1 {
            "was"
        } else {
            "were"
        },
        amendment.by,
        amendment.reason
    );
    let level = match amendment.signer {
        Some(_) => INFORMATIONAL,
        None => severity(Severity::Medium),
    };
    let lines = amendment.entries.iter().map(line);
    in_pieces(lines, &message, |message| {
        lifecycle(99, "Amendment", level, SUCCESS, message, now)
            .unmapped("sha256", json!(amendment.sha256))
            .unmapped("path", json!(amendment.path))
            .unmapped("reason", json!(amendment.reason))
            .unmapped("by", json!(amendment.by))
            .unmapped("at", json!(amendment.at))
            .unmapped("signer", json!(amendment.signer))
            .unmapped("amends_host", json!(amendment.host))
            .unmapped("seen", json!(amendment.seen))
            .unmapped("after", json!(amendment.after))
    })
    .map(|draft| draft.finish(source))
    .collect()
}

/// What a path was and is: `+ PATH …`, `- PATH …`, or `~ PATH … -> …`.
fn line(entry: &LaunchEntry) -> String {
    let path = escape::terminal_bytes(&entry.path);
    match (&entry.before, &entry.after) {
        (None, Some(after)) => format!("+ {path} {after}"),
        (Some(before), None) => format!("- {path} {before}"),
        (before, after) => format!(
            "~ {path} {} -> {}",
            before.as_deref().unwrap_or(""),
            after.as_deref().unwrap_or("")
        ),
    }
}

/// As many events as the lines need. One field for each listing: a field for each path would be too many.
pub(super) fn in_pieces(
    lines: impl Iterator<Item = String>,
    message: &str,
    event: impl Fn(&str) -> Draft,
) -> impl Iterator<Item = Draft> {
    let mut pieces = vec![String::new()];
    let mut length: usize = 0;
    for line in lines {
        let more = json_len(&line).saturating_add(2);
        match pieces.last_mut() {
            Some(last) if length.saturating_add(more) <= LISTING || last.is_empty() => {
                if !last.is_empty() {
                    last.push('\n');
                }
                last.push_str(&line);
                length = length.saturating_add(more);
            }
            _ => {
                pieces.push(line);
                length = more;
            }
        }
    }
    let count = pieces.len();
    (1_usize..).zip(pieces).map(move |(number, listing)| {
        let part = match count {
            1 => String::new(),
            count => format!(" (part {number} of {count})"),
        };
        event(&format!("{message}{part}")).unmapped("listing", json!(listing))
    })
}

/// Bytes of the text as JSON has it, or a few more.
fn json_len(text: &str) -> usize {
    let escaped = |c: char| match c {
        '"' | '\\' | '\n' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    };
    text.chars().map(escaped).sum()
}
