//! Things in motion while they are looked at. The runs are slowed down with `--max-rate` on a large first
//! file, and the test acts as soon as the agent has that file open.

use harness::{Caught, Lab, agent_path};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// More paths than the walk may run ahead of the hashing (batches of 1024, 24 of them): while the first
/// file is read, neither the walk nor the manifest is at its end.
const FAR: &str = "for i in {10000..39999}; do echo $i; done | xargs touch";

/// One thread that reads the first file for about a second.
const SLOW: [&str; 4] = ["--threads", "1", "--max-rate", "10M"];

/// A tree whose first file keeps the agent busy.
fn lab(line: &str) -> Lab {
    let lab = Lab::in_memory();
    lab.shell("head -c 10000000 /dev/zero > 0slow");
    lab.shell(line);
    lab.create().expect(0);
    lab
}

/// Starts a check and returns when it reads `file`.
fn caught_at(lab: &Lab, file: &str, more: &[&str]) -> Caught {
    let mut caught = lab.start_check(&[&SLOW, more].concat());
    caught.until_open(&lab.root().join(file));
    caught
}

/// SHA-256 as the finding observed it.
fn observed(finding: &Value) -> &str {
    finding["observed"]["sha256"].as_str().expect("a digest")
}

/// Rewrites a file, the same bytes over and over, until it is dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(path: PathBuf) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let file = OpenOptions::new().write(true).open(path).expect("the file");
            while !stopped.load(Ordering::Relaxed) {
                file.write_at(b"\0", 0).expect("written");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Writer {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the writer");
        }
    }
}

/// Three tries, then `unknown`: half of one state and half of another have no digest.
#[test]
fn a_file_written_all_the_time_has_no_digest() {
    let lab = lab("echo calm > calm; echo other > other");
    lab.shell("echo CALM > calm");
    let writer = Writer::start(lab.root().join("0slow"));
    let ran = lab.check(&["--max-rate", "40M"]);
    let created = lab.agent(&["baseline", "create"], &["--output", "second.mtree"]);
    drop(writer);
    let ran = ran.expect(1);
    assert_eq!(
        ran.told(),
        [
            "fail files.changed /calm sha256,mtime",
            "unknown files.unreadable /0slow"
        ]
        .map(|told| told.replace("sha256,mtime", "mtime,sha256"))
    );
    let finding = ran.one("files.unreadable", "/0slow");
    assert!(
        finding["observed"].is_null() && finding["expected"].is_null(),
        "{finding}"
    );
    assert_eq!(ran.summary()["counts"]["unknown"], 1);
    // A manifest with a hole would pass for a whole one.
    created
        .expect(2)
        .silent()
        .complains(&["/0slow", "changes while it is read"]);
    assert!(!lab.path().join("second.mtree").exists());
    // Alone it leaves the coverage incomplete.
    lab.shell("mv calm gone; cp --preserve=timestamps gone calm; rm gone");
    let writer = Writer::start(lab.root().join("0slow"));
    let ran = lab.check(&["--max-rate", "40M", "--skip", "files.changed"]);
    drop(writer);
    ran.expect(3);
}

/// A change in the middle of reading: read again, and what is reported is one state of the file.
#[test]
fn a_file_that_changes_once_is_read_again() {
    for (name, change) in [
        ("shrinks", "truncate -s 1000 0slow"),
        ("grows", "echo more >> 0slow"),
        ("vanishes at the end", ": > 0slow"),
        (
            "changes behind what was read",
            "printf x | dd of=0slow bs=1 seek=9999999 conv=notrunc status=none",
        ),
        (
            "changes before what was read",
            "printf x | dd of=0slow bs=1 seek=0 conv=notrunc status=none",
        ),
        (
            "grows by a hole",
            "truncate -s 50000000 0slow; truncate -s 10500000 0slow",
        ),
    ] {
        let lab = lab("echo calm > calm");
        let caught = caught_at(&lab, "0slow", &[]);
        lab.shell(change);
        let ran = caught.finish().expect(1);
        let finding = ran.one("files.changed", "/0slow");
        assert_eq!(ran.findings().len(), 1, "{name}: {ran:#?}");
        let now = lab.shell("sha256sum < 0slow");
        assert_eq!(Some(observed(&finding)), now.split(' ').next(), "{name}");
    }
}

/// What is gone when its turn comes is gone; what its directory has become is said as it is.
#[test]
fn what_vanishes_or_turns_during_a_run() {
    // The walk is still in `a` when `b` changes.
    let more = &format!("mkdir a b; mv 0slow a/0slow; echo x > b/x; cd a; {FAR}");
    let cases: [(&str, &str, &[&str]); 4] = [
        (
            "a file further on",
            "rm a/39999",
            &["fail files.removed /a/39999"],
        ),
        (
            "a directory further on",
            "rm -r b",
            &["fail files.removed /b", "fail files.removed /b/x"],
        ),
        (
            "a directory becomes a link out of the tree",
            "rm -r b; ln -s /etc b",
            &["fail files.changed /b type,", "fail files.removed /b/x"],
        ),
        (
            "a file becomes a fifo",
            "rm a/39999; mkfifo a/39999",
            &["fail files.changed /a/39999 type,"],
        ),
    ];
    for (name, change, expected) in cases {
        let lab = lab(more);
        let caught = caught_at(&lab, "a/0slow", &[]);
        lab.shell(change);
        let ran = caught.finish().expect(1);
        let told = ran.told();
        assert_eq!(told.len(), expected.len(), "{name}: {told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{name}: {told}");
        }
    }
}

/// A branch so deep that its upper directories are closed, moved away while the walk is at its bottom: the
/// way back up leads elsewhere. It is unknown, neither removed nor added, and what lies beside it is judged.
#[test]
fn a_directory_moved_during_the_walk_is_unknown() {
    let lab = lab(&format!(
        "mkdir -p $(printf 'd%03d/' {{1..80}}); cd $(printf 'd%03d/' {{1..80}})
         mv $OLDPWD/0slow .; {FAR}
         cd $OLDPWD; echo x > d001/x; echo y > d001/d002/y; echo z > z",
    ));
    let bottom: String = (1..=80).map(|i| format!("d{i:03}/")).collect();
    let caught = caught_at(&lab, &format!("{bottom}0slow"), &[]);
    lab.shell("mv d001/d002 moved");
    let ran = caught.finish().expect(3);
    let told = ran.told();
    assert_eq!(told, ["unknown files.unreadable /d001/d002"], "{ran:#?}");
    assert!(
        ran.one("files.unreadable", "/d001/d002")["message"]
            .as_str()
            .expect("text")
            .contains("moved")
    );
    // A second look finds what was done.
    let told = lab.check(&[]).expect(1).told();
    assert!(
        told.contains(&"fail files.removed /d001/d002".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"fail files.added /moved".to_owned()),
        "{told:?}"
    );
}

/// The last block is not yet read when the first file is.
fn long_lab() -> Lab {
    lab(&format!("mkdir many; cd many; {FAR}"))
}

/// What is done to the open manifest.
type Edit<'a> = dyn Fn(&File) + 'a;

/// The bytes that were verified are the bytes that are read: anything else shows, sealed or not.
#[test]
fn a_manifest_edited_in_place_during_a_run_shows() {
    for sealed in [false, true] {
        let lab = long_lab();
        let mut more: &[&str] = &[];
        if sealed {
            harness::shell(
                lab.path(),
                "ssh-keygen -q -t ed25519 -N '' -f key; echo \"builder $(cat key.pub)\" > signers
                 ssh-keygen -q -Y sign -n host-integrity-agent -f key manifest.mtree",
            );
            more = &["--trust", "signers"];
        }
        let good = fs::read(lab.manifest()).expect("readable");
        let late = good.len() - 1000;
        let mtime = good[late..]
            .windows(6)
            .position(|w| w == b" time=")
            .expect("an entry")
            + late
            + 6;
        let edits: [(&str, &Edit); 3] = [
            ("one byte of a later block", &|file| {
                file.write_all_at(b"9", mtime as u64).expect("written")
            }),
            ("cut short", &|file| {
                file.set_len(good.len() as u64 / 2).expect("cut")
            }),
            ("replaced by a shorter one", &|file| {
                file.set_len(0).expect("cut");
                file.write_all_at(&good[..70_000], 0).expect("written");
            }),
        ];
        for (name, edit) in edits {
            let caught = caught_at(&lab, "0slow", more);
            edit(
                &OpenOptions::new()
                    .write(true)
                    .open(lab.manifest())
                    .expect("there"),
            );
            let ran = caught.finish();
            // 4 where a seal is demanded: these bytes nobody signed.
            assert_eq!(ran.status, if sealed { 4 } else { 2 }, "{name}: {ran:#?}");
            assert!(
                ran.stderr.contains("changed while it was in use"),
                "{name}: {ran:#?}"
            );
            assert!(
                !ran.stdout.contains("\"kind\":\"summary\""),
                "{name}: {ran:#?}"
            );
            fs::write(lab.manifest(), &good).expect("restored");
        }
        lab.check(more).expect(0);
    }
}

/// Another file in the manifest's place is not the file that was verified, and is not looked at.
#[test]
fn a_manifest_replaced_during_a_run_is_not_read() {
    let lab = long_lab();
    let before = lab.check(&[]).expect(0).summary()["manifest"]["sha256"].clone();
    let caught = caught_at(&lab, "0slow", &[]);
    harness::shell(lab.path(), "echo garbage > other; mv other manifest.mtree");
    let ran = caught.finish().expect(0);
    assert_eq!(ran.summary()["manifest"]["sha256"], before);
    lab.check(&[]).expect(2);
}

/// Recording is no different: what goes is left out, what changes is refused.
#[test]
fn a_tree_that_moves_while_it_is_recorded() {
    let lab = Lab::new();
    // Sparse: large enough that a digest takes a while, and takes no room.
    let size = if cfg!(debug_assertions) { "40M" } else { "1G" };
    lab.shell(&format!("truncate -s {size} 0slow; echo x > x; echo y > y"));
    let start = || {
        let mut command = Command::new(agent_path());
        command
            .args([
                "baseline",
                "create",
                "--root",
                "root",
                "--profile",
                "./profile.toml",
            ])
            .args(["--output", "manifest.mtree"])
            .current_dir(lab.path());
        let mut caught = Caught::start(&mut command);
        caught.until_open(&lab.root().join("0slow"));
        caught
    };
    let caught = start();
    lab.shell("echo more >> 0slow");
    caught.finish().expect(0);
    // What was recorded is the state after the change.
    lab.check(&[]).expect(0);

    let caught = start();
    fs::remove_file(lab.manifest()).expect("there");
    fs::create_dir(lab.manifest()).expect("in the way");
    caught
        .finish()
        .expect(2)
        .silent()
        .complains(&["manifest.mtree"]);
    assert_eq!(
        fs::read_dir(lab.path()).expect("listed").count(),
        3,
        "root, profile and manifest"
    );
}
