//! Every kind of event against the published schema of OCSF 1.5.0, by a validator that is not ours.

use super::samples::every_kind;
use super::{Fixture, T, changed, source};
use agent_core::finding::Severity;
use agent_core::host::Host;
use agent_outbox::event::EventSource;
use agent_outbox::event::draft::{MAX_BYTES, MAX_LEAVES, leaves};
use agent_outbox::store::Scope;
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
        "6002 \"New package\"",
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
