//! What should be and what is, as people read it: only what differs, and nothing that says nothing.

use agent_core::finding::{Finding, Verdict};
use serde_json::{Map, Value};

/// Lines of evidence, each with its word.
pub(super) fn lines(finding: &Finding) -> Vec<(&'static str, String)> {
    let empty = Map::new();
    let object = |value: &'_ Value| value.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (expected, observed) = (object(&finding.expected), object(&finding.observed));
    let differs = |key: &str| expected.get(key) != observed.get(key);
    let pairs = |from: &Map<String, Value>| {
        let telling = from
            .iter()
            .filter(|(key, value)| differs(key) && !says_nothing(value));
        let pairs: Vec<String> = telling
            .map(|(key, value)| format!("{}={}", name(key), shown(value)))
            .collect();
        pairs.join(", ")
    };
    // What could not be looked at was not found to be otherwise.
    let judged = finding.verdict != Verdict::Unknown;
    let expected = if judged {
        pairs(&expected)
    } else {
        String::new()
    };
    let mut lines = vec![("expected", expected), ("observed", pairs(&observed))];
    let changed = finding.lines.iter().flatten();
    lines.extend(changed.map(|line| ("line", line.clone())));
    lines.retain(|(_, text)| !text.is_empty());
    lines
}

/// A key as words. What has a dot is a name of the system's own, as `system.posix_acl_access`.
fn name(key: &str) -> String {
    match key.contains('.') {
        true => key.to_owned(),
        false => key.replace('_', " "),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.values().all(says_nothing),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join("; "),
        Value::Object(object) => {
            let telling = object.iter().filter(|(_, value)| !says_nothing(value));
            let pairs: Vec<String> = telling
                .map(|(key, value)| format!("{} {}", name(key), shown(value)))
                .collect();
            format!("({})", pairs.join(", "))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::{FILES_CHANGED, Severity};
    use serde_json::json;

    #[test]
    fn only_what_tells_something_is_shown() {
        let of = |verdict, expected, observed| {
            let finding = Finding::new(&FILES_CHANGED, verdict, Severity::Low, "/x", "m");
            lines(&finding.evidence(expected, observed))
        };
        let told = of(
            Verdict::Fail,
            json!({"sources": [], "days": 7, "mode": "0644"}),
            json!({"missing": ["a", "b"], "days": 7, "mode": "0666", "now": null, "set_now": false,
                "xattrs": {"system.posix_acl_access": "ab"}}),
        );
        assert_eq!(
            told,
            [
                ("expected", "mode=0644".to_owned()),
                (
                    "observed",
                    "missing=a; b, mode=0666, set now=no, xattrs=(system.posix_acl_access ab)"
                        .to_owned()
                ),
            ]
        );
        let same = json!({"value": "no"});
        assert_eq!(of(Verdict::Unknown, same.clone(), same), []);
    }
}
