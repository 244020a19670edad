//! An event as one line for a person at a terminal: when, how severe, what became of it, what.

use agent_core::escape::terminal_text;
use serde_json::Value;

/// The line, without its end; the event as it is where it is none of ours.
pub(super) fn line(bytes: &[u8]) -> String {
    let event: Value = match serde_json::from_slice(bytes) {
        Ok(event) => event,
        Err(_) => return terminal_text(&String::from_utf8_lossy(bytes)).into_owned(),
    };
    let time = event["time"]
        .as_i64()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let time = time.map_or_else(String::new, |time| format!("{:.0}", time));
    let time = time.split('T').nth(1).unwrap_or_default();
    format!("{time:9}  {}", said(&event))
}

/// The same of an event, without the time.
pub(super) fn said(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let finding = event["finding_info"].is_object();
    let step = match (finding, text("activity_name")) {
        (true, "Create") => "new",
        (true, "Close") => "over",
        (true, _) if text("status") == "In Progress" => "still",
        (true, _) => "changed",
        (false, activity) => activity,
    };
    let severity = match text("severity") {
        "Informational" => "info".to_owned(),
        // As reports have it: what could not be looked at is not as bad as what is.
        _ if event["unmapped"]["verdict"] == "unknown" => "unknown".to_owned(),
        severity => severity.to_lowercase(),
    };
    let waived = match event["unmapped"]["waived_by"]["owner"].as_str() {
        Some(owner) => format!(" (waived by {owner})"),
        None => String::new(),
    };
    // Of files the message says what happened; of a setting the check is what can be explained.
    let check = event["finding_info"]["analytic"]["uid"]
        .as_str()
        .unwrap_or_default();
    let check = match check.is_empty() || check.starts_with("files.") {
        true => String::new(),
        false => format!("{check}  "),
    };
    let mut line = format!(
        "{severity:8}  {:7}  {check}{}",
        step.to_lowercase(),
        text("message")
    );
    if let Some(place) = event["unmapped"]["location"].as_str()
        && !line.contains(place)
    {
        // A file that has been named is not named again.
        line += &match place.rsplit_once(':') {
            Some((file, number)) if line.contains(file) => format!(" (line {number})"),
            _ => format!(" ({place})"),
        };
    }
    terminal_text(&(line + &waived)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::line;
    use serde_json::json;

    #[test]
    fn one_event_is_one_line_that_says_what_happened() {
        let event = json!({
            "time": 1_795_941_907_896_i64, "severity": "Critical", "activity_name": "Create", "status": "New",
            "finding_info": {}, "message": "/etc/passwd: changed\n\u{1b}[2J",
            "unmapped": { "location": "/etc/passwd:3" },
        });
        assert_eq!(
            line(event.to_string().as_bytes()),
            "08:45:07Z  critical  new      /etc/passwd: changed\\n\\u{1b}[2J (line 3)"
        );
        let event = json!({ "time": 0, "severity": "Informational", "activity_name": "Heartbeat", "message": "alive" });
        assert_eq!(
            line(event.to_string().as_bytes()),
            "00:00:00Z  info      heartbeat  alive"
        );
        assert_eq!(line(b"{torn"), "{torn");
    }
}
