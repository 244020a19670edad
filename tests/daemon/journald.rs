//! Events in the journal of a real journald, through a restart of it.

use super::harness::{DaemonHarness, told};
use harness::journald::Journald;
use serde_json::Value;

#[test]
fn the_journal_holds_the_whole_chain_through_a_restart_of_journald() {
    let harness = DaemonHarness::recorded();
    harness
        .configure("[sinks.cloudwatch_logs]\nenabled = false\n[sinks.journald]\nenabled = true\n");
    let mut journald = Journald::started(&harness.path("run"));
    let daemon = harness.start();
    let events = |journald: &Journald| -> Vec<String> {
        let entries = journald.entries("SYSLOG_IDENTIFIER=host-integrity-agent");
        let events = entries.iter().filter_map(|entry| entry["EVENT"].as_str());
        events.map(str::to_owned).collect()
    };
    let holds = |journald: &Journald, line: &str| {
        let events = events(journald).into_iter();
        let mut events = events.map(|event| serde_json::from_str(&event).expect("JSON"));
        events.any(|event: Value| told(&event).is_some_and(|told| told == line))
    };
    harness.host.shell("echo first > data/first");
    harness.until("written", |_| {
        holds(&journald, "raised files.added /data/first")
    });
    harness.until("all is well", |harness| harness.status().0 == 0);
    let (_, status) = harness.status();
    let sink = &status["daemon"]["sinks"][0];
    assert_eq!(
        (&sink["name"], &sink["state"]),
        (&"journald".into(), &"delivering".into()),
        "{status:#}"
    );

    journald.signal("STOP");
    harness.host.shell("echo second > data/second");
    harness.until("not delivering", |harness| harness.status().0 == 1);
    let text = harness.host.agent(&["status"]).expect(1).stdout;
    assert!(text.contains("journald does not read"), "{text}");
    journald.end("KILL");
    journald.start();
    harness.until("written", |_| {
        holds(&journald, "raised files.added /data/second")
    });
    assert_eq!(daemon.stop(), 0);
    // As docs/events.md says it is done.
    let text: String = events(&journald).iter().map(|e| e.clone() + "\n").collect();
    assert!(text.contains("\"Stop\""), "{text}");
    std::fs::create_dir_all(harness.path("tmp")).expect("a directory");
    std::fs::write(harness.path("tmp/log.jsonl"), text).expect("written");
    harness
        .host
        .agent(&["log", "verify", "/tmp/log.jsonl"])
        .expect(0);
}
