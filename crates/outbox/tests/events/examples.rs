//! Examples of the events that are rare, in docs/event-examples.md: as the store tells them, and held to what it tells today. Those
//! of every day are made by the daemon (tests/daemon/examples.rs).

use super::samples::own;
use super::{Fixture, T, changed};
use agent_core::explained::{Evidence, ExplainedBy, ExplanationKind};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::Lifecycle;
use agent_outbox::store::Scope;
use harness::{kept_example, made_example};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the event is about, as its file is called.
fn name(event: &Value) -> String {
    let activity = event["activity_name"].as_str().unwrap_or("?");
    let activity = activity.to_lowercase().replace(' ', "-");
    match event["class_uid"].as_u64() {
        Some(2004) => format!("manifest-{activity}"),
        Some(6008) => "fault".into(),
        _ => activity,
    }
}

/// Every key, with the keys below it.
fn shape(value: &Value, above: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, below) in object {
                let key = format!("{above}.{key}");
                shape(below, &key, keys);
                keys.insert(key);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| shape(item, above, keys)),
        _ => (),
    }
}

fn keys(event: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    shape(event, "", &mut keys);
    for kind in ["type_uid", "severity", "status"] {
        keys.insert(format!("{kind}={}", event[kind]));
    }
    keys
}

fn rare() -> Vec<Value> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    for event in own() {
        fixture.tell(event);
    }
    fixture.tell(Lifecycle::AmendmentGone {
        path: "/etc/host-integrity-agent/amendments/2026-11-22.mtree".into(),
        sha256: "ab".repeat(32),
        reason: "CHG-4711".into(),
    });
    let mut events = fixture.take();
    let mut explained: Finding = changed("/usr/bin/tool", Severity::Low, 1030);
    explained.unexplained_severity = Some(Severity::High);
    explained.explained_by = Some(ExplainedBy {
        package: Some("tool".into()),
        version: Some("1.1".into()),
        evidence: Some(Evidence::Signed),
        ..ExplainedBy::new(ExplanationKind::Package)
    });
    fixture.look(Scope::Files, &[explained]);
    events.extend(fixture.take());
    // A flood, of which a spool of the least size drops some.
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    let many: Vec<Finding> = (0..600)
        .map(|n| changed(&format!("/srv/{}/{n}", n % 40), Severity::Low, 5))
        .collect();
    fixture.look(Scope::Files, &many);
    events.extend(fixture.take());
    fixture.now += 61_000;
    fixture.settle();
    events.extend(fixture.take());
    events
}

#[test]
fn each_rare_kind_of_event_has_an_example_that_is_true() {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    for event in rare() {
        let of_the_manifest = event["finding_info"]["analytic"]["uid"] == "manifest";
        if event["class_uid"] == 2004 && !of_the_manifest {
            continue;
        }
        seen.entry(name(&event)).or_insert(event);
    }
    let mut wrong = Vec::new();
    for kind in [
        "amendment-gone",
        "coverage-gap",
        "dropped-events",
        "fault",
        "flood-ended",
        "launch-record",
        "manifest-close",
        "manifest-create",
        "manifest-replaced",
        "new-package",
        "package-explained",
        "package-transaction-begun",
        "package-transaction-ended",
    ] {
        let event = seen
            .get(kind)
            .unwrap_or_else(|| panic!("{kind}: {:?}", seen.keys()));
        let example = kept_example(kind);
        if keys(&example) != keys(event) {
            made_example(kind, event);
            wrong.push(kind);
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong:?}: no longer what docs/event-examples.md says: docs/make events"
    );
}
