//! A look that never ends, in the daemon: told as unknown, the rest goes on, and nothing is cleared by it.

use super::harness::DaemonHarness;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// An event about a check of settings: what became of it, the check, the verdict.
fn told(event: &Value) -> Option<String> {
    if event["class_uid"] != 2003 {
        return None;
    }
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let check = text(&event["finding_info"]["analytic"]["uid"]);
    let step = text(&event["activity_name"]);
    Some(format!(
        "{step} {check} {}",
        text(&event["unmapped"]["verdict"])
    ))
}

/// Those about one area.
fn of_area(harness: &DaemonHarness, area: &str) -> Vec<String> {
    let mut told: Vec<String> = harness.events().iter().filter_map(told).collect();
    told.retain(|line| line.contains(&format!(" {area}.")));
    told
}

#[test]
fn an_area_that_hangs_is_told_as_unknown_and_clears_nothing() {
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("mkdir -p etc/ssh usr/sbin; touch usr/sbin/sshd; echo 'PermitRootLogin yes' > etc/ssh/sshd_config");
    let daemon = harness.start();
    harness.until("sshd is judged", |harness| {
        let told = of_area(harness, "sshd");
        told.iter()
            .any(|line| line.starts_with("Create sshd.permit_root_login"))
    });
    let others = of_area(&harness, "kernel").len();
    assert_eq!(daemon.stop(), 0);
    let before = harness.events().len();

    let daemon = harness.start_with(|command| {
        command
            .env("HIA_TEST_STALL", "sshd")
            .env("HIA_TEST_DEADLINE", "1000");
    });
    harness.until("the hanging look is told", |harness| {
        let told = of_area(harness, "sshd");
        told.iter().any(|line| line.ends_with("unknown"))
    });
    // Files are watched all the same.
    harness.until_scanned();
    harness.host.shell("echo more >> data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    let since: Vec<String> = harness.events()[before..].iter().filter_map(told).collect();
    let cleared = since.iter().filter(|line| line.starts_with("Close"));
    assert_eq!(cleared.count(), 0, "{since:#?}");
    assert!(of_area(&harness, "kernel").len() >= others);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// What is mounted is crossed, and its server is dead before the daemon starts.
#[test]
fn a_file_system_that_gives_no_answer_delays_no_change_elsewhere() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/d1 data/m; echo 1 > data/d1/file; \
         sed -i 's/^severity.*/&\\ncross_mounts = true/' etc/host-integrity-agent/profile.toml; \
         grep -q cross_mounts etc/host-integrity-agent/profile.toml",
    );
    harness.record();
    let server = ::harness::project().join("tests/data/silent.py");
    let server = server.display();
    let daemon = harness.start_after(&format!(
        "mkfifo in; python3 {server} $PWD/root/data/m init < in & exec 9<> in
         until grep -q fuse.silent /proc/mounts; do sleep 0.02; done
         export HIA_TEST_DEADLINE=1000"
    ));
    harness.until_scanned();
    harness.until_told("raised files.unreadable /data/m");
    let (code, status) = harness.status();
    let left_out = &status["daemon"]["watch"];
    assert!(
        left_out
            .to_string()
            .contains("a file system gave no answer in time"),
        "{code}: {status}"
    );
    harness.host.shell("echo more >> data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// Somebody holds up whoever opens a file.
struct Held {
    holder: Child,
}

impl Held {
    fn up(harness: &DaemonHarness, path: &str) -> Held {
        let mut holder = Command::new("python3")
            .arg(::harness::project().join("tests/data/held.py"))
            .arg(harness.path(path))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut said = String::new();
        let mut words = BufReader::new(holder.stdout.take().expect("a pipe"));
        words.read_line(&mut said).expect("a line");
        assert_eq!(said, "held\n");
        Held { holder }
    }

    fn let_go(mut self) {
        drop(self.holder.stdin.take());
        assert!(self.holder.wait().expect("it ends").success());
    }
}

/// A file system of the host's own gives no answer on one file, since somebody holds up its opening.
#[test]
fn a_look_that_stands_still_is_told_and_the_rest_is_looked_at_without_it() {
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("mkdir -p data/d2; echo 1 > data/d2/held; echo 1 > data/d2/other");
    harness.record();
    let daemon = harness.start_with(|command| {
        command.env("HIA_TEST_DEADLINE", "1000");
    });
    harness.until_scanned();
    assert_eq!(harness.status().0, 0);

    let held = Held::up(&harness, "data/d2/held");
    harness
        .host
        .shell("chmod 600 data/d2/held; echo more >> data/d2/other");
    harness.until_told("raised files.changed /data/d2/other");
    harness.until_told("raised files.unreadable /data/d2/held");
    harness.until("it is told", |harness| harness.has_fault("watch.stalled"));
    let events = harness.events();
    let fault = events
        .iter()
        .find(|event| event["status_code"] == "watch.stalled");
    let message = fault.map(|fault| fault["message"].to_string());
    assert!(message.is_some_and(|message| message.contains("at /data/d2/held: ")));
    let (code, status) = harness.status();
    assert_eq!(code, 1, "{status}");
    assert_eq!(status["daemon"]["watching"], false, "{status}");
    assert!(
        status.to_string().contains("does not come back"),
        "{status}"
    );

    held.let_go();
    harness.until("all is well again", |harness| harness.status().0 == 0);
    harness.until_told("raised files.changed /data/d2/held");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// Who holds the locks of package managers is asked of files as well.
#[test]
fn a_lock_that_gives_no_answer_is_told_and_holds_nothing_up() {
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("mkdir -p var/lib/dpkg; : > var/lib/dpkg/lock");
    let daemon = harness.start_with(|command| {
        command.env("HIA_TEST_DEADLINE", "1000");
    });
    harness.until_scanned();
    assert_eq!(harness.status().0, 0);

    let held = Held::up(&harness, "var/lib/dpkg/lock");
    harness.host.shell("echo more >> data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    harness.until("it is told", |harness| harness.has_fault("watch.stalled"));
    let (code, status) = harness.status();
    let said = status.to_string();
    assert!(code == 1 && said.contains("/var/lib/dpkg/lock"), "{status}");
    harness.host.shell("echo more >> data/d2/file");
    harness.until_told("raised files.changed /data/d2/file");

    held.let_go();
    harness.until("all is well again", |harness| harness.status().0 == 0);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
