//! Versions are ordered as dpkg and rpm themselves order them.

use agent_packages::{dpkg, rpm};
use harness::shell;
use std::cmp::Ordering;

/// Versions as people write them and as nobody does, near to each other.
fn pairs(random: &mut fastrand::Rng, pieces: &[&str], count: usize) -> Vec<(String, String)> {
    let version = |random: &mut fastrand::Rng| {
        let epoch = ["", "", "", "1:", "0:", "12:"][random.usize(..6)];
        let body: String = (0..random.usize(1..6))
            .map(|_| *random.choice(pieces).expect("a piece"))
            .collect();
        format!("{epoch}1{body}")
    };
    (0..count)
        .map(|_| {
            let a = version(random);
            let mut b = version(random);
            if random.bool() {
                // One piece more, or one character less.
                b = format!("{a}{}", random.choice(pieces).expect("a piece"));
            }
            (a, b)
        })
        .collect()
}

fn compared(
    random: &mut fastrand::Rng,
    pieces: &[&str],
    script: &str,
    ours: fn(&str, &str) -> Ordering,
) {
    let pairs = pairs(random, pieces, 1500);
    let lab = tempfile::tempdir().expect("a directory");
    let text: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    std::fs::write(lab.path().join("pairs"), text).expect("the pairs");
    let said = shell(lab.path(), script);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), pairs.len());
    for ((a, b), word) in pairs.iter().zip(&said) {
        let order = match *word {
            "-1" => Ordering::Less,
            "0" => Ordering::Equal,
            "1" => Ordering::Greater,
            other => panic!("{a} {b}: {other}"),
        };
        assert_eq!(ours(a, b), order, "{a} {b}");
    }
    assert!(said.contains(&"0") && said.contains(&"1") && said.contains(&"-1"));
}

#[test]
fn versions_as_dpkg_compares_them() {
    let pieces = [
        ".0", ".10", ".9", "a", "Z", "~", "~rc1", "+deb12u1", "-1", "-1.1", ".01", "+b1", "0", "9",
        "git",
    ];
    let script = "while read -r a b; do
        if dpkg --compare-versions \"$a\" lt \"$b\" 2>/dev/null; then echo -1
        elif dpkg --compare-versions \"$a\" eq \"$b\" 2>/dev/null; then echo 0
        else echo 1; fi; done < pairs";
    compared(
        &mut fastrand::Rng::with_seed(1),
        &pieces,
        script,
        dpkg::version::compare,
    );
}

#[test]
fn versions_as_rpm_compares_them() {
    let pieces = [
        ".0", ".10", ".9", "a", "Z", "~", "~rc1", "^git", "^", "_", "+", ".01", "0", "9", "git",
        "..", ".fc39",
    ];
    // Epochs are rpm's own to compare, not rpmvercmp's.
    let script = "sed -E 's/[0-9]+://g' pairs > plain
        rpm --eval '%{lua: for line in io.lines(\"plain\") do local a, b = line:match(\"(%S+) (%S+)\"); print(rpm.vercmp(a, b) .. \"\\n\") end}' | grep -v '^$'";
    fn without_epoch(a: &str, b: &str) -> Ordering {
        let plain = |version: &str| {
            version
                .rsplit_once(':')
                .map_or(version, |(_, rest)| rest)
                .to_owned()
        };
        rpm::version::compare(&plain(a), &plain(b))
    }
    compared(
        &mut fastrand::Rng::with_seed(2),
        &pieces,
        script,
        without_epoch,
    );
}
