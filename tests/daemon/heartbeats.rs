//! Signs of life: what they say, and that a sink that cannot take them gets the newest and no more.

use super::harness::{CONFIG, DaemonHarness};
use harness::{agent_path, sha256};
use serde_json::Value;

fn configure(harness: &DaemonHarness, interval: &str) {
    harness.configure(&format!("{CONFIG}[heartbeat]\ninterval = \"{interval}\"\n"));
}

fn heartbeats(harness: &DaemonHarness) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["activity_name"] == "Heartbeat");
    events
}

fn time(event: &Value) -> i64 {
    event["time"].as_i64().expect("a time")
}

/// Waits until the status has been written later than then: everything that was due by then has been done.
fn until_status_after(harness: &DaemonHarness, wall: i64) -> i64 {
    let updated = |harness: &DaemonHarness| {
        let (_, status) = harness.status();
        let text = status["daemon"]["updated"].as_str().unwrap_or_default();
        let time: Option<jiff::Timestamp> = text.parse().ok();
        time.map_or(0, jiff::Timestamp::as_millisecond)
    };
    harness.until("a later status", |harness| updated(harness) >= wall);
    updated(harness)
}

#[test]
fn a_heartbeat_says_how_the_agent_is_and_where_the_chain_ends() {
    let harness = DaemonHarness::recorded();
    configure(&harness, "1s");
    let daemon = harness.start();
    // The binary is hashed, the first scan made and the first event stored meanwhile: the first ones know less.
    let whole = |event: &Value| {
        let about = &event["unmapped"];
        about["last_scan"]["ended"].is_number()
            && about["coverage"]["directories"].as_u64() > Some(0)
            && about["digests"]["binary"].is_string()
            && about["spool"]["events"].is_u64()
            && about["chain_head"]["digest"].is_string()
    };
    harness.until("heartbeats", |harness| {
        heartbeats(harness).iter().any(whole)
    });
    let (_, status) = harness.status();
    let all = heartbeats(&harness).into_iter().rev();
    let event = all.into_iter().find(whole).expect("a heartbeat");
    let about = &event["unmapped"];
    assert_eq!(event["severity"], "Informational", "{event:#}");
    assert_eq!(event["status"], "Success", "{event:#}");
    assert_eq!(
        event["app"]["version"],
        env!("CARGO_PKG_VERSION"),
        "{event:#}"
    );
    assert_eq!(about["interval_s"], 1, "{event:#}");
    assert_eq!(about["coverage"]["watching"], true, "{event:#}");
    assert_eq!(
        about["coverage"]["directories"], status["daemon"]["watch"]["directories"],
        "{event:#}"
    );
    assert!(
        about["last_scan"]["files"].as_u64() > Some(8),
        "as many as there are: {event:#}"
    );
    assert_eq!(about["last_scan"]["deviations"], 0, "{event:#}");
    assert_eq!(about["sinks"]["file"], "delivering", "{event:#}");
    assert!(
        about["self"]["rss_bytes"].as_u64() > Some(1 << 20),
        "{event:#}"
    );
    assert!(about["self"]["cpu_permille"].is_u64(), "{event:#}");
    for (key, path) in [
        (
            "manifest",
            harness.path("usr/share/host-integrity-agent/manifest.mtree"),
        ),
        ("binary", agent_path().into()),
    ] {
        let digest = sha256(&std::fs::read(path).expect("there"));
        assert_eq!(about["digests"][key], digest, "{event:#}");
    }
    let profile = about["digests"]["profile"].as_str().unwrap_or_default();
    assert_eq!(profile.len(), 64, "{event:#}");

    // No link of the chain, and it names the end of it: the event that has that sequence, to the byte.
    assert!(event["metadata"]["sequence"].is_null(), "{event:#}");
    assert!(about["chain"].is_null(), "{event:#}");
    let head = &about["chain_head"];
    // What waited for the sink when the heartbeat was made comes to the file behind it.
    harness.until("the end of the chain, to the byte", |harness| {
        let text = std::fs::read_to_string(harness.path("var/log/events.jsonl")).expect("events");
        let link = text.lines().find(|line| {
            let event: Value = serde_json::from_str(line).unwrap_or_default();
            !event["metadata"]["sequence"].is_null()
                && event["metadata"]["sequence"] == head["sequence"]
                && event["unmapped"]["chain"]["id"] == head["id"]
        });
        link.is_some_and(|link| head["digest"] == sha256(link.as_bytes()))
    });
    // Nothing is amiss and nothing has changed since: the next ones say no more than who is alive, and where the chain
    // ends.
    harness.until("a brief one", |harness| {
        heartbeats(harness).iter().any(is_brief)
    });
    assert_eq!(daemon.stop(), 0);
    judge_brief(&harness);
    harness.verify();
}

fn is_brief(event: &Value) -> bool {
    event["unmapped"]["coverage"].is_null()
}

/// Every brief heartbeat is small, and names host, interval and the end of the chain.
fn judge_brief(harness: &DaemonHarness) {
    let text = std::fs::read_to_string(harness.path("var/log/events.jsonl")).expect("events");
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        if event["activity_name"] != "Heartbeat" || !is_brief(&event) {
            continue;
        }
        assert!(line.len() <= 600, "{} bytes: {line}", line.len());
        let machine = harness.host.shell("cat etc/machine-id");
        assert_eq!(event["device"]["uid"], machine.trim(), "{event:#}");
        assert_eq!(event["unmapped"]["interval_s"], 1, "{event:#}");
        assert!(event["unmapped"]["chain_head"]["digest"].is_string());
    }
}

#[test]
fn while_a_sink_takes_nothing_only_the_newest_heartbeat_is_kept_for_it() {
    let harness = DaemonHarness::recorded();
    configure(&harness, "1s");
    let daemon = harness.start();
    harness.until_scanned();
    harness.until("a heartbeat", |harness| !heartbeats(harness).is_empty());
    harness.host.shell("mv var/log var/away");
    // Somebody may still have the old file open; what waits now cannot be written before there is a place again.
    let gone = jiff::Timestamp::now().as_millisecond();
    harness.host.shell("echo changed > data/d1/file");
    let last = until_status_after(&harness, gone + 4000);
    harness.until("not delivering", |harness| harness.status().0 == 1);
    // Nothing newer than what was made by then.
    configure(&harness, "1h");
    daemon.signal("HUP");
    harness.until("reloaded", |harness| {
        harness.stderr().contains("reloaded; changed: heartbeat")
    });
    harness.host.shell("mv var/away var/log");
    harness.until("the newest", |harness| {
        heartbeats(harness).iter().any(|event| time(event) > gone)
    });
    harness.until("delivering", |harness| harness.status().0 == 0);
    assert_eq!(daemon.stop(), 0);
    let mut since = heartbeats(&harness);
    since.retain(|event| time(event) > gone);
    // Of four at least: the newest, and one that was in the sink's hands when that was made.
    assert!(matches!(since.len(), 1 | 2), "{since:#?}");
    let newest = since.last().expect("counted");
    // Each of a second before that status was followed by another one.
    assert!(time(newest) > last - 2000, "{last}: {newest:#}");
    let about = &newest["unmapped"];
    assert!(about["spool"]["events"].as_u64() > Some(0), "{newest:#}");
    assert!(about["spool"]["age_ms"].as_u64() > Some(0), "{newest:#}");
    let sink = about["sinks"]["file"].as_str().unwrap_or_default();
    assert!(sink.starts_with("retrying: "), "{newest:#}");
    // The events themselves were all kept.
    harness.event("raised", "/data/d1/file");
    harness.verify();
}
