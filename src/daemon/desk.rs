//! The one receiver: everything that happens comes here, and what is to be done about it goes out from here.

use super::batch::Batch;
use super::couriers::Couriers;
use super::eyes;
use super::facts::{Facts, Usage};
use super::first_boot::FirstBoot;
use super::ground::Ground;
use super::looking::UnderWay;
use super::looks::{Look, Looks};
use super::panics::Panics;
use super::remembered::Memory;
use super::restored::Restored;
use super::schedule::{Recurring, jittered, share};
use super::setup::Setup;
use super::store_handle::{Answer, Command, StoreHandle};
use super::watching::Watching;
use super::word::{PAGE, Question, Whose, Word};
use super::{complain, status, systemd};
use agent_core::error::Result;
use agent_core::host::Host;
use agent_core::region::Region;
use agent_outbox::event::{Digests, EventSource, LastScan, Lifecycle};
use agent_outbox::store::OpenOutcome;
use agent_packages::dpkg::unpacking::Unpacking;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The status is written once in so long at most.
const STATUS_PAUSE: Duration = Duration::from_millis(500);
/// The first heartbeat comes so soon.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(10);
/// Without a watch everything is looked at so often.
pub(super) const UNWATCHED: Duration = Duration::from_secs(10 * 60);
/// After a look that broke off the next one comes so soon.
pub(super) const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Everything that the running daemon knows.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) setup: Arc<Setup>,
    /// Nothing until the manifest has been opened.
    pub(super) ground: Option<Arc<Ground>>,
    /// It is being opened anew: what goes by it waits.
    pub(super) opening: bool,
    pub(super) store: StoreHandle,
    pub(super) couriers: Couriers,
    pub(super) watching: Watching,
    pub(super) looks: Looks,
    pub(super) under_way: HashMap<u64, UnderWay>,
    pub(super) next_id: u64,
    /// What waits for the spot look that is free next.
    pub(super) batch: Option<Batch>,
    /// The same for what is urgent.
    pub(super) urgent: Option<Batch>,
    /// What was touched since the last whole scan began: it is looked at once more when that has ended.
    pub(super) during: Vec<Region>,
    /// What is to be hurried, since something may have been missed.
    pub(super) hurried: bool,
    /// The files have not been looked at since the agent was down.
    pub(super) first_files: bool,
    /// The settings have not been looked at since the agent was down.
    pub(super) first_settings: bool,
    /// Whether there is a store with a history: without one, nothing changed while the agent was down.
    pub(super) history: bool,
    pub(super) first_boot: FirstBoot,
    pub(super) host: Host,
    pub(super) binary: String,
    /// What the next run must know.
    pub(super) memory: Memory,
    /// What the run before left.
    pub(super) before: Option<Memory>,
    /// What a person should look at, by what it concerns.
    pub(super) trouble: BTreeMap<&'static str, String>,
    /// Something may have been missed: what, and since when.
    pub(super) gap: Option<(String, i64)>,
    pub(super) last_scan: Option<LastScan>,
    pub(super) usage: Usage,
    pub(super) facts: Facts,
    pub(super) timers: Timers,
    pub(super) started: (Instant, i64),
    pub(super) runtime: PathBuf,
    pub(super) words: mpsc::Sender<Word>,
    /// Where looks say what they find.
    pub(super) finds: mpsc::Sender<Word>,
    /// Something may have come into the spool.
    news: bool,
    /// Whether a look has ended since the last heartbeat.
    pub(super) looked: bool,
    /// The agent ends: what was touched is looked at, and nothing else.
    pub(super) leaving: bool,
    /// Answers that the store owes about what was to be remembered.
    pub(super) owed: usize,
    /// What happened concerns the status.
    pub(super) stale: bool,
    status_written: Instant,
    /// The line that systemd was told last.
    pub(super) told_systemd: String,
    pub(super) settings_touched: Option<Instant>,
    /// When settings were last judged.
    pub(super) settings_judged: Option<Instant>,
    /// Findings that could not be judged when the settings were last looked at.
    pub(super) unknown_settings: u64,
    pub(super) restored: Restored,
    /// What dpkg is unpacking, as whoever looks has read it.
    pub(super) unpacking: Arc<Mutex<Unpacking>>,
    pub(super) panics: Panics,
}

/// What recurs.
#[derive(Debug)]
pub(super) struct Timers {
    pub(super) scan: Recurring,
    pub(super) settings: Recurring,
    pub(super) instance: Recurring,
    pub(super) heartbeat: Recurring,
    pub(super) status: Recurring,
    pub(super) watchdog: Option<Recurring>,
}

impl Timers {
    fn new(setup: &Setup, host: &Host, now: Instant) -> Timers {
        let (scan, settings) = intervals(setup, host);
        let config = &setup.config;
        Timers {
            // The first ones are wanted as soon as there is something to compare with.
            scan: Recurring::new(scan, now + scan),
            settings: Recurring::new(settings, now + settings),
            instance: Recurring::new(settings, now + settings),
            // When there is something to say.
            heartbeat: Recurring::new(
                config.heartbeat.interval,
                now + config.heartbeat.interval.min(FIRST_HEARTBEAT),
            ),
            status: Recurring::new(Duration::from_millis(status::INTERVAL), now),
            watchdog: systemd::watchdog().map(|often| Recurring::new(often, now)),
        }
    }

    /// The intervals of another configuration.
    pub(super) fn follow(&mut self, setup: &Setup, host: &Host, now: Instant) {
        let (scan, settings) = intervals(setup, host);
        self.scan.set_interval(scan, now);
        self.settings.set_interval(settings, now);
        self.instance.set_interval(settings, now);
        let heartbeat = setup.config.heartbeat.interval;
        self.heartbeat.set_interval(heartbeat, now);
    }

    fn due(&self) -> Instant {
        let others = [&self.scan, &self.settings, &self.instance, &self.heartbeat];
        let others = others.into_iter().chain(&self.watchdog);
        others.fold(self.status.due(), |due, timer| due.min(timer.due()))
    }
}

/// Between two whole scans and two looks at settings, by the host's share.
fn intervals(setup: &Setup, host: &Host) -> (Duration, Duration) {
    let of = |interval, purpose| jittered(interval, share(&host.machine_id, purpose));
    let config = &setup.config;
    (
        of(config.scan.interval, "scan"),
        of(config.settings.interval, "settings"),
    )
}

impl Desk {
    /// Opens the store and begins. Nothing is looked at yet.
    pub(super) fn open(
        setup: Setup,
        runtime: PathBuf,
        (words, finds): (mpsc::Sender<Word>, mpsc::Sender<Word>),
        clock: (Instant, i64),
    ) -> Result<(Desk, Vec<OpenOutcome>)> {
        let (now, wall) = clock;
        let state_dir = &setup.config.state_dir;
        let host = setup.tree.host.clone();
        let before = Memory::recall(state_dir);
        let origin = EventSource {
            host: host.clone(),
            ..EventSource::default()
        };
        let panics = Panics::open(state_dir, wall);
        let seed = share(&host.machine_id, "couriers").to_bits();
        let same_boot = |before: &Memory| before.boot_id == host.boot_id;
        let after_boot = !before.as_ref().is_some_and(same_boot);
        let instance = host.binding().unwrap_or_default();
        let mut memory = Memory {
            boot_id: host.boot_id.clone(),
            instance,
            ..Memory::default()
        };
        if let Some(before) = before.as_ref().filter(|b| b.instance == memory.instance) {
            memory.launch = before.launch.clone();
            memory.manifest = before.manifest.clone();
            memory.unusable = before.unusable;
        }
        let (store, openings) = StoreHandle::open(
            state_dir.clone(),
            setup.config.spool.max_size,
            origin,
            memory.clone(),
            words.clone(),
            wall,
        )?;
        let fresh = |opening: &OpenOutcome| !matches!(opening, OpenOutcome::Unusable { .. });
        let history = !openings.iter().any(fresh);
        let desk = Desk {
            couriers: Couriers::new(seed, after_boot, words.clone()),
            watching: Watching::new(setup.config.watch.settle, &runtime, now),
            timers: Timers::new(&setup, &host, now),
            facts: Facts::new(now),
            setup: Arc::new(setup),
            ground: None,
            opening: false,
            store,
            looks: Looks::default(),
            under_way: HashMap::new(),
            next_id: 1,
            batch: None,
            urgent: None,
            during: Vec::new(),
            hurried: false,
            first_files: true,
            first_settings: true,
            history,
            first_boot: FirstBoot::Unknown,
            host,
            binary: String::new(),
            memory,
            before,
            trouble: BTreeMap::new(),
            gap: None,
            last_scan: None,
            usage: Usage::default(),
            started: clock,
            runtime,
            words,
            finds,
            news: true,
            looked: false,
            leaving: false,
            owed: 0,
            stale: true,
            status_written: now,
            told_systemd: String::new(),
            settings_touched: None,
            settings_judged: None,
            unknown_settings: 0,
            restored: Restored::new(now),
            unpacking: Arc::default(),
            panics,
        };
        Ok((desk, openings))
    }

    /// Begins with the sinks that are configured, and with opening what verdicts rest on.
    pub(super) fn begin(&mut self, wall: i64) -> Result<()> {
        let setup = self.setup.clone();
        self.couriers
            .configure(&setup.config, &self.host, &mut self.store, wall)?;
        self.keep_memory();
        self.open_ground();
        Ok(())
    }

    pub(super) fn open_ground(&mut self) {
        let (setup, words) = (self.setup.clone(), self.words.clone());
        let left_out = Arc::new(self.panics.left_out());
        match eyes::ground(setup, !self.memory.manifest.is_empty(), left_out, words) {
            Ok(()) => self.opening = true,
            Err(error) => complain(&format!("no thread could be started: {error}")),
        }
    }

    /// What verdicts rest on is opened again, and all files judged by it, when it has changed.
    fn mind_sources(&mut self) {
        let ground = self.ground.as_ref().filter(|_| !self.opening);
        if ground.is_some_and(|ground| ground.sources.have_changed()) {
            self.outdate();
            self.open_ground();
            self.looks.want(Look::Whole);
        }
    }

    /// Takes in one word.
    pub(super) fn hear(&mut self, word: Word, now: Instant, wall: i64) {
        match word {
            Word::Binary(digest) => self.binary = digest,
            Word::Ground(ground, whose) => {
                self.opening &= whose != Whose::Own;
                self.stand_on(ground, now, wall);
            }
            Word::Found(id, finding, package) => self.found(id, finding, package, (now, wall)),
            Word::Unpacked(packages) => self.unpacked(&packages, now),
            Word::Holds(id, path, ctime) => self.holds(id, path, ctime, now, wall),
            Word::Ask(question) => {
                let Question { directory, reply } = question;
                let mut waiting = self.watching.waits_in(&directory, PAGE);
                let looked_at = self.under_way.values().filter_map(|u| u.batch.as_ref());
                waiting.extend(looked_at.flat_map(|batch| batch.entries_of(&directory)));
                // Whoever asked may have ended.
                reply.try_send(waiting).unwrap_or_default();
            }
            Word::Ended(id, look, outcome) => self.ended(id, look, outcome, now, wall),
            Word::Recorded(outcome) => self.recorded(outcome, wall),
            Word::Notice(generation, notice) => self.noticed(generation, notice, now, wall),
            Word::Sent(report) => {
                self.couriers.sent(*report, &mut self.store, (now, wall));
                self.stale = true;
            }
            Word::Host(host) => self.know_host(*host, wall),
            Word::Decided(generation, answer) => {
                self.couriers
                    .decided(generation, answer, &mut self.store, wall);
                self.news = true;
                self.stale = true;
            }
            Word::Store(answer) => self.answered(answer, now, wall),
        }
    }

    /// The store's thread said something.
    fn answered(&mut self, answer: Answer, now: Instant, wall: i64) {
        match answer {
            Answer::Standing(standing) => {
                let trouble = self.store.standing.pending.trouble.is_some();
                self.stale |= trouble != standing.pending.trouble.is_some();
                self.store.standing = *standing;
                self.news = true;
            }
            Answer::Openings(openings) => self.opened(openings, wall),
            Answer::Parcels { fetch, parcels } => self.couriers.fetched(fetch, parcels, now),
            Answer::Remembered(Ok(())) => {
                self.owed = self.owed.saturating_sub(1);
                self.news = true;
                self.trouble.remove("memory");
            }
            Answer::Remembered(Err(error)) => {
                self.owed = self.owed.saturating_sub(1);
                self.news = true;
                let text = format!("the state directory cannot be written: {error}");
                self.trouble.insert("memory", text);
            }
            Answer::Committed { down } => self.panics_told(down),
            Answer::Closed => self.store.close(),
        }
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Instant, wall: i64) {
        if let Some(watchdog) = &mut self.timers.watchdog
            && watchdog.take(now)
        {
            systemd::alive();
        }
        self.look(now, wall);
        if self.timers.heartbeat.take(now) {
            self.heartbeat(now, wall);
        }
        self.stale |= self.store.check(now);
        let news = std::mem::take(&mut self.news);
        self.couriers.hand_over(&mut self.store, news, now);
        let rested = now.saturating_duration_since(self.status_written) >= STATUS_PAUSE;
        let regular = self.timers.status.take(now);
        if regular {
            self.mind_sources();
            self.mind_panics(wall);
        }
        if regular || (self.stale && rested) {
            self.stale = false;
            self.status_written = now;
            self.write_status(wall);
        }
    }

    /// When there is something to do next, if nothing happens before.
    pub(super) fn due(&self, now: Instant) -> Instant {
        let can = |look, batch: &Option<Batch>| {
            self.ground.is_some() && self.looks.free(look) && batch.is_none()
        };
        let urgent = self.watching.first_look_due();
        let others = [
            self.store.due(now),
            self.couriers.due(),
            self.watching.due(can(Look::Spot, &self.batch)),
            urgent.filter(|_| can(Look::Urgent, &self.urgent)),
            self.first_boot.due(),
            self.watching.transactions.question_due(),
            self.settings_touched,
            self.stale.then(|| self.status_written + STATUS_PAUSE),
        ];
        let due = others
            .into_iter()
            .flatten()
            .fold(self.timers.due(), Instant::min);
        due.max(now)
    }

    /// Tells of a step of the agent.
    pub(super) fn tell(&mut self, event: Lifecycle, wall: i64) {
        self.store.tell(event, wall);
        self.stale = true;
    }

    /// What every event says of its origin.
    pub(super) fn origin(&self) -> EventSource {
        let (manifest, signer) = self
            .ground
            .as_ref()
            .map(|g| g.manifest())
            .unwrap_or_default();
        let launch_record = self.ground.as_ref().map(|g| g.launch_record());
        EventSource {
            host: self.host.clone(),
            ip: address(&self.host),
            digests: Digests {
                manifest,
                signer,
                profile_name: self.setup.profile.name.clone(),
                profile: self.setup.profile.digest(),
                launch_record: launch_record.unwrap_or_default(),
                binary: self.binary.clone(),
            },
        }
    }

    /// Leaves to the next run what it must know: what was told, once the store has it.
    pub(super) fn keep_memory(&mut self) {
        let memory = Box::new(self.memory.clone());
        self.owed += 1;
        self.store.give(Command::Remember(memory));
    }
}

/// The address that the metadata service told; empty where it told none.
fn address(host: &Host) -> String {
    let told = host.cloud.as_deref().map(|cloud| &cloud.private_ip);
    let told = told.filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    told.cloned().unwrap_or_default()
}
