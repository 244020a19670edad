//! `agent log verify`: what it sees of events that were lost, edited, swapped, and what it lets pass.

use super::{Fixture, T, changed, gist};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::Heartbeat;
use agent_outbox::store::Scope;
use harness::{Ran, agent};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// So many events of one chain, and a heartbeat after the last.
pub(super) struct Chain {
    pub(super) events: Vec<String>,
    pub(super) beat: String,
    pub(super) id: String,
}

pub(super) fn chain(directory: &Path, count: u64) -> Chain {
    let mut fixture = Fixture::open(directory, 64 << 20, T);
    for n in 0..count {
        fixture.now += 10;
        let finding = changed("/a", Severity::Low, n);
        fixture.look(Scope::Path(b"/a".to_vec()), &[finding]);
    }
    let beat = fixture.store.heartbeat(&Heartbeat::default(), fixture.now);
    finished(&mut fixture, beat)
}

fn finished(fixture: &mut Fixture, beat: Vec<u8>) -> Chain {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Chain {
        events: fixture.waiting().iter().map(|p| text(&p.bytes)).collect(),
        beat: text(&beat),
        id: fixture.store.head().expect("a head").id,
    }
}

pub(super) fn write(directory: &Path, name: &str, lines: &[String]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, lines.join("\n") + "\n").expect("the file");
    path
}

pub(super) fn verify(files: &[&Path]) -> Ran {
    let mut arguments = vec!["log".into(), "verify".into()];
    arguments.extend(files.iter().map(|path| path.as_os_str().to_owned()));
    agent(arguments)
}

/// The problems told, without the chain's id.
pub(super) fn problems(ran: &Ran) -> Vec<String> {
    let is = |line: &&str| {
        ["missing", "edited", "reordered", "declared"]
            .iter()
            .any(|word| line.contains(&format!("  {word} ")))
    };
    let cut = |line: &str| {
        let (_, problem) = line.split_once("  ").expect("a chain");
        let words: Vec<&str> = problem.split_whitespace().collect();
        let end = words
            .iter()
            .position(|w| w.ends_with(':') || w.starts_with('('));
        words[..end.map_or(words.len(), |end| {
            end + usize::from(words[end].ends_with(':'))
        })]
            .join(" ")
            .trim_end_matches(':')
            .to_owned()
    };
    ran.stdout.lines().filter(is).map(cut).collect()
}

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn every_kind_of_tampering_shows_and_says_where() {
    let directory = tempfile::tempdir().expect("a directory");
    let whole = chain(&directory.path().join("state"), 12);
    let edit = |line: &str| line.replacen("\"severity_id\":2", "\"severity_id\":3", 1);
    let relink = |line: &str| {
        let at = line.find("\"prev\":\"").expect("a link") + 8;
        let mut line = line.to_owned();
        let other = if &line[at..=at] == "0" { "1" } else { "0" };
        line.replace_range(at..=at, other);
        line
    };
    // Each stands where the other stood, and says that it belongs there.
    let renumbered = |e: &mut Vec<String>| {
        let with = |line: &str, from: u64, to: u64| {
            line.replacen(
                &format!("\"sequence\":{from}"),
                &format!("\"sequence\":{to}"),
                1,
            )
        };
        (e[5], e[6]) = (with(&e[6], 7, 6), with(&e[5], 6, 7));
    };
    let cases: [(&str, &dyn Fn(&mut Vec<String>), i32, &[&str]); 18] = [
        ("as it is", &|_| {}, 0, &[]),
        ("one lost", &|e| drop(e.remove(6)), 1, &["missing 7"]),
        (
            "several lost",
            &|e| drop(e.drain(3..6)),
            1,
            &["missing 4 to 6"],
        ),
        (
            "the beginning lost",
            &|e| drop(e.drain(..4)),
            1,
            &["missing 1 to 4"],
        ),
        (
            "the end lost",
            &|e| drop(e.drain(9..12)),
            1,
            &["missing 10 to 12"],
        ),
        ("one edited", &|e| e[4] = edit(&e[4]), 1, &["edited 5"]),
        (
            "the first edited",
            &|e| e[0] = edit(&e[0]),
            1,
            &["edited 1"],
        ),
        (
            "the last edited",
            &|e| e[11] = edit(&e[11]),
            1,
            &["edited 12"],
        ),
        ("a link edited", &|e| e[4] = relink(&e[4]), 1, &["edited 5"]),
        (
            "one edited before one lost",
            &|e| {
                e[4] = edit(&e[4]);
                e.remove(5);
            },
            1,
            &["missing 6"],
        ),
        (
            "two swapped and renumbered",
            &renumbered,
            1,
            &["edited 6", "edited 7"],
        ),
        (
            "two renumbered and not swapped",
            &|e| {
                renumbered(e);
                e.swap(5, 6);
            },
            1,
            &["reordered 6 stands after 7", "edited 6", "edited 7"],
        ),
        ("the last two swapped", &|e| e.swap(10, 11), 0, &[]),
        ("all twice", &|e| e.extend(e.clone()), 0, &[]),
        (
            "a second one, edited",
            &|e| e.push(edit(&e[4])),
            1,
            &["edited 5"],
        ),
        (
            "an edited one first, the true one later",
            &|e| e.insert(0, edit(&e[4])),
            1,
            &["edited 5"],
        ),
        (
            "another's line, an empty one",
            &|e| {
                e.insert(3, "{\"other\":1}".into());
                e.insert(5, String::new());
            },
            0,
            &[],
        ),
        (
            "the heartbeat edited",
            &|e| {
                let beat = e.pop().expect("a heartbeat");
                e.push(beat.replacen("\"sequence\":12", "\"sequence\":14", 1));
            },
            1,
            &["missing 13 to 14"],
        ),
    ];
    for (what, tamper, status, expected) in cases {
        let mut lines = whole.events.clone();
        // Tampering is with the events; the heartbeat stands at the end.
        match what {
            "the heartbeat edited" => {
                lines.push(whole.beat.clone());
                tamper(&mut lines);
            }
            _ => {
                tamper(&mut lines);
                lines.push(whole.beat.clone());
            }
        }
        let file = write(directory.path(), "log.jsonl", &lines);
        let ran = verify(&[&file]);
        assert_eq!(ran.status, status, "{what}: {ran:#?}");
        assert_eq!(problems(&ran), expected, "{what}: {ran:#?}");
        assert!(ran.stdout.contains(&whole.id), "{what}: {ran:#?}");
    }
}

#[test]
fn files_and_hosts_mix_and_the_order_of_files_is_no_matter() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = chain(&directory.path().join("one"), 6);
    let two = chain(&directory.path().join("two"), 6);
    let mixed: Vec<String> = one
        .events
        .iter()
        .zip(&two.events)
        .flat_map(|(a, b)| [a.clone(), b.clone()])
        .collect();
    let (early, late) = mixed.split_at(5);
    let early = write(directory.path(), "early", early);
    let late = write(directory.path(), "late", late);
    let ran = verify(&[&late, &early]).expect(0);
    assert!(ran.stdout.contains("2 chains, 12 events"), "{ran:#?}");
    let ran = verify(&[&late]).expect(1);
    // Chains stand in the order of their ids.
    let mut missing = problems(&ran);
    missing.sort();
    assert_eq!(missing, ["missing 1 to 2", "missing 1 to 3"]);
}

/// What the AWS command line prints.
fn document(stream: &str, messages: &[(i64, &String)]) -> Value {
    let events: Vec<Value> = messages
        .iter()
        .map(|(timestamp, message)| {
            json!({ "logStreamName": stream, "timestamp": timestamp, "message": message, "ingestionTime": 1, "eventId": "1" })
        })
        .collect();
    json!({ "events": events, "searchedLogStreams": [] })
}

fn time(event: &str) -> i64 {
    let event: Value = serde_json::from_str(event).expect("JSON");
    event["time"].as_i64().expect("a time")
}

#[test]
fn what_the_aws_command_line_prints_is_read_in_whatever_order_it_comes() {
    let directory = tempfile::tempdir().expect("a directory");
    let whole = chain(&directory.path().join("state"), 8);
    let path = directory.path().join("log.json");
    let stamped: Vec<(i64, &String)> = whole.events.iter().map(|e| (time(e), e)).collect();
    let pretty = |documents: &[Value]| -> String {
        let texts = documents
            .iter()
            .map(|d| serde_json::to_string_pretty(d).expect("JSON") + "\n");
        texts.collect()
    };
    // The service refused 3 as too old; it was sent again, stamped with the time of that.
    let mut late = stamped.clone();
    let (_, third) = late.remove(2);
    late.insert(5, (late[4].0, third));
    let mut swapped = stamped.clone();
    (swapped[3].1, swapped[4].1) = (stamped[4].1, stamped[3].1);
    swapped[3].0 = time(swapped[3].1) - 5000;
    let mut unsorted = stamped.clone();
    unsorted.swap(3, 4);
    let cases = [
        ("whole", pretty(&[document("i-1", &stamped)]), 0),
        ("on one line", document("i-1", &stamped).to_string(), 0),
        (
            "in pages",
            pretty(&[
                document("i-1", &stamped[..3]),
                document("i-1", &stamped[3..]),
            ]),
            0,
        ),
        (
            "pages in the wrong order",
            pretty(&[
                document("i-1", &stamped[3..]),
                document("i-1", &stamped[..3]),
            ]),
            0,
        ),
        (
            "one refused and sent again",
            pretty(&[document("i-1", &late)]),
            0,
        ),
        (
            "two messages under each other's time stamps",
            pretty(&[document("i-1", &swapped)]),
            0,
        ),
        ("not sorted", pretty(&[document("i-1", &unsorted)]), 0),
        (
            "one lost",
            pretty(&[
                document("i-1", &stamped[..3]),
                document("i-1", &stamped[4..]),
            ]),
            1,
        ),
    ];
    for (what, text, status) in cases {
        std::fs::write(&path, text).expect("the file");
        let ran = verify(&[&path]);
        assert_eq!(ran.status, status, "{what}: {ran:#?}");
    }
}

#[test]
fn a_clock_that_went_back_is_no_reordering() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 64 << 20, T);
    fixture.look(Scope::Files, &[changed("/a", Severity::Low, 1)]);
    fixture.now -= 3_600_000;
    fixture.look(
        Scope::Path(b"/b".to_vec()),
        &[changed("/b", Severity::Low, 1)],
    );
    let Chain { events, .. } = finished(&mut fixture, Vec::new());
    // A log sorts by time.
    let sorted = write(
        directory.path(),
        "log",
        &[events[1].clone(), events[0].clone()],
    );
    verify(&[&sorted]).expect(0);
}

/// A spool that holds a quarter of what is told.
fn overflowed(directory: &Path) -> (Fixture, Vec<u8>) {
    let mut fixture = Fixture::open(directory, 1 << 20, T);
    for scan_id in 0..20 {
        let some: Vec<Finding> = (0..90)
            .map(|n| {
                let severity = [Severity::Low, Severity::Medium, Severity::High][n % 3];
                changed(&format!("/{scan_id}/{n}"), severity, 5)
            })
            .collect();
        fixture.now += 2000;
        fixture.look(Scope::Path(format!("/{scan_id}").into_bytes()), &some);
    }
    let beat = fixture.store.heartbeat(&Heartbeat::default(), fixture.now);
    (fixture, beat)
}

#[test]
fn declared_loss_and_undeclared_loss_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut fixture, beat) = overflowed(&directory.path().join("state"));
    let dropped = fixture.store.pending(fixture.now).dropped;
    assert!(dropped > 500, "{dropped} dropped");
    let whole = finished(&mut fixture, beat);
    let lines = [whole.events.clone(), vec![whole.beat.clone()]].concat();
    let file = write(directory.path(), "log", &lines);
    let ran = verify(&[&file]).expect(3);
    let told = problems(&ran);
    assert!(told.iter().all(|p| p.starts_with("declared")), "{ran:#?}");
    let summary = format!("whole but for {dropped} declared as lost");
    assert!(ran.stdout.contains(&summary), "{ran:#?}");

    let at = |wanted: &dyn Fn(&Value) -> bool| {
        let is = |line: &String| wanted(&serde_json::from_str(line).expect("JSON"));
        lines.iter().position(is).expect("such an event")
    };
    // One that was there before a declared range cannot be edited unseen: the declaration names it.
    let sequence = |line: &String| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["metadata"]["sequence"].as_u64().unwrap_or(0)
    };
    let before_gap = (1..lines.len() - 1)
        .find(|i| sequence(&lines[i + 1]) > sequence(&lines[*i]) + 1)
        .expect("a gap");
    let finding = at(&|event| gist(event).starts_with("raised"));
    let declaration = at(&|event| event["activity_name"] == "Dropped events");
    let edit = |line: &str| line.replacen("\"version\":\"1.5.0\"", "\"version\":\"1.5.1\"", 1);
    let cases: [(&str, &dyn Fn(&mut Vec<String>)); 4] = [
        ("a finding lost besides", &|l| drop(l.remove(finding))),
        ("the declaration lost", &|l| drop(l.remove(declaration))),
        ("the declaration edited", &|l| {
            l[declaration] = edit(&l[declaration])
        }),
        ("the one before a gap edited", &|l| {
            l[before_gap] = edit(&l[before_gap])
        }),
    ];
    for (what, tamper) in cases {
        let mut lines = lines.clone();
        tamper(&mut lines);
        let file = write(directory.path(), "log", &lines);
        let ran = verify(&[&file]);
        assert_eq!(ran.status, 1, "{what}: {ran:#?}");
    }
}

#[test]
fn what_is_no_log_is_wrong_usage() {
    let directory = tempfile::tempdir().expect("a directory");
    let empty = write(directory.path(), "empty", &[]);
    let other = write(directory.path(), "other", &["Nov 22 sshd[1]: hello".into()]);
    let broken = write(directory.path(), "broken", &["{\"events\":[{".into()]);
    for file in [&empty, &other, &broken, &directory.path().join("nowhere")] {
        let ran = verify(&[file]);
        assert_eq!(ran.status, 2, "{ran:#?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:#?}");
    }
    assert_eq!(agent(["log", "verify"]).status, 2);
}
