//! Which checks a run was asked for: `--only`, `--skip`, and what the profile switches off.

use super::super::args::Check;
use crate::checks;
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::profile::pattern::glob_matches;

/// Which checks were asked for.
pub(super) struct Selected(Vec<&'static str>);

impl Selected {
    pub(super) fn new(arguments: &Check, profile: &Profile) -> Result<Selected> {
        let matches = |globs: &[String], id: &str| {
            globs
                .iter()
                .any(|glob| glob_matches(glob.as_bytes(), id.as_bytes()))
        };
        for glob in &arguments.only {
            if !checks::all().any(|check| glob_matches(glob.as_bytes(), check.id.as_bytes())) {
                return Err(Error::new(format!("--only '{glob}' matches no check"))
                    .help("`agent profile show NAME` lists the check ids"));
            }
        }
        let ids = checks::all()
            .map(|check| check.id)
            .filter(|id| arguments.only.is_empty() || matches(&arguments.only, id))
            .filter(|id| !matches(&arguments.skip, id))
            .filter(|id| profile.settings.enables(id))
            .collect();
        Ok(Selected(ids))
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains(&id)
    }

    pub(super) fn any_of(&self, area: &str) -> bool {
        self.0.iter().any(|id| id.starts_with(area))
    }
}
