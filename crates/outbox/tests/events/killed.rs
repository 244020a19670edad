//! `kill -9` at random moments: nothing that was acknowledged is lost, and the sequence has no hole.

use super::{T, source};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{SinkKind, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// `examples/victim.rs`, which cargo builds beside this target.
pub(super) fn victim() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let target = test.ancestors().nth(2).expect("the profile's directory");
    target.join("examples/victim")
}

/// What the victim said it was sure of.
#[derive(Debug, Default)]
struct Sure {
    /// The highest number whose finding is on disk.
    found: Option<u64>,
    /// Events that were shipped, by sequence.
    shipped: BTreeMap<u64, Value>,
}

/// Runs the victim and kills it after `pause`; what it acknowledged until then.
fn run(directory: &Path, from: u64, pause: Duration, sure: &mut Sure) {
    let mut child = Command::new(victim())
        .arg(directory)
        .arg(from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo builds examples with the tests");
    let output = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines();
        // The last line may be cut off in the middle.
        lines.map_while(Result::ok).collect::<Vec<String>>()
    });
    std::thread::sleep(pause);
    child.kill().expect("SIGKILL");
    child.wait().expect("it is gone");
    let lines = reader.join().expect("read");
    for line in lines {
        match line.split_once(' ') {
            Some(("found", number)) => {
                if let Some(number) = number.strip_suffix('.') {
                    sure.found = number.parse().ok();
                }
            }
            Some(("shipped", event)) => {
                if let Ok(event) = serde_json::from_str::<Value>(event) {
                    let sequence = event["metadata"]["sequence"].as_u64().expect("a sequence");
                    if let Some(before) = sure.shipped.insert(sequence, event.clone()) {
                        assert_eq!(before, event, "the same place, another event");
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_the_sequence_has_no_hole() {
    let kills: u64 = std::env::var("AGENT_TEST_KILLS").map_or(20, |n| n.parse().expect("a number"));
    let directory = tempfile::tempdir().expect("a directory");
    let mut sure = Sure::default();
    for scan_id in 0..kills {
        let from = sure.found.map_or(0, |found| found + 1);
        let pause = Duration::from_millis(fastrand::u64(5..400));
        run(directory.path(), from, pause, &mut sure);
        println!(
            "round {scan_id}: found {:?}, shipped {}",
            sure.found,
            sure.shipped.len()
        );
    }
    assert!(
        sure.found > Some(kills),
        "the victim got nowhere: {:?}",
        sure.found
    );
    let (mut store, news) =
        Store::open(directory.path(), 256 << 20, source(), T).expect("it opens");
    assert_eq!(news, []);
    store.enable(&[SinkKind::Stdout], T);
    let mut now = T + 100_000;
    while let Some(wait) = store.tick(now).filter(|wait| *wait <= 2000) {
        now += wait;
    }
    let mut bytes: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    loop {
        let parcels = store.parcels(SinkKind::Stdout, 1000, usize::MAX);
        if parcels.is_empty() {
            break;
        }
        for parcel in &parcels {
            let event: Value = serde_json::from_slice(&parcel.bytes).expect("JSON");
            let sequence = event["metadata"]["sequence"].as_u64().expect("a sequence");
            bytes.insert(sequence, parcel.bytes.to_vec());
        }
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        store.settle(SinkKind::Stdout, &delivery, now);
        store.commit(now);
    }
    for (sequence, event) in sure.shipped {
        bytes
            .entry(sequence)
            .or_insert_with(|| event.to_string().into_bytes());
    }
    // The chain is whole.
    let mut prev = Value::Null;
    let mut raised = 0;
    let mut subjects = std::collections::HashSet::new();
    for (i, (sequence, bytes)) in bytes.iter().enumerate() {
        assert_eq!(*sequence, i as u64 + 1, "a hole");
        let event: Value = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(event["unmapped"]["chain"]["prev"], prev, "event {sequence}");
        let digest: Vec<String> = Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        prev = Value::String(digest.concat());
        if event["class_uid"] == 2004 {
            raised += 1;
            let subject = event["unmapped"]["subject"].as_str().expect("a subject");
            assert!(
                subjects.insert(subject.to_owned()),
                "{subject} was told twice"
            );
        }
    }
    // Every finding that was acknowledged was told.
    let found = sure.found.expect("some");
    for number in 0..=found {
        assert!(
            subjects.contains(&format!("/{number}")),
            "/{number} is lost"
        );
    }
    println!("{kills} kills, {raised} deviations, {} events", bytes.len());
}
