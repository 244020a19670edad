//! SIGHUP: everything is read again, and holds only if all of it is good.

use crate::daemon::action::Action;
use crate::daemon::baseline::one_line;
use crate::daemon::clock::Now;
use crate::daemon::state::Daemon;
use crate::daemon::states::job_queue::JobKind;
use crate::daemon::states::problems::Problem;
use crate::daemon::states::timers::Intervals;
use crate::daemon::{confined, systemd, warn};
use agent_core::error::Error;
use agent_core::finding::Severity;
use agent_outbox::event::Lifecycle;
use std::sync::Arc;

/// Reads the configuration and the profile again. What is not good changes nothing, and is told.
pub(in crate::daemon) fn reload(daemon: &mut Daemon, now: Now) {
    systemd::reloading();
    let (line, actions) = match try_reload(daemon, now) {
        Ok(changed) => {
            let line = match changed.is_empty() {
                true => "reloaded; nothing has changed".to_owned(),
                false => format!("reloaded; changed: {}", changed.join(", ")),
            };
            eprintln!("{line}");
            let actions = vec![
                Action::Problem(Problem::Configuration, None),
                Action::Tell(Lifecycle::Reloaded { changed }),
            ];
            (line, actions)
        }
        Err(error) => {
            let message = format!(
                "what was read again is not good, so what was read before still holds: {}",
                one_line(error)
            );
            let actions = vec![
                Action::Problem(Problem::Configuration, Some(message.clone())),
                Action::fault("reload.refused", Severity::Medium, message.clone()),
            ];
            (message, actions)
        }
    };
    daemon.perform(actions, now);
    systemd::ready(&line);
}

fn try_reload(daemon: &mut Daemon, now: Now) -> Result<Vec<String>, Error> {
    let new = daemon.setup.again()?;
    let changed = daemon.setup.changed(&new);
    let differs = |name: &str| changed.iter().any(|changed| changed.starts_with(name));
    if differs("state_dir") {
        return Err(Error::new(
            "state_dir: cannot change while the agent runs, restart it",
        ));
    }
    confined::permits(&daemon.setup, &new.config)?;
    let host = &daemon.identity.host;
    if differs("sinks") || differs("instance") {
        // The last that can fail.
        let store = &mut daemon.store;
        (daemon.sinks).configure(&new.config, host, store, now.wall)?;
    }
    if differs("spool") {
        warn("spool.max_size: holds from the next start on");
    }
    let intervals = Intervals::of(&new.config, &host.machine_id);
    daemon.timers.set_intervals(intervals, now.monotonic);
    let old = std::mem::replace(&mut daemon.setup, Arc::new(new));
    let (old, new) = (&old.config, &daemon.setup.config);
    daemon.watch.reconfigure(&old.watch, &new.watch);
    let actions = vec![
        // They go by what held before.
        Action::OutdateJobs,
        Action::OpenBaseline,
        Action::Want(JobKind::Settings),
        Action::Want(JobKind::FullScan),
    ];
    daemon.perform(actions, now);
    Ok(changed)
}
