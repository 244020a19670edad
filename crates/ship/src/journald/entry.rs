//! An event as an entry of the journal.

use crate::people;
use agent_outbox::parcel::Parcel;
use serde_json::Value;

/// What `journalctl MESSAGE_ID=…` finds events by, beside whatever else the agent logs.
const MESSAGE_ID: &str = "5bd4a0c8d5ef4e6fa8d27fe4b1d3c1a9";
/// What they are logged as.
const IDENTIFIER: &str = "host-integrity-agent";

/// The fields as they are sent: the event whole in `EVENT`, byte for byte, and a line for people in `MESSAGE`.
pub(super) fn of(parcel: &Parcel) -> Vec<u8> {
    let event: Value = serde_json::from_slice(&parcel.bytes).unwrap_or_default();
    let message = match event.is_null() {
        true => people::line(&parcel.bytes),
        false => people::said(&event),
    };
    let mut entry = Vec::with_capacity(parcel.bytes.len() + message.len() + 200);
    field(&mut entry, "PRIORITY", priority(&event));
    field(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER.as_bytes());
    field(&mut entry, "MESSAGE_ID", MESSAGE_ID.as_bytes());
    field(&mut entry, "MESSAGE", message.as_bytes());
    field(&mut entry, "EVENT", &parcel.bytes);
    entry
}

/// syslog(3)'s; journald syncs its files to disk at once for what is critical.
fn priority(event: &Value) -> &'static [u8] {
    match event["severity"].as_str() {
        Some("Critical" | "Fatal") => b"2",
        Some("High") => b"3",
        Some("Medium") => b"4",
        Some("Low") => b"5",
        _ => b"6",
    }
}

fn field(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    match memchr::memchr(b'\n', value) {
        None => entry.push(b'='),
        Some(_) => {
            entry.push(b'\n');
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
        }
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parcel;

    #[test]
    fn the_event_is_whole_whatever_is_in_it() {
        let text = r#"{"time":0,"severity":"High","activity_name":"Create","finding_info":{},"message":"/a: new"}"#;
        let entry = of(&parcel(1, 0, text));
        let entry = String::from_utf8(entry).expect("text");
        let said = "MESSAGE=high      new      /a: new\n";
        assert!(
            entry.starts_with("PRIORITY=3\n") && entry.contains(said),
            "{entry}"
        );
        assert!(entry.ends_with(&format!("\nEVENT={text}\n")), "{entry}");
        let entry = of(&parcel(1, 0, "no\nevent"));
        assert!(entry.starts_with(b"PRIORITY=6\n"), "{entry:?}");
        assert!(
            entry.ends_with(b"\nEVENT\n\x08\0\0\0\0\0\0\0no\nevent\n"),
            "{entry:?}"
        );
    }
}
