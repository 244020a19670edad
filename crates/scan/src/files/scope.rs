//! Which paths are looked at and what is demanded of them: what was sealed, and what the present profile says.
//!
//! Where there is a manifest its own rules decide what is judged: a profile weakened since cannot make a
//! deviation vanish. The present profile may raise severities, and every place where it demands less is noted.

use super::own::{Own, OwnFiles, OwnPlace};
use agent_baseline::profile::demands::{self, Shortfall, TooComplex};
use agent_baseline::profile::path_rules::{Demand, PathRules, Position, Reach, Writer};
use agent_core::finding::Severity;
use agent_core::glob::{self, Syntax};
use agent_core::os::node::Stat;

/// The rules that a scan goes by.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The manifest's rules, where they differ from the present ones.
    sealed: Option<PathRules>,
    current: PathRules,
    own: OwnFiles,
}

/// Where a directory stands in both sets of rules.
#[derive(Clone, Debug, Default)]
pub struct RuleCursor {
    sealed: Position,
    current: Position,
    own: OwnPlace,
}

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPolicy {
    /// What is demanded of it.
    pub demand: Demand,
    /// Whether it only leads to covered paths: as such it is never an addition.
    pub leads: bool,
    /// Where the present profile demands less than the manifest was sealed with.
    pub weaker: Option<Weaker>,
}

/// How the present profile demands less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weaker {
    /// It excludes the path, by the exclude of that number.
    Excluded(u16),
    /// No entry of it covers the path; the manifest's rule of that number does.
    Uncovered(u16),
    /// Its entry of that number demands fewer attributes.
    Attributes(u16),
    /// Its entry of that number does not cross mounts.
    Mounts(u16),
    /// Its entry of that number lets the first boot change the path.
    Launch(u16),
}

impl Scope {
    /// By the present profile alone: to record, or to check against a package database.
    pub fn current(current: PathRules) -> Scope {
        Scope {
            sealed: None,
            current,
            own: OwnFiles::default(),
        }
    }

    /// By the rules that a manifest carries, seen through the present profile.
    pub fn sealed(sealed: PathRules, current: PathRules) -> Scope {
        Scope {
            sealed: (sealed != current).then_some(sealed),
            current,
            own: OwnFiles::default(),
        }
    }

    /// With the agent's own files at other places than the default ones.
    #[must_use]
    pub fn with_own(self, own: OwnFiles) -> Scope {
        Scope { own, ..self }
    }

    /// What of it is at least so severe.
    #[must_use]
    pub fn narrowed(&self, least: Severity) -> Scope {
        Scope {
            sealed: self
                .sealed
                .as_ref()
                .map(|path_rules| path_rules.narrowed(least)),
            current: self.current.narrowed(least),
            own: self.own.clone(),
        }
    }

    /// The rules that decide.
    fn deciding(&self) -> &PathRules {
        self.sealed.as_ref().unwrap_or(&self.current)
    }

    /// Where the root stands.
    pub fn root(&self) -> RuleCursor {
        RuleCursor {
            sealed: self
                .sealed
                .as_ref()
                .map(PathRules::root)
                .unwrap_or_default(),
            current: self.current.root(),
            own: self.own.root(),
        }
    }

    /// Whether the path, relative to the root, is a place of the agent's own sealed files, which are never compared.
    pub fn is_own(&self, path: &[u8]) -> bool {
        self.own.have(path)
    }

    /// Whether such files may come and go in the directory.
    pub fn holds_own(&self, place: &RuleCursor) -> bool {
        self.own.are_in(place.own)
    }

    /// Whether the entry `name` of a directory is the place of such a file.
    pub(super) fn is_place_of_own(&self, place: &RuleCursor, name: &[u8]) -> bool {
        self.own.kind(place.own, name) == Own::File
    }

    /// Whether what lies in such a place may be such a file: if not, it is compared as any other.
    pub(super) fn may_be_own(&self, stat: &Stat) -> bool {
        self.own.may_be(stat)
    }

    /// What to do with the root itself.
    pub fn root_policy(&self) -> Option<PathPolicy> {
        let sealed = self.sealed.as_ref().map(PathRules::reach_root);
        self.policy(sealed, self.current.reach_root())
    }

    /// What to do with the entry `name` of a directory; nothing if it is not looked at.
    pub fn reach(&self, place: &RuleCursor, name: &[u8]) -> Option<PathPolicy> {
        if self.own.kind(place.own, name) == Own::Amendments {
            return None;
        }
        let sealed = self
            .sealed
            .as_ref()
            .map(|path_rules| path_rules.reach(&place.sealed, name));
        self.policy(sealed, self.current.reach(&place.current, name))
    }

    /// Where the entry `name` of a directory stands, for its own entries.
    pub fn enter(&self, place: &RuleCursor, name: &[u8]) -> RuleCursor {
        let sealed = self
            .sealed
            .as_ref()
            .map(|path_rules| path_rules.enter(&place.sealed, name));
        RuleCursor {
            sealed: sealed.unwrap_or_default(),
            current: self.current.enter(&place.current, name),
            own: self.own.enter(place.own, name),
        }
    }

    /// What to do with a whole path, relative to the root.
    pub fn at(&self, path: &[u8]) -> Option<PathPolicy> {
        let mut place = self.root();
        let mut policy = self.root_policy();
        for name in path.split(|b| *b == b'/').filter(|name| !name.is_empty()) {
            policy = self.reach(&place, name);
            policy?;
            place = self.enter(&place, name);
        }
        policy
    }

    /// Programs that may write a path, and what, by the rules that decide.
    pub fn writers(&self, path: &[u8]) -> &[Writer] {
        match self.deciding().deciding(path) {
            Some(rule) => &rule.writers,
            None => &[],
        }
    }

    /// The worst severity of what may lie in a directory that is `own` itself: that of entries of both sets of rules
    /// that reach into it.
    pub fn worst_within(&self, directory: &[u8], own: Severity) -> Severity {
        let names: Vec<&[u8]> = directory.split(|byte| *byte == b'/').collect();
        let reaches_in = |text: &str| {
            let mut components = text
                .trim_start_matches('/')
                .as_bytes()
                .split(|b| *b == b'/');
            names.iter().all(|name| {
                directory.is_empty()
                    || components
                        .next()
                        .is_some_and(|glob| glob::matches(glob, Syntax::Stars, name))
            })
        };
        let covers = self.sealed.iter().chain([&self.current]);
        let rules = covers.flat_map(|path_rules| path_rules.rules());
        let below = rules.filter(|rule| reaches_in(rule.pattern.text()));
        below.fold(own, |worst, rule| worst.max(rule.demand.severity))
    }

    fn policy(&self, sealed: Option<Reach>, current: Reach) -> Option<PathPolicy> {
        let deciding = self.deciding();
        let rule = match sealed.unwrap_or(current) {
            Reach::Covered(rule) => rule,
            Reach::Leads => {
                return Some(PathPolicy {
                    demand: Demand::ANCESTOR,
                    leads: true,
                    weaker: None,
                });
            }
            Reach::Excluded(_) | Reach::Outside => return None,
        };
        let mut demand = deciding.rule(rule)?.demand;
        let mut weaker = None;
        if sealed.is_some() {
            match current {
                Reach::Covered(number) => {
                    let now = self.current.rule(number)?.demand;
                    // Sealed rules can be sharpened, not blunted.
                    demand.severity = demand.severity.max(now.severity);
                    weaker = less(&demand, &now, number);
                }
                Reach::Excluded(number) => weaker = Some(Weaker::Excluded(number)),
                Reach::Leads | Reach::Outside => weaker = Some(Weaker::Uncovered(rule)),
            }
        }
        Some(PathPolicy {
            demand,
            leads: false,
            weaker,
        })
    }

    /// Names the entry at fault, as a clause: what of the present profile is weaker, or what it lacks.
    pub fn describe(&self, weaker: Weaker) -> String {
        let current = |number| self.current.rule(number).map_or("", |r| r.pattern.text());
        match weaker {
            Weaker::Excluded(number) => {
                let text = self.current.exclude(number).map_or("", |p| p.text());
                format!("the profile excludes {text}, the manifest's did not")
            }
            Weaker::Uncovered(number) => {
                let text = self
                    .deciding()
                    .rule(number)
                    .map_or("", |r| r.pattern.text());
                format!("no entry of the profile covers what the manifest's entry {text} does")
            }
            Weaker::Attributes(number) => {
                format!(
                    "the profile's entry {} demands fewer attributes than the manifest's",
                    current(number)
                )
            }
            Weaker::Mounts(number) => {
                format!(
                    "the profile's entry {} does not cross mounts, the manifest's did",
                    current(number)
                )
            }
            Weaker::Launch(number) => {
                format!(
                    "the profile's entry {} lets the first boot change it, the manifest's did not",
                    current(number)
                )
            }
        }
    }

    /// Where the manifest's rules demand less than the present profile: what was not recorded cannot be judged until
    /// the image is recorded anew.
    pub fn unrecorded(&self) -> Result<Vec<Shortfall>, TooComplex> {
        match &self.sealed {
            Some(sealed) => demands::shortfalls(sealed, &self.current),
            None => Ok(Vec::new()),
        }
    }
}

fn less(sealed: &Demand, now: &Demand, number: u16) -> Option<Weaker> {
    if !sealed.attributes.without(now.attributes).is_empty() {
        return Some(Weaker::Attributes(number));
    }
    if sealed.cross_mounts && !now.cross_mounts {
        return Some(Weaker::Mounts(number));
    }
    (now.launch && !sealed.launch).then_some(Weaker::Launch(number))
}
