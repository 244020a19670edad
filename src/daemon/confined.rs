//! What the daemon takes from itself when it has what it needs, and what it says of that.

use crate::assess::tree::LAUNCH;
use crate::daemon::action::Action;
use crate::daemon::clock::Now;
use crate::daemon::message::{self, Message, Outlets};
use crate::daemon::paths;
use crate::daemon::setup::Setup;
use crate::daemon::state::Daemon;
use crate::daemon::states::problems::Problem;
use agent_confine::monitor::Monitor;
use agent_confine::{Confinement, Phase, Plan, enter};
use agent_core::config::{Attribution, Config};
use agent_core::error::{Error, Result};
use agent_core::finding::Severity;
use agent_core::os::others;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// Time between two questions what was refused.
const APART: Duration = Duration::from_secs(10);

/// Starts the process that looks at others.
pub(super) fn monitor() -> io::Result<Monitor> {
    let monitor = Monitor::start()?;
    others::through(Box::new(monitor.clone()));
    Ok(monitor)
}

/// Confines the process to what a run of that setup needs. There is no other thread yet.
pub(super) fn confine(setup: &Setup, monitor: io::Result<Monitor>) -> Confinement {
    let config = &setup.config;
    // Whatever becomes of them, whoever opens them says.
    let make = |path: &Path, mode| {
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path);
        made.unwrap_or_default();
    };
    let runtime = paths::runtime_directory();
    make(&runtime, 0o755);
    make(&config.state_dir, 0o700);
    let mut writable = vec![config.state_dir.clone(), runtime];
    writable.extend(sink(config));
    let launch = Path::new(LAUNCH).parent();
    writable.extend(launch.filter(|path| path.is_dir()).map(Path::to_owned));
    let mut known = std::collections::HashSet::new();
    writable.retain(|path| known.insert(path.clone()));
    let phase = Phase::Run {
        attribution: config.watch.attribution == Attribution::Auto,
    };
    let plan = Plan {
        phase,
        writable,
        readable: None,
    };
    enter(&plan, monitor)
}

/// The directory that the file sink writes to.
fn sink(config: &Config) -> Option<PathBuf> {
    let place = config.sinks.file.path.parent()?;
    (!place.as_os_str().is_empty()).then(|| place.to_owned())
}

/// A configuration that is read again cannot have what was given up.
pub(super) fn permits(setup: &Setup, new: &Config) -> Result<()> {
    let attribution = |config: &Config| config.watch.attribution == Attribution::Auto;
    if attribution(new) && !setup.confinement.may_attribute() {
        return Err(Error::new(
            "watch.attribution: this run began without it and can no longer ask for it, restart it",
        ));
    }
    match sink(new) {
        Some(place) if !setup.confinement.may_write(&place) => Err(Error::new(format!(
            "sinks.file.path: this run began without {} and can no longer write there, restart it",
            place.display()
        ))),
        _ => Ok(()),
    }
}

/// What the process that looks at others has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct Heard {
    /// System calls that were refused and not told before, in words.
    refused: Vec<String>,
    /// It does not answer.
    blind: bool,
}

/// Begins to ask it, on a thread that may wait for the answer. Errors: no thread could be started.
pub(super) fn listen(confinement: &Arc<Confinement>, outlets: &Outlets) -> io::Result<()> {
    let (confinement, messages) = (confinement.clone(), outlets.messages.clone());
    let work = move || {
        let mut blind = false;
        while !messages.is_closed() {
            let heard = Heard {
                refused: confinement.refused(),
                blind: confinement.is_blind(),
            };
            if !heard.refused.is_empty() || heard.blind != blind {
                blind = heard.blind;
                message::send(&messages, Message::Confinement(heard));
            }
            std::thread::sleep(APART);
        }
    };
    Builder::new()
        .name("confined".into())
        .spawn(work)
        .map(|_| ())
}

/// Tells of system calls that were refused, each once, and whether the process that looks at others answers.
pub(super) fn heard(daemon: &mut Daemon, heard: Heard, now: Now) {
    let refused = heard.refused.into_iter();
    let mut actions: Vec<Action> = refused
        .map(|call| {
            let message = format!(
                "the agent was refused a {call}, which is none that it is known to make; it goes on: please report it"
            );
            Action::fault("confinement.refused", Severity::Low, message)
        })
        .collect();
    let blind = heard.blind.then(|| {
        "the agent's own process that looks at others does not answer: which programs run, and who changed a file, is not seen until the agent is restarted"
            .to_owned()
    });
    if daemon.problems.get(Problem::Confinement) != blind.as_ref() {
        actions.push(Action::Problem(Problem::Confinement, blind.clone()));
        actions.extend(
            blind.map(|message| Action::fault("confinement.blind", Severity::High, message)),
        );
    }
    daemon.perform(actions, now);
    daemon.status.stale = true;
}

/// What is wrong with the state directory, and what to do where another one in its place cannot be written.
pub(super) fn lost(setup: &Setup, wrong: String) -> String {
    match setup.confinement.has_landlock() {
        false => wrong,
        true => format!(
            "{wrong}; put it back, or restart the agent: it can write no other than the one that it began with"
        ),
    }
}
