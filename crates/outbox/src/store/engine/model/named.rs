//! What the model came upon, each by itself.

use super::disk::Disk;
use super::truth::Name;
use super::world::{World, finding, source};
use crate::parcel::{Delivery, Parcel};
use crate::store::engine::Store;
use crate::store::{ScanId, Scope, SinkKind};
use agent_core::finding::{FILES_ADDED, FILES_CHANGED, FILES_UNREADABLE, Severity, Verdict};
use serde_json::Value as Json;

pub(super) const T: i64 = 1_795_310_000_123;

pub(super) fn store(sinks: &[SinkKind]) -> Store {
    let medium = Box::new(Disk::default());
    let (mut store, _) = Store::open_on(medium, 16 << 20, source(), T).expect("a store");
    store.enable(sinks, T);
    store
}

pub(super) fn find(
    store: &mut Store,
    scan_id: ScanId,
    name: &Name,
    severity: Severity,
    word: u32,
    now: i64,
) {
    let value = World::valued(name, Verdict::Fail, severity, word);
    store.found(scan_id, &finding(name, Some(&value)), None, now);
}

fn keys(parcels: &[Parcel]) -> Vec<u64> {
    parcels.iter().map(|parcel| parcel.key).collect()
}

fn activities(parcels: &[Parcel]) -> Vec<String> {
    let mut parcels = parcels.to_vec();
    parcels.sort_by_key(|parcel| parcel.key);
    let of = |parcel: &Parcel| {
        let event: Json = serde_json::from_slice(&parcel.bytes).expect("JSON");
        event["activity_name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    parcels.iter().map(of).collect()
}

pub(super) fn name(path: &str) -> Name {
    (FILES_CHANGED.id, path.into())
}

#[test]
fn two_sinks_that_are_disabled_at_once_leave_nothing_behind() {
    let all = [SinkKind::CloudwatchLogs, SinkKind::File, SinkKind::Stdout];
    let mut store = store(&all);
    let scan_id = store.begin(Scope::Files);
    find(&mut store, scan_id, &name("/a"), Severity::High, 1, T);
    store.commit(T);
    let accepted = keys(&store.parcels(SinkKind::Stdout, 10, 1 << 20));
    let delivery = Delivery {
        accepted,
        ..Delivery::default()
    };
    store.settle(SinkKind::Stdout, &delivery, T);
    store.enable(&[SinkKind::Stdout], T);
    assert_eq!(store.pending(T).events, 0);
}

#[test]
fn what_two_sinks_refuse_is_declared_once() {
    let sinks = [SinkKind::CloudwatchLogs, SinkKind::File];
    let mut store = store(&sinks);
    let scan_id = store.begin(Scope::Files);
    for path in ["/a", "/b"] {
        find(&mut store, scan_id, &name(path), Severity::High, 1, T);
    }
    store.commit(T);
    for sink in sinks {
        let refused = keys(&store.parcels(sink, 10, 1 << 20));
        let delivery = Delivery {
            refused: refused.into_iter().map(|key| (key, "no".into())).collect(),
            ..Delivery::default()
        };
        store.settle(sink, &delivery, T);
        store.commit(T);
        assert_eq!(store.committed.state.gaps.undeclared, 1);
        let contents = super::tables::read(&store, u64::MAX).expect("a store");
        let [gap] = &contents.gaps[..] else {
            panic!("{:?}", contents.gaps);
        };
        assert_eq!((gap.range.first, gap.range.last), (1, 2));
    }
}

#[test]
fn what_cannot_be_looked_at_within_another_uncovers_nothing() {
    let mut store = store(&[SinkKind::Stdout]);
    let hidden = (FILES_ADDED.id, b"/d/z".to_vec());
    let unreadable = |path: &str| (FILES_UNREADABLE.id, path.as_bytes().to_vec());
    let first = store.begin(Scope::Files);
    find(&mut store, first, &hidden, Severity::High, 1, T);
    store.end(first, T);
    let second = store.begin(Scope::Files);
    for path in ["/d", "/d/a"] {
        find(&mut store, second, &unreadable(path), Severity::High, 1, T);
    }
    store.end(second, T);
    store.commit(T);
    assert_eq!(store.pending(T).open, 3);
}

#[test]
fn what_came_back_while_the_disk_was_full_stands() {
    let disk = Disk::default();
    let medium = Box::new(disk.clone());
    let (mut store, _) = Store::open_on(medium, 16 << 20, source(), T).expect("a store");
    let scan_id = store.begin(Scope::Files);
    disk.leave_room(Some(0));
    for word in [1, 2, 1] {
        find(&mut store, scan_id, &name("/a"), Severity::High, word, T);
        store.commit(T);
    }
    disk.mend();
    store.commit(T + 100_000);
    let parcels = store.parcels(SinkKind::Stdout, 10, 1 << 20);
    assert!(parcels.is_empty(), "no sink yet");
    store.enable(&[SinkKind::Stdout], T + 100_000);
    let mut parcels = store.parcels(SinkKind::Stdout, 10, 1 << 20);
    parcels.sort_by_key(|parcel| parcel.key);
    let last = parcels.last().expect("events");
    let text = String::from_utf8_lossy(&last.bytes).into_owned();
    assert!(text.contains("is v1"), "{text}");
}

#[test]
fn steps_of_one_deviation_are_told_in_their_order() {
    let mut store = store(&[SinkKind::Stdout]);
    let scan_id = store.begin(Scope::Files);
    find(&mut store, scan_id, &name("/a"), Severity::Low, 1, T);
    find(&mut store, scan_id, &name("/a"), Severity::High, 2, T);
    store.commit(T);
    let parcels = store.parcels(SinkKind::Stdout, 10, 1 << 20);
    assert_eq!(activities(&parcels), ["Create", "Update"]);
}
