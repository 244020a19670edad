//! Every kind of event against the published schema of OCSF 1.5.0, by a validator that is not ours.
// Long: one sample of each class of event.

use super::{Fixture, PERMIT_ROOT_LOGIN, SERIAL_PASSWORD, T, changed, source};
use agent_core::attributes::AttributeSet;
use agent_core::change::{Actor, ChangeContext};
use agent_core::finding::{self, Finding, Severity, Verdict};
use agent_core::host::Host;
use agent_outbox::event::draft::{MAX_BYTES, MAX_LEAVES, leaves};
use agent_outbox::event::finding::Step;
use agent_outbox::event::own::Spool;
use agent_outbox::event::replaced::{ManifestMark, ManifestReplaced};
use agent_outbox::event::{
    EventSource, Fault, Heartbeat, Heartbeats, LastScan, LaunchEntry, Lifecycle, ManifestState,
    SinkState, Transaction,
};
use agent_outbox::store::{Scope, SinkKind, Store};
use harness::{Lab, Ran, agent};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

/// Reads events, one a line; prints what is wrong with each.
const VALIDATOR: &str = r#"
import json, sys
import jsonschema
from ocsf_json_schema import OcsfJsonSchema, OcsfJsonSchemaEmbedded, get_ocsf_schema
names = {2003: "compliance_finding", 2004: "detection_finding", 6002: "application_lifecycle", 6008: "application_error"}
schema = OcsfJsonSchemaEmbedded(OcsfJsonSchema(get_ocsf_schema("1.5.0")))
validators = {}
for number, line in enumerate(sys.stdin):
    event = json.loads(line)
    key = (event["class_uid"], tuple(event["metadata"]["profiles"]))
    if key not in validators:
        of_class = schema.get_class_schema(class_name=names[key[0]], profiles=list(key[1]))
        validators[key] = jsonschema.Draft202012Validator(of_class)
    for error in validators[key].iter_errors(event):
        print(number, "/".join(map(str, error.absolute_path)), error.message[:300])
print("validated", number + 1)
"#;

fn wrong(lines: &[Vec<u8>]) -> String {
    let python = harness::project().join("target/python/bin/python");
    let mut child = Command::new(python)
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the environment that tests/run makes");
    let mut input = child.stdin.take().expect("piped");
    for line in lines {
        input.write_all(line).expect("it reads");
        input.write_all(b"\n").expect("it reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.ends_with(&format!("validated {}\n", lines.len())),
        "{text}"
    );
    text.lines()
        .filter(|line| !line.starts_with("validated"))
        .fold(String::new(), |all, line| all + line + "\n")
}

fn all_of_a_file() -> Value {
    json!({
        "type": "file", "mode": "4755", "uid": 0, "gid": 0, "size": 1024,
        "mtime": "2026-11-22T06:13:19.223456789Z", "link": "/x", "nlink": 1,
        "sha256": "ab".repeat(32), "md5": "cd".repeat(16),
        "xattrs": { "security.capability": "ab".repeat(32), "user.\\xff": "cd".repeat(32) },
        "flags": "ia", "device": "8:1",
    })
}

fn findings() -> Vec<Finding> {
    let file = |check, verdict, path: &[u8], expected: Value, observed: Value| {
        let mut finding = Finding::new(check, verdict, Severity::High, path, "was changed")
            .evidence(expected, observed)
            .remediation("mend it");
        finding.changed = AttributeSet::ALL;
        finding
    };
    let mut all = vec![
        file(
            &finding::FILES_ADDED,
            Verdict::Fail,
            b"/etc/a",
            Value::Null,
            all_of_a_file(),
        ),
        file(
            &finding::FILES_REMOVED,
            Verdict::Fail,
            b"/etc/b",
            all_of_a_file(),
            Value::Null,
        ),
        file(
            &finding::FILES_CHANGED,
            Verdict::Fail,
            b"/etc/\xff\x01c",
            all_of_a_file(),
            all_of_a_file(),
        ),
        file(
            &finding::FILES_UNREADABLE,
            Verdict::Unknown,
            b"/",
            Value::Null,
            Value::Null,
        ),
        file(
            &finding::FILES_PROFILE,
            Verdict::Fail,
            b"/usr/share/m",
            Value::Null,
            Value::Null,
        ),
    ];
    for kind in ["dir", "link", "fifo", "char", "block", "socket", "other"] {
        let mut evidence = all_of_a_file();
        evidence["type"] = kind.into();
        let path = format!("/dev/{kind}");
        all.push(file(
            &finding::FILES_ADDED,
            Verdict::Fail,
            path.as_bytes(),
            Value::Null,
            evidence,
        ));
    }
    for (check, verdict, subject) in [
        (&PERMIT_ROOT_LOGIN, Verdict::Fail, "sshd"),
        (&PERMIT_ROOT_LOGIN, Verdict::Unknown, "sshd of jail"),
        (&SERIAL_PASSWORD, Verdict::Fail, "console"),
    ] {
        let finding = Finding::new(check, verdict, Severity::Medium, subject, "is not so")
            .evidence(
                json!({ "value": "no" }),
                json!({ "value": "yes", "default": false, "conflicts": ["a:1"] }),
            )
            .location("/etc/ssh/sshd_config:3")
            .remediation("set it");
        all.push(finding);
    }
    all
}

fn own() -> Vec<Lifecycle> {
    let entry = |path: &[u8], before: Option<&str>, after: Option<&str>| LaunchEntry {
        path: path.to_vec(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    vec![
        Lifecycle::Started {
            first_of_boot: true,
            message: "starts".into(),
        },
        Lifecycle::Reloaded {
            changed: vec!["scan.interval".into()],
        },
        Lifecycle::Reloaded { changed: vec![] },
        Lifecycle::CoverageGap {
            reason: "the kernel's queue of file events overflowed".into(),
            since: T,
            until: None,
            paths: None,
        },
        Lifecycle::CoverageGap {
            reason: "the agent was not running".into(),
            since: T,
            until: Some(T + 5),
            paths: Some(7),
        },
        Lifecycle::TransactionBegun(dpkg()),
        Lifecycle::TransactionEnded {
            transaction: dpkg(),
            since: T,
            until: T + 61_234,
            waited: 40,
        },
        Lifecycle::Fault(Fault {
            code: "reload.refused",
            message: "agent.toml:3: no such key".into(),
            severity: Severity::Medium,
        }),
        Lifecycle::LaunchRecord {
            sha256: "ab".repeat(32),
            entries: vec![
                entry(b"/etc/passwd", Some("size=1"), Some("size=2")),
                entry(b"/etc/\n\xff", None, Some("size=2")),
                entry(b"/etc/old", Some("size=2"), None),
            ],
            accounts: vec!["ec2-user".into()],
            keys: vec!["ec2-user SHA256:abc".into()],
        },
        Lifecycle::Manifest {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            state: ManifestState::Untrusted,
            step: Step::Raised,
            since: T,
            message: "none of the trusted signers signed it".into(),
        },
        Lifecycle::Manifest {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            state: ManifestState::Untrusted,
            step: Step::Cleared,
            since: T,
            message: "the manifest can be used again".into(),
        },
        Lifecycle::ManifestReplaced(Box::new(ManifestReplaced {
            path: "/usr/share/host-integrity-agent/manifest.mtree".into(),
            before: ManifestMark::default(),
            after: ManifestMark {
                sha256: "ab".repeat(32),
                signer: "builder (SHA256:abc)".into(),
            },
            actor: Some(Actor {
                pid: 4711,
                name: Some("mv".into()),
                ..Actor::default()
            }),
        })),
        Lifecycle::Stopped {
            reason: "SIGTERM".into(),
        },
    ]
}

fn dpkg() -> Transaction {
    Transaction {
        holder: "apt-get".into(),
        pid: 4711,
        manager: "dpkg",
    }
}

/// Heartbeats of hosts where nothing is amiss, of each sort of host.
fn brief(store: &Store, now: i64) -> Vec<Vec<u8>> {
    let well = Heartbeat {
        watching: true,
        ..Heartbeat::default()
    };
    let head = store.head();
    let machine = Host {
        machine_id: "ab".repeat(16),
        ..Host::default()
    };
    let hosts = [source().host, machine, Host::default()];
    let second = |host| {
        let source = EventSource {
            host,
            ..EventSource::default()
        };
        let mut heartbeats = Heartbeats::default();
        let mut next = || heartbeats.next(&source, &well, &Spool::default(), head.as_ref(), now);
        let first = next().len();
        let second = next();
        assert!(second.len() <= 600 && second.len() < first);
        second
    };
    hosts.into_iter().map(second).collect()
}

fn beat() -> Heartbeat {
    Heartbeat {
        uptime_s: 3600,
        interval_s: 60,
        watching: true,
        files: 26_454,
        directories: 2000,
        linked: Default::default(),
        unknowns: 1,
        last_scan: Some(LastScan {
            ended: T,
            files: 26_454,
            deviations: 2,
            unknowns: 1,
            unread: None,
        }),
        rss_bytes: 12 << 20,
        cpu_permille: 3,
        clock_skew_ms: Some(-12),
        sinks: vec![
            SinkState {
                name: "cloudwatch_logs",
                state: "retrying",
                error: "access denied".into(),
                endpoint: String::new(),
            },
            SinkState {
                name: "file",
                state: "delivering",
                error: String::new(),
                endpoint: String::new(),
            },
        ],
        kernel: "6.1.0".into(),
        trouble: vec!["not watching: no more watches".into()],
    }
}

/// Every kind of event that there is, of this origin.
fn every_kind(source: EventSource) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, news) = Store::open(directory.path(), 1 << 20, source, T).expect("the store opens");
    let mut fixture = Fixture {
        store,
        now: T,
        news,
    };
    fixture.store.enable(&[SinkKind::Stdout], T);
    let mut lines = Vec::new();
    let mut drain = |fixture: &mut Fixture| {
        lines.extend(fixture.waiting().iter().map(|p| p.bytes.to_vec()));
        fixture.take();
    };
    for event in own() {
        fixture.tell(event);
    }
    drain(&mut fixture);
    let context = ChangeContext {
        actor: Some(Actor {
            pid: 812,
            name: Some("vi".into()),
            program: Some("/usr/bin/vi".into()),
            executable: None,
            command_line: Some("vi …".into()),
            uid: Some(0),
            login_uid: Some(1000),
            parent_pid: Some(800),
            parent_name: Some("bash".into()),
            unit: Some("session-1.scope".into()),
            container: Some("abc".into()),
        }),
        transaction: Some("dpkg".into()),
        while_down: true,
        restored: true,
    };
    // Raised, with and without an actor; changed; reminded; cleared.
    let scan_id = fixture.store.begin(Scope::Files);
    for (i, finding) in findings().iter().enumerate() {
        let context = (i % 2 == 0).then_some(&context);
        fixture.store.found(scan_id, finding, context, fixture.now);
    }
    fixture.store.end(scan_id, fixture.now);
    fixture.settle();
    let mut other = findings();
    for finding in &mut other {
        finding.location = Some("elsewhere:1".into());
    }
    fixture.look(Scope::Path(b"/".to_vec()), &other);
    fixture.now += 25 * 3600 * 1000;
    fixture.look(Scope::Path(b"/".to_vec()), &other);
    fixture.look(Scope::Files, &[]);
    fixture.look(Scope::Settings, &[]);
    drain(&mut fixture);
    // A flood, and what a full spool drops.
    let many: Vec<Finding> = (0..1500)
        .map(|n| changed(&format!("/{}/{n}", n % 40), Severity::Low, 5))
        .collect();
    fixture.look(Scope::Files, &many);
    drain(&mut fixture);
    lines.push(fixture.store.heartbeat(&beat(), fixture.now));
    lines.push(fixture.store.heartbeat(&Heartbeat::default(), fixture.now));
    lines.extend(brief(&fixture.store, fixture.now));
    drop(fixture);
    // A store that is no store.
    std::fs::write(directory.path().join("store.redb"), "x".repeat(5000)).expect("damage");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    lines.extend(fixture.waiting().iter().map(|p| p.bytes.to_vec()));
    lines
}

#[test]
fn every_kind_of_event_is_valid_and_within_its_limits() {
    let late = EventSource {
        host: Host {
            cloud: None,
            ..source().host
        },
        ..source()
    };
    let bare = EventSource::default();
    let origins = [source(), late, bare];
    let lines: Vec<Vec<u8>> = origins.into_iter().flat_map(every_kind).collect();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut most = (0, 0);
    for line in &lines {
        let event: Value = serde_json::from_slice(line).expect("JSON");
        let kind = format!("{} {}", event["class_uid"], event["activity_name"]);
        *kinds.entry(kind).or_default() += 1;
        assert!(line.len() <= MAX_BYTES, "{} bytes", line.len());
        assert!(
            leaves(&event) <= MAX_LEAVES,
            "{} leaves: {event:#}",
            leaves(&event)
        );
        most = (most.0.max(line.len()), most.1.max(leaves(&event)));
        assert!(!line.contains(&b'\n'));
    }
    let kinds: BTreeSet<&str> = kinds.keys().map(String::as_str).collect();
    let expected = [
        "2003 \"Close\"",
        "2003 \"Create\"",
        "2003 \"Update\"",
        "2004 \"Close\"",
        "2004 \"Create\"",
        "2004 \"Update\"",
        "6002 \"Coverage gap\"",
        "6002 \"Dropped events\"",
        "6002 \"Flood begun\"",
        "6002 \"Heartbeat\"",
        "6002 \"Launch record\"",
        "6002 \"Manifest replaced\"",
        "6002 \"Package transaction begun\"",
        "6002 \"Package transaction ended\"",
        "6002 \"Start\"",
        "6002 \"Stop\"",
        "6002 \"Update\"",
        "6008 \"General Error\"",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    println!(
        "{} events, at most {} bytes and {} leaves",
        lines.len(),
        most.0,
        most.1
    );
    // One of each host, kind and subject is enough for a validator that takes its time.
    let mut seen = BTreeSet::new();
    let mut some = lines;
    some.retain(|line| {
        let event: Value = serde_json::from_slice(line).expect("JSON");
        let subject = event["unmapped"]["subject"].as_str().unwrap_or_default();
        let subject = match subject.contains("/dev") || subject.len() < 8 {
            true => subject,
            false => "",
        };
        seen.insert(format!(
            "{} {} {} {} {subject}",
            event["device"], event["type_uid"], event["status"], event["activity_name"]
        ))
    });
    assert_eq!(wrong(&some), "");
}

#[test]
fn the_validator_finds_faults() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    fixture.look(Scope::Files, &[changed("/a", Severity::Low, 1)]);
    let good = fixture.take().remove(0);
    let faults: [&dyn Fn(&mut Value); 4] = [
        &|event| event["extra"] = json!(1),
        &|event| event["severity_id"] = json!(77),
        &|event| {
            drop(
                event
                    .as_object_mut()
                    .expect("an object")
                    .remove("finding_info"),
            )
        },
        &|event| {
            drop(
                event["cloud"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("provider"),
            )
        },
    ];
    let mut lines = vec![good.to_string().into_bytes()];
    for fault in faults {
        let mut event = good.clone();
        fault(&mut event);
        lines.push(event.to_string().into_bytes());
    }
    let wrong = wrong(&lines);
    let with: BTreeSet<&str> = wrong
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(with, BTreeSet::from(["1", "2", "3", "4"]), "{wrong}");
}

#[test]
fn a_typical_file_event_is_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    fixture.look(
        Scope::Files,
        &[
            changed("/etc/ssh/sshd_config", Severity::High, 1030),
            changed("/usr/bin/ssh", Severity::High, 1030),
        ],
    );
    let parcels = fixture.waiting();
    let size = parcels[1].bytes.len();
    println!(
        "{size} bytes: {}",
        String::from_utf8_lossy(&parcels[1].bytes)
    );
    assert!(size <= 2560, "{size} bytes");
}

#[test]
fn check_reports_the_same_findings_as_valid_events() {
    let lab = Lab::new();
    lab.shell("mkdir etc bin; echo a > etc/a; echo b > bin/b; echo c > c");
    lab.create().expect(0);
    lab.shell("echo more >> etc/a; rm bin/b; echo x > $'x\\xff'; chmod 700 c");
    let arguments = ["--manifest", "manifest.mtree", "--format"];
    let json = lab
        .agent(&["check"], &[&arguments[..], &["json"]].concat())
        .expect(1);
    let ocsf = lab
        .agent(&["check"], &[&arguments[..], &["ocsf"]].concat())
        .expect(1);
    let again = lab
        .agent(&["check"], &[&arguments[..], &["ocsf"]].concat())
        .expect(1);
    let subjects = |objects: &[Value], key: &dyn Fn(&Value) -> Value| -> Vec<Value> {
        objects
            .iter()
            .map(|object| json!([key(object), object["message"]]))
            .collect()
    };
    let found = json.findings();
    let events = ocsf.json();
    assert_eq!(events.len(), found.len());
    for (event, finding) in events.iter().zip(&found) {
        assert_eq!(event["unmapped"]["subject"], finding["subject"]);
        assert_eq!(event["finding_info"]["analytic"]["uid"], finding["check"]);
        assert!(event["metadata"].get("sequence").is_none());
        assert!(event["unmapped"].get("chain").is_none());
    }
    let uid = |event: &Value| event["finding_info"]["uid"].clone();
    assert_eq!(
        subjects(&events, &uid),
        subjects(&again.json(), &uid),
        "another run, the same uids"
    );
    let live = agent([
        "check",
        "--skip",
        "files.*",
        "--format",
        "ocsf",
        "--no-progress",
    ]);
    assert!(!live.json().is_empty(), "{live:#?}");
    let lines = |ran: &Ran| {
        ran.stdout
            .lines()
            .map(|l| l.as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(wrong(&[lines(&ocsf), lines(&live)].concat()), "");
}
