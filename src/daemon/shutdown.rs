//! The end: what was touched is judged, what was found is told and shipped, and the rest is on disk.

use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::event_loop::{handle_all, tick};
use crate::daemon::handle;
use crate::daemon::message::{Inbox, Message};
use crate::daemon::state::Daemon;
use crate::daemon::store::Command;
use crate::daemon::systemd;
use agent_outbox::event::Lifecycle;
use std::time::{Duration, Instant};

/// Bounds all of it where the disk is not stuck: a host that is scaled in is not waited for.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Bounds judging what was touched, so that time is left to ship what was found.
const JUDGING: Duration = Duration::from_millis(2_500);
/// Bounds waiting for what the watch has not told yet.
const CATCHING_UP: Duration = Duration::from_millis(500);
/// Bounds waiting for a slow disk beyond that: what is not on it is lost.
const CLOSING: Duration = Duration::from_secs(5);
/// Interval between two checks whether all is done; somebody may try again meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends a run in good order.
pub(super) async fn shutdown(mut daemon: Daemon, mut inbox: Inbox, reason: &str) {
    systemd::stopping();
    let begun = Instant::now();
    // From now on what was touched is checked, at once, and nothing else.
    daemon.jobs.stop();
    daemon.watch.stop(begun);
    daemon.sinks.hasten();
    until(&mut daemon, &mut inbox, begun + JUDGING, |daemon, now| {
        let patient = now.saturating_duration_since(begun) < CATCHING_UP;
        has_judged(daemon, patient, now)
    })
    .await;
    let stopped = Lifecycle::Stopped {
        reason: reason.into(),
    };
    // One transaction tells steps before findings: what was found is to stand before the end.
    let actions = vec![
        Action::SaveRecord,
        Action::Tell(stopped),
        Action::SaveRecord,
    ];
    daemon.perform(actions, Now::read());
    daemon.sinks.hurry();
    let end = begun + SHUTDOWN;
    until(&mut daemon, &mut inbox, end, |daemon, _| {
        daemon.records.unsaved == 0 && daemon.sinks.idle(end)
    })
    .await;
    daemon.records.current.stopped = true;
    let actions = vec![Action::SaveRecord, Action::Store(Command::Close)];
    daemon.perform(actions, Now::read());
    close(&mut daemon, &mut inbox, end.max(Instant::now()) + CLOSING).await;
    daemon.status.remove();
}

/// Waits for the store, and listens to nobody else: it closes behind what it was given.
async fn close(daemon: &mut Daemon, inbox: &mut Inbox, end: Instant) {
    while !daemon.store.is_closed() && Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, inbox.messages.recv()).await {
            Ok(Some(message @ Message::Store(_))) => {
                handle::message(daemon, message, Now::read());
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
}

/// Goes on with what there is to do until it is done, or the time is over.
async fn until(
    daemon: &mut Daemon,
    inbox: &mut Inbox,
    end: Instant,
    done: impl Fn(&mut Daemon, Instant) -> bool,
) {
    loop {
        let now = Now::read();
        tick(daemon, now);
        if now.monotonic >= end || done(daemon, now.monotonic) {
            return;
        }
        let next = inbox.next(daemon.store.has_room());
        if let Ok(Some(message)) = tokio::time::timeout(PAUSE, next).await {
            handle_all(daemon, inbox, message);
        }
    }
}

/// Whether everything is judged that was touched. `patient`: what the watch has not told yet is waited for.
fn has_judged(daemon: &mut Daemon, patient: bool, now: Instant) -> bool {
    // Without anything to compare with there is nothing to judge.
    daemon.baseline.active.is_none()
        || (daemon.watch.pending.is_done(patient, now) && !daemon.jobs.checks_touched())
}
