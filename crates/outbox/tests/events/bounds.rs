//! The store keeps within its size, and what that costs is declared and told anew.

use super::{Fixture, T, changed, gist, gists, told::chained, values};
use agent_core::finding::{Finding, Severity};
use agent_outbox::event::gap::Range;
use agent_outbox::event::{Fault, Lifecycle};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Scope, SinkKind};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

fn size(directory: &Path) -> u64 {
    std::fs::metadata(directory.join("store.redb"))
        .expect("the store")
        .len()
}

/// Sequences that the events declare as lost.
fn declared(events: &[Value]) -> BTreeSet<u64> {
    let ranges = events.iter().flat_map(|event| {
        let list = event["unmapped"]["dropped"]["ranges"].as_array();
        list.cloned().unwrap_or_default()
    });
    ranges
        .flat_map(|text| {
            let text = text.as_str().expect("a text").to_owned();
            let ranges: Vec<Range> = text
                .split(' ')
                .map(|t| Range::from_text(t).expect("a range"))
                .collect();
            ranges
        })
        .flat_map(|range| range.first..=range.last)
        .collect()
}

/// Deviations of all severities, in every round others; far more than fit.
fn overfill(fixture: &mut Fixture, directory: &Path, limit: u64, rounds: u64, each: u64) -> u64 {
    let mut largest = 0;
    for scan_id in 0..rounds {
        let some: Vec<Finding> = (0..each)
            .map(|n| {
                let worst = Severity::WORST_FIRST[(n % 4) as usize];
                changed(&format!("/{scan_id}/{n}"), worst, n)
            })
            .collect();
        fixture.now += 5000;
        fixture.look(Scope::Path(format!("/{scan_id}").into_bytes()), &some);
        largest = largest.max(size(directory));
        assert!(largest <= limit, "{largest} after round {scan_id}");
    }
    largest
}

#[test]
fn a_full_spool_drops_the_least_first_and_declares_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let max = 2 << 20;
    let mut fixture = Fixture::open(directory.path(), max, T);
    fixture.tell(Lifecycle::Started {
        first_of_boot: true,
        message: "starts".into(),
    });
    let largest = overfill(&mut fixture, directory.path(), max * 3 / 2, 40, 60);
    println!("largest file: {largest}");
    let pending = fixture.store.pending(fixture.now);
    assert!(pending.bytes <= max + 8192, "{pending:?}");
    assert!(pending.bytes > max / 2, "half of it lies idle: {pending:?}");
    let parcels = fixture.waiting();
    let events = values(&parcels);
    // Every sequence is there or declared, none is both.
    let there: BTreeSet<u64> = events
        .iter()
        .map(|event| event["metadata"]["sequence"].as_u64().expect("a sequence"))
        .collect();
    let lost = declared(&events);
    assert!(there.is_disjoint(&lost));
    let last = *there.last().expect("events");
    let all: BTreeSet<u64> = (1..=last).collect();
    assert_eq!(&there | &lost, all);
    assert_eq!(lost.len() as u64, pending.dropped);
    // The first event ever, and every gap event, is there.
    assert_eq!(gist(&events[0]), "Start");
    // Nothing was dropped while something less severe was there; within a severity the oldest went.
    let mut kept: HashMap<u64, Vec<u64>> = HashMap::new();
    for event in &events {
        if event["class_uid"] == 2004 {
            let severity = event["severity_id"].as_u64().expect("a number");
            let sequence = event["metadata"]["sequence"].as_u64().expect("a number");
            kept.entry(severity).or_default().push(sequence);
        }
    }
    let count = |severity: u64| kept.get(&severity).map_or(0, Vec::len);
    assert_eq!(count(5), 600, "critical ones fit");
    assert!(count(2) <= 60, "low ones made room: {}", count(2));
    assert!(pending.untold > 0);

    // Once there is room, what stands and is untold is told anew, under the uid that it had.
    let untold = pending.untold;
    fixture.take();
    let all: Vec<Finding> = (0..40)
        .flat_map(|scan_id| {
            (0..60).map(move |n: u64| {
                let worst = Severity::WORST_FIRST[(n % 4) as usize];
                changed(&format!("/{scan_id}/{n}"), worst, n)
            })
        })
        .collect();
    let mut anew = 0;
    for _ in 0..20 {
        fixture.now += 5000;
        fixture.look(Scope::Files, &all);
        let events = fixture.take();
        anew += events
            .iter()
            .filter(|e| gist(e).starts_with("raised"))
            .count() as u64;
        if fixture.store.pending(fixture.now).untold == 0 {
            break;
        }
    }
    assert_eq!(fixture.store.pending(fixture.now).untold, 0);
    assert!(anew >= untold, "{anew} of {untold}");
    assert!(size(directory.path()) <= max * 3 / 2);
}

#[test]
fn the_smallest_spool_and_the_largest_findings() {
    for max in [1 << 20, 5 << 20] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut fixture = Fixture::open(directory.path(), max, T);
        let mut largest = 0;
        for scan_id in 0..300_u64 {
            let mut finding = changed(
                &format!("/{scan_id}/{}", "n".repeat(4000)),
                Severity::Low,
                scan_id,
            );
            let noise: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
            finding.observed["link"] = noise.into();
            fixture.now += 5000;
            fixture.look(Scope::Path(b"/nowhere".to_vec()), &[finding]);
            largest = largest.max(size(directory.path()));
            assert!(largest <= max * 3 / 2, "{largest} in round {scan_id}");
        }
        let pending = fixture.store.pending(fixture.now);
        println!("{max}: largest file {largest}, {pending:?}");
        assert_eq!(pending.trouble, None);
        assert!(pending.events > 10, "{pending:?}");
        fixture.take();
        assert_eq!(fixture.store.pending(fixture.now).events, 0);
    }
}

#[test]
fn more_own_steps_than_fit_do_not_stop_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let max = 1 << 20;
    let mut fixture = Fixture::open(directory.path(), max, T);
    for n in 0..3000 {
        fixture.now += 1000;
        fixture.store.tell(
            Lifecycle::Stopped {
                reason: format!("for the {n}th time"),
            },
            fixture.now,
        );
        fixture.store.tick(fixture.now + 60);
    }
    fixture.settle();
    assert!(size(directory.path()) <= max * 3 / 2);
    let events = values(&fixture.waiting());
    let there: BTreeSet<u64> = events
        .iter()
        .map(|e| e["metadata"]["sequence"].as_u64().expect("a number"))
        .collect();
    let last = *there.last().expect("events");
    // A declaration that was itself dropped is declared anew.
    assert_eq!(&there | &declared(&events), (1..=last).collect());
    assert_eq!(there.intersection(&declared(&events)).count(), 0);
}

#[test]
fn what_a_sink_refuses_is_declared_once_a_minute_and_kept_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 4 << 20, T);
    for n in 0..5 {
        fixture.tell(Lifecycle::Fault(Fault {
            code: "a.fault",
            message: format!("number {n}"),
            severity: Severity::Low,
        }));
    }
    let parcels = fixture.waiting();
    let whole: Vec<Vec<u8>> = parcels.iter().map(|p| p.bytes.to_vec()).collect();
    chained(&whole);
    let delivery = Delivery {
        accepted: vec![parcels[0].key],
        refused: vec![
            (parcels[1].key, "413".into()),
            (parcels[2].key, "413".into()),
            (parcels[4].key, "InvalidParameter".into()),
        ],
    };
    fixture
        .store
        .settle(SinkKind::Stdout, &delivery, fixture.now);
    fixture.settle();
    let events = values(&fixture.waiting());
    assert_eq!(declared(&events), BTreeSet::from([2, 3, 5]));
    assert_eq!(events.len(), 2, "{events:#?}");
    let aside = fixture.store.refused();
    assert_eq!(aside.len(), 3);
    assert!(aside[0].starts_with("413\n{\"time\""), "{aside:?}");
    assert!(aside[0].as_bytes().ends_with(&whole[1]));
    // It refuses the declaration as well: that is declared a minute later.
    let last = fixture.waiting().pop().expect("the declaration");
    let delivery = Delivery {
        accepted: Vec::new(),
        refused: vec![(last.key, "413".into())],
    };
    fixture
        .store
        .settle(SinkKind::Stdout, &delivery, fixture.now);
    fixture.store.commit(fixture.now);
    assert!(
        fixture
            .store
            .tick(fixture.now)
            .is_some_and(|wait| wait > 50_000)
    );
    assert_eq!(fixture.waiting().len(), 1);
    fixture.now += 61_000;
    fixture.settle();
    let events = values(&fixture.waiting());
    assert_eq!(declared(&events), BTreeSet::from([2, 3, 5, 6]));
    assert_eq!(fixture.store.pending(fixture.now).refused, 4);
}

#[test]
fn a_full_ledger_has_room_for_what_is_critical_and_for_other_directories() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut fixture = Fixture::open(directory.path(), 1 << 20, T);
    let noise: Vec<Finding> = (0..6000)
        .map(|n| changed(&format!("/home/u/.ssh/{}/{n}", n % 500), Severity::High, n))
        .collect();
    let mut told = Vec::new();
    for part in noise.chunks(500) {
        fixture.now += 100;
        fixture.look(Scope::Path(b"/nowhere".to_vec()), part);
        told.extend(fixture.take());
    }
    let full = |told: &[Value]| {
        told.iter()
            .filter(|e| e["status_code"] == "ledger.full")
            .count()
    };
    assert!(full(&told) > 0, "it is told that not everything has room");
    let findings = told.iter().filter(|e| e["class_uid"] == 2004).count();
    assert!(findings < 6000, "{findings}: the ledger is not full");
    // What is less severe than all that is told does not push it out.
    let minor = changed("/usr/share/x", Severity::Medium, 1);
    fixture.look(Scope::Path(b"/nowhere".to_vec()), &[minor]);
    assert_eq!(gists(&fixture.take()), ["ledger.full"]);
    let others = [
        changed("/etc/passwd", Severity::Critical, 1),
        changed("/home/v/.ssh/authorized_keys", Severity::High, 1),
    ];
    fixture.look(Scope::Path(b"/nowhere".to_vec()), &others);
    let told = fixture.take();
    let told: Vec<String> = told
        .iter()
        .filter(|e| e["class_uid"] == 2004)
        .map(gist)
        .collect();
    assert_eq!(
        told,
        ["raised /etc/passwd", "raised /home/v/.ssh/authorized_keys"]
    );
    fixture.look(Scope::Path(b"/nowhere".to_vec()), &others);
    assert_eq!(
        fixture
            .take()
            .iter()
            .filter(|e| e["class_uid"] == 2004)
            .count(),
        0,
        "once"
    );
}

#[test]
fn critical_events_are_never_given_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let max = 1 << 20;
    let mut fixture = Fixture::open(directory.path(), max, T);
    let critical: Vec<Finding> = (0..1500)
        .map(|n| changed(&format!("/usr/bin/{n}"), Severity::Critical, n))
        .collect();
    for part in critical.chunks(50) {
        fixture.now += 5000;
        fixture.look(Scope::Path(b"/nowhere".to_vec()), part);
        assert!(size(directory.path()) <= max * 3 / 2);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let told = fixture.take();
        let raised = told
            .iter()
            .filter(|e| gist(e).starts_with("raised"))
            .map(gist);
        seen.extend(raised);
        fixture.now += 5000;
        fixture.look(Scope::Path(b"/nowhere".to_vec()), &critical);
    }
    assert_eq!(seen.len(), 1500, "what had no room is told once there is");
}
