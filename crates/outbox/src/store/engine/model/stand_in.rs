//! Memory stands in for the disk, again and again: once all is over, the log side takes to be open what is.

use super::disk::Disk;
use super::named::T;
use super::tables;
use super::truth::{Name, Value};
use super::world::{World, finding, source};
use crate::ledger::key;
use crate::parcel::Delivery;
use crate::store::engine::Store;
use crate::store::{Scope, SinkKind};
use agent_core::finding::FILES_UNREADABLE;
use fastrand::Rng;
use redb::ReadableDatabase;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Steps of one episode.
const EPISODE: usize = 600;
/// Episodes where `AGENT_TEST_STEPS` says nothing else.
const EPISODES: usize = 10;

/// A store whose disk comes and goes, what should stand, and what a sink was handed.
struct Episode {
    random: Rng,
    world: World,
    disk: Disk,
    store: Store,
    now: i64,
    truth: BTreeMap<Vec<u8>, (Name, Value)>,
    /// By uid, then by place, which goes up along all chains.
    told: BTreeMap<String, BTreeMap<u64, Json>>,
    /// Whether memory stood in for the disk.
    stood_in: bool,
    /// Whether a list that is not empty was compared.
    listed: bool,
}

impl Episode {
    fn new(seed: u64) -> Episode {
        let mut random = Rng::with_seed(seed);
        let disk = Disk::stood_in_for();
        let medium = Box::new(disk.clone());
        let (mut store, _) = Store::open_on(medium, 32 << 20, source(), T).expect("a store");
        store.enable(&[SinkKind::Stdout], T);
        Episode {
            world: World::new(random.u64(..)),
            random,
            disk,
            store,
            now: T,
            truth: BTreeMap::new(),
            told: BTreeMap::new(),
            stood_in: false,
            listed: false,
        }
    }

    fn step(&mut self) {
        self.now += self.random.i64(1..400);
        match self.random.u32(0..100) {
            0..60 => self.change(),
            60..64 => self.scan(),
            64..80 => {
                self.deliver();
            }
            80..90 => {
                self.store.commit(self.now);
                self.list();
            }
            90..93 => self.disk.fail_in(self.random.u64(0..40)),
            93..95 => self.disk.leave_room(Some(self.random.u64(0..1 << 16))),
            95..98 => self.disk.mend(),
            _ => self.now += 70_000,
        }
        self.store.tick(self.now);
        self.stood_in |= self.store.volatile.is_some();
    }

    /// Something deviates, is another deviation, or holds again; it is found at once.
    fn change(&mut self) {
        let name = loop {
            let name = self.world.name();
            // Below what cannot be looked at nothing ends, and memory may not know that it has.
            if name.0 != FILES_UNREADABLE.id {
                break name;
            }
        };
        let key = key::of(name.0, &name.1);
        let value = (self.random.u32(0..3) > 0).then(|| self.world.value(&name));
        match value {
            Some(value) => self.truth.insert(key, (name.clone(), value)),
            None => self.truth.remove(&key),
        };
        let scan_id = self.store.begin(Scope::Files);
        let found = finding(&name, value.as_ref());
        self.store.found(scan_id, &found, None, self.now);
        self.store.abandon(scan_id, self.now);
    }

    /// Everything is looked at.
    fn scan(&mut self) {
        for scope in [Scope::Files, Scope::Settings, Scope::Instance] {
            let scan_id = self.store.begin(scope.clone());
            for (name, value) in self.truth.values() {
                if super::truth::covers(&scope, name) {
                    let found = finding(name, Some(value));
                    self.store.found(scan_id, &found, None, self.now);
                }
            }
            self.store.end(scan_id, self.now);
        }
    }

    /// The sink takes what it is handed; how much that was.
    fn deliver(&mut self) -> usize {
        let most = self.random.usize(1..200);
        let parcels = self.store.parcels(SinkKind::Stdout, most, 1 << 20);
        let accepted = parcels.iter().map(|parcel| parcel.key).collect();
        for parcel in &parcels {
            let event: Json = serde_json::from_slice(&parcel.bytes).expect("JSON");
            if let Some(uid) = event["finding_info"]["uid"].as_str() {
                let told = self.told.entry(uid.to_owned()).or_default();
                told.insert(parcel.key, event);
            }
        }
        let delivery = Delivery {
            accepted,
            ..Delivery::default()
        };
        self.store.settle(SinkKind::Stdout, &delivery, self.now);
        parcels.len()
    }

    /// The disk works, and everything is looked at and delivered.
    fn wind_up(&mut self) {
        self.disk.mend();
        for _ in 0..3 {
            self.now += 100_000;
            self.store.tick(self.now);
            self.store.commit(self.now);
            self.scan();
            self.store.commit(self.now);
            while self.deliver() > 0 {
                self.store.commit(self.now);
            }
        }
        assert!(!self.store.is_down(), "{:?}", self.store.down);
        let pending = self.store.pending(self.now);
        assert_eq!((pending.lost, pending.events), (0, 0), "{pending:?}");
        assert_eq!(pending.open, self.truth.len() as u64, "{pending:?}");
    }

    /// What people who ask are shown: each once, the worst first; where nothing stands in for the disk, what the ledger has.
    fn list(&mut self) {
        let (mut listed, mut order) = (BTreeSet::new(), Vec::new());
        let more = self.store.visit_open_deviations(usize::MAX, |open| {
            order.push(open.severity);
            let key = key::of(&open.check, &open.subject);
            assert!(listed.insert(key), "{open:?} twice");
            ControlFlow::Continue(())
        });
        if more.is_none() {
            return;
        }
        assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
        if self.store.volatile.is_none()
            && let Some(backing) = &self.store.backing
            && let Ok(ledger) = backing
                .database
                .begin_read()
                .map_err(redb::Error::from)
                .and_then(|transaction| tables::ledger(&transaction))
        {
            let stands = ledger.into_iter().filter(|(_, row)| !row.gone);
            let stands: BTreeSet<Vec<u8>> = stands.map(|(key, _)| key).collect();
            assert_eq!(listed, stands);
            self.listed |= !listed.is_empty();
        }
    }

    /// What the log side takes to be open: by key the last that it was told.
    fn open(&self) -> BTreeMap<Vec<u8>, &Json> {
        let mut open = BTreeMap::new();
        for (uid, told) in &self.told {
            let (_, last) = told.last_key_value().expect("events");
            if last["activity_name"] == "Close" {
                continue;
            }
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let check = text(&last["finding_info"]["analytic"]["uid"]);
            let key = key::of(&check, text(&last["unmapped"]["subject"]).as_bytes());
            let twice = open.insert(key, last);
            assert!(twice.is_none(), "two that are open: {uid} and {twice:?}");
        }
        open
    }
}

#[test]
fn what_memory_told_and_the_disk_goes_on_with_is_what_stands() {
    let first = super::number("AGENT_TEST_SEED").unwrap_or(1);
    let steps = super::number("AGENT_TEST_STEPS").and_then(|steps| usize::try_from(steps).ok());
    let episodes = steps.map_or(EPISODES, |steps| steps.div_ceil(EPISODE));
    let (mut stood_in, mut listed) = (false, false);
    for seed in (first..).take(episodes) {
        println!("AGENT_TEST_SEED={seed}");
        let mut episode = Episode::new(seed);
        for _ in 0..EPISODE {
            episode.step();
        }
        episode.wind_up();
        let open = episode.open();
        for (key, (name, value)) in &episode.truth {
            let told = open
                .get(key)
                .unwrap_or_else(|| panic!("{name:?} is not open"));
            let message = told["message"].as_str().unwrap_or_default();
            assert!(
                message.ends_with(&format!("is v{}", value.word)),
                "{name:?}: {told}"
            );
        }
        for key in open.keys() {
            assert!(
                episode.truth.contains_key(key),
                "{} ended",
                key.escape_ascii()
            );
        }
        stood_in |= episode.stood_in;
        listed |= episode.listed;
    }
    assert!(stood_in, "memory never stood in");
    assert!(listed, "nothing was ever listed");
}
