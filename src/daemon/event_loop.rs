//! One run from beginning to end: the loop that waits for everything at once but the disk.

use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::jobs::{stalled, start};
use crate::daemon::message::{self, Inbox, Message};
use crate::daemon::panics::retry;
use crate::daemon::setup::Setup;
use crate::daemon::signals::{Asked, Signals};
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::status::report;
use crate::daemon::{
    archives, confined, handle, lifecycle, paths, reload, shutdown, systemd, warn, window,
};
use agent_core::error::{Error, Result};
use std::time::Instant;

/// Messages received in a row at most, before anything else is done.
const IN_A_ROW: usize = 256;

/// Runs until it is told to stop; returns the exit status.
pub(super) async fn run(setup: Setup) -> Result<u8> {
    let mut signals = Signals::new()?;
    let directory = paths::runtime_directory();
    std::fs::create_dir_all(&directory).map_err(|error| {
        Error::in_file(&directory, format!("cannot be made: {error}"))
            .help("run as root, or let systemd make it (RuntimeDirectory=)")
    })?;
    let (outlets, mut inbox) = message::channels();
    let (mut daemon, openings) = Daemon::open(setup, directory, outlets, Now::read())?;
    lifecycle::opened(&mut daemon, openings, Now::read());
    daemon.begin(Now::read())?;
    if let Err(error) = archives::watch(daemon.jobs.outlets()) {
        warn(&format!(
            "what apt fetches is not watched, so its evidence is taken later: {error}"
        ));
    }
    if let Err(error) = confined::listen(&daemon.setup.confinement, daemon.jobs.outlets()) {
        warn(&format!(
            "what is refused to the agent is not heard of: {error}"
        ));
    }
    systemd::ready("opening what verdicts rest on");

    let reason = loop {
        let now = Now::read();
        tick(&mut daemon, now);
        let due = tokio::time::Instant::from_std(due(&daemon, now.monotonic));
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Reload => reload::reload(&mut daemon, Now::read()),
                Asked::Stop(signal) => break signal,
            },
            Some(message) = inbox.next(daemon.store.has_room()) => {
                handle_all(&mut daemon, &mut inbox, message);
            }
            () = tokio::time::sleep_until(due) => {}
        }
    };
    shutdown::shutdown(daemon, inbox, reason).await;
    Ok(0)
}

/// Takes in the message, and more if there are any; from both sides in turn.
pub(super) fn handle_all(daemon: &mut Daemon, inbox: &mut Inbox, first: Message) {
    let now = Now::read();
    handle::message(daemon, first, now);
    for _ in 0..IN_A_ROW {
        let mut none = true;
        for message in inbox.ready(daemon.store.has_room()) {
            none = false;
            handle::message(daemon, message, now);
        }
        if none {
            break;
        }
    }
}

/// Does what is due.
pub(super) fn tick(daemon: &mut Daemon, now: Now) {
    let watchdog = daemon.timers.watchdog.as_mut();
    if watchdog.is_some_and(|watchdog| watchdog.take(now.monotonic)) {
        systemd::alive();
    }
    start::due_jobs(daemon, now);
    if daemon.timers.take_heartbeat(now.monotonic) {
        report::heartbeat(daemon, now);
    }
    daemon.status.stale |= daemon.store.check(now.monotonic);
    daemon.sinks.hand_over(&mut daemon.store, now.monotonic);
    report::tell_endpoint(daemon, now);
    let regular = daemon.timers.status.take(now.monotonic);
    if regular {
        reopen_baseline(daemon, now);
        window::look(daemon, now);
        retry::tick(daemon, now);
        stalled::look(daemon, now);
        report::pace_heartbeats(daemon, now);
    }
    if daemon.status.take(regular, now.monotonic) {
        report::write_status(daemon, now);
    }
}

/// What verdicts rest on is opened again, and all files judged by it, when it has changed.
fn reopen_baseline(daemon: &mut Daemon, now: Now) {
    if daemon.baseline.is_outdated() {
        let actions = vec![
            Action::OutdateJobs,
            Action::OpenBaseline,
            Action::Want(JobKind::FullScan),
        ];
        daemon.perform(actions, now);
    }
}

/// When there is something to do next, if nothing happens before.
fn due(daemon: &Daemon, now: Instant) -> Instant {
    let can = |kind| daemon.baseline.active.is_some() && daemon.jobs.can_take(kind);
    let urgent = daemon.watch.pending.next_urgent();
    let others = [
        daemon.store.due(now),
        daemon.sinks.due(),
        daemon.watch.due(can(JobKind::Spot), now),
        urgent.filter(|_| can(JobKind::Urgent)),
        daemon.first_boot.due(),
        daemon.watch.pending.transactions.question_due(),
        daemon.watch.pending.transactions.end_due(),
        daemon.status.due(),
    ];
    let due = others.into_iter().flatten();
    due.fold(daemon.timers.due(), Instant::min).max(now)
}
