//! `scan.rehash`: what scans believe unread, what they read all the same, and what is said of it.

use super::harness::{CONFIG, Daemon, DaemonHarness};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const REHASH: &str = "[scan]\nrehash = \"24h\"\n[heartbeat]\ninterval = \"1s\"\n";

fn scan(harness: &DaemonHarness) -> Value {
    harness.status().1["daemon"]["scan"].clone()
}

/// Has everything scanned once more, without a reason to doubt; what the status says of that scan.
fn scan_again(harness: &DaemonHarness, daemon: &Daemon<'_>) -> Value {
    let before = scan(harness)["ended"].clone();
    // The status tells seconds of scans apart.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    daemon.signal("HUP");
    harness.until("another scan", |harness| {
        let scan = scan(harness);
        scan["running"] == false && scan["ended"].is_string() && scan["ended"] != before
    });
    scan(harness)
}

#[test]
fn by_default_every_scan_reads_every_file() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    let second = scan_again(&harness, &daemon);
    assert_eq!(
        (&second["unread"], &second["unread_why"]),
        (&0.into(), &"".into())
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_an_unbroken_watch_calls_unchanged_is_believed_and_said_to_be() {
    let harness = DaemonHarness::recorded();
    harness.configure(&format!("{CONFIG}{REHASH}"));
    let daemon = harness.start_scanned();
    let first = scan(&harness);
    assert_eq!(first["unread"], 0, "{first:#}");
    assert!(first["unread_why"].as_str() > Some(""), "{first:#}");
    // Each is due at a time of its own within some 17 hours: that one is within seconds is as good as impossible.
    let second = scan_again(&harness, &daemon);
    assert!(second["unread"].as_u64() >= Some(7), "{second:#}");
    assert!(second["unread_bytes"].as_u64() >= Some(14), "{second:#}");
    assert_eq!(second["files"], first["files"], "looked at all the same");
    let text = harness.host.agent(&["status"]).stdout;
    assert!(text.contains("unbroken watch"), "{text}");
    harness.until("a heartbeat that says so", |harness| {
        let events = harness.events();
        let mut beats = events
            .iter()
            .filter(|event| event["activity_name"] == "Heartbeat");
        beats.any(|event| event["unmapped"]["last_scan"]["unread"]["files"] == second["unread"])
    });
    // `agent check` reads all, whatever the configuration says.
    let checked = harness.host.agent(&["check", "--format", "json"]).json();
    let summary = checked.last().expect("a summary");
    assert!(
        summary["files"]["bytes"].as_u64() >= Some(16),
        "{summary:#}"
    );
    // What was touched is read again, as it is no more what was read.
    harness.host.shell("echo X > data/d3/file");
    harness.until_told("raised files.changed /data/d3/file");
    let third = scan_again(&harness, &daemon);
    assert!(
        third["unread"].as_u64() < second["unread"].as_u64(),
        "{third:#}"
    );
    assert_eq!(third["deviations"], 1, "{third:#}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn what_is_critical_is_read_by_every_scan() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/d; echo 1 > data/d/one; echo 2 > data/d/two
sed -i 's/severity = .*/severity = \"critical\"/' etc/host-integrity-agent/profile.toml",
    );
    harness.record();
    harness.configure(&format!("{CONFIG}{REHASH}"));
    let daemon = harness.start_scanned();
    let second = scan_again(&harness, &daemon);
    assert_eq!(second["unread"], 0, "{second:#}");
    assert_eq!(daemon.stop(), 0);
}

/// The times of a file say nothing of a page that was made dirty before and is changed through the mapping after.
#[test]
fn what_somebody_has_mapped_is_read_by_every_scan() {
    let harness = DaemonHarness::recorded();
    harness.configure(&format!("{CONFIG}{REHASH}"));
    let mut writer = Command::new("python3")
        .args(["-c", WRITER])
        .arg(harness.path("data/d5/file"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut said = BufReader::new(writer.stdout.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("it has the page");
    // What was recorded before has other times by now.
    harness.record();
    let daemon = harness.start_scanned();
    let second = scan_again(&harness, &daemon);
    assert!(second["unread"].as_u64() >= Some(6), "{second:#}");
    writer
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(b"now\n")
        .expect("it waits");
    line.clear();
    said.read_line(&mut line).expect("it has written");
    let third = scan_again(&harness, &daemon);
    assert_eq!(third["deviations"], 1, "{third:#}");
    harness.until_told("raised files.changed /data/d5/file");
    drop(writer.stdin.take());
    writer.wait().expect("it ends");
    assert_eq!(daemon.stop(), 0);
}

const WRITER: &str = "import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
page = mmap.mmap(fd, 0)
os.close(fd)
page[0] = page[0]
print('dirty', flush=True)
sys.stdin.readline()
page[0] = 88
print('written', flush=True)
sys.stdin.readline()
";
