//! The daemon: its states, and how what they want is done.

use crate::daemon::action::Action;
use crate::daemon::baseline;
use crate::daemon::clock::Now;
use crate::daemon::identity::Identity;
use crate::daemon::jobs::{self, Jobs};
use crate::daemon::message::Outlets;
use crate::daemon::panics::Panics;
use crate::daemon::run_record::{RunRecord, RunRecords};
use crate::daemon::setup::Setup;
use crate::daemon::sinks::Sinks;
use crate::daemon::states::coverage_gap::CoverageGap;
use crate::daemon::states::first_boot::FirstBoot;
use crate::daemon::states::problems::Problems;
use crate::daemon::states::scan_state::ScanState;
use crate::daemon::states::schedule::share;
use crate::daemon::states::timers::{Intervals, Timers};
use crate::daemon::status;
use crate::daemon::status::writer::StatusWriter;
use crate::daemon::store::{Command, StoreHandle};
use crate::daemon::watch::Watcher;
use crate::daemon::{systemd, warn};
use agent_checks::registry;
use agent_core::error::Result;
use agent_outbox::event::{EventSource, Lifecycle};
use agent_outbox::store::OpenOutcome;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that the running daemon knows. Each field owns what it is about; nobody but the event loop has it.
#[derive(Debug)]
pub(in crate::daemon) struct Daemon {
    pub(in crate::daemon) setup: Arc<Setup>,
    pub(in crate::daemon) baseline: baseline::Current,
    pub(in crate::daemon) store: StoreHandle,
    pub(in crate::daemon) sinks: Sinks,
    pub(in crate::daemon) watch: Watcher,
    pub(in crate::daemon) jobs: Jobs,
    pub(in crate::daemon) scan: ScanState,
    pub(in crate::daemon) gap: CoverageGap,
    pub(in crate::daemon) first_boot: FirstBoot,
    pub(in crate::daemon) identity: Identity,
    pub(in crate::daemon) records: RunRecords,
    pub(in crate::daemon) problems: Problems,
    pub(in crate::daemon) timers: Timers,
    pub(in crate::daemon) panics: Panics,
    pub(in crate::daemon) status: StatusWriter,
}

impl Daemon {
    /// Opens the store. Nothing is looked at yet. `runtime`: where the status and the canary are.
    pub(in crate::daemon) fn open(
        setup: Setup,
        runtime: PathBuf,
        outlets: Outlets,
        now: Now,
    ) -> Result<(Daemon, Vec<OpenOutcome>)> {
        let config = &setup.config;
        let host = setup.tree.host.clone();
        let records = RunRecords::new(RunRecord::load(&config.state_dir), &host);
        let panics = Panics::open(&config.state_dir, now.wall);
        let origin = EventSource {
            host: host.clone(),
            checks: registry::all().collect(),
            ..EventSource::default()
        };
        let messages = outlets.messages.clone();
        let (store, openings) = StoreHandle::open(
            config.state_dir.clone(),
            config.spool.max_size,
            origin,
            records.current.clone(),
            messages.clone(),
            now.wall,
        )?;
        let fresh = |opening: &OpenOutcome| !matches!(opening, OpenOutcome::Unusable { .. });
        let history = !openings.iter().any(fresh);
        let seed = share(&host.machine_id, "couriers").to_bits();
        let intervals = Intervals::of(config, &host.machine_id);
        let watchdog = systemd::watchdog();
        let daemon = Daemon {
            baseline: baseline::Current::default(),
            store,
            sinks: Sinks::new(seed, records.first_of_boot(), messages),
            watch: Watcher::new(config.watch.settle, &runtime, now.monotonic),
            jobs: Jobs::new(outlets),
            scan: ScanState::new(history, now.monotonic),
            gap: CoverageGap::default(),
            first_boot: FirstBoot::Unknown,
            records,
            problems: Problems::default(),
            timers: Timers::new(intervals, status::INTERVAL, watchdog, now.monotonic),
            panics,
            status: StatusWriter::new(runtime, now),
            identity: Identity {
                host,
                binary: String::new(),
            },
            setup: Arc::new(setup),
        };
        Ok((daemon, openings))
    }

    /// Begins with the sinks that are configured, and with opening what verdicts rest on.
    pub(in crate::daemon) fn begin(&mut self, now: Now) -> Result<()> {
        let host = &self.identity.host;
        let store = &mut self.store;
        (self.sinks).configure(&self.setup.config, host, store, now.wall)?;
        self.perform(vec![Action::SaveRecord, Action::OpenBaseline], now);
        Ok(())
    }

    /// Does what states want done, in that order.
    pub(in crate::daemon) fn perform(&mut self, actions: Vec<Action>, now: Now) {
        for action in actions {
            match action {
                Action::Tell(event) => self.tell(event, now),
                Action::Fault(fault) => {
                    warn(&fault.message);
                    self.tell(Lifecycle::Fault(fault), now);
                }
                Action::Warn(text) => warn(&text),
                Action::Problem(problem, sentence) => {
                    self.status.stale |= self.problems.set(problem, sentence);
                }
                Action::Want(kind) => self.jobs.queue.want(kind),
                Action::ScanNow => {
                    self.scan.rehash.doubt("something may have been missed");
                    self.jobs.scan_now();
                }
                Action::ScanBy(then) => self.timers.scan.hurry(then),
                Action::OpenBaseline => self.open_baseline(),
                Action::OutdateJobs => self.jobs.outdate(),
                Action::Recheck(touched) => self.watch.pending.again(touched),
                Action::SaveRecord => {
                    let record = Box::new(self.records.current.clone());
                    self.records.unsaved += 1;
                    self.store.give(Command::Remember(record));
                }
                Action::Store(command) => self.store.give(command),
            }
        }
    }

    fn tell(&mut self, event: Lifecycle, now: Now) {
        self.store.tell(event, now.wall);
        self.status.stale = true;
    }

    fn open_baseline(&mut self) {
        let setup = self.setup.clone();
        let messages = self.jobs.outlets().messages.clone();
        let left_out = self.panics.left_out();
        match jobs::open_baseline(setup, self.records.had_manifest(), left_out, messages) {
            Ok(movement) => {
                self.baseline.opening = true;
                self.jobs.set_opening(Some(movement));
            }
            Err(error) => warn(&format!("no thread could be started: {error}")),
        }
    }

    /// Every event says from now on what the daemon knows of its origin now.
    pub(in crate::daemon) fn refresh_origin(&mut self, now: Now) {
        let baseline = self.baseline.active.as_deref();
        let origin = self.identity.origin(baseline, &self.setup.profile);
        self.store.set_source(origin, now.wall);
    }
}
