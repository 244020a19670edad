//! Questions of a whole fleet: SQL that several engines answer as `agent log verify` does, stacks that are clean, and
//! Lambdas, all on events that real agents made. The rest is in Python, in `tests/fleet`.

use super::harness::{CONFIG, DaemonHarness};
use harness::{agent_path, project};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs one of the programs in `tests/fleet`; panics unless it ends well.
fn python(program: &str, arguments: &[&Path]) {
    let output = Command::new(project().join("target/fleet-python/bin/python"))
        .arg(project().join("tests/fleet").join(program))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the environment that tests/run makes");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{program}: {out}\n{error}");
}

/// Runs the daemon while `change` is made, until that was told and a heartbeat names the end of the chain.
fn run(harness: &DaemonHarness, change: &str, told: &str) {
    let daemon = harness.start_scanned();
    harness.host.shell(change);
    harness.until_told(told);
    let named = |harness: &DaemonHarness| {
        let events = harness.events();
        let last = events
            .iter()
            .filter_map(|event| event["metadata"]["sequence"].as_u64());
        let last = last.max();
        let mut heads = events
            .iter()
            .map(|event| &event["unmapped"]["chain_head"]["sequence"]);
        heads.any(|head| head.as_u64() >= last)
    };
    harness.until("a heartbeat", named);
    assert_eq!(daemon.stop(), 0);
}

/// A host whose heartbeats come each second, with that machine id.
fn host(machine: &str) -> DaemonHarness {
    let harness = DaemonHarness::recorded();
    harness.configure(&format!("{CONFIG}[heartbeat]\ninterval = \"1s\"\n"));
    harness
        .host
        .shell(&format!("echo {machine} > etc/machine-id"));
    harness
}

/// Moves what the host has told so far.
fn keep(harness: &DaemonHarness, to: &Path) {
    fs::copy(harness.path("var/log/events.jsonl"), to).expect("events");
    harness.host.shell(": > var/log/events.jsonl");
}

/// Events of two hosts, of one host whose state was copied and went on twice, of a chain begun anew, and of one with
/// declared losses.
fn events(directory: &Path) {
    let file = |name: &str| directory.join(format!("{name}.jsonl"));
    let one = host(&"1a".repeat(16));
    run(
        &one,
        "echo x > data/d1/file; rm data/d4/file",
        "raised files.changed /data/d1/file",
    );
    one.host
        .shell("cp -a var/lib/host-integrity-agent ../copied; cp var/log/events.jsonl ../before");
    run(
        &one,
        "echo left > data/d5/file",
        "raised files.changed /data/d5/file",
    );
    keep(&one, &file("one"));
    one.host
        .shell("rm -r var/lib/host-integrity-agent; cp -a ../copied var/lib/host-integrity-agent");
    run(
        &one,
        "echo right > data/d6/file",
        "raised files.changed /data/d6/file",
    );
    keep(&one, &file("fork"));
    one.host.shell("rm -r var/lib/host-integrity-agent/*");
    run(
        &one,
        "echo other > data/d7/file",
        "raised files.changed /data/d7/file",
    );
    keep(&one, &file("anew"));

    let two = host(&"2b".repeat(16));
    run(
        &two,
        "echo y > data/d2/file",
        "raised files.changed /data/d2/file",
    );
    keep(&two, &file("two"));

    let full = host(&"3c".repeat(16));
    full.configure(&format!(
        "{CONFIG}[heartbeat]\ninterval = \"1s\"\n[spool]\nmax_size = \"1M\"\n"
    ));
    full.host.shell("mv var/log var/away");
    let daemon = full.start_scanned();
    full.host
        .shell("for n in $(seq 1200); do echo $n > data/d8/n$n; done");
    let spool =
        |harness: &DaemonHarness, key: &str| harness.status().1["daemon"]["spool"][key].as_u64();
    full.until("a loss", |harness| spool(harness, "dropped") > Some(0));
    full.host.shell("mv var/away var/log");
    full.until("all delivered", |harness| {
        spool(harness, "events") == Some(0)
    });
    assert_eq!(daemon.stop(), 0);
    keep(&full, &file("dropped"));
}

#[test]
fn sql_stacks_and_lambdas_take_the_events_of_real_agents() {
    let directory = tempfile::tempdir().expect("a directory");
    let (made, work) = (
        directory.path().join("events"),
        directory.path().join("work"),
    );
    fs::create_dir(&made).expect("made");
    fs::create_dir(&work).expect("made");
    events(&made);
    python("templates.py", &[&made]);
    python("lambdas.py", &[&made]);
    let agent = agent_path();
    python(
        "prove.py",
        &[
            "--agent".as_ref(),
            agent.as_ref(),
            "--events".as_ref(),
            &made,
            "--work".as_ref(),
            &work,
        ],
    );
}

#[test]
fn the_text_for_trino_and_athena_is_of_their_dialects() {
    python("dialects.py", &[]);
}

#[test]
fn commands_to_type_are_those_of_the_aws_command_line() {
    python("commands.py", &[]);
}
