//! Expected writers: the program itself may write what is pinned, and nobody else anything.
//!
//! The program is a copy of bash, which writes by itself or has a child write.

use super::harness::{Daemon, DaemonHarness};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const PINNED: &str = "# User rules for user\\n";

/// A sealed host whose profile lets `/data/bin/program` write one text to `/data/guarded/*`.
fn guarded() -> DaemonHarness {
    let harness = DaemonHarness::new();
    harness.host.shell(&format!(
        "mkdir -p data/bin data/guarded
         for name in program other; do cp -L /bin/bash data/bin/$name; done
         ssh-keygen -q -t ed25519 -f key -N ''
         echo \"baker@example.com $(cat key.pub)\" > etc/host-integrity-agent/trusted_signers
         digest=$(printf '{PINNED}' | sha256sum | cut -c-64)
         printf '[[paths]]\\npath = \"/data/guarded\"\\nseverity = \"critical\"\\n\
         writers = [{{ program = \"/data/bin/program\", content_sha256 = [\"%s\"] }}]\\n' $digest \
         >> etc/host-integrity-agent/profile.toml"
    ));
    let create = ["baseline", "create", "--sign-key", "/key", "--output"];
    let manifest = "/usr/share/host-integrity-agent/manifest.mtree";
    harness
        .host
        .agent(&[&create[..], &[manifest]].concat())
        .expect(0);
    harness
}

/// A process that has written and stands still, so that whoever looks at it sees it however busy the machine is.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

/// Runs bash by that name in the daemon's own world, where its program has the path that the daemon knows.
fn run(daemon: &Daemon<'_>, program: &str, script: &str) -> Writer {
    let child = Command::new("nsenter")
        .args(["--mount", "--root", "--target", &daemon.id().to_string()])
        .args([
            program,
            "-c",
            &format!("umask 022; {script}; kill -STOP $$"),
        ])
        .spawn();
    Writer(child.expect("nsenter"))
}

fn raised(harness: &DaemonHarness, path: &str) -> Value {
    harness.until_told(&format!("raised files.added {path}"));
    harness.event("raised files.added", path)
}

#[test]
fn a_pinned_text_by_the_program_itself_is_low_and_anything_else_critical() {
    let harness = guarded();
    let daemon = harness.start_scanned();
    harness.until_attributed();
    let _writer = run(
        &daemon,
        "/data/bin/program",
        &format!("printf '{PINNED}' > /data/guarded/good"),
    );
    let event = raised(&harness, "/data/guarded/good");
    assert_eq!(event["severity"], "Low", "{event:#}");
    let told = &event["unmapped"];
    assert_eq!(told["unexplained_severity"], "critical", "{event:#}");
    assert_eq!(told["explained_by"]["kind"], "writer", "{event:#}");
    assert_eq!(told["explained_by"]["evidence"], "attribution", "{event:#}");
    assert_eq!(
        told["explained_by"]["reason"], "/data/bin/program",
        "{event:#}"
    );

    let cases = [
        (
            "other-text",
            "/data/bin/program",
            "printf evil > /data/guarded/other-text".to_owned(),
        ),
        (
            "by-a-child",
            "/data/bin/program",
            format!("/data/bin/other -c \"printf '{PINNED}' > /data/guarded/by-a-child\"; true"),
        ),
        (
            "by-another",
            "/data/bin/other",
            format!("printf '{PINNED}' > /data/guarded/by-another"),
        ),
        (
            "for-anybody",
            "/data/bin/program",
            format!("umask 0; printf '{PINNED}' > /data/guarded/for-anybody"),
        ),
    ];
    for (name, program, script) in cases {
        let _writer = run(&daemon, program, &script);
        let event = raised(&harness, &format!("/data/guarded/{name}"));
        assert_eq!(event["severity"], "Critical", "{name}: {event:#}");
        assert!(
            event["unmapped"]["explained_by"].is_null(),
            "{name}: {event:#}"
        );
    }
    let event = from_its_control_group(&harness, &daemon);
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert!(event["unmapped"]["explained_by"].is_null(), "{event:#}");
    assert_eq!(daemon.stop(), 0);
    // A scan that finds it again has seen nobody write, and says the same.
    let daemon = harness.start_scanned();
    assert_eq!(daemon.stop(), 0);
    let again = harness.told();
    let again = again
        .iter()
        .filter(|line| line.contains("/data/guarded/good"));
    assert_eq!(again.count(), 1, "{:#?}", harness.told());
    harness.verify();
}

/// A program of somebody else's, in the control group of the one that may write: root can join any. What was told of it.
fn from_its_control_group(harness: &DaemonHarness, daemon: &Daemon<'_>) -> Value {
    let script = format!(
        "for all in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
           group=$all/system.slice/amazon-ssm-agent.service; [ -e $all/cgroup.procs ] || continue
           mkdir -p $group 2> /dev/null && echo $$ 2> /dev/null > $group/cgroup.procs && joined=$group && break
         done; echo $joined
         exec nsenter --mount --root --target {} /data/bin/other -c \
           \"umask 022; printf '{PINNED}' > /data/guarded/from-its-group; kill -STOP \\$\\$\"",
        daemon.id()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).stdout(Stdio::piped());
    let mut writer = Writer(command.spawn().expect("bash"));
    let mut group = String::new();
    let told = BufReader::new(writer.0.stdout.take().expect("piped")).read_line(&mut group);
    told.expect("a line");
    let event = raised(harness, "/data/guarded/from-its-group");
    drop(writer);
    let group = group.trim();
    // In a container that may make none, it is one more program that is not the one.
    if !group.is_empty() {
        let text = event.to_string();
        assert!(text.contains("amazon-ssm-agent.service"), "{event:#}");
        std::fs::remove_dir(group).unwrap_or_default();
    }
    event
}

#[test]
fn a_program_that_is_not_as_recorded_may_write_nothing() {
    let harness = guarded();
    let daemon = harness.start_scanned();
    harness.until_attributed();
    harness.host.shell("cp data/bin/program data/bin/new; printf x >> data/bin/new; mv data/bin/new data/bin/program");
    let _writer = run(
        &daemon,
        "/data/bin/program",
        &format!("printf '{PINNED}' > /data/guarded/replaced"),
    );
    let event = raised(&harness, "/data/guarded/replaced");
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert_eq!(daemon.stop(), 0);
}

/// A profile that was changed on the host lets nobody write: what counts is under the seal.
#[test]
fn a_writer_that_is_not_sealed_counts_for_nothing() {
    let harness = guarded();
    harness.host.shell(
        "sed -i 's,/data/bin/program,/data/bin/other,' etc/host-integrity-agent/profile.toml",
    );
    let daemon = harness.start_scanned();
    harness.until_attributed();
    let _writer = run(
        &daemon,
        "/data/bin/other",
        &format!("printf '{PINNED}' > /data/guarded/forged"),
    );
    let event = raised(&harness, "/data/guarded/forged");
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert_eq!(daemon.stop(), 0);
}
