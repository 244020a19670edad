//! What the model came upon in stores with hardly any room, each by itself.

use super::disk::Disk;
use super::named::{T, find, name, store};
use super::tables::{Contents, read};
use super::truth::Name;
use super::world::{World, finding, source};
use crate::ledger::{OpenFinding, key};
use crate::parcel::Delivery;
use crate::store::engine::Store;
use crate::store::{Scope, SinkKind};
use agent_core::finding::{FILES_UNREADABLE, Severity, Verdict};
use serde_json::Value as Json;

/// Below where findings are made to come and go.
pub(super) const PLACE: &str = "/d/x";

/// It holds.
pub(super) fn hold(store: &mut Store, name: &Name, now: i64) {
    let scan_id = store.begin(Scope::Files);
    store.found(scan_id, &finding(name, None), None, now);
    store.abandon(scan_id, now);
    store.commit(now);
}

pub(super) fn deviate(store: &mut Store, name: &Name, severity: Severity, now: i64) {
    let scan_id = store.begin(Scope::Files);
    find(store, scan_id, name, severity, 1, now);
    store.abandon(scan_id, now);
    store.commit(now);
}

/// The spool gives up all that it may.
fn give_up(store: &mut Store, now: i64) {
    let done = store.transact(now, |tx, _, _| tx.shrink(0, now));
    assert_eq!(done, Some(()));
}

/// Delivers all that waits; what was told of findings: path and activity, in the order of the chain.
pub(super) fn deliver(store: &mut Store, now: i64) -> Vec<(String, String)> {
    let mut told = Vec::new();
    loop {
        let parcels = store.parcels(SinkKind::Stdout, 1000, 1 << 30);
        if parcels.is_empty() {
            break;
        }
        let accepted = parcels.iter().map(|parcel| parcel.key).collect();
        let delivery = Delivery {
            accepted,
            ..Delivery::default()
        };
        store.settle(SinkKind::Stdout, &delivery, now);
        store.commit(now);
        for parcel in parcels {
            let event: Json = serde_json::from_slice(&parcel.bytes).expect("JSON");
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let subject = text(&event["unmapped"]["subject"]);
            if !subject.is_empty() {
                told.push((parcel.key, subject, text(&event["activity_name"])));
            }
        }
    }
    told.sort();
    let told = told.into_iter();
    told.map(|(_, subject, activity)| (subject, activity))
        .collect()
}

pub(super) fn pair(path: &str, activity: &str) -> (String, String) {
    (path.into(), activity.into())
}

fn contents(store: &Store) -> Contents {
    read(store, u64::MAX).expect("a store")
}

fn entry(store: &Store, name: &Name) -> OpenFinding {
    contents(store).ledger[&key::of(name.0, &name.1)]
}

/// A deviation that the log side knows, that ended and came back: the end was given up.
fn came_back(store: &mut Store) {
    deviate(store, &name(PLACE), Severity::Low, T);
    assert_eq!(deliver(store, T), [pair(PLACE, "Create")]);
    hold(store, &name(PLACE), T + 1);
    deviate(store, &name(PLACE), Severity::Critical, T + 2);
    give_up(store, T + 3);
}

#[test]
fn an_end_that_was_given_up_is_told_though_the_deviation_came_back() {
    let mut store = store(&[SinkKind::Stdout]);
    came_back(&mut store);
    assert_eq!(contents(&store).state.ledger.ends, 1);
    let told = deliver(&mut store, T + 4);
    assert_eq!(told, [pair(PLACE, "Create"), pair(PLACE, "Close")]);
    assert_eq!(contents(&store).state.ledger.ends, 0);
    assert!(entry(&store, &name(PLACE)).current, "it stands");
}

#[test]
fn an_end_that_was_given_up_is_told_below_what_cannot_be_looked_at() {
    let mut store = store(&[SinkKind::Stdout]);
    deviate(&mut store, &name(PLACE), Severity::Low, T);
    deliver(&mut store, T);
    hold(&mut store, &name(PLACE), T + 1);
    give_up(&mut store, T + 2);
    assert!(entry(&store, &name(PLACE)).gone);
    let scan_id = store.begin(Scope::Files);
    let above = (FILES_UNREADABLE.id, b"/d".to_vec());
    find(&mut store, scan_id, &above, Severity::High, 1, T + 3);
    store.end(scan_id, T + 3);
    store.commit(T + 3);
    let told = deliver(&mut store, T + 3);
    assert!(told.contains(&pair(PLACE, "Close")), "{told:?}");
}

#[test]
fn what_cannot_be_looked_at_hides_its_directory_though_the_ledger_has_no_room_for_it() {
    let mut store = store(&[SinkKind::Stdout]);
    deviate(&mut store, &name(PLACE), Severity::Critical, T);
    store.limits.ledger = 1;
    let scan_id = store.begin(Scope::Files);
    let above = (FILES_UNREADABLE.id, b"/d".to_vec());
    find(&mut store, scan_id, &above, Severity::Low, 1, T + 1);
    store.end(scan_id, T + 1);
    store.commit(T + 1);
    assert_eq!(store.pending(T + 1).open, 1, "it stands");
}

#[test]
fn what_is_given_up_of_a_former_deviation_says_nothing_of_the_one_that_stands() {
    let mut store = store(&[SinkKind::Stdout]);
    deviate(&mut store, &name(PLACE), Severity::Low, T);
    hold(&mut store, &name(PLACE), T + 1);
    deviate(&mut store, &name(PLACE), Severity::Critical, T + 2);
    give_up(&mut store, T + 3);
    let entry = entry(&store, &name(PLACE));
    assert!(entry.raised && entry.current && !entry.gone, "{entry:?}");
}

#[test]
fn what_changes_while_it_waits_is_told_as_it_is() {
    let mut store = store(&[SinkKind::Stdout]);
    let scan_id = store.begin(Scope::Files);
    let of = |word| World::valued(&name(PLACE), Verdict::Fail, Severity::High, word);
    let until = Some(T + 1000);
    let first = finding(&name(PLACE), Some(&of(1)));
    store.found_until(scan_id, &first, None, until, T);
    store.commit(T);
    // No room for what can wait.
    store.limits.payload = 1;
    find(&mut store, scan_id, &name(PLACE), Severity::High, 2, T + 1);
    store.commit(T + 1);
    store.limits.payload = 16 << 20;
    store.tick(T + 1000);
    let parcels = store.parcels(SinkKind::Stdout, 10, 1 << 20);
    let texts = parcels
        .iter()
        .map(|parcel| String::from_utf8_lossy(&parcel.bytes));
    let texts: Vec<_> = texts.collect();
    assert!(texts.len() == 1 && texts[0].contains("is v2"), "{texts:?}");
}

#[test]
fn nobody_hears_of_the_end_of_what_nobody_heard_of() {
    let mut store = store(&[SinkKind::Stdout]);
    deviate(&mut store, &name(PLACE), Severity::Low, T);
    hold(&mut store, &name(PLACE), T + 1);
    give_up(&mut store, T + 2);
    assert_eq!(store.pending(T + 3).open, 0, "nothing stands, or is owed");
    assert_eq!(deliver(&mut store, T + 3), []);
}

#[test]
fn the_end_of_what_is_critical_is_not_given_up() {
    let mut store = store(&[SinkKind::Stdout]);
    deviate(&mut store, &name(PLACE), Severity::Critical, T);
    // What holds is of low severity here.
    hold(&mut store, &name(PLACE), T + 1);
    give_up(&mut store, T + 2);
    let told = deliver(&mut store, T + 3);
    assert_eq!(told, [pair(PLACE, "Create"), pair(PLACE, "Close")]);
}

#[test]
fn an_end_from_memory_that_was_given_up_is_told_and_ends_nothing_else() {
    let (mut store, disk) = in_memory(|disk| disk.fail_in(0));
    hold(&mut store, &name(PLACE), T + 3);
    deviate(&mut store, &name(PLACE), Severity::Critical, T + 4);
    back(&mut store, &disk);
    give_up(&mut store, T + 100_001);
    assert!(!entry(&store, &name(PLACE)).gone, "it stands");
    assert_eq!(told_of_it(&mut store, T + 100_002), ["Create", "Close"]);
}

/// A deviation that the log side knows, on a disk that memory may stand in for.
pub(super) fn on_disk() -> (Store, Disk) {
    let disk = Disk::stood_in_for();
    let medium = Box::new(disk.clone());
    let (mut store, _) = Store::open_on(medium, 16 << 20, source(), T).expect("a store");
    store.enable(&[SinkKind::Stdout], T);
    deviate(&mut store, &name(PLACE), Severity::Low, T);
    deliver(&mut store, T);
    (store, disk)
}

/// The same, and then the disk cannot be written.
pub(super) fn in_memory(break_it: impl FnOnce(&Disk)) -> (Store, Disk) {
    let (mut store, disk) = on_disk();
    break_it(&disk);
    deviate(&mut store, &name("/f"), Severity::Critical, T + 1);
    assert!(store.is_down() && store.volatile.is_some());
    store.commit(T + 2);
    (store, disk)
}

pub(super) fn back(store: &mut Store, disk: &Disk) {
    disk.mend();
    store.commit(T + 100_000);
    assert!(!store.is_down(), "{:?}", store.pending(T));
}

/// What was told of the deviation in [`PLACE`].
pub(super) fn told_of_it(store: &mut Store, now: i64) -> Vec<String> {
    let told = deliver(store, now).into_iter();
    told.filter(|(path, _)| path == PLACE)
        .map(|(_, activity)| activity)
        .collect()
}

#[test]
fn what_came_back_while_memory_stood_in_is_told() {
    let (mut store, disk) = in_memory(|disk| disk.fail_in(0));
    hold(&mut store, &name(PLACE), T + 3);
    assert_eq!(told_of_it(&mut store, T + 3), ["Close"]);
    deviate(&mut store, &name(PLACE), Severity::Low, T + 4);
    assert_eq!(told_of_it(&mut store, T + 4), ["Create"]);
    hold(&mut store, &name(PLACE), T + 5);
    back(&mut store, &disk);
    assert_eq!(told_of_it(&mut store, T + 6), ["Close"]);
    assert_eq!(store.pending(T + 6).open, 1, "/f alone");
}

#[test]
fn what_memory_began_anew_for_want_of_the_disk_ends_once() {
    let (mut store, disk) = in_memory(|disk| disk.leave_room(Some(0)));
    deviate(&mut store, &name(PLACE), Severity::Low, T + 3);
    assert_eq!(told_of_it(&mut store, T + 3), ["Create"]);
    back(&mut store, &disk);
    assert_eq!(told_of_it(&mut store, T + 6), ["Close"], "of the first");
    assert!(entry(&store, &name(PLACE)).current, "the second stands");
}

#[test]
fn what_memory_counts_is_what_it_holds() {
    let (mut store, _disk) = in_memory(|disk| disk.fail_in(0));
    let before = store.committed.state.ledger.open;
    deviate(&mut store, &name(PLACE), Severity::High, T + 3);
    deviate(&mut store, &name("/g"), Severity::High, T + 3);
    assert_eq!(store.committed.state.ledger.open, before + 2);
}

#[test]
fn of_ends_without_a_place_the_least_severe_go_and_are_counted() {
    let mut store = store(&[SinkKind::Stdout]);
    // Room for two of them.
    store.limits.ledger = 1200;
    let end = |number: u8, severity| {
        let name = name(&format!("/d/{number}"));
        let entry = OpenFinding {
            verdict: Verdict::Fail,
            severity,
            fingerprint: [number; 16],
            first_seen: T,
            told: T,
            scan_id: 0,
            raised: true,
            current: true,
            gone: false,
            updated: false,
            listed: false,
        };
        (key::of(name.0, &name.1), entry)
    };
    let severities = [
        Severity::Low,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ];
    store.transact(T, |tx, _, _| {
        for (number, severity) in (1..).zip(severities) {
            let (key, entry) = end(number, severity);
            tx.owe_end(&key, &entry)?;
        }
        Ok(())
    });
    let contents = contents(&store);
    assert_eq!(
        (contents.state.ledger.ends, contents.state.ledger.given_up),
        (2, 2)
    );
    store.transact(T, |tx, _, _| tx.tell_ends(T));
    let told = deliver(&mut store, T);
    assert_eq!(told, [pair("/d/2", "Close"), pair("/d/3", "Close")]);
}
