//! `agent log verify`: what it reads logs from, and how much it prints.

use super::log::{Chain, chain, problems, verify, write};
use serde_json::json;
use std::path::Path;

/// Runs a program on the file and returns what it prints.
fn packed(program: &str, file: &Path) -> Vec<u8> {
    let output = std::process::Command::new(program)
        .arg("-c")
        .arg(file)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[test]
fn directories_compressed_files_and_exports_are_read_as_plain_files_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let (hosts, events) = (3, 40);
    let all: Vec<Chain> = (0..hosts)
        .map(|n| chain(&directory.path().join(format!("state{n}")), events))
        .collect();
    let export = |events: &[String]| -> Vec<String> {
        let line = |event: &String| format!("2026-11-29T08:00:00.123Z {event}");
        events.iter().map(line).collect()
    };
    let logs = directory.path().join("logs");
    std::fs::create_dir_all(logs.join("deeper/still")).expect("directories");
    let plain = write(&logs, "0.jsonl", &all[0].events);
    // Two members and two frames, as tools that append write them.
    let (early, late) = all[1].events.split_at(17);
    let [gz, zst] = ["gzip", "zstd"].map(|program| {
        let parts = [early, late]
            .map(|half| packed(program, &write(directory.path(), "half", &export(half))));
        parts.concat()
    });
    std::fs::write(logs.join("deeper/1.gz"), &gz).expect("written");
    let whole = packed("zstd", &write(directory.path(), "two", &all[2].events));
    std::fs::write(logs.join("deeper/still/2"), whole).expect("its name says nothing");
    std::os::unix::fs::symlink("/dev/zero", logs.join("endless")).expect("a link");
    let ran = verify(&[&logs]).expect(0);
    let summary = format!("3 chains, {} events", hosts * events);
    assert!(ran.stdout.contains(&summary), "{ran:#?}");
    assert_eq!(
        ran.stdout,
        verify(&[&logs]).expect(0).stdout,
        "always the same"
    );

    // What is lost in one of them is lost whatever it is packed as; a file that ends within is no whole one.
    for (name, bytes) in [("x.gz", &gz), ("x.zst", &zst)] {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        let ran = verify(&[&file]).expect(0);
        assert!(ran.stdout.contains("40 events"), "{ran:#?}");
        std::fs::write(&file, &bytes[..bytes.len() - 9]).expect("written");
        let ran = verify(&[&plain, &file]);
        assert_eq!(ran.status, 2, "{ran:#?}");
        assert!(ran.stderr.contains(name), "{ran:#?}");
    }
    let mut lost = export(&all[1].events);
    lost.remove(4);
    let lost = packed("gzip", &write(directory.path(), "lost", &lost));
    let file = directory.path().join("lost.gz");
    std::fs::write(&file, lost).expect("written");
    assert_eq!(problems(&verify(&[&file]).expect(1)), ["missing 5"]);
}

#[test]
fn what_is_printed_ends_whatever_the_log_holds() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut lines = Vec::new();
    for chain in 0..3 {
        // Every other one is missing.
        for n in 1..=6000u64 {
            let (uid, sequence) = (format!("{chain}-{n}"), n * 2);
            let prev = "0".repeat(64);
            lines.push(
                json!({ "metadata": { "uid": uid, "sequence": sequence },
                    "unmapped": { "chain": { "id": format!("c{chain}"), "prev": prev } } })
                .to_string(),
            );
        }
    }
    let file = write(directory.path(), "log", &lines);
    let ran = verify(&[&file]).expect(1);
    let printed = ran.stdout.lines().count();
    assert!(printed < 10_010, "{printed} lines");
    assert!(
        ran.stdout.contains("… and 8,000 lines more"),
        "{}",
        &ran.stdout[ran.stdout.len() - 500..]
    );
    assert!(
        ran.stdout
            .contains("c2: 6,000 events, 2 to 12000: 6,000 faults")
    );
}
