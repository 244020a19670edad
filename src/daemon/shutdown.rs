//! The end: what was touched is judged, what was found is told and shipped, and the rest is on disk.

use crate::daemon::Inbox;
use crate::daemon::clock;
use crate::daemon::message::Message;
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::status;
use crate::daemon::store::Command;
use crate::daemon::systemd;
use crate::daemon::wall;
use agent_outbox::event::Lifecycle;
use std::time::{Duration, Instant};

/// All of it takes so long at most, where the disk is not stuck: a host that is scaled in is not waited for.
const FAREWELL: Duration = Duration::from_secs(5);
/// What was touched is judged for so long at most, so that time is left to ship what was found.
const JUDGING: Duration = Duration::from_millis(2_500);
/// What the watch has not told yet is waited for so long at most.
const CATCHING_UP: Duration = Duration::from_millis(500);
/// A disk that is slow is waited for so long beyond that: what is not on it is lost.
const CLOSING: Duration = Duration::from_secs(5);
/// Somebody may try again; whether all is done is looked at so often.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends a run in good order.
pub(in crate::daemon) async fn shutdown(mut daemon: Daemon, mut inbox: Inbox, reason: &str) {
    systemd::stopping();
    let begun = Instant::now();
    daemon.leave(begun);
    until(&mut daemon, &mut inbox, begun + JUDGING, |daemon, now| {
        daemon.has_judged(now.saturating_duration_since(begun) < CATCHING_UP, now)
    })
    .await;
    // One transaction tells steps before findings: what was found is to stand before the end.
    daemon.save_record();
    daemon.tell(
        Lifecycle::Stopped {
            reason: reason.into(),
        },
        wall(),
    );
    daemon.save_record();
    daemon.sinks.hurry();
    let end = begun + FAREWELL;
    until(&mut daemon, &mut inbox, end, |daemon, _| {
        daemon.owed == 0 && daemon.sinks.idle(end)
    })
    .await;
    daemon.memory.stopped = true;
    daemon.save_record();
    daemon.store.give(Command::Close);
    // Nobody else is listened to: the store closes behind what it was given.
    let closing = end.max(Instant::now()) + CLOSING;
    while !daemon.store.is_closed() && Instant::now() < closing {
        let left = closing.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, inbox.heard.recv()).await {
            Ok(Some(word @ Message::Store(_))) => {
                let (now, wall) = clock();
                daemon.hear(word, now, wall);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    status::remove(&daemon.runtime);
}

/// Goes on with what there is to do until it is done, or the time is over.
async fn until(
    daemon: &mut Daemon,
    inbox: &mut Inbox,
    end: Instant,
    done: impl Fn(&mut Daemon, Instant) -> bool,
) {
    loop {
        let (now, wall) = clock();
        daemon.act(now, wall);
        if now >= end || done(daemon, now) {
            return;
        }
        let next = inbox.next(daemon.store.has_room());
        if let Ok(Some(word)) = tokio::time::timeout(PAUSE, next).await {
            inbox.hear(word, daemon);
        }
    }
}

impl Daemon {
    /// The agent ends: from now on what was touched is looked at, at once, and nothing else.
    fn leave(&mut self, now: Instant) {
        self.leaving = true;
        self.watching.leave(now);
        self.sinks.hasten();
    }

    /// Whether everything is judged that was touched. `patient`: what the watch has not told yet is waited for.
    fn has_judged(&mut self, patient: bool, now: Instant) -> bool {
        let looks = [JobKind::Urgent, JobKind::Spot];
        let looking = looks
            .iter()
            .any(|look| self.looks.running(*look) || self.looks.waits(*look));
        // Without anything to compare with there is nothing to judge.
        self.ground.is_none() || (self.watching.is_done(patient, now) && !looking)
    }
}
