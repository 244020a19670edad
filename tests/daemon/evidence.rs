//! Evidence under a running daemon: what an update changed is told as explained, and stays so when apt has removed the
//! packages.

use super::harness::DaemonHarness;
use crate::explained::repository::FUNCTIONS;
use harness::shell;
use serde_json::Value;
use std::path::Path;

/// A host with `tool` 1.0 from a signed repository, recorded.
fn host() -> DaemonHarness {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "for path in /usr/bin /usr/lib /etc/apt; do printf '[[paths]]\\npath = \"%s\"\\nseverity = \"high\"\\n' $path; done \
         >> etc/host-integrity-agent/profile.toml",
    );
    run(
        &harness,
        "mkdir -p $PLACE/repo; mkdir -m 700 $PLACE/gpg; cd $ROOT
         mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/apt/lists/partial var/cache/apt/archives/partial
         mkdir -p etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d
         mkdir -p var/log/apt usr/bin usr/lib; : > var/lib/dpkg/status
         key distribution etc/apt/trusted.gpg.d/distribution.gpg; echo \"deb copy:$PLACE/repo ./\" > etc/apt/sources.list
         make tool 1.0; make tool 1.1; make tool 1.2; publish distribution; apt update; apt install tool=1.0",
    );
    harness.record();
    harness
}

fn run(harness: &DaemonHarness, commands: &str) {
    let place = harness.host.lab().path().display();
    let root = harness.path("");
    let root = root.to_string_lossy();
    let root = root.trim_end_matches('/');
    shell(
        Path::new("/"),
        &format!("PLACE={place}; ROOT={root}\n{FUNCTIONS}\n{commands}"),
    );
}

/// What was told last of a path: severity, evidence, the severity without it.
fn last(harness: &DaemonHarness, path: &str) -> Option<[Value; 3]> {
    let events = harness.events();
    let mut about = events.iter().rev();
    let event =
        about.find(|event| event["class_uid"] == 2004 && event["unmapped"]["subject"] == path)?;
    let unmapped = &event["unmapped"];
    Some([
        event["severity"].clone(),
        unmapped["explained_by"]["evidence"].clone(),
        unmapped["unexplained_severity"].clone(),
    ])
}

#[test]
fn an_update_is_explained_while_it_happens_and_ever_after() {
    let harness = host();
    let daemon = harness.start_scanned();
    run(&harness, "apt install tool=1.1");
    let explained = Some(["Low".into(), "signed".into(), "high".into()]);
    let paths = [
        "/usr/bin/tool",
        "/usr/lib/tool/data",
        "/usr/lib/tool/link-1.1",
    ];
    for path in paths {
        harness.until(path, |harness| last(harness, path) == explained);
    }
    // As apt does at the end of its run.
    harness.host.shell("rm var/cache/apt/archives/*.deb");
    assert_eq!(daemon.stop(), 0);
    let again = harness.start_scanned();
    for path in paths {
        assert_eq!(last(&harness, path), explained, "{path}");
    }
    // The newest version ever seen is no longer the manifest's: the one before it is old now.
    run(&harness, "apt install tool=1.2");
    harness.until("1.2", |harness| {
        let events = harness.events();
        events.iter().any(|event| {
            event["unmapped"]["subject"] == "/usr/bin/tool"
                && event["unmapped"]["explained_by"]["version"] == "1.2"
        })
    });
    run(&harness, "apt install --allow-downgrades tool=1.1");
    let kept = Some(["High".into(), "signed".into(), Value::Null]);
    harness.until("an old version", |harness| {
        last(harness, "/usr/bin/tool") == kept
    });
    // An edit is no update.
    harness.host.shell("echo evil >> usr/bin/tool");
    let edited = Some(["High".into(), Value::Null, Value::Null]);
    harness.until("an edit", |harness| {
        last(harness, "/usr/bin/tool") == edited
    });
    assert_eq!(again.stop(), 0);
    harness.verify();
}
