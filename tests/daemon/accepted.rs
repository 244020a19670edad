//! What somebody accepted or expects, as the daemon tells it: amendments with who, why, before and after; windows.

use super::harness::DaemonHarness;
use serde_json::Value;

const AMENDMENTS: &str = "etc/host-integrity-agent/amendments";

fn activities(harness: &DaemonHarness, name: &str) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["activity_name"] == name);
    events
}

fn accept(harness: &DaemonHarness, path: &str, reason: &str) {
    let arguments = ["baseline", "accept", path, "--reason", reason];
    harness.host.agent(&arguments).expect(0);
}

#[test]
fn an_amendment_is_told_when_it_comes_and_when_it_is_gone() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("echo changed >> data/d1/file; echo new > data/d2/new");
    harness.until("told", |harness| harness.open().len() == 2);
    accept(&harness, "/data/d1/file", "ticket 1");
    harness.until("cleared", |harness| {
        harness.open() == ["files.added /data/d2/new".to_owned()].into()
    });
    accept(&harness, "/data/d2/new", "ticket 2");
    harness.until("cleared", |harness| harness.open().is_empty());
    let told = activities(&harness, "Amendment");
    assert_eq!(told.len(), 2, "{told:#?}");
    let first = &told[0]["unmapped"];
    assert_eq!(first["reason"], "ticket 1");
    assert!(
        first["by"].as_str().is_some_and(|by| by.contains("uid")),
        "{first:#}"
    );
    let digest = harness.host.shell(&format!(
        "sha256sum {AMENDMENTS}/*-01.mtree | cut -c-64 | head -n 1"
    ));
    assert_eq!(first["sha256"], digest.trim());
    let listing = first["listing"].as_str().unwrap_or_default();
    assert!(
        listing.starts_with("~ /data/d1/file ") && listing.contains(" -> "),
        "{listing}"
    );
    let listing = told[1]["unmapped"]["listing"].as_str().unwrap_or_default();
    assert!(listing.contains("+ /data/d2/new "), "{listing}");
    assert_eq!(daemon.stop(), 0);

    // The first event of a start names them all, and what was told is not told again.
    let daemon = harness.start_scanned();
    let starts = activities(&harness, "Start");
    let names = starts[1]["unmapped"]["digests"]["amendments"]
        .as_str()
        .unwrap_or_default();
    assert_eq!(names.split(' ').count(), 2, "{names}");
    assert!(names.starts_with(digest.trim()), "{names}");
    assert_eq!(activities(&harness, "Amendment").len(), 2);
    // Gone, what it accepted is a deviation again, as severe as ever.
    let last = harness
        .host
        .shell(&format!("ls {AMENDMENTS}/*.mtree | tail -n 1"));
    std::fs::remove_file(harness.path(last.trim())).expect("removed");
    harness.until_told("raised files.added /data/d2/new");
    harness.until("told to be gone", |harness| {
        activities(harness, "Amendment gone").len() == 1
    });
    let gone = &activities(&harness, "Amendment gone")[0];
    assert_eq!(
        (&gone["severity"], &gone["unmapped"]["reason"]),
        (&"High".into(), &"ticket 2".into())
    );
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn a_window_marks_and_lowers_nothing() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "printf '[[paths]]\\npath = \"/data/secret\"\\nseverity = \"critical\"\\n' >> etc/host-integrity-agent/profile.toml
         mkdir -p data/secret; echo 1 > data/secret/file; echo 1 > data/file",
    );
    harness.record();
    let daemon = harness.start_scanned();
    let window = |more: &[&str]| {
        harness
            .host
            .agent(&[&["baseline", "window"], more].concat())
    };
    window(&["--for", "8h1s", "--reason", "x"])
        .expect(2)
        .complains(&["8h"]);
    window(&["--for", "1h"]).expect(2);
    window(&["--end", "--reason", "x"]).expect(2);
    window(&["--end"])
        .expect(2)
        .complains(&["no window is open"]);
    window(&["--for", "1h", "--reason", "release 7"]).expect(0);
    window(&["--for", "1h", "--reason", "another"])
        .expect(2)
        .complains(&["open already", "release 7"]);
    // At once: nobody has to wait until the window is noticed.
    harness
        .host
        .shell("echo 2 >> data/secret/file; echo 2 >> data/file");
    harness.until_told("raised files.changed /data/secret/file");
    harness.until_told("raised files.changed /data/file");
    for (subject, severity) in [("/data/secret/file", "Critical"), ("/data/file", "High")] {
        let event = harness.event("raised files.changed", subject);
        assert_eq!(event["severity"], severity, "{event:#}");
        assert_eq!(event["is_alert"], true, "{event:#}");
        let explained = &event["unmapped"]["explained_by"];
        assert_eq!(explained["kind"], "window", "{event:#}");
        assert_eq!(explained["reason"], "release 7", "{event:#}");
        assert!(
            event["unmapped"]["unexplained_severity"].is_null(),
            "{event:#}"
        );
    }
    let opened = activities(&harness, "Window opened");
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert_eq!(opened[0]["severity"], "High");
    assert_eq!(opened[0]["unmapped"]["reason"], "release 7");
    assert!(
        opened[0]["unmapped"]["by"]
            .as_str()
            .is_some_and(|by| by.contains("uid"))
    );
    window(&["--end"]).expect(0);
    harness.until("closed", |harness| {
        activities(harness, "Window closed").len() == 1
    });
    harness.host.shell("echo 3 > data/late");
    harness.until_told("raised files.added /data/late");
    let late = harness.event("raised files.added", "/data/late");
    assert!(late["unmapped"]["explained_by"].is_null(), "{late:#}");
    assert_eq!(daemon.stop(), 0);
    // Another one, opened while the daemon is down, is told by the next start; the former is not told again.
    window(&["--for", "1h", "--reason", "release 8"]).expect(0);
    let daemon = harness.start_scanned();
    harness.until("told", |harness| {
        activities(harness, "Window opened").len() == 2
    });
    assert_eq!(daemon.stop(), 0);
    assert_eq!(activities(&harness, "Window closed").len(), 1);
    harness.verify();
}
