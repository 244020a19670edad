//! Stores of older builds are carried over. Each in `tests/data/stores` was made by the build before its form changed.

use super::{T, gists, source, values};
use agent_outbox::parcel::Delivery;
use agent_outbox::store::{Scope, SinkKind, Store};
use std::path::Path;
use std::process::Command;

fn unpacked(version: u32, directory: &Path) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packed = packed.join(format!("tests/data/stores/{version}.redb.xz"));
    let output = Command::new("xz")
        .args(["-dc"])
        .arg(&packed)
        .output()
        .expect("xz is there");
    assert!(output.status.success(), "{}", packed.display());
    std::fs::write(directory.join("store.redb"), output.stdout).expect("written");
}

/// Made by two sinks, of which one settled more than the other; killed while 150 files and two that went were held back.
#[test]
fn version_1() {
    let directory = tempfile::tempdir().expect("a directory");
    unpacked(1, directory.path());
    let (mut store, news) = Store::open(directory.path(), 64 << 20, source(), T).expect("opens");
    assert_eq!(news, [], "nothing is set aside");
    store.tick(T);
    let told = |store: &mut Store, sink| {
        let mut parcels = store.parcels(sink, 1000, usize::MAX);
        parcels.sort_by_key(|parcel| parcel.key);
        let delivery = Delivery {
            accepted: parcels.iter().map(|parcel| parcel.key).collect(),
            refused: Vec::new(),
        };
        store.settle(sink, &delivery, T);
        store.commit(T);
        values(&parcels)
    };
    let file = told(&mut store, SinkKind::File);
    let stdout = told(&mut store, SinkKind::Stdout);
    // The chain goes on: the first of four had both sinks, the next two one of them.
    let sequence = |event: &serde_json::Value| event["metadata"]["sequence"].as_u64();
    assert_eq!(file.first().and_then(sequence), Some(2));
    assert_eq!(stdout.first().and_then(sequence), Some(4));
    let home = |events: &[serde_json::Value]| {
        let gists = gists(events);
        gists
            .iter()
            .filter(|gist| gist.starts_with("raised /home/u/"))
            .count()
    };
    // One of the 150 had gone again.
    assert_eq!((home(&file), home(&stdout)), (149, 149));
    assert_eq!(store.pending(T).events, 0);
    // That it went could not be told: the next scan does.
    let scan_id = store.begin(Scope::Path(b"/usr".to_vec()));
    store.end(scan_id, T + 1);
    store.commit(T + 1);
    let cleared = gists(&told(&mut store, SinkKind::File));
    assert_eq!(cleared, ["cleared /usr/gone", "cleared /usr/c"]);
    drop(store);
    let (store, news) = Store::open(directory.path(), 64 << 20, source(), T).expect("opens");
    assert_eq!((news, store.pending(T).open), (Vec::new(), 151));
}

/// Made with six findings deferred, one of them of a check that no build has any more, after three files were told and
/// delivered. Beside it stands what its own build told of it: that must be told to the word, but for what names build, host
/// and chain.
#[test]
fn version_2() {
    let directory = tempfile::tempdir().expect("a directory");
    unpacked(2, directory.path());
    let (mut store, news) = Store::open(directory.path(), 64 << 20, source(), T).expect("opens");
    assert_eq!(news, [], "nothing is set aside");
    assert_eq!(store.pending(T).untold, 6);
    let mut told = Vec::new();
    let mut take = |store: &mut Store, now| {
        let mut parcels = store.parcels(SinkKind::File, 1000, usize::MAX);
        parcels.sort_by_key(|parcel| parcel.key);
        let accepted = parcels.iter().map(|parcel| parcel.key).collect();
        let delivery = Delivery {
            accepted,
            ..Delivery::default()
        };
        store.settle(SinkKind::File, &delivery, now);
        store.commit(now);
        told.extend(values(&parcels));
    };
    store.tick(T + 50_000);
    take(&mut store, T + 50_001);
    for scope in [Scope::Settings, Scope::Files] {
        let scan_id = store.begin(scope);
        store.end(scan_id, T + 60_000);
        store.commit(T + 60_000);
        take(&mut store, T + 60_000);
    }
    for event in &mut told {
        for key in ["metadata", "device", "cloud", "resources"] {
            event.as_object_mut().expect("an object").remove(key);
        }
        let unmapped = event["unmapped"].as_object_mut().expect("an object");
        unmapped.remove("chain");
        // The manifest by which something deviates no longer is of this run, as the chain is.
        unmapped.remove("manifest");
    }
    let expected = include_str!("../data/stores/2.told.jsonl").lines();
    let mut expected: Vec<serde_json::Value> = expected
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    // Who asks for a check is the table's of whoever tells it, and not stored.
    for event in told.iter_mut().chain(&mut expected) {
        let unmapped = event["unmapped"].as_object_mut().expect("an object");
        unmapped.remove("references");
        if let Some(compliance) = event["compliance"].as_object_mut() {
            compliance.remove("standards");
        }
    }
    assert_eq!(told.len(), expected.len());
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told.to_string(), expected.to_string());
    }
}
