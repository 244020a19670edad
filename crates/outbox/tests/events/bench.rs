//! What a flood costs: memory flat, nothing dropped that fits.

use super::killed::victim;
use serde_json::Value;
use std::process::Command;

#[test]
fn as_many_deviations_as_an_image_has_files_fit_and_memory_stays_flat() {
    let count: u64 =
        std::env::var("AGENT_TEST_FLOOD").map_or(26_500, |n| n.parse().expect("a number"));
    let directory = tempfile::tempdir().expect("a directory");
    let output = Command::new(victim())
        .arg(directory.path())
        .args(["flood", &count.to_string()])
        .output()
        .expect("cargo builds examples with the tests");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    println!("{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [first, second] = &lines[..] else {
        panic!("{text} {}", String::from_utf8_lossy(&output.stderr));
    };
    for line in [first, second] {
        let peak = line["peak_kib"].as_u64().expect("a number");
        assert!(peak <= 32 << 10, "{peak} KiB: {text}");
        assert!(
            line["file"].as_u64().expect("a number") <= 384 << 20,
            "{text}"
        );
    }
    if count <= 26_500 {
        assert_eq!(first["dropped"], 0, "{text}");
        // And that the flood began, and is over; on a slow machine more than once.
        let shipped = |line: &Value| line["shipped"].as_u64().expect("a number");
        let marks = shipped(first) + shipped(second) - count;
        assert!((1..=10).contains(&marks), "{text}");
        assert_eq!(second["open"], count, "{text}");
    }
}
