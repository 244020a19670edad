//! A change is told within seconds, with what it was, and that it is gone.

use super::harness::DaemonHarness;
use serde_json::Value;

#[test]
fn a_change_is_told_and_its_end_as_well() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    assert_eq!(harness.told(), [""; 0], "nothing deviates yet");

    harness.host.shell("cp -p data/d1/file /tmp/kept.$$; echo changed >> data/d1/file; echo new > data/d2/new; rm data/d3/file; rm /tmp/kept.$$");
    harness.until_told("raised files.changed /data/d1/file size mtime sha256");
    harness.until_told("raised files.added /data/d2/new");
    harness.until_told("raised files.removed /data/d3/file");
    assert_eq!(harness.open(), harness.check());

    let event = harness
        .events()
        .into_iter()
        .find(|event| event["unmapped"]["subject"] == "/data/d1/file")
        .expect("told");
    assert_eq!(event["severity"], "High", "{event:#}");
    assert!(event["device"]["uid"].is_string(), "{event:#}");
    assert!(
        event["unmapped"]["cause"]["while_down"].is_null(),
        "{event:#}"
    );

    harness.host.shell("rm data/d2/new");
    harness.until_told("cleared files.added /data/d2/new");
    assert_eq!(harness.open(), harness.check());
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn what_is_changed_and_restored_does_not_vanish() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    harness.change_and_restore("data/d1/file");
    harness.until_told("raised files.changed /data/d1/file");
    harness.until_told("cleared files.changed /data/d1/file");
    let event = harness
        .events()
        .into_iter()
        .find(|event| event["unmapped"]["subject"] == "/data/d1/file")
        .expect("told");
    assert_eq!(event["unmapped"]["cause"]["restored"], true, "{event:#}");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// What cloud-init writes anew as it was is no news while it is at work; its control groups can be made by anybody who
/// may change what that would excuse.
#[test]
fn who_calls_itself_cloud_init_after_its_end_excuses_nothing() {
    let harness = DaemonHarness::recorded();
    harness.host.shell(
        "group=sys/fs/cgroup/system.slice/cloud-final.service
         mkdir -p run/cloud-init $group; echo '{}' > run/cloud-init/result.json; echo 1 > $group/cgroup.procs",
    );
    let daemon = harness.start();
    harness.until_scanned();
    harness.change_and_restore("data/d1/file");
    harness.until_told("cleared files.changed /data/d1/file");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// More of it than is told path by path is counted by place, where the log holds it.
#[test]
fn what_is_changed_and_restored_behind_very_much_of_that_is_counted() {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/noise data/z
         echo good > data/z/prog; for n in {1..1500}; do echo $n > data/noise/$n; done",
    );
    harness.record();
    let daemon = harness.start();
    harness.until_scanned();
    harness.host.shell("chmod 644 data/noise/*");
    harness.change_and_restore("data/z/prog");
    let counted = |harness: &DaemonHarness| -> (u64, String) {
        let of_more = |event: &Value| event["status_code"] == "restored.full";
        let events = harness.events().into_iter().filter(of_more);
        let messages = events.map(|event| event["message"].as_str().expect("text").to_owned());
        let messages: Vec<String> = messages.collect();
        let number = |message: &String| -> u64 {
            let first = message.split(' ').next().expect("a word");
            first.parse().expect("a number")
        };
        (messages.iter().map(number).sum(), messages.join("\n"))
    };
    let is_told = |harness: &DaemonHarness, subject: &str| {
        let mut told = harness.told().into_iter();
        told.any(|line| line == format!("raised files.changed {subject}"))
    };
    harness.until("each is told or counted", |harness| {
        let told = harness.told().into_iter();
        let told = told
            .filter(|line| line.starts_with("raised files.changed /data/"))
            .count();
        told as u64 + counted(harness).0 >= 1501
    });
    let (_, messages) = counted(&harness);
    let is_counted = messages.contains("1 in /data/z");
    assert!(
        is_counted || is_told(&harness, "/data/z/prog"),
        "{messages}"
    );
    assert!(messages.contains(" in /data/noise"), "{messages}");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn what_changed_while_the_agent_was_down_is_told_as_such() {
    let harness = DaemonHarness::recorded();
    harness.host.shell("echo early > data/early");
    let daemon = harness.start();
    harness.until_told("raised files.added /data/early");
    harness.until_scanned();
    assert_eq!(daemon.stop(), 0);

    harness.host.shell("echo late > data/late; rm data/early");
    let daemon = harness.start();
    harness.until_told("raised files.added /data/late");
    harness.until_told("cleared files.added /data/early");
    let of = |subject: &str| {
        let events = harness.events();
        let mut found = events
            .into_iter()
            .filter(|e| e["unmapped"]["subject"] == subject);
        found.next().expect("told")["unmapped"]["cause"]["while_down"].clone()
    };
    // A host without history has no "while down".
    assert!(of("/data/early").is_null());
    assert_eq!(of("/data/late"), true);
    harness.host.shell("echo now > data/now");
    harness.until_told("raised files.added /data/now");
    assert!(of("/data/now").is_null());
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

#[test]
fn after_a_storm_the_events_say_what_a_check_says() {
    let harness = DaemonHarness::recorded();
    let daemon = harness.start();
    harness.until_scanned();
    harness.host.shell(
        "for n in 1 2 3 4 5 6 7 8; do
           mkdir -p data/d$n/a/b/c/d; echo $n > data/d$n/a/b/c/d/deep
           for m in 1 2 3 4 5 6 7 8 9; do echo $m > data/d$n/$m; mv data/d$n/$m data/d$n/x$m; done
         done
         mv data/d1 data/moved; mv data/d2 tmp/out; rm -r data/d3; chmod 700 data/d4/file; touch data/d5
         mkdir tmp/in; echo in > tmp/in/file; mv tmp/in data/in; mv tmp/out data/d2; ln -s d4 data/link",
    );
    let expected = harness.check();
    assert!(expected.len() > 100, "{expected:#?}");
    harness.until("the same as a check", |harness| harness.open() == expected);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
