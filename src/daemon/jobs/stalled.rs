//! Looks that stand still: told, given up where something else can do their work, and remembered until they move.
//!
//! A file system of the host's own is asked without a deadline. It may give no answer all the same: its disk hangs, or
//! somebody holds up the opening of a file (fanotify(7), `FAN_OPEN_PERM`). The look that stands there cannot be ended; its
//! threads are left behind, and until they come back all file systems are asked with a deadline.

use super::finish;
use crate::assess::stillness::{self, Stillness};
use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::stall::Look;
use agent_core::bounds;
use agent_core::finding::Severity;
use agent_core::task::Steps;
use agent_scan::files::remote;
use std::sync::{Arc, Weak};

/// Whether something moves.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Movement {
    pub(in crate::daemon) steps: Arc<Steps>,
    stillness: Stillness,
    /// What was told when it stood still last.
    told: String,
}

impl Movement {
    /// Nothing is waited for.
    pub(in crate::daemon) fn rest(&mut self) {
        self.stillness = Stillness::default();
    }
}

/// A look that was given up, for as long as a thread of it lives.
#[derive(Debug)]
pub(super) struct GivenUp {
    what: &'static str,
    steps: Weak<Steps>,
}

/// Looks at everything that runs.
pub(in crate::daemon) fn look(daemon: &mut Daemon, now: Now) {
    let excused = !daemon.store.has_room();
    let jobs = &mut daemon.jobs;
    let came_back = jobs.given_up.len();
    jobs.given_up.retain(|look| look.steps.strong_count() > 0);
    let came_back = jobs.given_up.len() < came_back;
    let running = jobs.running.iter_mut();
    let mut looks: Vec<_> = running
        .map(|(id, job)| (Look::Job(*id, job.kind), &mut job.movement))
        .collect();
    looks.extend(
        jobs.opening
            .as_mut()
            .map(|opening| (Look::Opening, opening)),
    );
    let locks = daemon.watch.locks.movement();
    looks.extend(locks.map(|locks| (Look::Locks, locks)));
    let (mut stalled, mut standing) = (Vec::new(), Vec::new());
    for (look, movement) in looks {
        let stillness = &mut movement.stillness;
        let steps = movement.steps.taken();
        if stillness.exceeds(look.limit(), steps, excused, now.monotonic) {
            let length = stillness.length();
            movement.told = stillness::told(look.name(), length, &movement.steps);
            stalled.push((look, movement.told.clone()));
        } else if stillness.lasts() {
            standing.push(movement.told.clone());
        }
    }
    for (look, sentence) in stalled {
        let fault = Action::fault("watch.stalled", Severity::High, sentence.clone());
        daemon.perform(vec![fault], now);
        match look {
            Look::Job(id, kind) if daemon.jobs.given_up.len() < bounds::GIVEN_UP => {
                give_up(daemon, id, kind, sentence, now);
            }
            _ => standing.push(sentence),
        }
    }
    let given_up = &daemon.jobs.given_up;
    standing.extend(given_up.iter().map(|look| {
        let what = look.what;
        format!("{what} was given up, and does not come back: files are asked with a deadline")
    }));
    remote::doubt_local(!given_up.is_empty());
    let sentence = (!standing.is_empty()).then(|| standing.join("; "));
    let mut actions = vec![Action::Problem(Problem::Stalled, sentence)];
    if came_back && given_up.is_empty() {
        // What was not looked at, or only in haste, is looked at as ever.
        actions.push(Action::ScanNow);
    }
    daemon.perform(actions, now);
}

/// What it would have looked at is looked at by others from now on.
fn give_up(daemon: &mut Daemon, id: u64, kind: JobKind, why: String, now: Now) {
    let Some(job) = daemon.jobs.running.get(&id) else {
        return;
    };
    let look = GivenUp {
        what: Look::Job(id, kind).name(),
        steps: Arc::downgrade(&job.movement.steps),
    };
    daemon.jobs.given_up.push(look);
    remote::doubt_local(true);
    finish::given_up(daemon, id, why, now);
}
