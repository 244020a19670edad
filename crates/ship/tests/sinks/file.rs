//! The file sink on real files: rotated, truncated, removed, on full disks and in bad places. Standard output beside it.

use super::fixture::{parcels, text};
use agent_outbox::parcel::Parcel;
use agent_ship::file::FileSink;
use agent_ship::{Sent, classify::Class, stdout};
use harness::{Lab, private, shell};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::runtime::Runtime;

/// A file sink and what it was told of.
struct Log {
    path: PathBuf,
    sink: FileSink,
    runtime: Runtime,
    accepted: BTreeSet<u64>,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

impl Log {
    fn new(path: &Path) -> Log {
        Log {
            path: path.to_owned(),
            sink: FileSink::new(path, 1),
            runtime: runtime(),
            accepted: BTreeSet::new(),
        }
    }

    /// Sends what is not accepted yet.
    fn send(&mut self, parcels: &[Parcel]) -> Sent {
        let left: Vec<Parcel> = parcels
            .iter()
            .filter(|p| !self.accepted.contains(&p.key))
            .cloned()
            .collect();
        let sent = self.runtime.block_on(self.sink.send(&left));
        self.accepted.extend(&sent.delivery.accepted);
        assert_eq!(sent.again.is_some(), sent.trouble.is_some(), "{sent:?}");
        assert_eq!(
            sent.trouble.is_none(),
            sent.delivery.accepted.len() == left.len(),
            "{sent:?}"
        );
        assert!(
            sent.trouble
                .iter()
                .all(|trouble| trouble.class == Class::Local)
        );
        sent
    }

    /// The same; nothing may stand in the way.
    fn all(&mut self, parcels: &[Parcel]) {
        assert_eq!(self.send(parcels).trouble, None);
    }

    fn lines(&self) -> Vec<String> {
        lines(&self.path)
    }
}

/// Whole lines: the last one has an end too.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("UTF-8");
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a torn line at the end of {}",
        path.display()
    );
    text.lines().map(str::to_owned).collect()
}

fn texts(parcels: &[Parcel]) -> Vec<String> {
    parcels.iter().map(text).collect()
}

#[test]
fn lines_are_whole_and_the_file_is_not_for_everybody() {
    let lab = Lab::new();
    let mut log = Log::new(&lab.path().join("log.jsonl"));
    let parcels = parcels(2000);
    log.all(&parcels[..500]);
    log.all(&parcels);
    assert_eq!(log.lines(), texts(&parcels));
    let mode = fs::metadata(&log.path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn rotation_leads_to_the_file_that_has_the_name() {
    // What is done between two sends; which files then hold the lines of the first and of the second.
    let cases = [
        ("true", "log.jsonl", "log.jsonl"),
        ("mv log.jsonl log.1", "log.1", "log.jsonl"),
        ("mv log.jsonl log.1; : > log.jsonl", "log.1", "log.jsonl"),
        ("cp log.jsonl log.1; : > log.jsonl", "log.1", "log.jsonl"),
        (
            "cp log.jsonl log.1; truncate -s 0 log.jsonl",
            "log.1",
            "log.jsonl",
        ),
        ("mkdir old; mv log.jsonl old/", "old/log.jsonl", "log.jsonl"),
        ("ln log.jsonl log.1; rm log.jsonl", "log.1", "log.jsonl"),
    ];
    for (rotate, first, second) in cases {
        let lab = Lab::new();
        let mut log = Log::new(&lab.path().join("log.jsonl"));
        let parcels = parcels(20);
        log.all(&parcels[..10]);
        shell(lab.path(), rotate);
        log.all(&parcels);
        let held = |name: &str| lines(&lab.path().join(name));
        if first == second {
            assert_eq!(held(first), texts(&parcels), "{rotate}");
        } else {
            assert_eq!(held(first), texts(&parcels[..10]), "{rotate}");
            assert_eq!(held(second), texts(&parcels[10..]), "{rotate}");
        }
    }
}

#[test]
fn what_is_renamed_under_way_is_found_in_one_of_the_files() {
    let lab = Lab::new();
    let mut log = Log::new(&lab.path().join("log.jsonl"));
    let parcels = parcels(4000);
    let path = log.path.clone();
    let rotating = std::thread::spawn(move || {
        for n in 0..60 {
            while fs::rename(&path, path.with_extension(n.to_string())).is_err() {
                std::thread::yield_now();
            }
        }
    });
    let mut chunk = 0;
    while !rotating.is_finished() {
        chunk = (chunk + 50).min(parcels.len());
        if chunk == parcels.len() {
            // All are written: begin anew, so that there is a file to rename.
            log.accepted.clear();
            chunk = 50;
        }
        log.all(&parcels[..chunk]);
    }
    log.accepted.clear();
    log.all(&parcels);
    let mut held = BTreeSet::new();
    for entry in fs::read_dir(lab.path()).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.file_stem().is_some_and(|stem| stem == "log") {
            held.extend(lines(&path));
        }
    }
    assert_eq!(held, texts(&parcels).into_iter().collect());
}

#[test]
fn a_torn_line_is_ended_and_nothing_of_others_removed() {
    let lab = Lab::new();
    let parcels = parcels(3);
    for (before, expected) in [
        ("whole\n", vec!["whole"]),
        ("whole\nto", vec!["whole", "to"]),
        ("", vec![]),
    ] {
        let path = lab.path().join("log.jsonl");
        fs::write(&path, before).expect("written");
        Log::new(&path).all(&parcels);
        let expected: Vec<String> = expected
            .into_iter()
            .map(str::to_owned)
            .chain(texts(&parcels))
            .collect();
        assert_eq!(lines(&path), expected, "{before:?}");
    }
}

#[test]
fn bad_places_are_told_and_waited_for() {
    // How the place is spoilt, what is said of it, and how it is mended.
    let cases = [
        ("rm -d place", "No such file or directory", "mkdir place"),
        (
            "mkdir place/log.jsonl",
            "Is a directory",
            "rmdir place/log.jsonl",
        ),
        (
            "ln -s /etc/passwd place/log.jsonl",
            "symbolic link",
            "rm place/log.jsonl",
        ),
        (
            "mkfifo place/log.jsonl",
            "not a regular file",
            "rm place/log.jsonl",
        ),
        (
            "mknod place/log.jsonl c 1 7",
            "not a regular file",
            "rm place/log.jsonl",
        ),
        (
            "touch place/log.jsonl; chattr +i place/log.jsonl",
            "Operation not permitted",
            "chattr -i place/log.jsonl",
        ),
    ];
    for (spoil, said, mend) in cases {
        let lab = Lab::new();
        shell(lab.path(), "mkdir place");
        shell(lab.path(), spoil);
        let mut log = Log::new(&lab.path().join("place/log.jsonl"));
        let parcels = parcels(3);
        for _ in 0..2 {
            let sent = log.send(&parcels);
            let trouble = sent.trouble.expect("told");
            assert!(
                trouble.text.contains(said) && trouble.text.contains("log.jsonl"),
                "{spoil}: {trouble:?}"
            );
            assert!(sent.delivery.accepted.is_empty(), "{spoil}");
        }
        shell(lab.path(), mend);
        log.all(&parcels);
        assert_eq!(log.lines(), texts(&parcels), "{spoil}");
    }
}

#[test]
fn what_is_no_line_is_set_aside() {
    let lab = Lab::new();
    let mut log = Log::new(&lab.path().join("log.jsonl"));
    let mut parcels = parcels(3);
    parcels[1].bytes = b"two\nlines"[..].into();
    let sent = log.runtime.block_on(log.sink.send(&parcels));
    assert_eq!(sent.delivery.accepted, [1, 3]);
    assert_eq!(sent.delivery.refused[0].0, 2);
    assert_eq!(lines(&log.path), [text(&parcels[0]), text(&parcels[2])]);
}

/// Runs the test of that name, one that is ignored otherwise.
fn alone(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([
        "--exact",
        name,
        "--ignored",
        "--nocapture",
        "--test-threads",
        "2",
    ]);
    command
}

#[test]
fn a_full_disk_loses_nothing() {
    let lab = Lab::new();
    let program = std::env::current_exe().expect("this program");
    let script = format!(
        "mkdir full; mount -t tmpfs -o size=256k tmpfs full; cd full; head -c 150000 /dev/zero > filler
        exec '{}' --exact file::in_a_full_directory --ignored --nocapture",
        program.display()
    );
    let ran = private(lab.path(), &script, &[]).expect(0);
    assert!(ran.stdout.contains("1 passed"), "{ran:?}");
}

#[test]
#[ignore = "runs in a file system of its own, for the test above"]
fn in_a_full_directory() {
    let path = std::env::current_dir()
        .expect("a directory")
        .join("log.jsonl");
    let mut log = Log::new(&path);
    let parcels = parcels(2500);
    let sent = log.send(&parcels);
    let trouble = sent.trouble.expect("it is full");
    assert!(trouble.text.contains("No space left"), "{trouble:?}");
    let held = log.lines();
    assert!((100..2500).contains(&held.len()), "{}", held.len());
    assert_eq!(held.len(), log.accepted.len(), "accepted is what is whole");
    for _ in 0..3 {
        assert!(log.send(&parcels).trouble.is_some());
        assert_eq!(log.lines().len(), log.accepted.len());
    }
    fs::remove_file("filler").expect("room is made");
    let half = log.accepted.len() + (parcels.len() - log.accepted.len()) / 4;
    log.all(&parcels[..half]);
    assert_eq!(log.lines(), texts(&parcels[..half]), "each once, in order");
}

#[test]
fn standard_output_gets_lines_and_a_full_one_is_told() {
    let name = "file::onto_standard_output";
    let ran = harness::run(&mut alone(name)).expect(0);
    let told: Vec<String> = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(str::to_owned)
        .collect();
    assert_eq!(told.len(), 80);
    assert!(ran.stderr.contains("80 accepted, None"), "{ran:?}");
    // Room for what the test program says itself, and for some lines.
    let lab = Lab::new();
    let script = format!(
        "mkdir full; mount -t tmpfs -o size=8k tmpfs full
        '{}' --exact {name} --ignored --nocapture > full/out || true
        grep -c '^{{.*}}$' full/out >&2",
        std::env::current_exe().expect("this program").display()
    );
    let said = private(lab.path(), &script, &[]).stderr;
    let lines = said.lines().last().expect("a count");
    assert!(
        said.contains(&format!("{lines} accepted, Some")) && said.contains("No space left"),
        "{said}"
    );
}

#[test]
#[ignore = "writes to standard output, for the test above"]
fn onto_standard_output() {
    let mut sink = stdout::StdoutSink::new(1);
    // The test program's own words must not stand before the first line.
    println!();
    let sent = runtime().block_on(sink.send(&parcels(80)));
    eprintln!(
        "{} accepted, {:?}",
        sent.delivery.accepted.len(),
        sent.trouble
    );
}
