//! What is found: grants, gathered for those to whom they are told.

use super::{Location, Trouble};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// What somebody gets without a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings::accounts) struct Grant {
    /// `ALL`, or a path without its arguments; the last rule first.
    pub(in crate::settings::accounts) what: Vec<String>,
    /// Where the rules stand, and the settings that take the password away.
    pub(in crate::settings::accounts) places: Vec<String>,
    /// As whom it runs: `root`, `alice`, `group adm`, `any user`.
    pub(in crate::settings::accounts) targets: Vec<String>,
    /// What does it, where no tag does: `!authenticate`, `exempt_group`, a module of PAM.
    pub(in crate::settings::accounts) setting: Option<String>,
    /// What is in the lists above.
    told: HashSet<(u8, String)>,
}

/// Everything that is given without a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings::accounts) struct Grants {
    /// By user, `%group`, `+netgroup` or `ALL`.
    pub(in crate::settings::accounts) given: BTreeMap<String, Grant>,
    /// What could not be told: the reason, and `FILE:LINE`.
    pub(in crate::settings::accounts) unknown: Vec<(String, String)>,
}

/// One command that one class gets by one rule without a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Found {
    /// Number of the rule, or `None` where the policy has none at all.
    pub(super) rule: Option<usize>,
    /// The entry of the rule's list of users that decided, canonical and as it stands.
    pub(super) entry: (Rc<str>, Rc<str>),
    pub(super) what: Rc<str>,
    pub(super) target: Rc<str>,
    /// The setting that did it, where no tag did.
    pub(super) setting: Option<Cause>,
}

impl Found {
    /// What is given, whoever gets it.
    pub(super) fn key(&self) -> (Option<usize>, Rc<str>, Rc<str>) {
        (self.rule, Rc::clone(&self.what), Rc::clone(&self.target))
    }
}

/// A setting that takes the password away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cause {
    /// Its number in the policy.
    pub(super) number: usize,
    /// `!authenticate` or `exempt_group`.
    pub(super) name: &'static str,
    /// Whom or what it is for: `ALL`, `ann`, `%ops`, `Defaults>root`.
    pub(super) label: Rc<str>,
}

impl Grants {
    pub(super) fn trouble(&mut self, trouble: &Trouble) {
        let told = (trouble.reason.clone(), trouble.place.text());
        if !self.unknown.contains(&told) {
            self.unknown.push(told);
        }
    }

    pub(super) fn add(&mut self, principal: String, found: &Found, places: &[&Location]) {
        let grant = self.given.entry(principal).or_default();
        let Grant {
            what,
            places: lines,
            targets,
            told,
            ..
        } = grant;
        let mut push = |n: u8, list: &mut Vec<String>, text: String| {
            if told.insert((n, text.clone())) {
                list.push(text);
            }
        };
        push(0, what, found.what.to_string());
        push(1, targets, found.target.to_string());
        for place in places {
            push(2, lines, place.text());
        }
        if let Some(setting) = &found.setting {
            grant.setting.get_or_insert(setting.name.to_owned());
        }
    }

    /// Every command as root, whatever the policy asks.
    pub(in crate::settings::accounts) fn everything(
        &mut self,
        principal: &str,
        setting: String,
        place: String,
    ) {
        let grant = self.given.entry(principal.to_owned()).or_default();
        // What the policy gives alone is less.
        grant.setting.replace(setting);
        grant.what.push("ALL".into());
        grant.targets.push("root".into());
        grant.places.insert(0, place);
    }
}
