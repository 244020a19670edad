//! A store that is damaged, and a state directory without room, under a daemon.

use super::harness::DaemonHarness;
use serde_json::Value;

const STATE: &str = "var/lib/host-integrity-agent";

#[test]
fn a_damaged_store_is_told_once_and_what_stands_is_raised_anew() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    harness
        .host
        .shell("echo changed > data/d1/file; rm data/d2/file; echo new > data/new");
    harness.until_as_checked("before");
    assert_eq!(daemon.stop(), 0);
    let before = harness.events().len();

    let path = harness.path(&format!("{STATE}/store.redb"));
    let mut bytes = std::fs::read(&path).expect("the store");
    // In the page in use and in those of before: the keys of the ledger write a slash as zero.
    let key = b"\0data\0new";
    let places = bytes.windows(key.len()).enumerate();
    let places: Vec<usize> = places
        .filter_map(|(at, bytes)| (bytes == key).then_some(at))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 1] ^= 4;
    }
    std::fs::write(&path, &bytes).expect("damaged");

    // The first notices it, the second finds a good one.
    for _ in 0..2 {
        let daemon = harness.start();
        harness.until("a whole scan", |harness| {
            let (_, status) = harness.status();
            let says = &status["daemon"];
            says["pid"] == daemon.id() && says["scan"]["ended"].is_string()
        });
        assert_eq!(daemon.stop(), 0);
    }
    let events = harness.events();
    let (old, new) = events.split_at(before);
    let aside = |events: &[Value]| {
        let events = events.iter();
        events
            .filter(|event| event["status_code"] == "store.set_aside")
            .count()
    };
    assert_eq!((aside(old), aside(new)), (0, 1), "{new:#?}");
    assert_eq!(new[0]["status_code"], "store.set_aside", "{:#}", new[0]);
    assert_eq!(new[0]["metadata"]["sequence"], 1, "{:#}", new[0]);
    let raised: Vec<String> = new.iter().filter_map(super::harness::told).collect();
    let expected = [
        "raised files.added /data/new",
        "raised files.changed /data/d1/file",
        "raised files.removed /data/d2/file",
    ];
    for line in expected {
        let count = raised.iter().filter(|told| told.starts_with(line)).count();
        assert_eq!(count, 1, "{line}: {raised:#?}");
    }
    assert_eq!(raised.len(), expected.len(), "{raised:#?}");
    let names: Vec<_> = std::fs::read_dir(harness.path(STATE))
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains(".aside-"))
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let kept = std::fs::read(harness.path(STATE).join(&names[0])).expect("it is kept");
    assert_eq!(kept, bytes, "for whoever wants to know");
    // Both chains are whole, and what follows is so by itself.
    harness.verify();
    let text = std::fs::read_to_string(harness.path("var/log/events.jsonl")).expect("events");
    let new: Vec<&str> = text.lines().skip(before).collect();
    std::fs::write(harness.path("tmp/new.jsonl"), new.join("\n") + "\n").expect("written");
    let verify = ["log", "verify", "/tmp/new.jsonl"];
    harness.host.agent(&verify).expect(0);
}

/// What was found while there was no room is told when there is, and nobody goes on to speak of it.
#[test]
fn a_state_directory_without_room_is_trouble_as_long_as_it_has_none() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start_after(&format!(
        "mount -t tmpfs -o size=8m none root/{STATE}
         head -c 16M /dev/zero > root/{STATE}/filler 2> /dev/null || true"
    ));
    let troubles = |harness: &DaemonHarness| {
        let (_, status) = harness.status();
        status["daemon"]["trouble"].as_array().cloned()
    };
    harness.until("trouble", |harness| {
        let text = format!("{:?}", troubles(harness));
        text.contains("the store cannot be written")
            && text.contains("the state directory cannot be written")
    });
    harness.until_scanned();
    harness.host.shell("echo changed > data/d1/file");
    let filler = format!("/proc/{}/root/{STATE}/filler", daemon.id());
    std::fs::remove_file(filler).expect("removed");
    harness.until_told("raised files.changed /data/d1/file");
    harness.until("the trouble is over", |harness| {
        troubles(harness) == Some(Vec::new())
    });
    let left = format!("/proc/{}/root/{STATE}/run.json", daemon.id());
    assert!(std::fs::exists(left).expect("it can be looked for"));
    harness.until_as_checked("afterwards");
    assert_eq!(daemon.stop(), 0);
    // A store that was half made is not one that somebody damaged.
    let told = format!("{:#?}", harness.events());
    assert!(!told.contains("store.set_aside"), "{told}");
    harness.verify();
}

/// Room for a note, and none for the store: what was only noted as told would never be told.
#[test]
fn what_the_store_has_not_taken_is_not_remembered_as_told() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    assert_eq!(daemon.stop(), 0);
    std::fs::remove_file(harness.path(&format!("{STATE}/store.redb"))).expect("removed");
    // In blocks of 1 KiB: no store is as small as that. What is told needs the room for itself.
    std::fs::remove_file(harness.path("var/log/events.jsonl")).expect("removed");
    let daemon = harness.start_after("trap '' XFSZ; ulimit -f 64");
    let trouble = |harness: &DaemonHarness| harness.status().1["daemon"]["trouble"].to_string();
    harness.until("the store has no room", |harness| {
        trouble(harness).contains("the store cannot be written")
    });
    harness.until_scanned();
    harness.until("a heartbeat about it", |harness| {
        let mut events = harness.events();
        events.retain(|event| event["activity_name"] == "Heartbeat");
        events.iter().any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            message.matches("the store cannot be written").count() == 1
        })
    });
    std::fs::remove_file(harness.path("usr/share/host-integrity-agent/manifest.mtree"))
        .expect("removed");
    harness.until("noticed", |harness| {
        trouble(harness).contains("there is none: it was removed")
    });
    assert!(
        !trouble(&harness).contains("state directory"),
        "{}",
        trouble(&harness)
    );
    let about = |harness: &DaemonHarness| {
        let mut events = harness.events();
        events.retain(|event| event["finding_info"]["analytic"]["uid"] == "manifest");
        events
    };
    harness.until("told from memory", |harness| about(harness).len() == 1);
    daemon.kill();
    // The run that comes after cannot know of it.
    let daemon = harness.start();
    harness.until("told again", |harness| about(harness).len() == 2);
    let event = about(&harness).remove(0);
    assert_eq!(event["severity"], "Critical", "{event:#}");
    assert_eq!(event["unmapped"]["state"], "missing", "{event:#}");
    assert_eq!(daemon.stop(), 0);
}
