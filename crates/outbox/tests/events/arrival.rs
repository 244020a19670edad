//! `agent log verify`: the order in which events arrived proves nothing, and what is said of it ends.

use super::log::{Chain, chain, problems, verify, write};
use harness::{Ran, agent_path, run};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Events that stand after a later one.
fn late(lines: &[String]) -> usize {
    let mut highest = 0;
    let sequences = lines.iter().filter_map(|line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["metadata"]["sequence"].as_u64()
    });
    sequences
        .filter(|sequence| {
            highest = highest.max(*sequence);
            *sequence < highest
        })
        .count()
}

fn note(count: usize) -> String {
    format!("; note: {count} arrived after later ones")
}

#[test]
fn any_order_of_arrival_is_noted_and_no_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let Chain { events, beat, .. } = chain(&directory.path().join("state"), 12);
    let mut orders: Vec<Vec<String>> = vec![
        // The last one overtook all others; everything backwards.
        [&events[11..], &events[..11]].concat(),
        events.iter().rev().cloned().collect(),
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let mut lines = [events.clone(), vec![beat.clone()]].concat();
        random.shuffle(&mut lines);
        orders.push(lines);
    }
    for lines in orders {
        let file = write(directory.path(), "log", &lines);
        let ran = verify(&[&file]).expect(0);
        assert!(ran.stdout.contains(&note(late(&lines))), "{ran:#?}");
        assert_eq!(problems(&ran), [""; 0], "{ran:#?}");
    }
    let ran = verify(&[&write(directory.path(), "log", &events)]).expect(0);
    assert!(!ran.stdout.contains("note"), "{ran:#?}");
}

/// What happened to the events is found in every order.
#[test]
fn no_order_of_arrival_hides_what_happened() {
    let directory = tempfile::tempdir().expect("a directory");
    let Chain { events, beat, .. } = chain(&directory.path().join("state"), 12);
    let edit = |line: &str| line.replacen("\"severity_id\":2", "\"severity_id\":3", 1);
    let mut random = fastrand::Rng::with_seed(2);
    for scan_id in 0..24 {
        let at = random.usize(0..12);
        let mut lines = [events.clone(), vec![beat.clone()]].concat();
        let expected = match scan_id % 2 {
            0 => {
                lines[at] = edit(&lines[at]);
                format!("edited {}", at + 1)
            }
            _ => {
                lines.remove(at);
                format!("missing {}", at + 1)
            }
        };
        random.shuffle(&mut lines);
        let file = write(directory.path(), "log", &lines);
        let ran = verify(&[&file]).expect(1);
        let told = problems(&ran);
        assert!(told.contains(&expected), "{expected}: {ran:#?}");
        // The edited one's place is contradicted as well, if it stands after a later one; nobody else's is.
        assert!(
            told.iter().all(|problem| *problem == expected
                || problem.starts_with(&format!("reordered {} ", at + 1))),
            "{expected}: {ran:#?}"
        );
    }
}

/// Ends the verifier where it would not end by itself.
fn verify_briefly(file: &Path) -> Ran {
    run(Command::new("prlimit")
        .args([
            "--cpu=60",
            "--fsize=100000000",
            agent_path(),
            "log",
            "verify",
        ])
        .arg(file))
}

/// Whoever can write into a log can name any sequence. What is said of it is one row for a range.
#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn what_is_said_of_absurd_sequences_is_bounded_by_the_input() {
    const LAST: u64 = u64::MAX;
    let directory = tempfile::tempdir().expect("a directory");
    let zeros = "0".repeat(64);
    let beat = |sequence: u64| {
        json!({ "class_uid": 6002, "activity_id": 99, "activity_name": "Heartbeat",
                "metadata": { "uid": format!("beat {sequence}") },
                "unmapped": { "chain_head": { "id": "c", "sequence": sequence, "digest": zeros } } })
        .to_string()
    };
    let event = |sequence: u64, ranges: &[String]| {
        json!({ "metadata": { "uid": format!("event {sequence}"), "sequence": sequence },
                "unmapped": { "chain": { "id": "c", "prev": zeros }, "dropped": { "ranges": ranges } } })
        .to_string()
    };
    let range = |first: u64, last: u64| format!("{first}-{last}:-:{zeros}");
    let cases: Vec<(&str, Vec<String>, &[&str])> = vec![
        (
            "a heartbeat",
            vec![beat(LAST)],
            &["missing 1 to 18446744073709551615"],
        ),
        (
            "an event",
            vec![event(LAST, &[])],
            &["missing 1 to 18446744073709551614"],
        ),
        (
            "an event, and a heartbeat that names it",
            vec![event(LAST, &[]), beat(LAST)],
            &[
                "missing 1 to 18446744073709551614",
                "edited 18446744073709551615",
            ],
        ),
        (
            "two events of that place",
            vec![
                event(LAST, &[]),
                event(LAST, &[]).replace("event 1", "other 1"),
                event(LAST - 1, &[]),
            ],
            &[
                "missing 1 to 18446744073709551613",
                "reordered 18446744073709551614 stands after 18446744073709551615",
                "edited 18446744073709551615",
                "edited 18446744073709551614",
            ],
        ),
        (
            "a declared loss",
            vec![event(5, &[range(1, LAST)]), beat(LAST)],
            &["declared 1 to 4", "declared 6 to 18446744073709551615"],
        ),
        (
            "declared losses at both ends",
            vec![
                event(5, &[range(1, 1), range(LAST, LAST), range(7, 7)]),
                beat(LAST),
            ],
            &[
                "declared 1",
                "missing 2 to 4",
                "missing 6",
                "declared 7",
                "missing 8 to 18446744073709551614",
                "declared 18446744073709551615",
            ],
        ),
    ];
    for (what, lines, expected) in cases {
        let file = write(directory.path(), "log", &lines);
        let ran = verify_briefly(&file);
        assert_eq!(problems(&ran), expected, "{what}: {ran:#?}");
        let status = if expected.iter().all(|p| p.starts_with("declared")) {
            3
        } else {
            1
        };
        assert_eq!(ran.status, status, "{what}: {ran:#?}");
    }
    // Ranges that lie in one another, around events that are there.
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..10 {
        let lines: Vec<String> = (0..60)
            .map(|_| {
                let any = |random: &mut fastrand::Rng| match random.u8(..4) {
                    0 => LAST - random.u64(..9),
                    1 => random.u64(1..),
                    _ => random.u64(1..400),
                };
                let ranges: Vec<String> = (0..random.usize(..5))
                    .map(|_| {
                        let (one, other) = (any(&mut random), any(&mut random));
                        range(one.min(other), one.max(other))
                    })
                    .collect();
                match random.u8(..3) {
                    0 => beat(any(&mut random)),
                    _ => event(any(&mut random), &ranges),
                }
            })
            .collect();
        let file = write(directory.path(), "log", &lines);
        let ran = verify_briefly(&file);
        assert!(matches!(ran.status, 1 | 3), "{ran:#?}");
        let (told, pieces) = (
            ran.stdout.lines().count(),
            lines.join(" ").matches(&zeros).count(),
        );
        assert!(told <= 3 * pieces, "{told} rows of {pieces}: {ran:#?}");
    }
}
