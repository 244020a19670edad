//! What the model came upon, each by itself.

use super::disk::Disk;
use super::truth::Name;
use super::world::{World, finding, origin};
use crate::parcel::{Delivery, Parcel};
use crate::store::keeper::Keeper;
use crate::store::{Round, Scope, Sink};
use agent_core::finding::{FILES_ADDED, FILES_CHANGED, FILES_UNREADABLE, Severity, Verdict};
use serde_json::Value as Json;

pub(super) const T: i64 = 1_795_310_000_123;

pub(super) fn keeper(sinks: &[Sink]) -> Keeper {
    let medium = Box::new(Disk::default());
    let (mut keeper, _) = Keeper::open_on(medium, 16 << 20, origin(), T).expect("a store");
    keeper.enable(sinks, T);
    keeper
}

pub(super) fn find(
    keeper: &mut Keeper,
    round: Round,
    name: &Name,
    severity: Severity,
    word: u32,
    now: i64,
) {
    let value = World::valued(name, Verdict::Fail, severity, word);
    keeper.found(round, &finding(name, Some(&value)), None, now);
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
    let all = [Sink::CloudwatchLogs, Sink::File, Sink::Stdout];
    let mut keeper = keeper(&all);
    let round = keeper.begin(Scope::Files);
    find(&mut keeper, round, &name("/a"), Severity::High, 1, T);
    keeper.commit(T);
    let accepted = keys(&keeper.parcels(Sink::Stdout, 10, 1 << 20));
    let delivery = Delivery {
        accepted,
        ..Delivery::default()
    };
    keeper.settle(Sink::Stdout, &delivery, T);
    keeper.enable(&[Sink::Stdout], T);
    assert_eq!(keeper.pending(T).events, 0);
}

#[test]
fn what_two_sinks_refuse_is_declared_once() {
    let sinks = [Sink::CloudwatchLogs, Sink::File];
    let mut keeper = keeper(&sinks);
    let round = keeper.begin(Scope::Files);
    for path in ["/a", "/b"] {
        find(&mut keeper, round, &name(path), Severity::High, 1, T);
    }
    keeper.commit(T);
    for sink in sinks {
        let refused = keys(&keeper.parcels(sink, 10, 1 << 20));
        let delivery = Delivery {
            refused: refused.into_iter().map(|key| (key, "no".into())).collect(),
            ..Delivery::default()
        };
        keeper.settle(sink, &delivery, T);
        keeper.commit(T);
        assert_eq!(keeper.state.undeclared, 1);
        let contents = super::tables::read(&keeper, u64::MAX).expect("a store");
        let [gap] = &contents.gaps[..] else {
            panic!("{:?}", contents.gaps);
        };
        assert_eq!((gap.range.first, gap.range.last), (1, 2));
    }
}

#[test]
fn what_cannot_be_looked_at_within_another_uncovers_nothing() {
    let mut keeper = keeper(&[Sink::Stdout]);
    let hidden = (FILES_ADDED.id, b"/d/z".to_vec());
    let unreadable = |path: &str| (FILES_UNREADABLE.id, path.as_bytes().to_vec());
    let first = keeper.begin(Scope::Files);
    find(&mut keeper, first, &hidden, Severity::High, 1, T);
    keeper.end(first, T);
    let second = keeper.begin(Scope::Files);
    for path in ["/d", "/d/a"] {
        find(&mut keeper, second, &unreadable(path), Severity::High, 1, T);
    }
    keeper.end(second, T);
    keeper.commit(T);
    assert_eq!(keeper.pending(T).open, 3);
}

#[test]
fn what_came_back_while_the_disk_was_full_stands() {
    let disk = Disk::default();
    let medium = Box::new(disk.clone());
    let (mut keeper, _) = Keeper::open_on(medium, 16 << 20, origin(), T).expect("a store");
    let round = keeper.begin(Scope::Files);
    disk.leave_room(Some(0));
    for word in [1, 2, 1] {
        find(&mut keeper, round, &name("/a"), Severity::High, word, T);
        keeper.commit(T);
    }
    disk.mend();
    keeper.commit(T + 100_000);
    let parcels = keeper.parcels(Sink::Stdout, 10, 1 << 20);
    assert!(parcels.is_empty(), "no sink yet");
    keeper.enable(&[Sink::Stdout], T + 100_000);
    let mut parcels = keeper.parcels(Sink::Stdout, 10, 1 << 20);
    parcels.sort_by_key(|parcel| parcel.key);
    let last = parcels.last().expect("events");
    let text = String::from_utf8_lossy(&last.bytes).into_owned();
    assert!(text.contains("is v1"), "{text}");
}

#[test]
fn steps_of_one_deviation_are_told_in_their_order() {
    let mut keeper = keeper(&[Sink::Stdout]);
    let round = keeper.begin(Scope::Files);
    find(&mut keeper, round, &name("/a"), Severity::Low, 1, T);
    find(&mut keeper, round, &name("/a"), Severity::High, 2, T);
    keeper.commit(T);
    let parcels = keeper.parcels(Sink::Stdout, 10, 1 << 20);
    assert_eq!(activities(&parcels), ["Create", "Update"]);
}
