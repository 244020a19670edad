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
        let compiled =
            |globs: &[String]| -> Vec<Glob> { globs.iter().map(|glob| compiled(glob)).collect() };
        let matches =
            |globs: &[Glob], id: &str| globs.iter().any(|glob| glob.matches(id.as_bytes()));
        let (written, only, skip) = (only, compiled(only), compiled(skip));
        for (glob, text) in only.iter().zip(written) {
            if !registry::all().any(|check| glob.matches(check.id.as_bytes())) {
                return Err(Error::new(format!("--only '{text}' matches no check"))
                    .help("`agent profile show NAME` lists the check ids"));
            }
            let matched = |check: &&Check| glob.matches(check.id.as_bytes());
            if !registry::all()
                .filter(matched)
                .any(|check| profile.settings.enables(check.id))
            {
                let message = format!(
                    "--only '{text}' matches no check: the profile {} switches off what it names",
                    profile.name
                );
                return Err(Error::new(message).help(
                    "set enabled = true for it in the profile, or name another with --profile",
                ));
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

/// A glob over check ids; the name of an area stands for all of it.
fn compiled(text: &str) -> Glob {
    let area = |check: &Check| check.id.split('.').next() == Some(text);
    match registry::all().any(area) {
        true => Glob::new(format!("{text}.*").as_bytes(), Syntax::Stars),
        false => Glob::new(text.as_bytes(), Syntax::Stars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_baseline::profile::load;

    fn selected(only: &[&str], skip: &[&str]) -> Result<Selected> {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let mut profile = load::named("default").expect("shipped");
        let off = profile.settings.checks.entry("sshd.banner".into());
        off.or_default().enabled = Some(false);
        Selected::new(&owned(only), &owned(skip), &profile)
    }

    #[test]
    fn an_area_stands_for_its_checks_and_nothing_else() {
        let of = |only: &[&str], skip: &[&str]| selected(only, skip).expect("checks").0;
        let sshd = of(&["sshd.*"], &[]);
        assert_eq!(of(&["sshd"], &[]), sshd);
        assert!(
            sshd.len() > 20 && sshd.iter().all(|id| id.starts_with("sshd.")),
            "{sshd:?}"
        );
        assert!(
            !sshd.contains(&"sshd.banner"),
            "the profile switches it off"
        );
        let rest = of(&[], &["sshd"]);
        assert!(!rest.iter().any(|id| id.starts_with("sshd.")), "{rest:?}");
        assert!(of(&["sshd"], &["sshd"]).is_empty());
        for only in ["ssh", "sshd.", "sshd.nosuch", "", "sshd.banner"] {
            assert!(selected(&[only], &[]).is_err(), "{only}");
        }
    }
}
