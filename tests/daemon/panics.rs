//! A panic: told by the next run, and what brings it about is set aside. The fault is one that a debug build lets a
//! test put in.

use super::harness::{CONFIG, Daemon, DaemonHarness};
use harness::{agent_path, sha256};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const STATE: &str = "var/lib/host-integrity-agent";
/// Where the next panic is to be.
const FAULT: &str = "AGENT_TEST_PANIC";
const FILE: &str = "files file data/d1/file";

fn start<'a>(harness: &'a DaemonHarness, fault: &str) -> Daemon<'a> {
    harness.start_with(|command| {
        command.env(FAULT, fault);
    })
}

/// Starts it with a fault, which ends it.
fn panics(harness: &DaemonHarness, fault: &str) {
    assert_eq!(start(harness, fault).end(), 2, "{}", harness.stderr());
    let mark = std::fs::read(mark(harness)).expect("a mark");
    assert!(!mark.is_empty());
}

/// The same three times.
fn panics_thrice(harness: &DaemonHarness, fault: &str) {
    (0..3).for_each(|_| panics(harness, fault));
}

/// Starts it with a fault that is left out by now, and waits for its scan of everything.
fn start_scanned<'a>(harness: &'a DaemonHarness, fault: &str) -> Daemon<'a> {
    let daemon = start(harness, fault);
    harness.until_scanned_by(&daemon);
    daemon
}

fn mark(harness: &DaemonHarness) -> PathBuf {
    harness.path(&format!("{STATE}/panic.mark"))
}

fn known(harness: &DaemonHarness) -> Value {
    let path = harness.path(&format!("{STATE}/panics.json"));
    let text = std::fs::read(path).unwrap_or_else(|_| b"null".to_vec());
    serde_json::from_slice(&text).expect("JSON")
}

/// Sets the time back when something was set aside.
fn age(harness: &DaemonHarness, minutes: i64) {
    let mut known = known(harness);
    let since = known["set_aside"][0]["since"].as_i64().expect("a time");
    known["set_aside"][0]["since"] = (since - minutes * 60_000).into();
    let path = harness.path(&format!("{STATE}/panics.json"));
    std::fs::write(path, known.to_string()).expect("written");
}

fn faults(harness: &DaemonHarness, code: &str) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["status_code"] == code);
    events
}

fn set_aside(harness: &DaemonHarness) -> Value {
    harness.status().1["daemon"]["set_aside"].clone()
}

#[test]
fn a_panic_is_told_by_the_next_run_and_twice_is_not_enough() {
    let harness = DaemonHarness::recorded();
    for round in 1..=2 {
        panics(&harness, FILE);
        let stderr = harness.stderr();
        let line = stderr.lines().rfind(|line| line.contains("panic at "));
        let line = line.unwrap_or_else(|| panic!("{stderr}"));
        let binary = sha256(&std::fs::read(agent_path()).expect("there"));
        for part in [
            "job files, at file data/d1/file",
            env!("CARGO_PKG_VERSION"),
            &binary,
        ] {
            assert!(line.contains(part), "{line}");
        }
        let daemon = harness.start_scanned();
        harness.until("told", |harness| faults(harness, "panic").len() == round);
        harness.until("well", |harness| harness.status().0 == 0);
        let told = faults(&harness, "panic").pop().expect("told");
        assert_eq!(told["severity"], "High", "{told:#}");
        let message = told["message"].as_str().unwrap_or_default();
        for part in ["files: /data/d1/file", "src/task.rs:", &binary] {
            assert!(message.contains(part), "{message}");
        }
        assert!(
            !std::fs::exists(mark(&harness)).expect("looked"),
            "it was told"
        );
        assert_eq!(daemon.stop(), 0);
    }
    assert_eq!(faults(&harness, "panic.set_aside"), [Value::Null; 0]);
    harness.verify();
}

#[test]
fn three_panics_set_a_file_aside_and_everything_else_is_judged() {
    let harness = DaemonHarness::recorded();
    harness.configure(&format!("{CONFIG}[heartbeat]\ninterval = \"1s\"\n"));
    panics_thrice(&harness, FILE);
    harness
        .host
        .shell("echo changed > data/d1/file; echo changed > data/d2/file; echo new > data/d1/new");
    let daemon = start_scanned(&harness, FILE);
    harness.until_told("raised files.unreadable /data/d1/file");
    harness.until_told("raised files.changed /data/d2/file");
    harness.until_told("raised files.added /data/d1/new");
    let event = harness.event("raised", "/data/d1/file");
    assert_eq!(event["unmapped"]["verdict"], "unknown", "{event:#}");
    assert_eq!(event["severity"], "High", "that of its path: {event:#}");
    let (exit, status) = harness.status();
    assert_eq!(exit, 1, "{status:#}");
    assert_eq!(
        status["daemon"]["set_aside"],
        serde_json::json!(["files: /data/d1/file"])
    );
    harness.until("heartbeats", |harness| {
        let mut events = harness.events();
        events.retain(|event| event["activity_name"] == "Heartbeat");
        let names = |event: &Value| {
            event["message"]
                .to_string()
                .contains("files: /data/d1/file")
        };
        events.iter().filter(|event| names(event)).count() >= 2
    });
    // Touched as well.
    harness
        .host
        .shell("echo again > data/d1/file; echo more > data/d3/file");
    harness.until_told("raised files.changed /data/d3/file");
    assert_eq!(daemon.stop(), 0);
    // And once is enough.
    assert_eq!(start_scanned(&harness, FILE).stop(), 0);
    let told = faults(&harness, "panic.set_aside");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0]["severity"], "Critical", "{:#}", told[0]);
    harness.verify();
}

#[test]
fn what_is_set_aside_is_tried_again_and_one_panic_sets_it_aside_again() {
    let harness = DaemonHarness::recorded();
    panics_thrice(&harness, FILE);
    assert_eq!(start_scanned(&harness, FILE).stop(), 0);
    age(&harness, 9);
    harness.host.shell("echo changed > data/d1/file");
    assert_eq!(
        start_scanned(&harness, FILE).stop(),
        0,
        "not after nine minutes, changed as it is"
    );
    age(&harness, 2);
    panics(&harness, FILE);
    let daemon = start_scanned(&harness, FILE);
    assert_eq!(
        set_aside(&harness),
        serde_json::json!(["files: /data/d1/file"])
    );
    assert_eq!(daemon.stop(), 0);
    assert_eq!(known(&harness)["set_aside"][0]["wait"], 20 * 60_000);
    // The fault is mended, and it is tried while it runs.
    let daemon = harness.start_scanned();
    assert_eq!(harness.status().0, 1);
    assert_eq!(daemon.stop(), 0);
    age(&harness, 21);
    let daemon = harness.start();
    harness.until_told("raised files.changed /data/d1/file");
    harness.until_told("cleared files.unreadable /data/d1/file");
    harness.until("well", |harness| harness.status().0 == 0);
    assert_eq!(known(&harness)["set_aside"], serde_json::json!([]));
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn another_binary_tries_again_at_once() {
    let harness = DaemonHarness::recorded();
    panics_thrice(&harness, FILE);
    assert_eq!(start_scanned(&harness, FILE).stop(), 0);
    let mut binary = std::fs::read(agent_path()).expect("there");
    binary.push(0);
    let other = harness.host.lab().path().join("other");
    std::fs::write(&other, binary).expect("written");
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("made a program");
    let daemon = harness.start_with(|command| {
        command.env("AGENT", &other);
    });
    harness.until("well", |harness| {
        harness.until_scanned_by(&daemon);
        harness.status().0 == 0
    });
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn kills_and_wrong_configuration_count_for_nothing() {
    let harness = DaemonHarness::recorded();
    for _ in 0..3 {
        let daemon = harness.start_scanned();
        daemon.kill();
    }
    harness.configure("unknown = 1\n");
    for _ in 0..3 {
        assert_eq!(harness.start().end(), 2, "{}", harness.stderr());
    }
    harness.configure(CONFIG);
    let daemon = harness.start_scanned();
    assert_eq!(harness.status().0, 0);
    assert_eq!(daemon.stop(), 0);
    assert_eq!(known(&harness), Value::Null);
    assert!(
        !harness
            .events()
            .iter()
            .any(|event| event["status_code"].to_string().contains("panic"))
    );
}

#[test]
fn a_directory_and_an_area_are_unknown_at_the_worst_of_what_they_hide() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/d1/deep data/d2; echo one > data/d1/deep/file; echo two > data/d2/file
         printf '[[paths]]\\npath = \"/data/d1/deep\"\\nseverity = \"critical\"\\n' \
         >> etc/host-integrity-agent/profile.toml",
    );
    harness.record();
    panics_thrice(&harness, "files directory data/d1");
    let daemon = start_scanned(&harness, "files directory data/d1");
    harness.host.shell("echo changed > data/d2/file");
    harness.until_told("raised files.changed /data/d2/file");
    let event = harness.event("raised", "/data/d1");
    assert_eq!(event["unmapped"]["verdict"], "unknown", "{event:#}");
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert_eq!(daemon.stop(), 0);

    // What an area told before is not taken back while nobody looks.
    let settings = |harness: &DaemonHarness, step: &str| {
        let mut events = harness.events();
        events.retain(|event| event["class_uid"] == 2003 && event["activity_name"] == step);
        events
    };
    let before = settings(&harness, "Create");
    let of = |event: &Value| event["finding_info"]["analytic"]["uid"].to_string();
    assert!(
        before
            .iter()
            .any(|event| of(event).starts_with("\"kernel.")),
        "{before:#?}"
    );
    panics_thrice(&harness, "settings part kernel");
    let daemon = start_scanned(&harness, "settings part kernel");
    let told = |harness: &DaemonHarness| {
        let mut events = settings(harness, "Create");
        events.retain(|event| event["unmapped"]["subject"] == "kernel.*");
        events
    };
    harness.until("the area is told", |harness| !told(harness).is_empty());
    let event = told(&harness).remove(0);
    assert_eq!(event["unmapped"]["verdict"], "unknown", "{event:#}");
    let closed = settings(&harness, "Close");
    assert!(
        !closed
            .iter()
            .any(|event| of(event).starts_with("\"kernel.")),
        "{closed:#?}"
    );
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn what_verdicts_rest_on_and_the_watch_are_left_out_as_well() {
    let harness = DaemonHarness::recorded();
    for fault in [
        "watch whole ",
        "instance part service",
        // Last: what is covered is known from it.
        "ground part manifest",
    ] {
        panics_thrice(&harness, fault);
        let daemon = start_scanned(&harness, fault);
        assert_eq!(harness.status().0, 1, "{fault}");
        assert_eq!(daemon.stop(), 0);
    }
    let daemon = harness.start_scanned();
    let (exit, status) = harness.status();
    let expected = serde_json::json!(["watch", "instance", "ground: manifest"]);
    assert_eq!(
        (exit, &status["daemon"]["set_aside"]),
        (1, &expected),
        "{status:#}"
    );
    assert_eq!(status["daemon"]["watching"], false, "{status:#}");
    let reason = status["daemon"]["watch"]["reason"].to_string();
    assert!(reason.contains("to its end again and again"), "{status:#}");
    let unknown = |event: &Value| {
        event["unmapped"]["subject"] == "instance.*"
            && event["unmapped"]["verdict"] == "unknown"
            && event["severity"] == "High"
    };
    harness.until("the instance is told", |harness| {
        harness.events().iter().any(unknown)
    });
    let manifest = |event: &Value| {
        event["finding_info"]["analytic"]["uid"] == "manifest"
            && event["unmapped"]["state"] == "unreadable"
            && event["severity"] == "Critical"
    };
    assert!(harness.events().iter().any(manifest));
    assert_eq!(faults(&harness, "panic.set_aside").len(), 3);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn a_batch_is_looked_at_file_by_file_until_the_culprit_is_known() {
    let harness = DaemonHarness::recorded();
    panics(&harness, "files batch ");
    // Alone each file is digested under its own name.
    let daemon = start_scanned(&harness, "files batch ");
    harness.host.shell("echo changed > data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn what_is_not_the_agents_own_is_not_believed() {
    let harness = DaemonHarness::recorded();
    let path = harness.path(&format!("{STATE}/panics.json"));
    std::fs::write(path, "{\"version\": 1, \"set_aside\": \"everything\"}").expect("written");
    std::fs::write(mark(&harness), "job files\n").expect("written");
    let daemon = harness.start_scanned();
    harness.until("told", |harness| {
        faults(harness, "panics.refused").len() == 2
    });
    assert_eq!(harness.status().0, 0);
    assert_eq!(daemon.stop(), 0);
    assert!(
        harness.stderr().contains("panics.json"),
        "{}",
        harness.stderr()
    );
}

/// A mark has its room before the disk is full; what cannot be counted is at least said.
#[test]
fn a_full_disk_takes_a_mark_all_the_same() {
    let harness = DaemonHarness::recorded();
    let full = format!(
        "mount -t tmpfs -o size=1m none root/{STATE}
         head -c 17408 /dev/zero > root/{STATE}/panic.mark.prepared; chmod 600 root/{STATE}/panic.mark.prepared
         head -c 4M /dev/zero > root/{STATE}/filler 2> /dev/null || true"
    );
    let mut command = harness.host.command_after(&full, &["run"]);
    command.env(FAULT, FILE).stdout(std::process::Stdio::null());
    let ran = harness::run(&mut command);
    assert_eq!(ran.status, 2, "{ran:#?}");
    assert!(
        ran.stderr.contains("job files, at file data/d1/file"),
        "{ran:#?}"
    );
    assert!(!ran.stderr.contains("could not be left"), "{ran:#?}");
    let full = full.replace("17408", "0");
    let mut command = harness.host.command_after(&full, &["run"]);
    command.env(FAULT, FILE).stdout(std::process::Stdio::null());
    let ran = harness::run(&mut command);
    assert_eq!(ran.status, 2, "{ran:#?}");
    assert!(
        ran.stderr.contains("a panic could leave no mark"),
        "{ran:#?}"
    );
}

/// Whatever becomes of standard error.
#[test]
fn a_check_that_panics_is_never_a_success() {
    let harness = DaemonHarness::recorded();
    let check = |shell: &str| {
        let mut command = harness.host.command(&["check"]);
        command.env(FAULT, FILE);
        let mut wrapped = Command::new("bash");
        let program = command.get_program().to_owned();
        wrapped
            .args(["-c", shell, "bash"])
            .arg(program)
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(key, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        harness::run(&mut wrapped)
    };
    let ran = check("exec \"$@\"");
    assert_eq!(ran.status, 2, "{ran:#?}");
    assert!(
        ran.stderr.contains("a fault of the agent itself"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("data/d1/file"), "{ran:#?}");
    let ran = check("exec \"$@\" 2> /dev/full");
    assert_eq!(ran.status, 2, "{ran:#?}");
}
