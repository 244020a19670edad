//! Every check there is, in the order of reports; what a profile may set of them.

use crate::instance;
use crate::settings;
use agent_baseline::profile::Profile;
use agent_baseline::profile::waivers::Waiver;
use agent_core::error::{Error, Result};
use agent_core::finding::{Check, FILE_CHECKS, Form};

/// All checks: files, settings, instance.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let settings = settings::AREAS
        .iter()
        .flat_map(|area| area.checks.iter().copied());
    FILE_CHECKS
        .into_iter()
        .chain(settings)
        .chain(instance::CHECKS.iter().copied())
}

/// Refuses a profile that sets checks that do not exist, or demands what a check does not take.
pub fn validate(profile: &Profile) -> Result<()> {
    for (id, set) in &profile.settings.checks {
        let wrong = |message: String| {
            let error = match &profile.file {
                Some(file) => Error::in_file(file, message),
                None => Error::new(message),
            };
            error.help(format!(
                "`agent profile show {}` lists every check and what can be demanded of it",
                profile.name
            ))
        };
        let Some(check) = all().find(|check| check.id == id) else {
            return Err(wrong(format!("settings.\"{id}\": there is no such check")));
        };
        let Some(demand) = &set.demand else {
            continue;
        };
        if !check.form.fits(demand) {
            let expected = match check.form {
                Form::Nothing => "nothing: its demand is fixed".into(),
                form => form.describe(),
            };
            return Err(wrong(format!(
                "settings.\"{id}\".demand = {demand}: expected {expected}"
            )));
        }
    }
    profile.waivers.iter().try_for_each(waiver)
}

/// Refuses a waiver of a check that does not exist, or that nobody can answer for.
fn waiver(waiver: &Waiver) -> Result<()> {
    let id = &waiver.check;
    let message = match all().find(|check| check.id == id) {
        Some(check) if !check.id.starts_with("files.") => return Ok(()),
        Some(_) => format!(
            "waivers.check = \"{id}\": a deviation of files cannot be waived, expected a check of settings"
        ),
        None => format!("waivers.check = \"{id}\": there is no such check"),
    };
    let error = match &waiver.file {
        Some(file) => Error::in_file(file, message).at_line(waiver.line),
        None => Error::new(message),
    };
    Err(error.help("`agent profile show NAME` lists every check; [[exclude]] leaves out files"))
}
