//! Evidence under a running daemon: what an update changed is told as explained, and stays so when apt has removed the
//! packages.

use super::harness::DaemonHarness;
use crate::explained::repository::FUNCTIONS;
use harness::shell;
use serde_json::Value;
use std::path::Path;

/// The profile covers what dpkg keeps of packages, as the shipped ones do.
const INFO: &str = "printf '[[paths]]\\npath = \"/var/lib/dpkg/info\"\\nseverity = \"high\"\\n' \
                    >> etc/host-integrity-agent/profile.toml";

/// A host with `tool` 1.0 from a signed repository, recorded. `profile` and `more` are lines of shell, for the profile and
/// for the host as it is recorded, which know what [`FUNCTIONS`] and the lines before have made.
pub(super) fn host(profile: &str, more: &str) -> DaemonHarness {
    let harness = DaemonHarness::new();
    harness.host.shell(
        "for path in /usr/bin /usr/lib /etc/apt; do printf '[[paths]]\\npath = \"%s\"\\nseverity = \"high\"\\n' $path; done \
         >> etc/host-integrity-agent/profile.toml",
    );
    harness.host.shell(profile);
    let made = format!(
        "mkdir -p $PLACE/repo; mkdir -m 700 $PLACE/gpg; cd $ROOT
         mkdir -p var/lib/dpkg/info var/lib/dpkg/updates var/lib/apt/lists/partial var/cache/apt/archives/partial
         mkdir -p etc/apt/apt.conf.d etc/apt/preferences.d etc/apt/sources.list.d etc/apt/trusted.gpg.d
         mkdir -p var/log/apt usr/bin usr/lib; : > var/lib/dpkg/status
         key distribution etc/apt/trusted.gpg.d/distribution.gpg; echo \"deb copy:$PLACE/repo ./\" > etc/apt/sources.list
         make tool 1.0; make tool 1.1; make tool 1.2; publish distribution; apt update; apt install tool=1.0; cd $ROOT; {more}",
    );
    run(&harness, &made);
    harness.record();
    harness
}

pub(super) fn run(harness: &DaemonHarness, commands: &str) {
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
pub(super) fn last(harness: &DaemonHarness, path: &str) -> Option<[Value; 3]> {
    let events = harness.events();
    let mut about = events.iter().rev();
    let lists = |event: &Value| {
        let listing = event["unmapped"]["listing"].as_str().unwrap_or_default();
        let mut lines = listing.lines();
        event["status"] == "New" && lines.any(|line| line.get(2..) == Some(path))
    };
    let is_about = |event: &&Value| {
        (event["class_uid"] == 2004 && event["unmapped"]["subject"] == path)
            || (event["activity_name"] == "Package explained" && lists(event))
    };
    let event = about.find(is_about)?;
    let unmapped = &event["unmapped"];
    if event["class_uid"] != 2004 {
        // By package: what is critical or not explained is not among it, and all of it is `high` here.
        let evidence = unmapped["package"]["evidence"].clone();
        return Some([event["severity"].clone(), evidence, "high".into()]);
    }
    Some([
        event["severity"].clone(),
        unmapped["explained_by"]["evidence"].clone(),
        unmapped["unexplained_severity"].clone(),
    ])
}

#[test]
fn an_update_is_explained_while_it_happens_and_ever_after() {
    let harness = host("", "");
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
            event["unmapped"]["package"]["version"] == "1.2"
                || event["unmapped"]["subject"] == "/usr/bin/tool"
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

/// The digest of a package that the agent took in, once it did.
pub(super) fn until_taken_in(harness: &DaemonHarness, package: &str) {
    harness.until(package, |harness| {
        let kept = std::fs::read_dir(harness.path("var/lib/host-integrity-agent/evidence"));
        let mut kept = kept.into_iter().flatten().flatten();
        kept.any(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            text.contains(&format!("\npackage {package} all\n"))
        })
    });
}

/// What a package ships is taken in when it is moved into apt's cache, before anything of it is touched: whether it lies
/// there still when dpkg is done, or something else by then, is all the same.
#[test]
fn a_package_is_taken_in_when_it_comes_and_not_when_its_files_do() {
    let harness = host("", "");
    let daemon = harness.start_scanned();
    run(&harness, "apt install --download-only tool=1.1");
    until_taken_in(&harness, "tool 1.1");
    // Another one in its place, of the same name and version, that dpkg is given.
    run(
        &harness,
        "mkdir $PLACE/own; TO=$PLACE/own make tool 1.1 'echo evil >> usr/bin/tool'
         mv $PLACE/own/tool_1.1_all.deb $ROOT/var/cache/apt/archives/tool_1.1_all.deb
         dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i $ROOT/var/cache/apt/archives/tool_1.1_all.deb",
    );
    let evil = Some(["High".into(), Value::Null, Value::Null]);
    harness.until("the exchanged program", |harness| {
        last(harness, "/usr/bin/tool") == evil
    });
    let explained = Some(["Low".into(), "signed".into(), "high".into()]);
    harness.until("what is as the signed one has it", |harness| {
        last(harness, "/usr/lib/tool/data") == explained
    });
    // What only the version before had went with it: both are signed, and were taken in.
    harness.until("what went", |harness| {
        last(harness, "/usr/lib/tool/link-1.0") == explained
    });
    // With a cache that is empty before anything has settled.
    run(&harness, "apt install --download-only tool=1.2");
    until_taken_in(&harness, "tool 1.2");
    run(
        &harness,
        "rm $ROOT/var/cache/apt/archives/*.deb
         dpkg --root=$ROOT --log=$ROOT/var/log/dpkg.log --force-confnew -i $PLACE/repo/tool_1.2_all.deb",
    );
    for path in ["/usr/bin/tool", "/usr/lib/tool/link-1.2"] {
        harness.until(path, |harness| last(harness, path) == explained);
    }
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// A machine under load: dpkg is done before the agent gets to look.
#[test]
fn what_went_with_an_update_is_explained_however_late_the_agent_comes() {
    let harness = host(INFO, "rm $ROOT/var/cache/apt/archives/*.deb");
    let daemon = harness.start_scanned();
    daemon.signal("STOP");
    run(&harness, "apt install tool=1.1");
    daemon.signal("CONT");
    let explained = Some(["Low".into(), "signed".into(), "high".into()]);
    for path in ["/usr/bin/tool", "/usr/lib/tool/link-1.0"] {
        harness.until(path, |harness| last(harness, path) == explained);
    }
    assert_eq!(daemon.stop(), 0);
    harness.verify();
}

/// The names of packages that were told as new, each time.
fn told_as_new(harness: &DaemonHarness) -> Vec<Value> {
    let mut events = harness.events();
    events.retain(|event| event["activity_name"] == "New package");
    events
        .iter()
        .map(|event| event["unmapped"]["package"]["name"].clone())
        .collect()
}

/// An image's cache is empty: that the first update takes away what its packages had, only dpkg's lists can tell. They count
/// as they were recorded, whatever somebody writes into them.
#[test]
fn what_goes_with_the_images_own_packages_is_explained_by_lists_that_are_as_recorded() {
    let harness = host(
        INFO,
        "make forged 1.0; make forged 1.1; make brand 1.0; publish distribution; apt update; apt install forged=1.0
         rm $ROOT/var/cache/apt/archives/*.deb; echo victim > $ROOT/usr/bin/victim",
    );
    let daemon = harness.start_scanned();
    harness
        .host
        .shell("echo /usr/bin/victim >> var/lib/dpkg/info/forged.list");
    run(&harness, "apt install tool=1.1 forged=1.1");
    harness.host.shell("rm -f usr/bin/victim");
    let explained = Some(["Low".into(), "signed".into(), "high".into()]);
    let gone = "/usr/lib/tool/link-1.0";
    harness.until(gone, |harness| last(harness, gone) == explained);
    let list = "/var/lib/dpkg/info/tool.list";
    harness.until(list, |harness| last(harness, list) == explained);
    let victim = "/usr/bin/victim";
    let kept = Some(["High".into(), Value::Null, Value::Null]);
    harness.until(victim, |harness| last(harness, victim) == kept);
    let of_forged = "/usr/lib/forged/link-1.0";
    harness.until(of_forged, |harness| last(harness, of_forged) == explained);
    assert_eq!(last(&harness, victim), kept);
    // A package that is new says so in one line, once, and its files are told by themselves.
    run(&harness, "apt install brand");
    let new = Some(["High".into(), "signed".into(), Value::Null]);
    for path in ["/usr/bin/brand", "/usr/lib/brand/data"] {
        harness.until(path, |harness| last(harness, path) == new);
    }
    assert_eq!(told_as_new(&harness), ["brand"]);
    assert_eq!(daemon.stop(), 0);
    let again = harness.start_scanned();
    assert_eq!(last(&harness, gone), explained);
    assert_eq!(told_as_new(&harness), ["brand"]);
    assert_eq!(again.stop(), 0);
    harness.verify();
}
