use super::*;

const DAY: i64 = REMIND;

/// What later scans see, and what they tell.
type Scans<'a> = &'a [(Observation, Capacity, Option<Step>)];

fn there(print: u8) -> Observation {
    Observation::There {
        verdict: Verdict::Fail,
        severity: Severity::High,
        fingerprint: [print; 16],
    }
}

fn unknown(print: u8) -> Observation {
    Observation::There {
        verdict: Verdict::Unknown,
        severity: Severity::High,
        fingerprint: [print; 16],
    }
}

/// What is told of a sequence of scans: time, what is seen, capacity, what is expected to be told.
fn play(scans: &[(i64, Observation, Capacity, Option<Step>)]) {
    let mut entry: Option<OpenFinding> = None;
    for (i, (now, observation, capacity, expected)) in scans.iter().enumerate() {
        let decision = decide(entry.as_ref(), *observation, i as u64, *capacity, *now);
        assert_eq!(decision.step, *expected, "scan {i}: {scans:#?}");
        entry = decision.entry;
    }
}

#[test]
fn a_deviation_is_told_once_and_then_when_something_is_to_be_told() {
    use Capacity::Ample;
    use Step::{Changed, Cleared, Raised, Reminded};
    play(&[
        (0, Observation::Gone, Ample, None),
        (1, there(1), Ample, Some(Raised)),
        (2, there(1), Ample, None),
        (3, there(2), Ample, Some(Changed)),
        (4, there(2), Ample, None),
        (5, unknown(2), Ample, Some(Changed)),
        (6, there(2), Ample, Some(Changed)),
        (DAY + 5, there(2), Ample, None),
        (DAY + 6, there(2), Ample, Some(Reminded)),
        (DAY + 7, there(2), Ample, None),
        (2 * DAY + 6, there(2), Ample, Some(Reminded)),
        (2 * DAY + 7, Observation::Gone, Ample, Some(Cleared)),
        (2 * DAY + 8, Observation::Gone, Ample, None),
        (2 * DAY + 9, there(2), Ample, Some(Raised)),
    ]);
    play(&[
        (1, unknown(1), Ample, Some(Raised)),
        (2, unknown(1), Ample, None),
        (3, Observation::Gone, Ample, Some(Cleared)),
    ]);
}

#[test]
fn a_clock_that_goes_back_silences_nothing() {
    use Capacity::Ample;
    use Step::{Changed, Raised, Reminded};
    play(&[
        (10 * DAY, there(1), Ample, Some(Raised)),
        (9 * DAY, there(1), Ample, None),
        (9 * DAY + 1, there(2), Ample, Some(Changed)),
        (8 * DAY, there(2), Ample, None),
        (9 * DAY, there(2), Ample, Some(Reminded)),
    ]);
}

#[test]
fn what_can_wait_waits_for_room() {
    use Capacity::{Ample, Scarce};
    use Step::{Changed, Cleared, Raised};
    play(&[
        (1, there(1), Scarce, Some(Raised)),
        (2 * DAY, there(1), Scarce, None),
        (2 * DAY + 1, there(2), Scarce, Some(Changed)),
        (2 * DAY + 2, Observation::Gone, Scarce, Some(Cleared)),
    ]);
    // After the event that told this step was dropped: what the next scans tell.
    let cases: [(Step, Scans<'_>); 5] = [
        (
            Raised,
            &[
                (there(1), Scarce, None),
                (there(2), Scarce, None),
                (there(2), Ample, Some(Raised)),
                (there(2), Ample, None),
            ],
        ),
        (
            Raised,
            &[
                (Observation::Gone, Ample, None),
                (there(1), Ample, Some(Raised)),
            ],
        ),
        (
            Changed,
            &[(there(1), Scarce, None), (there(1), Ample, Some(Changed))],
        ),
        (
            Cleared,
            &[
                (Observation::Gone, Scarce, None),
                (Observation::Gone, Ample, Some(Cleared)),
                (Observation::Gone, Ample, None),
            ],
        ),
        (
            Cleared,
            &[
                (there(1), Ample, Some(Changed)),
                (Observation::Gone, Ample, Some(Cleared)),
            ],
        ),
    ];
    for (step, scans) in cases {
        let raised = decide(None, there(1), 0, Ample, 0).entry.expect("an entry");
        let mut entry = Some(dropped(&raised, step));
        for (i, (observation, capacity, expected)) in scans.iter().enumerate() {
            let decision = decide(entry.as_ref(), *observation, 1, *capacity, i as i64);
            assert_eq!(decision.step, *expected, "{step:?} dropped, scan {i}");
            entry = decision.entry;
        }
    }
}

#[test]
fn what_became_critical_waits_for_no_room() {
    let raised = decide(None, there(1), 0, Capacity::Ample, 0).entry;
    let left = dropped(&raised.expect("an entry"), Step::Raised);
    let critical = Observation::There {
        verdict: Verdict::Fail,
        severity: Severity::Critical,
        fingerprint: [2; 16],
    };
    for (capacity, step) in [
        (Capacity::Scarce, Some(Step::Raised)),
        (Capacity::None, None),
    ] {
        assert_eq!(
            decide(Some(&left), critical, 1, capacity, 1).step,
            step,
            "{capacity:?}"
        );
    }
}

#[test]
fn what_the_log_side_heard_of_by_its_change_is_told_to_end() {
    let raised = decide(None, there(1), 0, Capacity::Ample, 0)
        .entry
        .expect("an entry");
    let changed = decide(Some(&raised), there(2), 1, Capacity::Ample, 1).entry;
    let left = dropped(&changed.expect("an entry"), Step::Raised);
    let end = decide(Some(&left), Observation::Gone, 2, Capacity::Ample, 2);
    assert_eq!(end.step, Some(Step::Cleared));
}

#[test]
fn keys_are_in_the_order_of_a_walk_and_tell_what_they_are_of() {
    let order: [(&str, &[u8]); 9] = [
        ("files.changed", b"/"),
        ("files.added", b"/a"),
        ("files.changed", b"/a"),
        ("files.added", b"/a/b"),
        ("files.added", b"/a/b/c"),
        ("files.added", b"/a-b"),
        ("files.added", b"/a.b\xff"),
        ("instance.role", b"instance"),
        ("sshd.port", b"sshd"),
    ];
    let keys: Vec<Vec<u8>> = order.iter().map(|(c, s)| key::of(c, s)).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    for (key, (check, subject)) in keys.iter().zip(order) {
        assert_eq!(key::parts(key), Some((check, subject.to_vec())));
    }
    let below = |path: &[u8]| {
        let prefix = key::below(path);
        keys.iter().filter(|key| key.starts_with(&prefix)).count()
    };
    assert_eq!(
        [below(b"/"), below(b"/a"), below(b"/a/b"), below(b"/a/")],
        [7, 4, 2, 4]
    );
    assert_eq!(key::parts(b"nothing"), None);
}
