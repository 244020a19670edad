//! Whether a service is started at boot and runs.

use crate::settings::context::Context;
use crate::settings::processes::{self, Running};
use crate::settings::systemd::{self, Short};

/// What is to be known of a service, whatever it does.
pub(super) struct Service {
    /// For people.
    pub(super) name: &'static str,
    /// Its unit, under the names that distributions give it.
    pub(super) units: &'static [&'static str],
    /// Its program.
    pub(super) programs: &'static [&'static str],
}

/// How it stands with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServiceState {
    /// Nothing of it is there.
    Absent,
    /// Started at boot, and running where that can be seen.
    Up,
    /// There, and why it does not count.
    Down(String),
    /// Cannot be told.
    Unknown(String),
}

impl Service {
    pub(super) fn state(&self, context: &Context<'_>) -> ServiceState {
        let root = context.root;
        let started = context.units().first_started(root, self.units);
        let held = started
            .as_ref()
            .and_then(|(unit, _)| context.units().held_back(root, unit));
        let short = started.as_ref().and_then(|(unit, _)| {
            let units = context.units();
            units.cut_short(root, unit, self.programs)
        });
        let there = self.units.iter().any(|unit| {
            let state = context.units().state(root, unit);
            !matches!(
                state,
                systemd::UnitState::Missing | systemd::UnitState::Masked(_)
            )
        });
        let running = match context.live() {
            false => None,
            true => match context.processes() {
                Ok(processes) => Some(processes::running(
                    root,
                    processes,
                    self.programs,
                    self.units,
                )),
                Err(error) => return ServiceState::Unknown(error.to_string()),
            },
        };
        if started.is_none()
            && let Some(why) = context.units().perhaps_started(root, self.units)
        {
            return ServiceState::Unknown(why);
        }
        let elsewhere =
            self.units
                .iter()
                .find_map(|unit| match context.units().state(root, unit) {
                    systemd::UnitState::Elsewhere(link) => Some(link),
                    _ => None,
                });
        let name = self.name;
        match (started, held, running) {
            (None, _, Some(Running::Yes)) => {
                ServiceState::Down(format!("{} runs, and is not started at boot", self.name))
            }
            (None, ..) if there => ServiceState::Down(match elsewhere {
                Some(link) => format!(
                    "{} is enabled for what boot does not start ({link})",
                    self.name
                ),
                None => format!("{} is not enabled", self.name),
            }),
            (None, ..) => ServiceState::Absent,
            (Some(_), Some(why), None | Some(Running::No)) => {
                ServiceState::Down(format!("{} is passed over at boot: {why}", self.name))
            }
            (Some(_), _, Some(Running::No)) => {
                ServiceState::Down(format!("{} is enabled and does not run", self.name))
            }
            (Some(_), _, Some(Running::Unknown(why))) => {
                ServiceState::Unknown(format!("{}: {why}", self.name))
            }
            (Some(_), ..) => match short {
                Some(Short::Ends(why)) => {
                    ServiceState::Down(format!("{name} is not kept up: {why}"))
                }
                Some(Short::Perhaps(why)) => {
                    ServiceState::Unknown(format!("whether {name} is kept up is not known: {why}"))
                }
                None => ServiceState::Up,
            },
        }
    }
}
