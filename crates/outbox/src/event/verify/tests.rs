//! The same files give the same answer, however many threads read them and however little memory there is; and that answer
//! is what was done to the events.

use super::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Everything that was told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    problems: Vec<(String, Problem)>,
    chains: Vec<ChainSummary>,
    strays: Vec<Stray>,
}

impl Reporter for Told {
    fn stray(&mut self, stray: &Stray) -> Result<()> {
        self.strays.push(*stray);
        Ok(())
    }

    fn problem(&mut self, chain: &str, problem: &Problem) -> Result<()> {
        self.problems.push((chain.to_owned(), problem.clone()));
        Ok(())
    }

    fn chain(&mut self, summary: &ChainSummary) -> Result<()> {
        self.chains.push(summary.clone());
        Ok(())
    }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file =
        File::open(path).map_err(|error| agent_core::error::Error::new(error.to_string()))?;
    Ok(Box::new(file))
}

fn judge(files: &[PathBuf], readers: usize, rows: usize) -> (Told, Totals) {
    let parts = files::take(files, readers, rows, &open).expect("read");
    let mut told = Told::default();
    let totals = judge::judge(parts, &mut told).expect("judged");
    (told, totals)
}

/// So many events of a host, and heartbeats among them.
fn chain(host: usize, events: u64) -> Vec<String> {
    let id = format!("01a22663-a340-7381-bac2-{host:012x}");
    let (mut lines, mut prev) = (Vec::new(), String::from("null"));
    for sequence in 1..=events {
        let line = format!(
            r#"{{"metadata":{{"uid":"u-{host}-{sequence}","sequence":{sequence}}},"n":1,"device":{{"hostname":"h{host}"}},"unmapped":{{"chain":{{"id":"{id}","prev":{prev},"reason":"r"}}}}}}"#
        );
        prev = format!(r#""{}""#, agent_core::escape::hex(&Sha256::digest(&line)));
        lines.push(line);
        if sequence % 5 == 0 || sequence == events {
            lines.push(format!(
                r#"{{"class_uid":6002,"activity_id":99,"activity_name":"Heartbeat","metadata":{{"uid":"b-{host}-{sequence}"}},"unmapped":{{"chain_head":{{"id":"{id}","sequence":{sequence},"digest":{prev}}}}}}}"#
            ));
        }
    }
    lines
}

/// Tampers with events of some hosts; returns the files, and the hosts that nobody touched.
fn tampered(random: &mut fastrand::Rng, directory: &Path) -> (Vec<PathBuf>, BTreeSet<String>) {
    let hosts = 12;
    let (mut all, mut whole) = (Vec::new(), BTreeSet::new());
    for host in 0..hosts {
        let mut lines = chain(host, random.u64(1..40));
        let at = random.usize(0..lines.len());
        match random.u8(0..8) {
            0 => drop(lines.remove(at)),
            1 => lines[at] = lines[at].replace("\"n\":1", "\"n\":2"),
            2 => lines.push(lines[at].replace("\"n\":1", "\"n\":3")),
            3 => {
                let other = lines[random.usize(0..lines.len())].clone();
                lines[at] = other;
            }
            4 => lines.insert(at, lines[at].replace("\"sequence\":", "\"sequence\":1")),
            5 => lines.extend(lines.clone()),
            6 => random.shuffle(&mut lines),
            _ => {}
        }
        let distinct: BTreeSet<String> = lines.iter().cloned().collect();
        let events = distinct.iter().filter(|line| line.contains("\"n\":"));
        if distinct == chain(host, events.count() as u64).into_iter().collect() {
            whole.insert(format!("h{host}"));
        }
        all.push(lines);
    }
    let mut files = vec![Vec::new(); random.usize(1..5)];
    for lines in all {
        let first = random.usize(0..files.len());
        for line in lines {
            let file = match random.u8(0..20) {
                0 => random.usize(0..files.len()),
                _ => first,
            };
            files[file].push(line);
        }
    }
    let path = |(n, lines): (usize, Vec<String>)| {
        let path = directory.join(format!("{n}"));
        std::fs::write(&path, lines.join("\n")).expect("written");
        path
    };
    (files.into_iter().enumerate().map(path).collect(), whole)
}

#[test]
fn threads_memory_and_the_order_of_files_change_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut random = fastrand::Rng::with_seed(31);
    let (mut sound, mut unsound) = (0, 0);
    for _ in 0..60 {
        let (mut files, whole) = tampered(&mut random, directory.path());
        let expected = judge(&files, 1, ROWS);
        for chain in &expected.0.chains {
            // Heartbeats that are lost show nowhere.
            let is_sound = chain.faults == 0;
            assert!(is_sound || !whole.contains(&chain.host), "{chain:#?}");
            sound += usize::from(is_sound);
            unsound += usize::from(!is_sound);
        }
        // A few rows at a time.
        assert_eq!(judge(&files, 1, 300), expected);
        assert_eq!(judge(&files, 3, ROWS), expected);
        assert_eq!(judge(&files, 3, 1200), expected);
        files.reverse();
        let (told, totals) = judge(&files, 2, ROWS);
        assert_eq!((told.problems, totals), (expected.0.problems, expected.1));
    }
    assert!(sound > 100 && unsound > 100, "{sound} {unsound}");
}

/// A chain has no key: whoever can write all of the log writes it anew from some place on. What was said elsewhere of the
/// bytes that stood there, as by heartbeats, shows it, and nothing in the chain.
#[test]
fn a_chain_that_was_cut_and_hashed_anew_is_shown_by_heartbeats_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let is_event = |line: &&String| line.contains("\"n\":1");
    let lines = chain(1, 20);
    let (mut forged, mut prev) = (Vec::new(), String::from("null"));
    for (n, line) in lines
        .iter()
        .filter(is_event)
        .enumerate()
        .filter(|(n, _)| *n != 6)
    {
        let sequence = n + usize::from(n < 6);
        let was = line
            .split("\"prev\":")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let line = line
            .replace(
                &format!("\"sequence\":{}", n + 1),
                &format!("\"sequence\":{sequence}"),
            )
            .replace(was.expect("a digest"), &prev);
        prev = format!(r#""{}""#, agent_core::escape::hex(&Sha256::digest(&line)));
        forged.push(line);
    }
    let judged = |lines: &[String]| {
        std::fs::write(&path, lines.join("\n")).expect("written");
        judge(std::slice::from_ref(&path), 1, ROWS).1
    };
    assert_eq!(judged(&lines).faults, 0);
    let totals = judged(&forged);
    assert_eq!((totals.events, totals.faults), (19, 0), "nobody can tell");
    forged.extend(lines.iter().filter(|line| !is_event(line)).cloned());
    // Those of 10, 15 and 20.
    assert_eq!(judged(&forged).faults, 3);
}

#[test]
fn lines_that_are_repeated_without_end_are_kept_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let lines = chain(1, 50);
    std::fs::write(&path, lines.join("\n")).expect("written");
    let files = vec![path; 200];
    // Less memory than the rows of one file take.
    let (told, totals) = judge(&files, 2, 4000);
    assert_eq!(told.problems, []);
    assert_eq!(
        (totals.events, totals.heartbeats, totals.faults),
        (50, 10, 0)
    );
    assert_eq!(totals.repeated, 199 * 60);
}

/// A message that somebody wrote to pass for an event: readers that look for less than a place in a chain print it.
#[test]
fn what_passes_for_an_event_and_has_no_place_in_a_chain_is_a_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let whole = chain(1, 10);
    let event = whole[3].clone();
    let beat = whole.last().expect("a heartbeat").clone();
    assert!(event.contains("\"sequence\":4") && beat.contains("chain_head"));
    let of = |product: &str| {
        format!(
            r#"{{"metadata":{{"uid":"x","sequence":11,"product":{{"name":"{product}"}}}},"unmapped":{{}}}}"#
        )
    };
    for (forged, strays) in [
        (event.replace("\"sequence\":4", "\"sequence\":11.0"), 1),
        (event.replace("\"sequence\":4", "\"sequence\":\"11\""), 1),
        (event.replace("\"sequence\":4", "\"sequence\":0"), 1),
        (event.replace("\"sequence\":4", "\"x\":1"), 1),
        (event.replace("\"n\":1", "\"unmapped\":{}"), 1),
        // A heartbeat by its head alone.
        (beat.replace("6002", "2004"), 1),
        (beat.replace("99", "3"), 1),
        (beat.replace("\"Heartbeat\"", "\"Close\""), 1),
        (beat.replace("\"uid\":", "\"sequence\":11,\"uid\":"), 1),
        (
            beat.replace(
                "\"class_uid\"",
                "\"finding_info\":{\"uid\":\"f\"},\"class_uid\"",
            ),
            1,
        ),
        (of(crate::event::PRODUCT), 1),
        (of("other"), 0),
        // One of a host whose store cannot be used.
        (beat.replace("chain_head", "x"), 0),
    ] {
        let mut lines = whole.clone();
        lines.insert(5, forged.clone());
        std::fs::write(&path, lines.join("\n\n")).expect("written");
        let (told, totals) = judge(std::slice::from_ref(&path), 1, ROWS);
        assert_eq!((totals.strays, totals.faults), (strays, strays), "{forged}");
        assert_eq!(totals.foreign, 1 - strays, "{forged}");
        let expected: Vec<Stray> = (0..strays).map(|_| Stray { file: 0, line: 11 }).collect();
        assert_eq!(told.strays, expected, "{forged}");
    }
}

#[test]
fn the_first_of_very_many_strays_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let stray = r#"{"unmapped":{"chain":{"id":"c"}}}"#;
    let each = usize::try_from(agent_core::bounds::LOG_PROBLEMS).expect("small") / 2 + 1;
    let files: Vec<PathBuf> = (0..3)
        .map(|n| directory.path().join(format!("{n}")))
        .collect();
    for file in &files {
        std::fs::write(file, format!("{stray}\n").repeat(each)).expect("written");
    }
    for readers in [1, 3] {
        let (told, totals) = judge(&files, readers, ROWS);
        assert_eq!(totals.strays, 3 * each as u64);
        assert_eq!(told.strays.len() as u64, agent_core::bounds::LOG_PROBLEMS);
        assert_eq!(told.strays[each], Stray { file: 1, line: 1 });
    }
}

#[test]
fn a_file_of_more_chains_than_can_be_kept_apart_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let most = agent_core::bounds::LOG_FILE_CHAINS;
    let lines = |count: usize| -> String {
        let line = |n| {
            format!(
                r#"{{"metadata":{{"uid":"{n}","sequence":1}},"unmapped":{{"chain":{{"id":"{n}"}}}}}}"#
            ) + "\n"
        };
        (0..count).map(line).collect()
    };
    std::fs::write(&path, lines(most + 1)).expect("written");
    let error = files::take(std::slice::from_ref(&path), 1, ROWS, &open).expect_err("too many");
    assert!(error.to_string().contains("chains"), "{error}");
    assert_eq!(error.file, Some(path.clone()));
    std::fs::write(&path, lines(most)).expect("written");
    let totals = judge(&[path], 1, ROWS).1;
    assert_eq!((totals.chains, totals.faults), (most as u64, 0));
}
