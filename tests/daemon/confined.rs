//! What the daemon takes from itself, and what of it shows.

use super::harness::{CONFIG, DaemonHarness};
use std::fs;

/// A line of `/proc/PID/status`.
fn line(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key}: {status}"))
        .trim()
        .to_owned()
}

fn capabilities(pid: u32) -> u64 {
    u64::from_str_radix(&line(pid, "CapPrm:"), 16).expect("a number")
}

/// The process that looks at others.
fn monitor(daemon: u32) -> u32 {
    let own = format!("\nPPid:\t{daemon}\n");
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let child = entries.into_iter().find(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        status.contains(&own)
    });
    let name = child.expect("a process beside it").file_name();
    name.to_string_lossy().parse().expect("a number")
}

#[test]
fn a_daemon_gives_up_what_it_does_not_need_and_says_so() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    let (_, status) = harness.status();
    let confinement = &status["daemon"]["confinement"];
    let lines = |key: &str| -> Vec<String> {
        let lines = confinement[key].as_array().expect("an array");
        let lines = lines.iter().filter_map(|line| line.as_str());
        lines.map(str::to_owned).collect()
    };
    let (holds, lacks) = (lines("holds"), lines("lacks"));
    let text = harness.host.agent(&["status"]).stdout;
    assert!(text.contains("confined "), "{text}");
    // What a kernel lacks is named, everything else is as it says.
    for (what, known_by) in [
        ("landlock", "landlock"),
        ("system calls", "system calls"),
        ("memory", "executable"),
    ] {
        let named = lacks.iter().any(|line| line.contains(what));
        let held = holds.iter().any(|line| line.contains(known_by));
        assert_ne!(named, held, "{what}: {confinement:#}");
    }
    for pid in [daemon.id(), monitor(daemon.id())] {
        assert_eq!(line(pid, "Seccomp:"), "2");
        assert_eq!(line(pid, "NoNewPrivs:"), "1");
        // Neither can mount anything by CAP_SYS_CHROOT, load a module, or become somebody else.
        assert_eq!(capabilities(pid) & (1 << 18 | 1 << 16 | 1 << 7), 0);
    }
    // Only the one outside may look into other processes.
    assert_eq!(capabilities(daemon.id()) & 1 << 19, 0);
    if holds.iter().any(|line| line.contains("landlock")) {
        harness.configure(&CONFIG.replace("/var/log/", "/tmp/"));
        daemon.signal("HUP");
        harness.until("it is refused", |harness| {
            harness.stderr().contains("this run began without /tmp")
        });
    }
    let refused = |event: &serde_json::Value| {
        let code = event["status_code"].as_str().unwrap_or_default();
        code.starts_with("confinement")
    };
    let told: Vec<_> = harness.events().into_iter().filter(refused).collect();
    assert!(
        told.is_empty(),
        "a call is missing from the list: {told:#?}"
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn evidence_of_processes_that_is_lost_is_told() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    let pid = rustix::process::Pid::from_raw(i32::try_from(monitor(daemon.id())).expect("a pid"));
    let pid = pid.expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    harness.until("it is told", |harness| {
        let events = harness.events();
        events
            .iter()
            .any(|event| event["status_code"] == "confinement.blind")
    });
    harness.until("the status says so", |harness| {
        let trouble = harness.status().1["daemon"]["trouble"].to_string();
        trouble.contains("looks at others does not answer")
    });
    assert_eq!(daemon.stop(), 0);
}
