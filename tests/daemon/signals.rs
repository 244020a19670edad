//! Signals, reloads, status: what an operator does to the daemon, and what it answers.

use super::harness::{CONFIG, DaemonHarness};
use super::launch::is_whole;
use super::untrusted::seen;
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

fn lifecycle(harness: &DaemonHarness, name: &str) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["class_uid"] == 6002 && event["activity_name"] == name);
    events
}

#[test]
fn status_says_how_it_is() {
    let harness = DaemonHarness::recorded();
    assert_eq!(harness.status().0, 3, "no daemon");
    let daemon = harness.start();
    harness.until("watching and delivering", |harness| harness.status().0 == 0);
    harness.until_scanned();
    let (_, status) = harness.status();
    assert_eq!(status["alive"], true, "{status:#}");
    let says = &status["daemon"];
    assert_eq!(says["pid"], daemon.id(), "{status:#}");
    assert_eq!(says["ground"]["against"], "manifest", "{status:#}");
    assert_eq!(says["sinks"][0]["name"], "file", "{status:#}");
    assert_eq!(says["sinks"][0]["state"], "delivering", "{status:#}");
    let text = harness.host.agent(&["status"]).expect(0).stdout;
    for line in [
        "alive        yes",
        "watching     yes",
        "delivering   yes",
        "judged by    manifest",
    ] {
        assert!(text.contains(line), "{text}");
    }
    // A place that takes nothing, below one that may be written: alive, and not delivering.
    harness.configure(&CONFIG.replace("/var/log/events.jsonl", "/var/log/nowhere/events.jsonl"));
    daemon.signal("HUP");
    harness.until("not delivering", |harness| harness.status().0 == 1);
    let text = harness.host.agent(&["status"]).expect(1).stdout;
    assert!(text.contains("delivering   NO"), "{text}");
    harness.configure(CONFIG);
    daemon.signal("HUP");
    harness.until("delivering", |harness| harness.status().0 == 0);
    daemon.kill();
    assert_eq!(
        harness.status().0,
        3,
        "the file is there, the process is not"
    );
    std::fs::write(harness.path("run/host-integrity-agent/status.json"), "{").expect("written");
    harness.host.agent(&["status"]).expect(2);
    harness.verify();
}

#[test]
fn a_reload_holds_if_it_is_good_and_changes_nothing_if_not() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    harness.configure("[scan]\ninterval = \"6d\"\n");
    daemon.signal("HUP");
    let refused = |harness: &DaemonHarness| {
        let mut events = harness.events();
        events.retain(|event| event["status_code"] == "reload.refused");
        events
    };
    harness.until("refused", |harness| refused(harness).len() == 1);
    let message = refused(&harness)[0]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for word in ["agent.toml:2", "interval"] {
        assert!(message.contains(word), "{message}");
        assert!(harness.stderr().contains(word), "{}", harness.stderr());
    }
    harness.until("the trouble shows", |harness| {
        let (exit, status) = harness.status();
        // The old one holds.
        exit == 0
            && status["daemon"]["trouble"]
                .to_string()
                .contains("agent.toml")
    });

    // Another profile: what it covers is looked at, and watched.
    harness.host.shell(
        "mkdir more; echo more > more/file
         printf '[[paths]]\\npath = \"/more\"\\nseverity = \"low\"\\n' >> etc/host-integrity-agent/profile.toml",
    );
    harness.record();
    harness.configure(&format!("{CONFIG}[heartbeat]\ninterval = \"1s\"\n"));
    daemon.signal("HUP");
    harness.until("reloaded", |harness| {
        !lifecycle(harness, "Update").is_empty()
    });
    let reloaded = lifecycle(&harness, "Update").remove(0);
    let message = reloaded["message"].as_str().unwrap_or_default();
    for word in ["heartbeat.interval", "profile.toml"] {
        assert!(message.contains(word), "{message}");
    }
    harness.host.shell("echo other > more/file");
    harness.until_told("raised files.changed /more/file");
    harness.until("the trouble is over", |harness| {
        harness.status().1["daemon"]["trouble"] == serde_json::json!([])
    });
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn the_end_is_told_and_everything_shipped() {
    let harness = DaemonHarness::recorded();
    let socket = UnixDatagram::bind(harness.path("run/notify")).expect("a socket");
    // Read all the time, as systemd does: a full queue would hold the agent up.
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer) {
            let word = String::from_utf8_lossy(&buffer[..length]).into_owned();
            hears.lock().expect("no panic").push(word);
        }
    });
    let daemon = harness.start_with(|command| {
        command
            .env("NOTIFY_SOCKET", "/run/notify")
            .env("WATCHDOG_USEC", "2000000");
    });
    harness.until_scanned();
    harness
        .host
        .shell("for n in $(seq 500); do echo $n > data/n$n; done");
    harness.until("something found", |harness| harness.told().len() > 10);
    assert_eq!(daemon.stop(), 0);
    let events = harness.events();
    let sequence = |event: &Value| event["metadata"]["sequence"].as_u64();
    let stop = events
        .iter()
        .find(|event| event["class_uid"] == 6002 && event["activity_name"] == "Stop");
    let stop = stop.and_then(sequence).expect("the end is told");
    let findings = events.iter().filter(|event| event["class_uid"] == 2004);
    assert!(findings.filter_map(sequence).max() < Some(stop));
    harness.verify();
    let heard = heard.lock().expect("no panic").clone();
    let has = |what: &str| {
        heard
            .iter()
            .position(|word| word.lines().any(|line| line.starts_with(what)))
    };
    let (ready, watchdog, stopping) = (has("READY=1"), has("WATCHDOG=1"), has("STOPPING=1"));
    assert!(ready.is_some() && ready < stopping, "{heard:#?}");
    assert!(watchdog.is_some(), "{heard:#?}");
    assert_eq!(harness.status().0, 3);
}

#[test]
fn the_first_event_names_what_verdicts_rest_on() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until("started", |harness| !lifecycle(harness, "Start").is_empty());
    let start = lifecycle(&harness, "Start").remove(0);
    assert_eq!(start["metadata"]["sequence"], 1, "{start:#}");
    let digests = start["unmapped"]["digests"].to_string();
    let manifest = std::fs::read(harness.path("usr/share/host-integrity-agent/manifest.mtree"))
        .expect("a manifest");
    let binary = std::fs::read(harness::agent_path()).expect("the binary");
    for bytes in [manifest, binary] {
        let digest = harness::sha256(&bytes);
        assert!(digests.contains(&digest), "{digest} in {start:#}");
    }
    assert_eq!(start["unmapped"]["first_of_boot"], true, "{start:#}");
    assert_eq!(daemon.stop(), 0);
    let daemon = harness.start();
    harness.until("started again", |harness| {
        lifecycle(harness, "Start").len() == 2
    });
    assert_eq!(
        lifecycle(&harness, "Start")[1]["unmapped"]["first_of_boot"],
        false
    );
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn a_manifest_that_cannot_be_used_is_told_as_critical_and_when_it_can_again() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    assert_eq!(daemon.stop(), 0);
    let manifest = harness.path("usr/share/host-integrity-agent/manifest.mtree");
    let text = std::fs::read(&manifest).expect("a manifest");
    let cases: [(&str, &str, &str, &dyn Fn()); 3] = [
        ("Create", "Critical", "unreadable", &|| {
            std::fs::write(&manifest, "#mtree\nnonsense\n").expect("written")
        }),
        ("Update", "Critical", "missing", &|| {
            std::fs::remove_file(&manifest).expect("removed")
        }),
        ("Close", "Informational", "missing", &|| {
            std::fs::write(&manifest, &text).expect("written")
        }),
    ];
    let mut told = Vec::new();
    for (activity, severity, state, change) in cases {
        told.push(json!([activity, severity, state]));
        // Noticed by the one that runs, and not told twice by the next.
        let daemon = harness.start();
        change();
        harness.until(state, |harness| seen(harness) == told);
        assert_eq!(daemon.stop(), 0);
        let daemon = harness.start();
        harness.until("another scan", |harness| {
            let status = harness.status().1;
            let packages = status["daemon"]["trouble"].to_string();
            packages.contains("package database") == (activity != "Close")
                && !status["daemon"]["scan"]["ended"].is_null()
        });
        assert_eq!(daemon.stop(), 0);
        assert_eq!(seen(&harness), told);
    }
    harness.verify();
}

#[test]
fn what_the_first_boot_changes_is_put_on_record_when_cloud_init_is_done() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "printf '[[paths]]\\npath = \"/etc/passwd\"\\nseverity = \"critical\"\\nlaunch = \"record\"\\n[[paths]]\\npath = \"/home\"\\nseverity = \"high\"\\nlaunch = \"record\"\\n' >> etc/host-integrity-agent/profile.toml
         mkdir home; printf 'root:x:0:0::/root:/bin/sh\\n' > etc/passwd",
    );
    harness.record();
    // cloud-init at work.
    harness.host.shell(
        "mkdir -p run/cloud-init home/admin/.ssh
         cp -p etc/passwd etc/passwd-; printf 'admin:x:1000:1000::/home/admin:/bin/sh\\n' >> etc/passwd
         ssh-keygen -q -t ed25519 -N '' -f ../key; cp ../key.pub home/admin/.ssh/authorized_keys
         echo two > data/one",
    );
    let daemon = harness.start();
    // What is no matter of the first boot is judged meanwhile, what is one is not.
    harness.until_told("raised files.changed /data/one");
    harness.until_scanned();
    assert_eq!(harness.told().len(), 1, "{:#?}", harness.told());
    assert!(
        !harness
            .path("var/lib/host-integrity-agent/launch.mtree")
            .exists()
    );

    harness.host.shell("echo '{}' > run/cloud-init/result.json");
    harness.until("on record", |harness| {
        !lifecycle(harness, "Launch record").is_empty()
    });
    let event = lifecycle(&harness, "Launch record").remove(0);
    is_whole(&harness, &event);
    // Later changes of the same paths are deviations.
    harness
        .host
        .shell("printf 'evil:x:0:0::/:/bin/sh\\n' >> etc/passwd");
    harness.until_told("raised files.changed /etc/passwd");
    assert_eq!(harness.open(), harness.check());
    assert_eq!(daemon.stop(), 0);

    // Another record in its place is one as well.
    harness
        .host
        .shell("rm var/lib/host-integrity-agent/launch.mtree");
    harness.host.agent(&["baseline", "launch"]).expect(0);
    let daemon = harness.start();
    harness.until_told("raised files.launch_record");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
