//! Recorded files with several names: what is done through one of them is told of all.

use super::harness::{CONFIG, DaemonHarness};
use harness::kernel::limits_stand_still;
use harness::{UNTIL_SEEN, meanwhile};

#[test]
fn what_is_done_through_one_name_is_told_of_all() {
    let _limits = limits_stand_still();
    let harness = DaemonHarness::new();
    harness.host.shell(
        "printf '[[paths]]\\npath = \"/data/loose\"\\nseverity = \"high\"\\nattributes = \"content\"\\n' \
           >> etc/host-integrity-agent/profile.toml
         mkdir -p data/near data/far data/loose
         for n in written mode gone; do
           echo $n > data/near/$n; ln data/near/$n data/far/$n; ln data/near/$n data/loose/$n
         done
         find data -exec touch -d @1000 {} +",
    );
    harness.record();
    let daemon = harness.start();
    harness.until_scanned();
    harness.until_attributed();

    let line = format!(
        "perl -e 'open(my $f, \">>\", \"data/near/written\"); syswrite($f, \"more\"); close $f; {UNTIL_SEEN}'"
    );
    meanwhile(&harness.host.lab().root(), &line, || {
        for path in ["near", "far"] {
            harness.until_told(&format!(
                "raised files.changed /data/{path}/written size mtime sha256"
            ));
        }
        harness.until_told("raised files.changed /data/loose/written");
    });
    harness.until_as_checked("written to");
    // Whoever wrote through one name wrote to all.
    for path in ["near", "far", "loose"] {
        let event = harness.event("raised", &format!("/data/{path}/written"));
        assert_eq!(event["actor"]["process"]["name"], "perl", "{event:#}");
    }

    harness.host.shell("chmod 600 data/far/mode");
    harness.until_told("raised files.changed /data/near/mode mode");
    harness.until_as_checked("another mode");

    harness.host.shell("rm data/loose/gone");
    harness.until_told("raised files.removed /data/loose/gone");
    harness.until_told("raised files.changed /data/near/gone nlink");
    harness.until_told("raised files.changed /data/far/gone nlink");
    harness.until_as_checked("a name less");

    harness.host.shell("mv data/far tmp/far");
    harness.until_told("raised files.removed /data/far/written");
    harness.until_as_checked("a directory less");
    assert_eq!(harness.gaps(), [0; 0]);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// The scans are hours apart.
#[test]
fn what_is_done_through_a_name_outside_is_told_at_once() {
    let _limits = limits_stand_still();
    let harness = DaemonHarness::new();
    harness.host.shell(
        "mkdir -p data/in data/too tmp/out
         for n in written mode; do echo $n > data/in/$n; ln data/in/$n tmp/out/$n; done
         ln data/in/mode data/too/mode
         find data -exec touch -d @1000 {} +",
    );
    harness.record();
    let daemon = harness.start();
    harness.until_scanned();
    harness.host.shell("echo more >> tmp/out/written");
    harness.until_told("raised files.changed /data/in/written size mtime sha256");
    harness.host.shell("chmod 600 tmp/out/mode");
    harness.until_told("raised files.changed /data/in/mode mode");
    harness.until_told("raised files.changed /data/too/mode mode");
    harness.until_as_checked("through names outside");
    let (_, status) = harness.status();
    assert_eq!(status["daemon"]["watch"]["linked"], 3, "{status:#}");
    assert_eq!(harness.gaps(), [0; 0]);
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// As on the root of an image-mode host, where nearly every file has two names.
#[test]
fn where_nearly_every_file_has_two_names_the_critical_ones_are_watched() {
    let _limits = limits_stand_still();
    let harness = DaemonHarness::new();
    let limit: usize = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches")
        .expect("a limit")
        .trim()
        .parse()
        .expect("a number");
    // As docs/watch.md has it.
    let most = (limit / 8).min(8192);
    harness.configure(&format!("{CONFIG}[heartbeat]\ninterval = \"1s\"\n"));
    harness.host.shell(&format!(
        "printf '[[paths]]\\npath = \"/data/key\"\\nseverity = \"critical\"\\n' \
           >> etc/host-integrity-agent/profile.toml
         mkdir -p data/many tmp/out; echo key > data/key; ln data/key tmp/out/key
         perl -e 'for (1..{most}) {{ open(my $f, \">\", \"data/many/$_\") or die; close $f;
                                     link(\"data/many/$_\", \"tmp/out/$_\") or die }}'"
    ));
    harness.record();
    let daemon = harness.start();
    harness.until_scanned();
    let told = |event: &serde_json::Value| {
        let linked = &event["unmapped"]["coverage"]["linked"];
        linked["watched"] == 1
            && linked["unwatched"] == most
            && linked["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("next scan"))
    };
    harness.until("told in a heartbeat", |harness| {
        harness.events().iter().any(told)
    });
    let text = harness.host.agent(&["status"]).expect(0).stdout;
    assert!(text.contains("have no watch of their own"), "{text}");
    harness.host.shell("echo more >> tmp/out/key");
    harness.until_told("raised files.changed /data/key");
    let gaps = harness.events().into_iter().filter(|event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["activity_name"] == "Coverage gap" && message.contains("several names")
    });
    assert_eq!(gaps.count(), 1, "told once");
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}
