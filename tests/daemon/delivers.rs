//! From a change to an event that a log service holds; what the service did not hear of is not lost.

use super::harness::{DaemonHarness, told};
use harness::front::{Fault, Front};
use harness::imds::{Imds, Mode};
use harness::moto::{self, REGION};
use serde_json::Value;

#[test]
fn a_change_reaches_the_log_service_through_faults_and_a_kill() {
    let group = "/daemon/delivers";
    moto::create_group(group);
    let front = Front::new(moto::moto());
    let harness = DaemonHarness::recorded();
    // A debug build of the SDK insists on certificates, though nothing of this is TLS.
    harness
        .host
        .shell("mkdir -p etc/ssl/certs; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/");
    harness.configure(&format!(
        "[sinks.cloudwatch_logs]\nenabled = true\nlog_group = \"{group}\"\nlog_stream = \"harness\"\n\
         region = \"{REGION}\"\nendpoint = \"{}\"\n",
        front.url()
    ));
    let start = || {
        harness.start_with(|command| {
            command
                .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .env("AWS_EC2_METADATA_DISABLED", "true");
        })
    };
    let stored = || -> Vec<Value> {
        let stored = moto::stored(group, "harness").into_iter();
        stored
            .map(|(_, message)| serde_json::from_str(&message).expect("an object"))
            .collect()
    };
    let holds = |line: &str| {
        let all: Vec<String> = stored().iter().filter_map(told).collect();
        all.iter().any(|told| told.starts_with(line))
    };
    let daemon = start();
    harness.until_scanned();
    // Of high severity: it does not wait for the quiet moment after boot.
    harness.host.shell("echo first > data/first");
    harness.until("stored", |_| holds("raised files.added /data/first"));
    let status = harness.status();
    assert_eq!(status.0, 0, "{:#}", status.1);

    let no = Fault::Page(503, "no");
    let faults = [no, Fault::ResetAfter, no, Fault::ResetBefore, no];
    front.fail("PutLogEvents", &faults);
    harness
        .host
        .shell("echo second > data/second; rm data/first");
    harness.until("not delivering", |harness| harness.status().0 == 1);
    daemon.kill();
    let daemon = start();
    harness.until("stored", |_| {
        holds("raised files.added /data/second") && holds("cleared files.added /data/first")
    });
    harness.until("delivering again", |harness| harness.status().0 == 0);
    assert_eq!(daemon.stop(), 0);
    harness.until("the end is stored", |_| {
        stored()
            .iter()
            .any(|event| event["activity_name"] == "Stop")
    });
    // What the service holds is whole, whatever was sent twice.
    let text: String = moto::stored(group, "harness")
        .into_iter()
        .map(|(_, message)| message + "\n")
        .collect();
    std::fs::write(harness.path("tmp/stored.jsonl"), text).expect("written");
    harness
        .host
        .agent(&["log", "verify", "/tmp/stored.jsonl"])
        .expect(0);
}

/// What was told while nobody could say whether there is a role: on standard output at once, and to the service later.
#[test]
fn what_is_told_before_the_metadata_service_answers_is_kept() {
    let group = "/daemon/late";
    moto::create_group(group);
    let front = Front::new(moto::moto());
    let imds = Imds::new().role("writer").mode(Mode::Off(403)).start();
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("mkdir -p etc/ssl/certs; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/");
    harness.configure(&format!(
        "[instance]\nendpoint = \"{}\"\n[sinks.cloudwatch_logs]\nlog_group = \"{group}\"\n\
         log_stream = \"harness\"\nregion = \"{REGION}\"\nendpoint = \"{}\"\n",
        imds.endpoint(),
        front.url()
    ));
    let daemon = harness.start();
    harness.until_scanned();
    harness.host.shell("echo first > data/first");
    let stdout = harness.host.lab().path().join("stdout");
    harness.until("printed", |_| {
        let text = std::fs::read_to_string(&stdout).unwrap_or_default();
        text.contains("/data/first")
    });
    daemon.kill();
    let daemon = harness.start();
    imds.set_mode(Mode::Required);
    harness.until("stored", |_| {
        let stored = moto::stored(group, "harness");
        stored
            .iter()
            .any(|(_, message)| message.contains("/data/first"))
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn without_a_sink_events_go_to_standard_output() {
    let harness = DaemonHarness::recorded();
    harness.configure("[sinks.cloudwatch_logs]\nenabled = false\n");
    let daemon = harness.start();
    harness.host.shell("echo first > data/first");
    let stdout = harness.host.lab().path().join("stdout");
    harness.until("printed", |_| {
        let text = std::fs::read_to_string(&stdout).unwrap_or_default();
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        events
            .filter_map(|event: Value| told(&event))
            .any(|told| told == "raised files.added /data/first")
    });
    harness.until("all is well", |harness| harness.status().0 == 0);
    assert_eq!(daemon.stop(), 0);
}
