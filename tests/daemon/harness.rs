//! A host with a daemon in it, and what its events say.

use harness::{Host, Ran, defined, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes that comes at all, on a machine under load: scans run at idle priority, so beside busy
/// programs they get next to nothing.
const LONG: Duration = Duration::from_secs(400);

/// A host whose events go to a file.
pub(super) struct DaemonHarness {
    pub(super) host: Host,
}

/// What every harness is configured with; more may follow.
pub(super) const CONFIG: &str = "[sinks.cloudwatch_logs]\nenabled = false\n\
     [sinks.file]\npath = \"/var/log/events.jsonl\"\n";

impl DaemonHarness {
    /// A host without a manifest yet.
    pub(super) fn new() -> DaemonHarness {
        let host = Host::new();
        host.shell("mkdir -p var/log run/host-integrity-agent tmp");
        let harness = DaemonHarness { host };
        harness.configure(CONFIG);
        harness
    }

    /// A host with files below `/data`, all recorded in a manifest.
    pub(super) fn recorded() -> DaemonHarness {
        let harness = DaemonHarness::new();
        harness
            .host
            .shell("for n in 1 2 3 4 5 6 7 8; do mkdir -p data/d$n; echo $n > data/d$n/file; done");
        harness.record();
        harness
    }

    /// Records the host as it is.
    pub(super) fn record(&self) {
        self.record_after("");
    }

    /// The same after `mounts`, a line of shell beside the tree, which is `root` there.
    pub(super) fn record_after(&self, mounts: &str) {
        let create = [
            "baseline",
            "create",
            "--profile",
            "/etc/host-integrity-agent/profile.toml",
            "--output",
            "/usr/share/host-integrity-agent/manifest.mtree",
        ];
        run(&mut self.host.command_after(mounts, &create)).expect(0);
    }

    /// Changes a file of the tree for a moment; its mtime is set as it was.
    pub(super) fn change_and_restore(&self, file: &str) {
        self.host.shell(&format!(
            "touch -r {file} tmp/time; cp {file} tmp/file
             echo changed > {file}; cp tmp/file {file}; touch -r tmp/time {file}"
        ));
    }

    /// Replaces the configuration.
    pub(super) fn configure(&self, text: &str) {
        fs::write(self.path("etc/host-integrity-agent/agent.toml"), text)
            .expect("the configuration");
    }

    /// A path of the host, seen from outside.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.host.lab().root().join(below)
    }

    /// Starts the daemon and waits until it is ready.
    pub(super) fn start(&self) -> Daemon<'_> {
        self.start_with(|_| {})
    }

    /// The same, with something more said to it.
    pub(super) fn start_with(&self, prepare: impl FnOnce(&mut Command)) -> Daemon<'_> {
        let mut command = self.host.command(&["run"]);
        prepare(&mut command);
        self.spawn(command)
    }

    /// The same after `mounts`, a line of shell beside the tree, which is `root` there. Only the daemon sees them.
    pub(super) fn start_after(&self, mounts: &str) -> Daemon<'_> {
        self.start_after_with(mounts, |_| {})
    }

    /// The same, with something more said to it.
    pub(super) fn start_after_with(
        &self,
        mounts: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Daemon<'_> {
        let mut command = self.host.command_after(mounts, &["run"]);
        prepare(&mut command);
        self.spawn(command)
    }

    fn spawn(&self, command: Command) -> Daemon<'_> {
        let output = |name: &str| {
            let mut options = fs::OpenOptions::new();
            options.create(true).append(true);
            options
                .open(self.host.lab().path().join(name))
                .expect("a file for output")
        };
        let child = defined(&command)
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("unshare");
        Daemon {
            harness: self,
            child: Some(child),
        }
    }

    /// What the daemon wrote to standard error so far.
    pub(super) fn stderr(&self) -> String {
        fs::read_to_string(self.host.lab().path().join("stderr")).unwrap_or_default()
    }

    /// Every whole line of the file sink so far.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = fs::read(self.path("var/log/events.jsonl")).unwrap_or_default();
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines = text[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e}: {line:?}")))
            .collect()
    }

    /// Events about files, each in one line: what became of the deviation, check, subject and changed attributes.
    pub(super) fn told(&self) -> Vec<String> {
        self.events().iter().filter_map(told).collect()
    }

    /// Deviations of files that stand by what the events say, as `CHECK SUBJECT`.
    pub(super) fn open(&self) -> BTreeSet<String> {
        let mut open = BTreeMap::new();
        for event in self.events() {
            if told(&event).is_none() {
                continue;
            }
            let uid = event["finding_info"]["uid"]
                .as_str()
                .expect("a uid")
                .to_owned();
            match event["activity_name"].as_str() {
                Some("Close") => drop(open.remove(&uid)),
                _ => drop(open.insert(uid, format!("{} {}", check(&event), subject(&event)))),
            }
        }
        open.into_values().collect()
    }

    /// Deviations of files that a check finds, in the same form.
    pub(super) fn check(&self) -> BTreeSet<String> {
        let ran = self.host.agent(&["check", "--format", "json"]);
        let findings = ran.findings();
        let failed = findings.iter().filter(|f| f["verdict"] != "pass");
        failed
            .map(|f| {
                format!(
                    "{} {}",
                    f["check"].as_str().unwrap_or("?"),
                    f["subject"].as_str().unwrap_or("?")
                )
            })
            .collect()
    }

    /// What [`DaemonHarness::open`] says, each with all that is known of it.
    pub(super) fn open_in_full(&self) -> BTreeMap<String, Value> {
        let mut open = BTreeMap::new();
        for event in self.events().iter().filter(|event| told(event).is_some()) {
            let (name, about) = in_full(event);
            match event["activity_name"].as_str() {
                Some("Close") => drop(open.remove(&name)),
                _ => drop(open.insert(name, about)),
            }
        }
        open
    }

    /// What [`DaemonHarness::check`] says, in the same form.
    pub(super) fn check_in_full(&self) -> BTreeMap<String, Value> {
        let ran = self.host.agent(&["check", "--format", "ocsf"]);
        let events = ran.json();
        let findings = events.iter().filter(|event| told(event).is_some());
        findings.map(in_full).collect()
    }

    /// Waits until what is open is what a check finds, and no more and no less.
    pub(super) fn until_as_checked(&self, about: &str) {
        let expected = self.check_in_full();
        let begin = Instant::now();
        loop {
            let open = self.open_in_full();
            if open == expected {
                return;
            }
            let names = open.keys().chain(expected.keys()).collect::<BTreeSet<_>>();
            let wrong = names
                .into_iter()
                .filter(|name| open.get(*name) != expected.get(*name));
            let wrong: Vec<String> = wrong
                .map(|name| {
                    let shown = |of: &BTreeMap<String, Value>| of.get(name).map(Value::to_string);
                    format!(
                        "{name}\n open: {:?}\n check: {:?}",
                        shown(&open),
                        shown(&expected)
                    )
                })
                .collect();
            assert!(
                begin.elapsed() < LONG,
                "{about}: {}\n{}",
                self.stderr(),
                wrong.join("\n")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a fault of that code was told.
    pub(super) fn has_fault(&self, code: &str) -> bool {
        let events = self.events();
        events.iter().any(|event| event["status_code"] == code)
    }

    /// Events that say that something may have been missed.
    pub(super) fn gaps(&self) -> Vec<Value> {
        let mut gaps = self.events();
        gaps.retain(|event| event["activity_name"] == "Coverage gap");
        gaps
    }

    /// The only event of that kind on that path.
    pub(super) fn event(&self, step: &str, subject: &str) -> Value {
        let mut events = self.events();
        events.retain(|event| {
            told(event).is_some_and(|told| told.starts_with(step))
                && event["unmapped"]["subject"] == subject
        });
        assert_eq!(events.len(), 1, "{step} {subject}: {events:#?}");
        events.remove(0)
    }

    /// `agent status --format json`.
    pub(super) fn status(&self) -> (i32, Value) {
        let ran = self.host.agent(&["status", "--format", "json"]);
        let object = ran.json().pop().unwrap_or_default();
        (ran.status, object)
    }

    /// Panics unless the chain of all events is whole.
    pub(super) fn verify(&self) -> Ran {
        self.host
            .agent(&["log", "verify", "/var/log/events.jsonl"])
            .expect(0)
    }

    /// Waits until it holds, and says what there was if it never does.
    pub(super) fn until(&self, what: &str, holds: impl Fn(&DaemonHarness) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            assert!(
                begin.elapsed() < LONG,
                "{what}: never\n{}\n{:#?}",
                self.stderr(),
                self.events().iter().map(in_short).collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an event that begins so was told.
    pub(super) fn until_told(&self, line: &str) {
        self.until(line, |harness| {
            harness.told().iter().any(|told| told.starts_with(line))
        });
    }

    /// Waits until whoever changes something is noticed as well.
    pub(super) fn until_attributed(&self) {
        self.until("attribution", |harness| {
            harness.status().1["daemon"]["watch"]["attribution"]
                .as_str()
                .is_some_and(|text| text.starts_with("changes are attributed"))
        });
    }

    /// Starts the daemon, and waits for its scan of everything.
    pub(super) fn start_scanned(&self) -> Daemon<'_> {
        let daemon = self.start();
        self.until_scanned_by(&daemon);
        daemon
    }

    /// Waits until that daemon's first scan of everything has ended.
    pub(super) fn until_scanned_by(&self, daemon: &Daemon<'_>) {
        self.until("a whole scan", |harness| {
            let says = harness.status().1["daemon"].clone();
            says["pid"] == daemon.id() && says["scan"]["ended"].is_string()
        });
    }

    /// Waits until the first scan of everything has ended.
    pub(super) fn until_scanned(&self) {
        self.until("a whole scan", |harness| {
            harness.status().1["daemon"]["scan"]["ended"].is_string()
        });
    }
}

/// A daemon that runs; killed if the test ends before it does.
pub(super) struct Daemon<'a> {
    harness: &'a DaemonHarness,
    child: Option<Child>,
}

impl Daemon<'_> {
    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().expect("runs").id()
    }

    /// Sends a signal, by its name.
    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }

    /// Ends it as systemd does; returns its exit status.
    pub(super) fn stop(self) -> i32 {
        self.signal("TERM");
        self.end()
    }

    /// Waits until it ends; returns its exit status.
    pub(super) fn end(mut self) -> i32 {
        let mut child = self.child.take().expect("runs");
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            if begin.elapsed() > LONG {
                child.kill().unwrap_or_default();
                panic!("does not end: {}", self.harness.stderr());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a power failure does.
    pub(super) fn kill(mut self) {
        let mut child = self.child.take().expect("runs");
        child.kill().expect("killed");
        child.wait().expect("a child");
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_default();
            child.wait().expect("a child");
        }
    }
}

fn check(event: &Value) -> &str {
    event["finding_info"]["analytic"]["uid"]
        .as_str()
        .unwrap_or("?")
}

fn subject(event: &Value) -> &str {
    event["unmapped"]["subject"].as_str().unwrap_or("?")
}

/// `STEP CHECK SUBJECT CHANGED` of an event about a file.
pub(super) fn told(event: &Value) -> Option<String> {
    if event["class_uid"] != 2004 || event["unmapped"]["subject"].is_null() {
        return None;
    }
    let step = match event["activity_name"].as_str() {
        Some("Create") => "raised",
        Some("Close") => "cleared",
        _ => "changed",
    };
    let changed = event["unmapped"]["changed"].as_str().unwrap_or("");
    Some(
        format!("{step} {} {} {changed}", check(event), subject(event))
            .trim()
            .to_owned(),
    )
}

/// Check and subject of an event about a file, and all that it says of what should be there and what is.
fn in_full(event: &Value) -> (String, Value) {
    let unmapped = |key: &str| event["unmapped"][key].clone();
    let bytes = unmapped("subject_base64");
    let about = serde_json::json!({
        "severity": event["severity"], "evidences": event["evidences"], "verdict": unmapped("verdict"),
        "changed": unmapped("changed"), "expected": unmapped("expected"), "observed": unmapped("observed"),
    });
    (
        format!("{} {} {bytes}", check(event), subject(event)),
        about,
    )
}

/// An event in a line, for whoever reads why a test failed.
pub(super) fn in_short(event: &Value) -> String {
    told(event).unwrap_or_else(|| {
        format!(
            "{} {} {}",
            event["class_uid"], event["activity_name"], event["message"]
        )
    })
}
