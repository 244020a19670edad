//! Expected writers: the program itself may write what is pinned, and nobody else anything.
//!
//! The program is a copy of bash, which writes by itself or has a child write.

use super::harness::{Daemon, DaemonHarness};
use serde_json::Value;
use std::process::Command;

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

/// Runs bash by that name in the daemon's own world, where its program has the path that the daemon knows.
fn run(daemon: &Daemon<'_>, program: &str, script: &str) {
    let ran = Command::new("nsenter")
        .args(["--mount", "--root", "--target", &daemon.id().to_string()])
        .args([program, "-c", &format!("umask 022; {script}")])
        .output()
        .expect("nsenter");
    assert!(ran.status.success(), "{ran:?}");
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
    run(
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
        run(&daemon, program, &script);
        let event = raised(&harness, &format!("/data/guarded/{name}"));
        assert_eq!(event["severity"], "Critical", "{name}: {event:#}");
        assert!(
            event["unmapped"]["explained_by"].is_null(),
            "{name}: {event:#}"
        );
    }
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

#[test]
fn a_program_that_is_not_as_recorded_may_write_nothing() {
    let harness = guarded();
    let daemon = harness.start_scanned();
    harness.until_attributed();
    harness.host.shell("cp data/bin/program data/bin/new; printf x >> data/bin/new; mv data/bin/new data/bin/program");
    run(
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
    run(
        &daemon,
        "/data/bin/other",
        &format!("printf '{PINNED}' > /data/guarded/forged"),
    );
    let event = raised(&harness, "/data/guarded/forged");
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert_eq!(daemon.stop(), 0);
}
