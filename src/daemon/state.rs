//! The one receiver: everything that happens comes here, and what is to be done about it goes out from here.

use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::jobs::start::RunningJob;
use crate::daemon::jobs::worker;
use crate::daemon::message::{Message, OpenedBy, PAGE, Question};
use crate::daemon::panics::Panics;
use crate::daemon::run_record::RunRecord;
use crate::daemon::setup::Setup;
use crate::daemon::sinks::Sinks;
use crate::daemon::states::first_boot::FirstBoot;
use crate::daemon::states::job_queue::{JobKind, JobQueue};
use crate::daemon::states::restored::Restored;
use crate::daemon::states::schedule::{Recurring, jittered, share};
use crate::daemon::states::touched::TouchedBatch;
use crate::daemon::status;
use crate::daemon::store::{Answer, Command, StoreHandle};
use crate::daemon::systemd;
use crate::daemon::usage::{Usage, UsageMeter};
use crate::daemon::warn;
use crate::daemon::watch::Watcher;
use agent_core::error::Result;
use agent_core::host::Host;
use agent_core::region::Region;
use agent_outbox::event::{Digests, LastScan, Lifecycle, Origin};
use agent_outbox::store::Opening;
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
pub(in crate::daemon) const UNWATCHED: Duration = Duration::from_secs(10 * 60);
/// After a look that broke off the next one comes so soon.
pub(in crate::daemon) const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Everything that the running daemon knows.
#[derive(Debug)]
pub(in crate::daemon) struct Daemon {
    pub(in crate::daemon) setup: Arc<Setup>,
    /// Nothing until the manifest has been opened.
    pub(in crate::daemon) ground: Option<Arc<ActiveBaseline>>,
    /// It is being opened anew: what goes by it waits.
    pub(in crate::daemon) opening: bool,
    pub(in crate::daemon) store: StoreHandle,
    pub(in crate::daemon) sinks: Sinks,
    pub(in crate::daemon) watching: Watcher,
    pub(in crate::daemon) looks: JobQueue,
    pub(in crate::daemon) running: HashMap<u64, RunningJob>,
    pub(in crate::daemon) next_id: u64,
    /// What waits for the spot look that is free next.
    pub(in crate::daemon) batch: Option<TouchedBatch>,
    /// The same for what is urgent.
    pub(in crate::daemon) urgent: Option<TouchedBatch>,
    /// What was touched since the last whole scan began: it is looked at once more when that has ended.
    pub(in crate::daemon) during: Vec<Region>,
    /// What is to be hurried, since something may have been missed.
    pub(in crate::daemon) hurried: bool,
    /// The files have not been looked at since the agent was down.
    pub(in crate::daemon) first_files: bool,
    /// The settings have not been looked at since the agent was down.
    pub(in crate::daemon) first_settings: bool,
    /// Whether there is a store with a history: without one, nothing changed while the agent was down.
    pub(in crate::daemon) history: bool,
    pub(in crate::daemon) first_boot: FirstBoot,
    pub(in crate::daemon) host: Host,
    pub(in crate::daemon) binary: String,
    /// What the next run must know.
    pub(in crate::daemon) memory: RunRecord,
    /// What the run before left.
    pub(in crate::daemon) before: Option<RunRecord>,
    /// What a person should look at, by what it concerns.
    pub(in crate::daemon) trouble: BTreeMap<&'static str, String>,
    /// Something may have been missed: what, and since when.
    pub(in crate::daemon) gap: Option<(String, i64)>,
    pub(in crate::daemon) last_scan: Option<LastScan>,
    pub(in crate::daemon) usage: Usage,
    pub(in crate::daemon) facts: UsageMeter,
    pub(in crate::daemon) timers: Timers,
    pub(in crate::daemon) started: (Instant, i64),
    pub(in crate::daemon) runtime: PathBuf,
    pub(in crate::daemon) messages: mpsc::Sender<Message>,
    /// Where looks say what they find.
    pub(in crate::daemon) findings_to: mpsc::Sender<Message>,
    /// Something may have come into the spool.
    news: bool,
    /// Whether a look has ended since the last heartbeat.
    pub(in crate::daemon) looked: bool,
    /// The agent ends: what was touched is looked at, and nothing else.
    pub(in crate::daemon) leaving: bool,
    /// Answers that the store owes about what was to be remembered.
    pub(in crate::daemon) owed: usize,
    /// What happened concerns the status.
    pub(in crate::daemon) stale: bool,
    status_written: Instant,
    /// The line that systemd was told last.
    pub(in crate::daemon) told_systemd: String,
    pub(in crate::daemon) settings_touched: Option<Instant>,
    /// When settings were last judged.
    pub(in crate::daemon) settings_judged: Option<Instant>,
    /// Findings that could not be judged when the settings were last looked at.
    pub(in crate::daemon) unknown_settings: u64,
    pub(in crate::daemon) restored: Restored,
    /// What dpkg is unpacking, as whoever looks has read it.
    pub(in crate::daemon) unpacking: Arc<Mutex<Unpacking>>,
    pub(in crate::daemon) panics: Panics,
}

/// What recurs.
#[derive(Debug)]
pub(in crate::daemon) struct Timers {
    pub(in crate::daemon) scan: Recurring,
    pub(in crate::daemon) settings: Recurring,
    pub(in crate::daemon) instance: Recurring,
    pub(in crate::daemon) heartbeat: Recurring,
    pub(in crate::daemon) status: Recurring,
    pub(in crate::daemon) watchdog: Option<Recurring>,
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
    pub(in crate::daemon) fn follow(&mut self, setup: &Setup, host: &Host, now: Instant) {
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

impl Daemon {
    /// Opens the store and begins. Nothing is looked at yet.
    pub(in crate::daemon) fn open(
        setup: Setup,
        runtime: PathBuf,
        (messages, findings_to): (mpsc::Sender<Message>, mpsc::Sender<Message>),
        clock: (Instant, i64),
    ) -> Result<(Daemon, Vec<Opening>)> {
        let (now, wall) = clock;
        let state_dir = &setup.config.state_dir;
        let host = setup.tree.host.clone();
        let before = RunRecord::recall(state_dir);
        let origin = Origin {
            host: host.clone(),
            ..Origin::default()
        };
        let panics = Panics::open(state_dir, wall);
        let seed = share(&host.machine_id, "sinks").to_bits();
        let same_boot = |before: &RunRecord| before.boot_id == host.boot_id;
        let after_boot = !before.as_ref().is_some_and(same_boot);
        let instance = host.binding().unwrap_or_default();
        let mut memory = RunRecord {
            boot_id: host.boot_id.clone(),
            instance,
            ..RunRecord::default()
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
            messages.clone(),
            wall,
        )?;
        let fresh = |opening: &Opening| !matches!(opening, Opening::Unusable { .. });
        let history = !openings.iter().any(fresh);
        let daemon = Daemon {
            sinks: Sinks::new(seed, after_boot, messages.clone()),
            watching: Watcher::new(setup.config.watch.settle, &runtime, now),
            timers: Timers::new(&setup, &host, now),
            facts: UsageMeter::new(now),
            setup: Arc::new(setup),
            ground: None,
            opening: false,
            store,
            looks: JobQueue::default(),
            running: HashMap::new(),
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
            messages,
            findings_to,
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
        Ok((daemon, openings))
    }

    /// Begins with the sinks that are configured, and with opening what verdicts rest on.
    pub(in crate::daemon) fn begin(&mut self, wall: i64) -> Result<()> {
        let setup = self.setup.clone();
        self.sinks
            .configure(&setup.config, &self.host, &mut self.store, wall)?;
        self.save_record();
        self.open_baseline();
        Ok(())
    }

    pub(in crate::daemon) fn open_baseline(&mut self) {
        let (setup, messages) = (self.setup.clone(), self.messages.clone());
        let left_out = Arc::new(self.panics.left_out());
        match worker::ground(setup, !self.memory.manifest.is_empty(), left_out, messages) {
            Ok(()) => self.opening = true,
            Err(error) => warn(&format!("no thread could be started: {error}")),
        }
    }

    /// What verdicts rest on is opened again, and all files judged by it, when it has changed.
    fn mind_sources(&mut self) {
        let ground = self.ground.as_ref().filter(|_| !self.opening);
        if ground.is_some_and(|ground| ground.sources.have_changed()) {
            self.outdate();
            self.open_baseline();
            self.looks.want(JobKind::FullScan);
        }
    }

    /// Takes in one word.
    pub(in crate::daemon) fn hear(&mut self, word: Message, now: Instant, wall: i64) {
        match word {
            Message::Binary(digest) => self.binary = digest,
            Message::Baseline(ground, whose) => {
                self.opening &= whose != OpenedBy::Own;
                self.set_baseline(ground, now, wall);
            }
            Message::Found(id, finding, package) => self.found(id, finding, package, (now, wall)),
            Message::Unpacked(packages) => self.unpacked(&packages, now),
            Message::Holds(id, path, ctime) => self.holds(id, path, ctime, now, wall),
            Message::Ask(question) => {
                let Question { directory, reply } = question;
                let mut waiting = self.watching.waits_in(&directory, PAGE);
                let looked_at = self.running.values().filter_map(|u| u.batch.as_ref());
                waiting.extend(looked_at.flat_map(|batch| batch.entries_of(&directory)));
                // Whoever asked may have ended.
                reply.try_send(waiting).unwrap_or_default();
            }
            Message::Ended(id, look, outcome) => self.ended(id, look, outcome, now, wall),
            Message::Recorded(outcome) => self.recorded(outcome, wall),
            Message::Notice(generation, notice) => self.noticed(generation, notice, now, wall),
            Message::Sent(report) => {
                self.sinks.sent(*report, &mut self.store, (now, wall));
                self.stale = true;
            }
            Message::Host(host) => self.know_host(*host, wall),
            Message::Decided(generation, answer) => {
                self.sinks
                    .decided(generation, answer, &mut self.store, wall);
                self.news = true;
                self.stale = true;
            }
            Message::Store(answer) => self.answered(answer, now, wall),
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
            Answer::Parcels { fetch, parcels } => self.sinks.fetched(fetch, parcels, now),
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
    pub(in crate::daemon) fn act(&mut self, now: Instant, wall: i64) {
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
        self.sinks.hand_over(&mut self.store, news, now);
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
    pub(in crate::daemon) fn due(&self, now: Instant) -> Instant {
        let can = |look, batch: &Option<TouchedBatch>| {
            self.ground.is_some() && self.looks.free(look) && batch.is_none()
        };
        let urgent = self.watching.first_look_due();
        let others = [
            self.store.due(now),
            self.sinks.due(),
            self.watching.due(can(JobKind::Spot, &self.batch)),
            urgent.filter(|_| can(JobKind::Urgent, &self.urgent)),
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
    pub(in crate::daemon) fn tell(&mut self, event: Lifecycle, wall: i64) {
        self.store.tell(event, wall);
        self.stale = true;
    }

    /// What every event says of its origin.
    pub(in crate::daemon) fn origin(&self) -> Origin {
        let (manifest, signer) = self
            .ground
            .as_ref()
            .map(|g| g.manifest())
            .unwrap_or_default();
        let launch_record = self.ground.as_ref().map(|g| g.launch_record());
        Origin {
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
    pub(in crate::daemon) fn save_record(&mut self) {
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
