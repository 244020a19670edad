//! docs/event-examples.md: read by the tests that hold it to what is told, and made anew from what they leave.

use crate::project;
use serde_json::Value;
use std::fs;

/// The example of this kind; null where there is none.
#[must_use]
pub fn kept_example(kind: &str) -> Value {
    let text = fs::read_to_string(project().join("docs/event-examples.md")).unwrap_or_default();
    let heading = format!("\n## {kind}\n```json\n");
    let Some((_, rest)) = text.split_once(&heading) else {
        return Value::Null;
    };
    let (json, _) = rest.split_once("\n```\n").unwrap_or((rest, ""));
    serde_json::from_str(json).unwrap_or_else(|e| panic!("docs/event-examples.md, {kind}: {e}"))
}

/// Leaves an event where `docs/make events` finds it.
pub fn made_example(kind: &str, event: &Value) {
    let directory = project().join("target/documents/events");
    fs::create_dir_all(&directory).expect("a directory");
    let text = serde_json::to_string_pretty(event).expect("JSON") + "\n";
    fs::write(directory.join(format!("{kind}.json")), text).expect("written");
}
