//! Which checks are judged: those asked for (`--only`, `--skip`) that the profile does not switch off.

use agent_baseline::profile::Profile;
use agent_checks::registry;
use agent_core::error::{Error, Result};
use agent_core::finding::Check;
use agent_core::glob::{Glob, Syntax};

/// Which checks are judged.
#[derive(Clone, Debug)]
pub(crate) struct Selected(Vec<&'static str>);

impl Selected {
    /// Those whose id one of `only` matches (all, if there is none) and none of `skip`. An error where one of
    /// `only` matches no check at all.
    pub(crate) fn new(only: &[String], skip: &[String], profile: &Profile) -> Result<Selected> {
        let compiled = |globs: &[String]| -> Vec<Glob> {
            let globs = globs.iter();
            globs
                .map(|glob| Glob::new(glob.as_bytes(), Syntax::Stars))
                .collect()
        };
        let matches =
            |globs: &[Glob], id: &str| globs.iter().any(|glob| glob.matches(id.as_bytes()));
        let (written, only, skip) = (only, compiled(only), compiled(skip));
        for (glob, text) in only.iter().zip(written) {
            if !registry::all().any(|check| glob.matches(check.id.as_bytes())) {
                return Err(Error::new(format!("--only '{text}' matches no check"))
                    .help("`agent profile show NAME` lists the check ids"));
            }
        }
        let ids = registry::all()
            .map(|check| check.id)
            .filter(|id| only.is_empty() || matches(&only, id))
            .filter(|id| !matches(&skip, id))
            .filter(|id| profile.settings.enables(id))
            .collect();
        Ok(Selected(ids))
    }

    /// All that the profile does not switch off.
    pub(crate) fn all(profile: &Profile) -> Selected {
        let ids = registry::all().map(|check| check.id);
        Selected(ids.filter(|id| profile.settings.enables(id)).collect())
    }

    /// The same without these checks.
    #[must_use]
    pub(crate) fn without(&self, checks: &[&'static Check]) -> Selected {
        let left_out = |id: &str| checks.iter().any(|check| check.id == id);
        Selected(self.0.iter().copied().filter(|id| !left_out(id)).collect())
    }

    /// Whether the check of that id is judged.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains(&id)
    }

    /// Whether any check is judged whose id begins with `area`.
    pub(crate) fn any_of(&self, area: &str) -> bool {
        self.0.iter().any(|id| id.starts_with(area))
    }
}
