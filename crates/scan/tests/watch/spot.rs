//! Some paths, judged alone, are judged as a whole check would judge them.

use super::ledger::{Ledger, assert_same};
use agent_core::region::Region;
use harness::Lab;
use harness::edits::{Edits, MIXED, PROFILES, Rules, Touched};
use std::os::unix::fs::MetadataExt;

fn region(touched: Touched) -> Region {
    let Touched { path, below } = touched;
    Region { path, below }
}

#[test]
fn spots_add_up_to_what_a_check_finds() {
    for rules in &PROFILES {
        let Rules { name, profile, .. } = rules;
        for seed in 0..12 {
            let lab = Lab::in_memory();
            lab.profile(profile);
            let mut edits = Edits::new(&lab.root(), &lab.path().join("pristine"), seed, rules);
            lab.create().expect(0);
            let mut ledger = Ledger::of(&lab);
            for round in 0..12 {
                let count = edits.random.usize(1..8);
                let touched: Vec<_> = (0..count).flat_map(|_| edits.edit()).map(region).collect();
                let about = format!("{name}, seed {seed}, round {round}: {touched:?}");
                ledger.judge(touched);
                assert_same(&ledger, &lab, &about);
            }
        }
    }
}

/// What else lies in a directory decides for it, each time that it is judged.
#[test]
fn a_directory_whose_entries_come_and_go_stays_excused() {
    let lab = Lab::new();
    lab.profile(MIXED);
    lab.shell("mkdir -p a other/b; echo x | tee a/file other/b/file; touch -d @1000 . other");
    lab.create().expect(0);
    let mut ledger = Ledger::of(&lab);
    lab.shell("touch . other");
    for round in 0..3 {
        let alone = |path: &[u8]| Region {
            path: path.to_vec(),
            below: false,
        };
        ledger.judge([alone(b""), alone(b"other")]);
        assert!(ledger.open().is_empty(), "{round}: {:?}", ledger.open());
    }
    assert_same(&ledger, &lab, "at the end");
}

/// Of what was touched it is told that it holds, with the time that nobody can set back.
#[test]
fn what_holds_is_told_where_its_contents_are_demanded() {
    let lab = Lab::new();
    lab.profile(MIXED);
    lab.shell("mkdir -p c/b a; echo x | tee c/x c/b/loose a/content c/other >/dev/null; mkfifo c/pipe; ln -s x c/link");
    lab.create().expect(0);
    let mut ledger = Ledger::of(&lab);
    lab.shell("echo y >c/other; echo y >c/new");
    let touched = [
        "c/x",
        "c/b/loose",
        "a/content",
        "c/other",
        "c/new",
        "c/gone",
        "c/pipe",
        "c/link",
        "c",
    ];
    ledger.judge(touched.map(|path| Region {
        path: path.into(),
        below: path != "c",
    }));
    let held: Vec<String> = ledger
        .held
        .iter()
        .map(|(path, _)| String::from_utf8_lossy(path).into_owned())
        .collect();
    assert_eq!(held, ["a/content", "c/link", "c/pipe", "c/x"]);
    let about = std::fs::metadata(lab.root().join("c/x")).expect("there");
    let ctime = ledger.held[3].1;
    assert_eq!(
        (ctime.seconds, i64::from(ctime.nanoseconds)),
        (about.ctime(), about.ctime_nsec())
    );
    assert_same(&ledger, &lab, "at the end");
}

/// What is done to a recorded file through one of its names shows under all of them.
#[test]
fn names_of_one_file_are_judged_together() {
    let lab = Lab::new();
    lab.shell(
        "mkdir -p a b c; echo x | tee a/x a-x c/alone >/dev/null; ln a/x b/x; ln a/x c/x; ln a-x c/y
         find . -exec touch -hd @1000 {} +",
    );
    lab.create().expect(0);
    let mut ledger = Ledger::of(&lab);
    for (step, touched) in [
        ("echo y >>a/x", "a/x"),
        ("chmod 600 c/x", "c/x"),
        ("rm b/x", "b/x"),
        ("mv a ../a", "a"),
        ("echo z >>c/y", "c/y"),
        ("rm -r c", "c"),
    ] {
        lab.shell(step);
        ledger.judge([Region {
            path: touched.into(),
            below: true,
        }]);
        assert_same(&ledger, &lab, step);
    }
}
