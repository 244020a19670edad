//! The end: what was touched is judged, what was found is told and shipped, and the rest is on disk.

use super::desk::Desk;
use super::looks::Look;
use super::store_handle::Command;
use super::word::Word;
use super::{Ears, clock, status, systemd, wall};
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
pub(super) async fn farewell(mut desk: Desk, mut ears: Ears, reason: &str) {
    systemd::stopping();
    let begun = Instant::now();
    desk.leave(begun);
    until(&mut desk, &mut ears, begun + JUDGING, |desk, now| {
        desk.has_judged(now.saturating_duration_since(begun) < CATCHING_UP, now)
    })
    .await;
    // One transaction tells steps before findings: what was found is to stand before the end.
    desk.keep_memory();
    desk.tell(
        Lifecycle::Stopped {
            reason: reason.into(),
        },
        wall(),
    );
    desk.keep_memory();
    desk.couriers.hurry();
    let end = begun + FAREWELL;
    until(&mut desk, &mut ears, end, |desk, _| {
        desk.owed == 0 && desk.couriers.idle(end)
    })
    .await;
    desk.memory.stopped = true;
    desk.keep_memory();
    desk.store.give(Command::Close);
    // Nobody else is listened to: the store closes behind what it was given.
    let closing = end.max(Instant::now()) + CLOSING;
    while !desk.store.is_closed() && Instant::now() < closing {
        let left = closing.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, ears.heard.recv()).await {
            Ok(Some(word @ Word::Store(_))) => {
                let (now, wall) = clock();
                desk.hear(word, now, wall);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
    status::remove(&desk.runtime);
}

/// Goes on with what there is to do until it is done, or the time is over.
async fn until(
    desk: &mut Desk,
    ears: &mut Ears,
    end: Instant,
    done: impl Fn(&mut Desk, Instant) -> bool,
) {
    loop {
        let (now, wall) = clock();
        desk.act(now, wall);
        if now >= end || done(desk, now) {
            return;
        }
        let next = ears.next(desk.store.has_room());
        if let Ok(Some(word)) = tokio::time::timeout(PAUSE, next).await {
            ears.hear(word, desk);
        }
    }
}

impl Desk {
    /// The agent ends: from now on what was touched is looked at, at once, and nothing else.
    fn leave(&mut self, now: Instant) {
        self.leaving = true;
        self.watching.leave(now);
        self.couriers.hasten();
    }

    /// Whether everything is judged that was touched. `patient`: what the watch has not told yet is waited for.
    fn has_judged(&mut self, patient: bool, now: Instant) -> bool {
        let looks = [Look::Urgent, Look::Spot];
        let looking = looks
            .iter()
            .any(|look| self.looks.running(*look) || self.looks.waits(*look));
        // Without anything to compare with there is nothing to judge.
        self.ground.is_none() || (self.watching.is_done(patient, now) && !looking)
    }
}
