//! One episode: a store from its beginning until nothing waits, and the model beside it.
// Long: one episode: its operations and what is compared after each.

use super::disk::Disk;
use super::ledger::Ledger;
use super::log::Log;
use super::tables::{self, Contents};
use super::truth::{Deed, Name, OpenScan, Value};
use super::world::{self, World};
use crate::event::Lifecycle;
use crate::parcel::Delivery;
use crate::store::engine::Store;
use crate::store::{ScanId, Scope, SinkKind};
use agent_core::finding::Severity;
use fastrand::Rng;
use std::collections::BTreeSet;

pub(super) const SINKS: [SinkKind; 3] =
    [SinkKind::CloudwatchLogs, SinkKind::File, SinkKind::Stdout];

/// What happened, over all episodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) steps: u64,
    pub(super) events: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    pub(super) given_up: u64,
    pub(super) crashes: u64,
    pub(super) crashes_in_writes: u64,
    pub(super) downs: u64,
    pub(super) large_ends: u64,
    pub(super) deferred: u64,
}

impl Totals {
    pub(super) fn all(&self) -> [(&'static str, u64); 8] {
        [
            ("finding given up", self.given_up),
            ("event dropped", self.dropped),
            ("event refused", self.refused),
            ("crash", self.crashes),
            ("crash between two writes", self.crashes_in_writes),
            ("disk that could not be written", self.downs),
            ("scan that cleared hundreds", self.large_ends),
            ("finding deferred", self.deferred),
        ]
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) random: Rng,
    pub(super) world: World,
    pub(super) disk: Disk,
    pub(super) max_size: u64,
    /// Maximum bytes of the ledger, where the store would allow more.
    pub(super) small_ledger: Option<u64>,
    pub(super) store: Store,
    pub(super) now: i64,
    pub(super) ledger: Ledger,
    pub(super) log: Log,
    /// Scans under way, as the store numbers them and as the model does.
    pub(super) rounds: Vec<(ScanId, u64)>,
    pub(super) next_look: u64,
    pub(super) sinks: Vec<SinkKind>,
    /// A transaction failed since all was last known to be in the store.
    pub(super) trouble: bool,
    pub(super) totals: Totals,
}

/// Says where it was when something is wrong.
impl Drop for Episode {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("AGENT_TEST_SEED={} step {}", self.seed, self.step);
        }
    }
}

impl Episode {
    pub(super) fn run(seed: u64, steps: u64, totals: &mut Totals) {
        let mut random = Rng::with_seed(seed);
        let disk = Disk::default();
        // Every other one has room for all events, every other two have room for all findings.
        let max_size = match seed % 2 {
            0 => 32 << 20,
            _ => (1 << 20) + random.u64(0..1 << 20),
        };
        let small_ledger = (seed % 4 >= 2).then(|| random.u64(4_000..40_000));
        let now = 1_795_310_000_123;
        let medium = Box::new(disk.clone());
        let (store, _) = Store::open_on(medium, max_size, world::source(), now).expect("a store");
        let mut episode = Episode {
            seed,
            step: 0,
            world: World::new(random.u64(..)),
            random,
            disk,
            max_size,
            small_ledger,
            store,
            now,
            ledger: Ledger::default(),
            log: Log::default(),
            rounds: Vec::new(),
            next_look: 0,
            sinks: Vec::new(),
            trouble: false,
            totals: Totals::default(),
        };
        episode.limit_ledger();
        episode.log.toggled = true;
        episode.enable(vec![SinkKind::CloudwatchLogs]);
        for step in 0..steps {
            episode.step = step;
            episode.now += episode.random.i64(0..60);
            episode.act();
            episode.after();
        }
        episode.wind_up();
        let own = &episode.totals;
        totals.steps += steps;
        totals.events += episode.store.head().map_or(0, |head| head.sequence);
        totals.dropped += episode.store.committed.state.spool.dropped;
        totals.refused += episode.store.committed.state.spool.refused;
        totals.given_up += episode.log.given_up;
        totals.crashes += own.crashes;
        totals.crashes_in_writes += own.crashes_in_writes;
        totals.downs += own.downs;
        totals.large_ends += own.large_ends;
        totals.deferred += own.deferred;
    }

    fn act(&mut self) {
        match self.random.u32(0..1000) {
            0..500 => {
                let name = self.world.name();
                let value = (self.random.u32(0..5) > 0).then(|| self.world.value(&name));
                self.find(name, value);
            }
            500..570 => self.begin(),
            570..640 => self.end(),
            640..660 => self.look_whole(),
            660..760 => self.deliver(),
            760..780 => {
                let sinks = SINKS.into_iter().filter(|_| self.random.bool()).collect();
                self.enable(sinks);
            }
            780..800 => {
                let reason = format!("step {}", self.step);
                self.tell(Lifecycle::Stopped { reason });
            }
            800..860 => {
                self.store.tick(self.now);
            }
            860..880 => self.pass_time(),
            880..920 => self.store.commit(self.now),
            920..924 => self.make_noise(),
            924..930 => self.clear_noise(),
            930..960 => self.ask_entries(),
            960..985 => self.break_disk(),
            985..995 => self.mend_disk(),
            _ => self.disk.lose_power(),
        }
    }

    /// After each step: is the store alive, and what it should be?
    fn after(&mut self) {
        if self.disk.is_dead() {
            self.totals.crashes_in_writes += u64::from(self.disk.died_in_a_write());
            self.restart();
        }
        assert_eq!(self.disk.asides(), 0, "set aside: {:?}", self.store.news());
        self.trouble |= self.store.is_down();
        if self.random.u32(0..6) == 0 {
            self.store.commit(self.now);
            self.check();
        }
    }

    /// Compares, where all is in the store and the disk answers.
    pub(super) fn check(&mut self) -> Option<Contents> {
        if self.disk.is_dead() || self.store.backing.is_none() {
            self.trouble |= self.store.is_down();
            return None;
        }
        let contents = tables::read(&self.store, self.log.head.0)?;
        let settled = self.store.queue.is_empty();
        self.log.check(&contents, settled);
        if settled {
            let given_up = self.given_up(&contents);
            self.ledger.check(&contents, given_up, self.trouble);
            self.log.toggled = false;
            self.trouble = false;
        }
        Some(contents)
    }

    fn limit_ledger(&mut self) {
        if let Some(bytes) = self.small_ledger {
            self.store.limits.ledger = bytes;
        }
    }

    fn given_up(&self, contents: &Contents) -> u64 {
        self.log.given_up + contents.state.ledger.unentered + contents.state.ledger.given_up
    }

    /// The machine lost power and starts again, perhaps to lose it again at once.
    fn restart(&mut self) {
        loop {
            self.totals.crashes += 1;
            self.disk.power_up(&mut self.random);
            if self.random.u32(0..4) == 0 {
                self.disk.lose_power_in(self.random.u64(0..30));
            }
            let medium = Box::new(self.disk.clone());
            let opened = Store::open_on(medium, self.max_size, world::source(), self.now);
            let (store, news) = opened.unwrap_or_else(|refusal| panic!("{}", refusal.words()));
            assert_eq!(self.disk.asides(), 0, "set aside: {news:?}");
            self.store = store;
            self.limit_ledger();
            if !self.disk.is_dead() && self.store.backing.is_some() {
                break;
            }
            self.disk.mend();
            self.disk.lose_power();
        }
        self.rounds.clear();
        self.log.toggled = true;
        let contents = tables::read(&self.store, self.log.head.0).expect("the disk answers");
        self.log.check(&contents, false);
        self.log.settling.clear();
        let given_up = self.given_up(&contents);
        self.ledger.check_crashed(&contents, given_up, self.trouble);
        self.trouble = false;
        self.enable(self.sinks.clone());
        self.check();
    }

    /// The model hears of what the store took, which may have been no room for it.
    fn push(&mut self, deed: Deed, lost: u64) -> bool {
        let kept = self.store.lost == lost;
        if kept {
            self.ledger.pending.push_back(deed);
        }
        kept
    }

    fn find(&mut self, name: Name, value: Option<Value>) {
        if self.rounds.is_empty() {
            self.begin();
        }
        let (scan_id, number) = self.rounds[self.random.usize(0..self.rounds.len())];
        let until = (self.random.u32(0..6) == 0).then(|| self.now + self.random.i64(0..30_000));
        self.totals.deferred += u64::from(until.is_some());
        self.find_in(scan_id, number, name, value, until);
    }

    pub(super) fn find_in(
        &mut self,
        scan_id: ScanId,
        number: u64,
        name: Name,
        value: Option<Value>,
        until: Option<i64>,
    ) {
        let lost = self.store.lost;
        let finding = world::finding(&name, value.as_ref());
        let scans = self.ledger.scans.iter();
        let under_way: Vec<u64> = scans
            .filter(|(_, scan)| self.store.scans.of(scan.scan_id).is_some())
            .filter(|(_, scan)| super::truth::covers(&scan.scope, &name))
            .map(|(number, _)| *number)
            .collect();
        self.store
            .found_until(scan_id, &finding, None, until, self.now);
        if value.is_some() {
            let key = crate::ledger::key::of(name.0, &name.1);
            for scan in under_way {
                if let Some(scan) = self.ledger.scans.get_mut(&scan) {
                    scan.found.insert(key.clone());
                }
            }
        }
        if !self.push(Deed::Found(name, value), lost)
            && let Some(scan) = self.ledger.scans.get_mut(&number)
        {
            scan.spoiled = true;
        }
    }

    fn begin(&mut self) {
        let scope = self.world.scope();
        self.begin_at(scope);
    }

    pub(super) fn begin_at(&mut self, scope: Scope) -> (ScanId, u64) {
        if self.rounds.len() > 4 {
            self.end();
        }
        let scan_id = self.store.begin(scope.clone());
        self.next_look += 1;
        let scan = OpenScan {
            scan_id,
            scope,
            found: BTreeSet::new(),
            spoiled: false,
        };
        self.ledger.scans.insert(self.next_look, scan);
        self.rounds.push((scan_id, self.next_look));
        (scan_id, self.next_look)
    }

    fn end(&mut self) {
        if self.rounds.is_empty() {
            return;
        }
        let (scan_id, number) = self
            .rounds
            .swap_remove(self.random.usize(0..self.rounds.len()));
        // Scans that find little are abandoned mostly, so that something stands.
        let whole = self.random.u32(0..3) == 0;
        self.end_of(scan_id, number, whole);
    }

    /// The scan came to its end, or broke off.
    pub(super) fn end_of(&mut self, scan_id: ScanId, number: u64, whole: bool) {
        self.rounds.retain(|(_, other)| *other != number);
        let lost = self.store.lost;
        if whole {
            self.store.end(scan_id, self.now);
        } else {
            if let Some(scan) = self.ledger.scans.get_mut(&number) {
                scan.spoiled = true;
            }
            self.store.abandon(scan_id, self.now);
        }
        if !self.push(Deed::End(number), lost) {
            self.ledger.scans.remove(&number);
        }
    }

    /// A scan that finds most of what stands.
    fn look_whole(&mut self) {
        let scope = self.world.scope();
        let (scan_id, number) = self.begin_at(scope.clone());
        let all: Vec<(Name, Value)> = self.ledger.base.values().cloned().collect();
        for (name, value) in all {
            if super::truth::covers(&scope, &name) && self.random.u32(0..20) > 0 {
                self.find_in(scan_id, number, name, Some(value), None);
            }
        }
        self.end_of(scan_id, number, true);
    }

    fn make_noise(&mut self) {
        let (scan_id, number) = self.begin_at(Scope::Path(world::NOISE.into()));
        for i in 0..self.random.usize(550..1200) {
            let name = World::noise(i);
            let value = self.world.value(&name);
            let value = World::valued(
                &name,
                value.verdict,
                Severity::Medium.min(value.severity),
                1,
            );
            self.find_in(scan_id, number, name, Some(value), None);
        }
    }

    /// Hundreds are cleared, and one is told, in one transaction.
    fn clear_noise(&mut self) {
        self.store.commit(self.now);
        let (scan_id, number) = self.begin_at(Scope::Path(world::NOISE.into()));
        let name = World::noise(self.random.usize(0..5000));
        let value = self.world.value(&name);
        self.find_in(scan_id, number, name, Some(value), None);
        let before = self.store.committed.state.ledger.open;
        self.end_of(scan_id, number, true);
        self.store.commit(self.now);
        self.totals.large_ends += u64::from(self.store.committed.state.ledger.open + 500 < before);
    }

    fn ask_entries(&mut self) {
        self.store.commit(self.now);
        if self.check().is_none() || !self.ledger.pending.is_empty() {
            return;
        }
        let directory = self.world.directory();
        let all = super::truth::entries(&self.ledger.base, &directory);
        let entries = self.store.open_in(&directory, b"", usize::MAX, self.now);
        if self.disk.is_dead() || self.store.is_down() || entries.is_empty() {
            return;
        }
        assert_eq!(
            entries,
            all,
            "entries of {}",
            String::from_utf8_lossy(&directory)
        );
    }

    fn deliver(&mut self) {
        self.store.commit(self.now);
        if self.check().is_none() || self.sinks.is_empty() {
            return;
        }
        let sink = self.sinks[self.random.usize(0..self.sinks.len())];
        let most = self.random.usize(1..300);
        self.deliver_to(sink, most, false);
    }

    /// Hands events over; `accept`: all of them are taken. Returns how many there were.
    pub(super) fn deliver_to(&mut self, sink: SinkKind, most: usize, accept: bool) -> usize {
        let parcels = self.store.parcels(sink, most, 1 << 20);
        let fate = match accept {
            true => 1,
            false => self.random.u32(0..10),
        };
        let mut delivery = Delivery::default();
        let mut seen = BTreeSet::new();
        for parcel in &parcels {
            let sequence = parcel.key - self.store.committed.state.chain.base;
            assert!(seen.insert(sequence), "{sequence} twice");
            self.log.check_parcel(sink.code(), sequence, &parcel.bytes);
            match fate {
                0 => {}
                1..7 => delivery.accepted.push(parcel.key),
                _ => match self.random.u32(0..10) {
                    0 => delivery.refused.push((parcel.key, "too old".into())),
                    1..6 => delivery.accepted.push(parcel.key),
                    _ => {}
                },
            }
        }
        for place in &delivery.accepted {
            let sequence = place - self.store.committed.state.chain.base;
            self.log.settling.insert((sink.code(), sequence), false);
        }
        for (place, _) in &delivery.refused {
            let sequence = place - self.store.committed.state.chain.base;
            self.log.settling.insert((sink.code(), sequence), true);
        }
        self.store.settle(sink, &delivery, self.now);
        self.ledger.pending.push_back(Deed::Other);
        parcels.len()
    }

    pub(super) fn enable(&mut self, sinks: Vec<SinkKind>) {
        self.log.toggled = true;
        self.sinks.clone_from(&sinks);
        self.store.enable(&sinks, self.now);
        self.ledger.pending.push_back(Deed::Other);
    }

    fn tell(&mut self, event: Lifecycle) {
        let lost = self.store.lost;
        self.store.tell(event, self.now);
        self.push(Deed::Other, lost);
    }

    fn pass_time(&mut self) {
        self.now += match self.random.u32(0..6) {
            0 => 3_600_000,
            1 => -3_600_000,
            2 => 86_400_000,
            _ => self.random.i64(0..70_000),
        };
        self.store.tick(self.now);
    }

    fn break_disk(&mut self) {
        match self.random.u32(0..3) {
            0 => self.disk.lose_power_in(self.random.u64(0..60)),
            1 => self.disk.fail_in(self.random.u64(0..60)),
            _ => self.disk.leave_room(Some(self.random.u64(0..1 << 20))),
        }
    }

    fn mend_disk(&mut self) {
        self.disk.mend();
        self.totals.downs += u64::from(self.store.is_down());
    }
}
