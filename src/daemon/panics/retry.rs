//! What is done to try again what was set aside.

use super::mark::Subject;
use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::touched::Touched;
use agent_core::config::Attribution;
use agent_core::region::Region;
use agent_core::task::Job;

/// Tries again what is due, and writes down what could not be written.
pub(in crate::daemon) fn tick(daemon: &mut Daemon, now: Now) {
    if daemon.baseline.active.is_none() {
        return;
    }
    let (released, mut actions) = daemon.panics.tick(now.wall);
    for subject in &released {
        eprintln!("tried again: {}", subject.describe());
        actions.extend(retry(daemon, subject, now));
    }
    daemon.perform(actions, now);
}

fn retry(daemon: &mut Daemon, subject: &Subject, now: Now) -> Vec<Action> {
    match subject.job {
        Job::Files => {
            let region = Region {
                path: subject.name.clone(),
                below: true,
            };
            vec![Action::Recheck(vec![Touched::unseen(
                region,
                now.wall.system(),
            )])]
        }
        Job::Settings => vec![Action::Want(JobKind::Settings)],
        Job::Instance => vec![Action::Want(JobKind::Instance)],
        Job::Ground | Job::Watch => {
            // Whether changes are attributed may be another matter now.
            let config = &daemon.setup.config.watch;
            let mut before = config.clone();
            before.attribution = Attribution::Off;
            daemon.watch.reconfigure(&before, config);
            vec![
                Action::OutdateJobs,
                Action::OpenBaseline,
                Action::Want(JobKind::FullScan),
            ]
        }
        // The record is written at the next start.
        Job::Launch | Job::Store | Job::Loop | Job::Other => Vec::new(),
    }
}
