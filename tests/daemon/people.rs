//! What `agent status` tells people of the running daemon.

use super::harness::DaemonHarness;

#[test]
fn what_stands_is_listed_worst_first_and_for_root_alone() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("echo 2 >> data/file; echo new > data/new");
    harness.until_told("raised files.added /data/new");
    let open = || {
        harness
            .host
            .agent(&["status", "--open", "--format", "json"])
    };
    harness.until("listed", |_| open().stdout.contains("/data/new"));
    let listed = open().json();
    let (last, rows) = listed.split_last().expect("a summary");
    assert_eq!(last["kind"], "open_summary", "{last:#}");
    assert_eq!(last["listed"], rows.len(), "{last:#}");
    let rank = |row: &serde_json::Value| {
        let severity = row["severity"].as_str().expect("text").to_owned();
        ["critical", "high", "medium", "low"]
            .iter()
            .position(|name| *name == severity)
    };
    assert!(rows.is_sorted_by_key(rank), "{rows:#?}");
    let row = rows
        .iter()
        .find(|row| row["subject"] == "/data/new")
        .expect("listed");
    assert_eq!(
        (&row["check"], &row["verdict"]),
        (&"files.added".into(), &"fail".into()),
        "{row:#}"
    );
    assert!(
        row["since"]
            .as_str()
            .is_some_and(|since| since.ends_with('Z')),
        "{row:#}"
    );
    let text = harness.host.agent(&["status", "--open"]).expect(0).stdout;
    assert!(text.contains("files.added  /data/new  since "), "{text}");
    harness
        .host
        .agent_as("65534", &["status", "--open"])
        .expect(2)
        .complains(&["run as root"]);
    // What is gone is gone from the list too.
    harness.host.shell("rm data/new");
    harness.until("gone", |_| !open().stdout.contains("/data/new"));
    let text = harness.host.agent(&["status"]).expect(0).stdout;
    for said in [
        "deviations   ",
        "stand",
        "agent status --open",
        "cost         ",
        " of memory; ",
        "waiting      ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let (_, status) = harness.status();
    assert!(
        status["daemon"]["cost"]["rss_bytes"].as_u64() > Some(1 << 20),
        "{status:#}"
    );
    daemon.stop();
    harness.host.agent(&["status", "--open"]).expect(3);
    assert!(!harness.path("run/host-integrity-agent/open.json").exists());
}

/// A waiver is told at the sink with the finding, and that it has been taken back as well.
#[test]
fn a_waiver_is_told_with_the_finding() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "mkdir -p etc/ssh usr/sbin; : > usr/sbin/sshd; chmod 755 usr/sbin/sshd
         echo X11Forwarding yes > etc/ssh/sshd_config; chmod 600 etc/ssh/sshd_config
         printf '[[waivers]]\\ncheck = \"sshd.x11_forwarding\"\\nsubject = \"sshd\"\\nreason = \"r\"\\nowner = \"ann@example.com\"\\nuntil = \"9999-12-31\"\\n' \
         >> etc/host-integrity-agent/profile.toml",
    );
    let daemon = harness.start();
    let told = |harness: &DaemonHarness| {
        let mut events = harness.events();
        events.retain(|event| event["finding_info"]["analytic"]["uid"] == "sshd.x11_forwarding");
        events
    };
    harness.until("told", |harness| !told(harness).is_empty());
    let event = told(&harness).remove(0);
    assert_eq!(event["severity"], "Medium", "{event:#}");
    assert_eq!(
        event["unmapped"]["waived_by"]["owner"], "ann@example.com",
        "{event:#}"
    );
    harness
        .host
        .shell("sed -i s/9999/2020/ etc/host-integrity-agent/profile.toml");
    daemon.signal("HUP");
    harness.until("told anew", |harness| told(harness).len() > 1);
    let event = told(&harness).remove(1);
    assert!(event["unmapped"]["waived_by"].is_null(), "{event:#}");
    let message = event["message"].as_str().expect("text");
    assert!(
        message.contains("the waiver of ann@example.com ended with 2020-12-31"),
        "{message}"
    );
    daemon.stop();
    harness.verify();
}
