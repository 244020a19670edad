//! What should hold on a host: which paths are critical and how much, what is left out, what is demanded.
//!
//! [`source`] reads one TOML file, [`load`] resolves `extends` and [`choose`] chooses by os-release,
//! [`shipped`] holds the profiles embedded in the binary, [`path_rules`] answers which rule decides on a path.

pub mod choose;
pub mod demands;
pub mod load;
#[cfg(test)]
mod logins;
pub mod path_rules;
pub mod pattern;
pub mod shipped;
pub mod source;
pub mod waivers;
mod writer;

use agent_core::benchmarks::Benchmarks;
use agent_core::escape;
use agent_core::finding::Finding;
use agent_core::release::OsRelease;
use path_rules::PathRules;
use sha2::{Digest, Sha256};
use source::{ExcludeEntry, Settings};
use std::path::PathBuf;
use waivers::Waiver;

/// A profile with everything that it extends worked in.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name, as manifests and reports give it.
    pub name: String,
    /// Names of what it extends, nearest first.
    pub extends: Vec<String>,
    /// The file it was read from; `None` for a shipped one.
    pub file: Option<PathBuf>,
    /// Which distribution it is for.
    pub applies_to: Option<source::AppliesTo>,
    /// Where none is for the distribution: that this one stands in, one sentence.
    pub stands_in: Option<String>,
    /// Which paths are covered, and how.
    pub path_rules: PathRules,
    /// What is left out, with the reasons.
    pub excludes: Vec<ExcludeEntry>,
    /// What is demanded of settings.
    pub settings: Settings,
    /// Who answers for what of it is not met.
    pub waivers: Vec<Waiver>,
}

impl Profile {
    /// SHA-256 of everything that the profile demands, in a form that does not depend on how it was written.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for line in self.path_rules.lines() {
            hasher.update(line);
            hasher.update(b"\n");
        }
        hasher.update(self.settings.canonical());
        for waiver in &self.waivers {
            hasher.update(waiver.canonical());
        }
        escape::hex(&hasher.finalize())
    }

    /// The finding as it is to be told at `now`, in seconds since 1970: with who answers for it, where somebody does.
    #[must_use]
    pub fn waive(&self, finding: Finding, now: i64) -> Finding {
        waivers::waive(&self.waivers, finding, now)
    }

    /// The benchmarks for the distribution that the profile, or the nearest one that it extends, is for.
    pub fn benchmarks(&self) -> Benchmarks {
        let own = self.applies_to.as_ref().map(|wanted| OsRelease {
            id: wanted.id.clone(),
            version_id: wanted.version_id.clone().unwrap_or_default(),
            ..OsRelease::default()
        });
        let inherited = || {
            let parents = self.extends.iter();
            let shipped = |parent: &String| shipped::SHIPPED.iter().find(|s| s.name == parent);
            let nearest = parents.filter_map(shipped).find(|s| !s.id.is_empty())?;
            Some(OsRelease {
                id: nearest.id.to_owned(),
                version_id: nearest.version.to_owned(),
                ..OsRelease::default()
            })
        };
        own.or_else(inherited)
            .map_or_else(Benchmarks::default, |release| Benchmarks::of(&release))
    }

    /// Whether the profile says that it is for that distribution.
    pub fn applies(&self, release: &OsRelease) -> bool {
        self.applies_to
            .as_ref()
            .is_some_and(|wanted| wanted.matches(release))
    }
}
