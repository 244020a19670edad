//! Recorded files with a name outside the watched tree: what is done through it is noticed.

use super::ledger::assert_same;
use super::sentry::Sentry;
use harness::Lab;
use harness::kernel::limits_stand_still;

#[test]
fn what_is_done_through_a_name_outside_is_noticed() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.shell(
        "mkdir -p d e ../out; for n in a b c f; do echo $n >d/$n; ln d/$n ../out/$n; done
         ln d/b e/b; echo single >d/single",
    );
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    assert_eq!(sentry.coverage.linked.watched, 5);
    assert_eq!(sentry.coverage.linked.reason, None);
    for (step, then, paths) in [
        ("true", "echo more >>../out/a", &["d/a"][..]),
        ("true", "chmod 600 ../out/a", &["d/a"]),
        ("true", "touch -d @1000 ../out/a", &["d/a"]),
        // One file, two of its names in the tree.
        ("true", "echo more >>../out/b", &["d/b", "e/b"]),
        ("true", "rm ../out/b", &["d/b", "e/b"]),
        // Replaced, removed and made again, put back: the one that is there is watched.
        (
            "echo other >../out/new; ln ../out/new d/tmp; mv d/tmp d/c",
            "echo more >>../out/new",
            &["d/c"],
        ),
        ("rm d/c", "echo more >>../out/new", &[]),
        (
            "echo again >../out/again; ln ../out/again d/c",
            "echo more >>../out/again",
            &["d/c"],
        ),
        // With its directory.
        ("mv d ../d", "echo more >>../out/f", &[]),
        ("mv ../d d", "echo more >>../out/f", &["d/f"]),
        ("mv d moved; mv moved d", "echo more >>../out/f", &["d/f"]),
        // None of a file any more.
        (
            "rm d/f; mkdir d/f; rmdir d/f; ln ../out/f d/f",
            "echo more >>../out/f",
            &["d/f"],
        ),
    ] {
        lab.shell(step);
        sentry.catch_up();
        assert_same(&sentry.ledger, &lab, step);
        sentry.touched.clear();
        lab.shell(then);
        sentry.catch_up();
        assert_same(&sentry.ledger, &lab, then);
        let touched: Vec<String> = sentry
            .touched
            .iter()
            .filter(|path| path.as_slice() != agent_scan::watch::canary::KEY)
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        assert_eq!(touched, paths, "{step}; {then}");
    }
}

/// Where too many files have several names only the critical ones are watched themselves, and that is told.
#[test]
fn beyond_the_bound_the_critical_ones_are_watched_and_the_others_told() {
    let _limits = limits_stand_still();
    let lab = Lab::new();
    lab.profile(
        "name = \"lab\"\n[[paths]]\npath = \"/\"\nseverity = \"high\"\n\
         [[paths]]\npath = \"/d/key\"\nseverity = \"critical\"\n",
    );
    lab.shell(
        "mkdir -p d ../out
         for n in {1..16} key; do echo $n >d/$n; ln d/$n ../out/$n; done",
    );
    lab.create().expect(0);
    let mut sentry = Sentry::of(&lab);
    let linked = sentry.coverage.linked.clone();
    assert_eq!((linked.watched, linked.unwatched), (1, 16));
    let reason = linked.reason.expect("why");
    for word in ["16 paths", "critical", "next scan"] {
        assert!(reason.contains(word), "{reason}");
    }
    lab.shell("echo more >>../out/key");
    sentry.catch_up();
    assert_same(&sentry.ledger, &lab, "the critical one");
}
