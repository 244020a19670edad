//! What the model came upon while memory stood in for the disk, each by itself.

use super::capacity::{PLACE, back, deliver, deviate, hold, in_memory, on_disk, pair, told_of_it};
use super::named::{T, name};
use crate::store::Scope;
use crate::store::engine::Store;
use agent_core::finding::Severity;
use std::ops::ControlFlow;

/// Accesses to the disk that may fail while memory is carried over; it makes about half of them.
const ACCESSES: u64 = 120;

#[test]
fn what_was_begun_anew_and_ended_ends_on_disk_as_well() {
    let (mut store, disk) = in_memory(|disk| disk.leave_room(Some(0)));
    deviate(&mut store, &name(PLACE), Severity::Low, T + 3);
    assert_eq!(told_of_it(&mut store, T + 3), ["Create"], "of the second");
    // From here on it can be read.
    disk.mend();
    store.read_below_again(T + 3);
    hold(&mut store, &name(PLACE), T + 4);
    assert_eq!(told_of_it(&mut store, T + 4), ["Close"], "of the second");
    back(&mut store, &disk);
    assert_eq!(told_of_it(&mut store, T + 6), ["Close"], "of the first");
    assert_eq!(store.pending(T + 6).open, 1, "/f alone");
}

#[test]
fn what_ended_in_memory_does_not_stand_again_though_the_disk_cannot_be_read() {
    let (mut store, disk) = in_memory(|disk| disk.fail_in(0));
    hold(&mut store, &name(PLACE), T + 3);
    assert_eq!(told_of_it(&mut store, T + 3), ["Close"]);
    disk.leave_room(Some(0));
    store.read_below_again(T + 3);
    deviate(&mut store, &name(PLACE), Severity::Low, T + 4);
    hold(&mut store, &name(PLACE), T + 5);
    assert_eq!(told_of_it(&mut store, T + 5), ["Create", "Close"]);
    back(&mut store, &disk);
    assert_eq!(store.pending(T + 6).open, 1, "/f alone");
}

/// Paths that people who ask are shown, in that order.
fn listed(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    let visited = store.visit_open_deviations(usize::MAX, |open| {
        all.push(String::from_utf8(open.subject).expect("a path"));
        ControlFlow::Continue(())
    });
    assert_eq!(visited, Some(false));
    all
}

#[test]
fn what_stands_is_listed_once_whether_the_disk_or_memory_has_it() {
    let (mut store, disk) = on_disk();
    for path in ["/l/ends", "/l/grows", "/l/stays"] {
        deviate(&mut store, &name(path), Severity::Medium, T + 3);
    }
    disk.leave_room(Some(0));
    deviate(&mut store, &name("/l/first"), Severity::Low, T + 4);
    // It can be read, and not written.
    disk.mend();
    store.read_below_again(T + 4);
    hold(&mut store, &name("/l/ends"), T + 4);
    deviate(&mut store, &name("/l/grows"), Severity::Critical, T + 4);
    deviate(&mut store, &name("/l/new"), Severity::High, T + 4);
    assert!(store.volatile.is_some());
    let mut all = listed(&store);
    all.retain(|path| path.starts_with("/l/"));
    assert_eq!(all, ["/l/grows", "/l/new", "/l/stays", "/l/first"]);
}

/// Whichever access fails: where the transaction arrived all the same, nothing of it is taken for something else.
#[test]
fn a_carry_over_that_seems_to_fail_loses_nothing_and_ends_nothing_twice() {
    let mut failed = 0;
    for accesses in 0..ACCESSES {
        let (mut store, disk) = in_memory(|disk| disk.fail_in(0));
        deviate(&mut store, &name("/g"), Severity::High, T + 3);
        disk.mend();
        disk.fail_in(accesses);
        store.commit(T + 100_000);
        if !store.is_down() {
            continue;
        }
        failed += 1;
        disk.mend();
        hold(&mut store, &name("/g"), T + 100_001);
        let many: Vec<String> = (0..20).map(|number| format!("/h/{number:02}")).collect();
        for path in &many {
            deviate(&mut store, &name(path), Severity::High, T + 100_002);
        }
        store.commit(T + 200_000);
        assert!(!store.is_down(), "{accesses}: {:?}", store.pending(T));
        let told = deliver(&mut store, T + 200_001);
        let of = |path: &str| told.iter().filter(|(told, _)| told == path).count();
        assert_eq!(of("/g"), 2, "{accesses}: {told:?}");
        assert!(told.contains(&pair("/g", "Close")), "{accesses}: {told:?}");
        for path in &many {
            assert_eq!(of(path), 1, "{accesses}, {path}: {told:?}");
        }
        let open = store.pending(T + 200_001).open;
        assert_eq!(open, 2 + many.len() as u64, "{accesses}");
    }
    assert!(failed > 5, "{failed} accesses");
}

#[test]
fn what_memory_remembers_of_ends_is_bounded_and_the_rest_ends_later() {
    let (mut store, disk) = on_disk();
    let many: Vec<String> = (0..60).map(|number| format!("/m/{number:02}")).collect();
    for path in &many {
        deviate(&mut store, &name(path), Severity::Medium, T + 3);
    }
    deliver(&mut store, T + 3);
    store.limits.ledger = 900;
    disk.fail_in(0);
    for path in &many {
        hold(&mut store, &name(path), T + 4);
    }
    assert!(store.is_down() && store.volatile.is_some());
    assert!(
        store.committed.state.ledger.ledger_bytes <= 900,
        "{:?}",
        store.committed.state
    );
    let told = deliver(&mut store, T + 5);
    let ended = |told: &[(String, String)]| told.iter().filter(|told| told.1 == "Close").count();
    let from_memory = ended(&told);
    assert!((1..many.len()).contains(&from_memory), "{from_memory}");
    store.limits.ledger = 1 << 20;
    back(&mut store, &disk);
    let scan_id = store.begin(Scope::Files);
    store.end(scan_id, T + 100_001);
    store.commit(T + 100_001);
    // The one before them ends with them.
    let told = deliver(&mut store, T + 100_001);
    assert_eq!(ended(&told), many.len() - from_memory + 1, "{told:?}");
}
