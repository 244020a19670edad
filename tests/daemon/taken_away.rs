//! What somebody takes away from a running daemon, or puts in its place: each is told.

use super::harness::{CONFIG, Daemon, DaemonHarness};
use serde_json::json;

/// The fault of that code, told since.
#[test]
fn a_manifest_that_takes_the_place_of_another_is_told_with_what_it_makes_vanish() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness.host.shell("echo evil > data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    let digest = || {
        let text = harness
            .host
            .shell("sha256sum usr/share/host-integrity-agent/manifest.mtree");
        text.split(' ').next().expect("a digest").to_owned()
    };
    let before = digest();
    harness.record();
    let after = digest();
    harness.until_told("cleared files.changed /data/d1/file");
    let events = harness.events();
    let replaced = events
        .iter()
        .find(|event| event["activity_name"] == "Manifest replaced")
        .unwrap_or_else(|| panic!("{events:#?}"));
    assert_eq!(replaced["severity"], "Critical", "nobody sealed it");
    assert_eq!(
        replaced["unmapped"]["manifest_before"]["sha256"],
        json!(before)
    );
    assert_eq!(
        replaced["unmapped"]["manifest_after"]["sha256"],
        json!(after)
    );
    let cleared = harness.event("cleared files.changed", "/data/d1/file");
    assert_eq!(cleared["unmapped"]["manifest"], json!(after));
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// Whoever is root may lay a fifo where the agent keeps something of its own: that would be waited for without end.
#[test]
fn what_lies_in_the_place_of_the_agents_own_files_holds_nothing_up() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "mkdir -p var/lib/host-integrity-agent/evidence run/host-integrity-agent
         for name in packages packages.new lists lists.new run.json evidence/0; do
           mkfifo var/lib/host-integrity-agent/$name
         done
         mkfifo run/host-integrity-agent/canary; echo evil > data/d1/file",
    );
    let daemon = harness.start_scanned();
    harness.until_told("raised files.changed /data/d1/file");
    harness.host.shell("echo evil > data/d2/file");
    harness.until_told("raised files.changed /data/d2/file");
    harness
        .host
        .agent(&["check", "--only", "files.*"])
        .expect(1);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn a_store_that_is_no_file_is_told_and_nothing_waits_for_it() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "mkdir -p var/lib/host-integrity-agent; mkfifo var/lib/host-integrity-agent/store.redb",
    );
    let daemon = harness.start_scanned();
    harness.host.shell("echo evil > data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    let (exit, status) = harness.status();
    assert_eq!(exit, 1, "{status:#}");
    assert!(
        status.to_string().contains("is no regular file"),
        "{status:#}"
    );
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_mount_over_a_covered_directory_is_told_while_it_lasts() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("cp -a data/d1 clean; echo evil > data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    let inside = |line: &str| in_its_mounts(&daemon, line);
    inside("mount --bind clean data/d1");
    harness.until_told("raised files.mount /data/d1");
    inside("umount data/d1");
    harness.until_told("cleared files.mount /data/d1");
    assert_eq!(daemon.stop(), 0);
}

/// Of the type that was recorded, in the place that was recorded, with the contents that were recorded.
#[test]
fn another_file_system_in_the_place_of_a_recorded_one_is_told() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "truncate -s 8M ../good.img; mkfs.ext4 -q ../good.img; cp ../good.img ../evil.img; mkdir data/disk",
    );
    let image = |name: &str| {
        let image = harness.path(&format!("../{name}"));
        image.to_str().expect("UTF-8").to_owned()
    };
    let mounts = format!("mount -o loop '{}' root/data/disk", image("good.img"));
    harness.record_after(&mounts);
    let daemon = harness.start_after(&mounts);
    harness.until_scanned_by(&daemon);
    assert_eq!(harness.told(), Vec::<String>::new());
    // On a loop device of its own from the beginning: one that became free is taken again.
    let exchange = format!(
        "loop=$(losetup -f --show '{}'); umount data/disk; mount $loop data/disk; losetup -d $loop",
        image("evil.img")
    );
    in_its_mounts(&daemon, &exchange);
    harness.until_told("raised files.mount /data/disk");
    in_its_mounts(&daemon, "umount data/disk");
    harness.until_told("cleared files.mount /data/disk");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// Runs a line of shell in the tree as the daemon has it mounted.
fn in_its_mounts(daemon: &Daemon<'_>, line: &str) {
    let pid = daemon.id().to_string();
    let status = std::process::Command::new("nsenter")
        .args(["--mount", "--target", &pid, "bash", "-euc"])
        .arg(format!("cd /proc/{pid}/root; {line}"))
        .status();
    assert!(status.expect("nsenter").success(), "{line}");
}

#[test]
fn a_program_mounted_over_another_for_a_moment_is_told() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness.host.shell("echo evil > evil");
    for seconds in ["0.03", "0.2"] {
        let at = match seconds {
            "0.03" => "d1",
            _ => "d2",
        };
        // Several times: a busy machine may let the watch sleep through one.
        let once = format!("mount --bind evil $at; sleep {seconds}; umount $at; sleep 0.1");
        let line = format!("at=data/{at}/file; for i in 1 2 3 4 5 6; do {once}; done");
        in_its_mounts(&daemon, &line);
        harness.until_told(&format!("raised files.mount /data/{at}/file"));
        harness.until_told(&format!("cleared files.mount /data/{at}/file"));
    }
    let told = |event: &serde_json::Value| {
        event["unmapped"]["subject"] == "/data/d1/file"
            && event["unmapped"]["cause"]["restored"] == true
    };
    assert!(harness.events().iter().any(told));
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn a_state_directory_taken_away_is_told_and_shows_in_the_status() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("mv var/lib/host-integrity-agent var/lib/away; touch var/lib/host-integrity-agent");
    harness.until("the state directory is told", |harness| {
        harness.has_fault("state.lost")
    });
    harness.until("the status says so", |harness| {
        let (exit, status) = harness.status();
        exit == 1 && status["daemon"]["storing"] == false
    });
    harness
        .host
        .shell("rm var/lib/host-integrity-agent; mv var/lib/away var/lib/host-integrity-agent");
    harness.until("it is back", |harness| {
        harness.status().1["daemon"]["storing"] == true
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_link_on_the_way_to_the_log_file_is_not_followed() {
    let harness = DaemonHarness::recorded();
    harness
        .host
        .shell("mkdir var/elsewhere; ln -s elsewhere var/linked");
    harness.configure(&CONFIG.replace("/var/log/", "/var/linked/"));
    let daemon = harness.start();
    harness.until("it is told", |harness| {
        let (_, status) = harness.status();
        let sinks = status["daemon"]["sinks"].to_string();
        sinks.contains("symbolic link")
    });
    assert_eq!(harness.host.shell("ls var/elsewhere"), "");
    daemon.kill();
}

#[test]
fn an_endpoint_of_the_environment_is_named_and_told() {
    let harness = DaemonHarness::recorded();
    // A debug build of the SDK insists on certificates, though nothing of this is TLS.
    harness
        .host
        .shell("mkdir -p etc/ssl/certs; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/");
    harness.configure(
        "[heartbeat]\ninterval = \"5s\"\n[sinks.cloudwatch_logs]\nenabled = true\nregion = \"eu-central-1\"\n\
         [sinks.file]\npath = \"/var/log/events.jsonl\"\n",
    );
    let daemon = harness.start_with(|command| {
        command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    });
    harness.until("it is told", |harness| harness.has_fault("sinks.endpoint"));
    let named = "http://127.0.0.1:9 (AWS_ENDPOINT_URL in the environment)";
    harness.until("a heartbeat names it", |harness| {
        let events = harness.events();
        events.iter().any(|event| {
            event["activity_name"] == "Heartbeat" && event["unmapped"]["endpoint"] == named
        })
    });
    let start = harness
        .events()
        .into_iter()
        .find(|event| event["activity_name"] == "Start");
    let message = start.expect("a start")["message"].to_string();
    assert!(message.contains(named), "{message}");
    let text = harness.host.agent(&["status"]).stdout;
    assert!(text.contains(named), "{text}");
    daemon.kill();
}
