//! What the service itself asks for: limits, names, times, credentials.

use super::fixture::{Fixture, STREAM, key, parcels, spaced, text};
use agent_core::finding::Severity;
use agent_outbox::parcel::Parcel;
use agent_ship::classify::Class;
use harness::front::{Fault, now};
use harness::moto;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[test]
fn put_first_then_create_and_no_more_than_that() {
    let mut fixture = Fixture::new();
    let parcels = parcels(30);
    fixture.deliver(&parcels[..20]);
    fixture.deliver(&parcels);
    let operations: Vec<String> = fixture
        .front
        .calls("")
        .into_iter()
        .map(|call| call.operation)
        .collect();
    assert_eq!(
        operations,
        [
            "PutLogEvents",
            "CreateLogStream",
            "PutLogEvents",
            "PutLogEvents"
        ]
    );
    assert_eq!(fixture.sends.len(), 2);
    fixture.holds(&parcels, false);
}

#[test]
fn a_stream_that_was_deleted_is_created_again() {
    let mut fixture = Fixture::new();
    let parcels = parcels(30);
    fixture.deliver(&parcels[..20]);
    moto::logs(
        "DeleteLogStream",
        &json!({ "logGroupName": fixture.group, "logStreamName": STREAM }),
    );
    fixture.deliver(&parcels);
    fixture.holds(&parcels[20..], false);
}

#[test]
fn a_group_is_never_created_and_its_absence_is_told() {
    let mut fixture = Fixture::new();
    moto::logs("DeleteLogGroup", &json!({ "logGroupName": fixture.group }));
    let parcels = parcels(10);
    for _ in 0..3 {
        assert!(fixture.send(&parcels));
    }
    for trouble in fixture.troubles() {
        assert_eq!(trouble.class, Class::Missing);
        assert!(
            trouble
                .text
                .contains("aws logs create-log-group --log-group-name /tests/"),
            "{trouble:?}"
        );
    }
    moto::create_group(&fixture.group);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
    assert!(fixture.front.calls("CreateLogGroup").is_empty());
}

#[test]
fn batches_keep_within_every_limit() {
    let mut fixture = Fixture::new();
    let mut large = parcels(10);
    for parcel in &mut large {
        let bytes = [text(parcel), "é".repeat(150_000)].concat();
        parcel.bytes = bytes.as_bytes().into();
    }
    let mut days = spaced(60, 5 * HOUR);
    for parcel in &mut days {
        parcel.key += 100;
        parcel.bytes = [&text(parcel), " of days"].concat().as_bytes().into();
    }
    let all = [large, days].concat();
    fixture.deliver(&all);
    fixture.holds(&all, false);
    assert_eq!(fixture.sends.len(), 1);
}

#[test]
fn more_than_a_batch_of_small_events() {
    let mut fixture = Fixture::new();
    let parcels: Vec<Parcel> = parcels(10_050)
        .into_iter()
        .map(|parcel| Parcel {
            time: now(),
            bytes: format!("{{\"n\":{}}}", parcel.key).as_bytes().into(),
            ..parcel
        })
        .collect();
    fixture.deliver(&parcels);
    let calls = fixture.front.calls("PutLogEvents");
    let sizes: Vec<usize> = calls
        .iter()
        .filter(|call| call.status == 200)
        .map(|call| call.events)
        .collect();
    assert_eq!(sizes, [10_000, 50]);
    assert_eq!(fixture.accepted.len(), 10_050);
    assert_eq!(fixture.front.violations(), [""; 0]);
}

#[test]
fn rates_are_waited_for() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| rules.rate = Some(3));
    let parcels = spaced(100, 3 * HOUR);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
    assert!(
        fixture.sends.len() > 3
            && fixture
                .classes()
                .iter()
                .all(|class| *class == Class::Throttled)
    );
}

#[test]
fn bad_events_are_found_and_set_aside_and_the_others_go_on() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| {
        rules.poison = vec![
            "sequence\":0}",
            "sequence\":77}",
            "sequence\":78}",
            "sequence\":299}",
        ]
    });
    let parcels = parcels(300);
    fixture.deliver(&parcels);
    let refused: Vec<u64> = fixture.refused.keys().copied().collect();
    assert_eq!(refused, [1, 78, 79, 300]);
    assert!(
        fixture.refused[&1].contains("InvalidParameterException"),
        "{:?}",
        fixture.refused
    );
    let good: Vec<Parcel> = parcels
        .into_iter()
        .filter(|parcel| !refused.contains(&parcel.key))
        .collect();
    fixture.holds(&good, false);
}

#[test]
fn nothing_is_set_aside_while_the_service_takes_nothing_at_all() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| rules.poison = vec!["uid"]);
    let parcels = parcels(100);
    for _ in 0..8 {
        let before = fixture.front.calls("").len();
        assert!(fixture.send(&parcels));
        assert!(
            fixture.front.calls("").len() - before < 100,
            "a storm of calls"
        );
    }
    assert!(fixture.refused.is_empty() && fixture.accepted.is_empty());
    assert!(
        fixture
            .classes()
            .iter()
            .all(|class| *class == Class::Content)
    );
    fixture.front.rules(|rules| rules.poison.clear());
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
}

#[test]
fn one_bad_event_alone_waits_for_a_good_one() {
    let mut fixture = Fixture::new();
    fixture
        .front
        .rules(|rules| rules.poison = vec!["sequence\":0}"]);
    let parcels = parcels(2);
    for _ in 0..3 {
        assert!(fixture.send(&parcels[..1]));
    }
    fixture.deliver(&parcels);
    assert_eq!(fixture.refused.keys().copied().collect::<Vec<_>>(), [1]);
    fixture.holds(&parcels[1..], false);
}

#[test]
fn a_proxy_that_takes_less_gets_less() {
    let mut fixture = Fixture::new();
    fixture
        .front
        .rules(|rules| rules.longest_body = Some(6_000));
    let parcels = parcels(200);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
    assert!(fixture.refused.is_empty());
}

#[test]
fn what_no_batch_can_hold_is_set_aside_at_once() {
    let mut fixture = Fixture::new();
    let mut parcels = parcels(3);
    parcels[1].bytes = "x".repeat(1_048_576 - 25).as_bytes().into();
    fixture.deliver(&parcels);
    assert_eq!(fixture.refused.keys().copied().collect::<Vec<_>>(), [2]);
    parcels.remove(1);
    fixture.holds(&parcels, false);
    // The largest that there is room for.
    let mut fixture = Fixture::new();
    parcels[1].bytes = "x".repeat(1_048_576 - 26).as_bytes().into();
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
}

#[test]
fn events_that_the_group_does_not_keep_get_the_present_as_their_time() {
    for retention in [2 * HOUR, DAY, 5 * DAY] {
        let mut fixture = Fixture::new();
        fixture
            .front
            .rules(|rules| rules.retention = Some(retention));
        let begun = now();
        // Sixteen days back, so the oldest are too old for any group.
        let parcels = spaced(96, 4 * HOUR);
        fixture.deliver(&parcels);
        fixture.holds(&parcels, false);
        assert_eq!(fixture.sends.len(), 1, "{:?}", fixture.troubles());
        let stored = moto::stored(&fixture.group, STREAM);
        for parcel in &parcels {
            let (time, _) = stored
                .iter()
                .find(|(_, message)| *message == text(parcel))
                .expect("stored");
            if parcel.time > begun - retention + HOUR {
                assert_eq!(*time, parcel.time);
            } else if parcel.time < begun - retention {
                // The Date header has whole seconds.
                assert!(*time >= begun - 2000, "{time}");
            }
        }
    }
}

#[test]
fn a_time_that_was_rejected_once_is_not_tried_again() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| rules.retention = Some(DAY));
    let mut parcels = parcels(10);
    fixture.deliver(&parcels[..1]);
    for parcel in &mut parcels[1..] {
        parcel.time -= 5 * DAY;
    }
    let throttled = Fault::Refuse(400, "ThrottlingException", "Rate exceeded");
    fixture
        .front
        .fail("PutLogEvents", &[Fault::None, throttled]);
    assert!(fixture.send(&parcels));
    let before = fixture.front.calls("").len();
    fixture.deliver(&parcels);
    assert_eq!(fixture.front.calls("").len(), before + 1);
    fixture.holds(&parcels, false);
}

#[test]
fn a_wrong_clock_is_corrected_in_signatures_and_time_stamps() {
    for ahead in [
        -20 * DAY,
        -DAY,
        -3 * HOUR,
        -6 * 60_000,
        0,
        6 * 60_000,
        3 * HOUR,
        DAY,
        20 * DAY,
    ] {
        let mut fixture = Fixture::new();
        fixture.front.rules(|rules| rules.ahead = ahead);
        let parcels = parcels(40);
        fixture.deliver(&parcels[..20]);
        // The first refusal tells the difference; the same send is signed and stamped anew.
        assert_eq!(fixture.sends.len(), 1, "{ahead}: {:?}", fixture.troubles());
        assert!(
            (fixture.sink.skew() - ahead).abs() < 60_000,
            "{ahead}: {}",
            fixture.sink.skew()
        );
        let before = fixture.front.calls("").len();
        fixture.deliver(&parcels);
        assert_eq!(
            fixture.front.calls("").len(),
            before + 1,
            "the difference is remembered: {ahead}"
        );
        fixture.holds(&parcels, false);
    }
}

#[test]
fn a_denial_that_a_wrong_clock_explains_is_put_down_to_the_clock() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| rules.ahead = DAY);
    fixture.front.fail(
        "PutLogEvents",
        &[Fault::Refuse(400, "AccessDeniedException", "no")],
    );
    let parcels = parcels(5);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
    assert_eq!(fixture.classes(), []);
}

#[test]
fn dead_credentials_are_dropped_and_others_fetched() {
    let (old, new) = (key("old", false), key("new", false));
    let mut fixture = Fixture::new();
    fixture.front.keys(|keys| *keys = vec![old.clone()]);
    fixture.vault.fill(std::slice::from_ref(&old));
    let parcels = parcels(40);
    fixture.deliver(&parcels[..10]);
    fixture.deliver(&parcels[..20]);
    assert_eq!(fixture.vault.asked(), 1, "good ones are kept");
    // They die; the metadata service hands out the same for a while.
    fixture.front.keys(|keys| keys[0].expired = true);
    for _ in 0..3 {
        assert!(fixture.send(&parcels));
    }
    assert_eq!(fixture.classes(), [Class::Credentials; 3]);
    fixture.front.keys(|keys| keys.push(new.clone()));
    fixture.vault.fill(&[old, new.clone()]);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
    assert_eq!(
        fixture.front.calls("").last().map(|call| call.key.clone()),
        Some(new.id)
    );
    assert_eq!(
        fixture.classes().len(),
        3,
        "the first that works is used at once"
    );
}

#[test]
fn a_key_that_does_not_fit_is_told_without_what_was_signed() {
    let mut fixture = Fixture::new();
    let (right, mut wrong) = (key("pair", false), key("pair", false));
    wrong.secret = "another, told to nobody".into();
    fixture.front.keys(|keys| *keys = vec![right.clone()]);
    fixture.vault.fill(&[wrong]);
    let parcels = parcels(3);
    for _ in 0..2 {
        assert!(fixture.send(&parcels));
    }
    for trouble in fixture.troubles() {
        assert_eq!(trouble.class, Class::Clock);
        assert!(
            !trouble.text.contains("x-amz-security-token"),
            "{trouble:?}"
        );
    }
    fixture.vault.fill(&[right]);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
}

#[test]
fn who_is_denied_goes_on_asking_and_says_what_is_missing() {
    let mut fixture = Fixture::new();
    fixture.front.rules(|rules| rules.denied = true);
    let parcels = parcels(3);
    for _ in 0..5 {
        assert!(fixture.send(&parcels));
    }
    for trouble in fixture.troubles() {
        assert_eq!(trouble.class, Class::Policy);
        assert!(
            trouble
                .text
                .contains("not authorized to perform: logs:PutLogEvents"),
            "{trouble:?}"
        );
    }
    fixture.front.rules(|rules| rules.denied = false);
    fixture.deliver(&parcels);
    fixture.holds(&parcels, false);
}

#[test]
fn nobody_there_is_waited_for() {
    let mut fixture = Fixture::with(|options| options.endpoint = Some("http://127.0.0.1:9".into()));
    let parcels = parcels(3);
    for _ in 0..30 {
        assert!(fixture.send(&parcels));
    }
    assert!(
        fixture
            .classes()
            .iter()
            .all(|class| *class == Class::Passing)
    );
    let text = &fixture.troubles()[0].text;
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn a_fleet_that_boots_together_does_not_send_together() {
    let mut waits = BTreeSet::new();
    for seed in 0..20 {
        let mut fixture = Fixture::with(|options| {
            options.spread = Duration::from_secs(3000);
            options.seed = seed;
        });
        let mut parcels = parcels(3);
        assert!(
            fixture
                .runtime
                .block_on(fixture.sink.send(&parcels, now()))
                .trouble
                .is_none()
        );
        let wait = fixture
            .runtime
            .block_on(fixture.sink.send(&parcels, now()))
            .again
            .expect("a wait");
        waits.insert(wait.as_secs() / 300);
        assert!(fixture.front.calls("").is_empty());
        // What is urgent doesn't wait, and nothing waits behind it.
        parcels[1].severity = Severity::High;
        fixture.deliver(&parcels);
        fixture.holds(&parcels, false);
    }
    assert!(waits.len() > 4, "{waits:?}");
}
