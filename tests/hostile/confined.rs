//! A tree that somebody else wrote is parsed by a process that has nothing else. What such a process cannot do any more is
//! shown by `crates/confine/tests/confined.rs`, case by case.

use harness::{Lab, agent_path, defined};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn who_parses_a_tree_has_given_up_the_rest() {
    let lab = Lab::new();
    lab.shell("head -c 100000000 /dev/zero > large");
    lab.create().expect(0);
    let mut command = Command::new(agent_path());
    let manifest = [
        "--manifest",
        "manifest.mtree",
        "--profile",
        "./profile.toml",
    ];
    command
        .args([
            "check",
            "--root",
            "root",
            "--max-rate",
            "1K",
            "--no-progress",
        ])
        .args(manifest)
        .current_dir(lab.path())
        .stdout(Stdio::null());
    let mut child = defined(&command).spawn().expect("runs");
    let status = || fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let begun = Instant::now();
    let confined = loop {
        let status = status();
        if status.contains("\nSeccomp:\t2\n") || begun.elapsed() > Duration::from_secs(100) {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    child.kill().expect("killed");
    child.wait().expect("a child");
    assert!(confined.contains("\nNoNewPrivs:\t1\n"), "{confined}");
    let capabilities = confined
        .lines()
        .find_map(|line| line.strip_prefix("CapPrm:"));
    let capabilities = u64::from_str_radix(capabilities.unwrap_or_default().trim(), 16);
    // CAP_DAC_READ_SEARCH and CAP_FOWNER.
    assert_eq!(capabilities.expect("a number") & !0b1100, 0, "{confined}");
}

#[test]
fn a_report_is_written_where_it_was_asked_for_and_no_call_is_missing() {
    let lab = Lab::new();
    lab.shell("mkdir -p etc usr/bin; echo x > usr/bin/x; printf 'ID=debian\\nVERSION_ID=12\\n' > etc/os-release");
    lab.create().expect(0);
    lab.shell("echo y > usr/bin/x");
    fs::create_dir(lab.path().join("reports")).expect("made");
    let more = [
        "--manifest",
        "manifest.mtree",
        "--report",
        "json:reports/a.json",
        "--report",
        "html:reports/b.html",
        "--report",
        "text:-",
    ];
    let ran = lab.agent(&["check"], &more).expect(1);
    let json = fs::read_to_string(lab.path().join("reports/a.json")).expect("a report");
    assert!(json.contains("files.changed"), "{json}");
    assert!(
        !ran.stdout.contains("refused") && !json.contains("refused a system call"),
        "{ran:#?}"
    );
    assert!(lab.path().join("reports/b.html").is_file());
}
