//! Examples of the events of every day in docs/event-examples.md, as the daemon tells them: made here, and held to what it tells
//! today. Those that are rare are made by the store (crates/outbox/tests/events/examples.rs).

use super::harness::DaemonHarness;
use harness::{kept_example, made_example};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What of an event depends on the host and the hour.
const NOW_AND_THEN: [&str; 9] = [
    "actor",
    "cause",
    "explained_by",
    "flood",
    "trouble",
    "unexplained_severity",
    "kernel",
    "device",
    "listing",
];

/// The name of an example: what the event is about, and what became of it.
fn name(event: &Value) -> String {
    let activity = event["activity_name"].as_str().unwrap_or("?");
    let activity = activity.to_lowercase().replace(' ', "-");
    match event["class_uid"].as_u64() {
        Some(2004) => format!("file-{activity}"),
        Some(2003) => format!("setting-{activity}"),
        Some(6008) => format!("fault-{activity}"),
        _ => activity,
    }
}

/// Its keys and what stands for its kind, without what comes and goes.
fn shape(event: &Value) -> BTreeSet<String> {
    let keys = |object: &Value, above: &str| -> Vec<String> {
        let keys = object.as_object().into_iter().flatten();
        let keys = keys.filter(|(key, _)| !NOW_AND_THEN.contains(&key.as_str()));
        keys.map(|(key, _)| format!("{above}{key}")).collect()
    };
    let mut shape = BTreeSet::from_iter(keys(event, ""));
    shape.extend(keys(&event["unmapped"], "unmapped."));
    for kind in ["class_uid", "activity_id", "type_uid"] {
        shape.insert(format!("{kind}={}", event[kind]));
    }
    shape
}

/// The first of each name. Settings of the machine that runs this are no example: what cannot be looked at differs.
fn seen(harness: &DaemonHarness) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    let is_unknown = |event: &Value| event["compliance"]["status"] == "Unknown";
    for event in harness
        .events()
        .into_iter()
        .filter(|event| !is_unknown(event))
    {
        seen.entry(name(&event)).or_insert(event);
    }
    seen
}

/// What a day brings.
const KINDS: [&str; 13] = [
    "start",
    "stop",
    "update",
    "heartbeat",
    "setting-create",
    "setting-close",
    "file-create",
    "file-update",
    "file-close",
    "flood-begun",
    "window-opened",
    "window-closed",
    "amendment",
];

#[test]
fn each_kind_of_event_has_an_example_that_is_true() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "mkdir -p etc/ssh usr/sbin; : > usr/sbin/sshd; chmod 755 usr/sbin/sshd
         echo X11Forwarding yes > etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config",
    );
    let daemon = harness.start_scanned();
    let until = |kind: &str| harness.until(kind, |harness| seen(harness).contains_key(kind));
    until("setting-create");
    harness.host.shell("echo 1 > data/new");
    until("file-create");
    harness
        .host
        .shell("echo 22 > data/new; chmod 4755 data/new");
    until("file-update");
    harness.host.shell("rm data/new");
    until("file-close");
    let window = ["baseline", "window"];
    let reason = ["--for", "1h", "--reason", "CHG-4711: new release"];
    harness
        .host
        .agent(&[&window[..], &reason].concat())
        .expect(0);
    until("window-opened");
    harness
        .host
        .agent(&[&window[..], &["--end"]].concat())
        .expect(0);
    until("window-closed");
    harness.host.shell("echo 2 > data/d1/file");
    let accept = [
        "baseline",
        "accept",
        "/data/d1/file",
        "--reason",
        "CHG-4711",
    ];
    harness.host.agent(&accept).expect(0);
    until("amendment");
    harness.host.shell("sed -i s/yes/no/ etc/ssh/sshd_config");
    daemon.signal("HUP");
    until("setting-close");
    // Found by a scan: a flood however slow the machine is.
    assert_eq!(daemon.stop(), 0);
    harness
        .host
        .shell("for n in $(seq 150); do echo $n > data/d2/$n; done");
    let daemon = harness.start();
    until("flood-begun");
    until("heartbeat");
    assert_eq!(daemon.stop(), 0);

    let wrong = wrong(&seen(&harness));
    assert!(
        wrong.is_empty(),
        "{wrong:?}: no longer what docs/event-examples.md says: docs/make events"
    );
}

/// Kinds whose example in the documents has another shape; what was seen is left for `docs/make events`.
fn wrong(seen: &BTreeMap<String, Value>) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let mut event = seen
            .get(kind)
            .unwrap_or_else(|| panic!("{kind}: {:?}", seen.keys()))
            .clone();
        let example = kept_example(kind);
        if shape(&example) != shape(&event) {
            // No host of anybody's.
            for (place, name) in [
                ("/device/hostname", "web-1"),
                ("/device/name", "web-1"),
                ("/unmapped/kernel", "6.1.0-41-cloud-amd64"),
            ] {
                if let Some(value) = event.pointer_mut(place) {
                    *value = name.into();
                }
            }
            made_example(kind, &event);
            wrong.push(kind);
        }
    }
    wrong
}
