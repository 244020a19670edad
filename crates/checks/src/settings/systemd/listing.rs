//! Names of what lies in the directories of units.

use super::names::Links;
use super::{directories, names};
use agent_core::os::node;
use agent_core::os::root::Root;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Kinds of units that files make.
const KINDS: [&str; 9] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
];

/// What lies in each directory of units, the strongest first: read once, so that what is not there is not asked for.
#[derive(Debug, Default)]
pub(super) struct Listing(
    pub(super) Vec<(&'static str, BTreeMap<String, node::Hint>)>,
    OnceLock<Links>,
);

impl Listing {
    pub(super) fn read(root: &Root) -> Listing {
        let all = directories(root).map(|directory| (directory, names(root, directory)));
        // A directory by the name of a unit is passed over.
        let is_unit = |name: &str, hint: node::Hint| {
            let (_, kind) = name.rsplit_once('.').unwrap_or_default();
            hint != node::Hint::Dir || !KINDS.contains(&kind)
        };
        let kept = |names: Vec<(String, node::Hint)>| {
            let names = names.into_iter();
            names.filter(|(name, hint)| is_unit(name, *hint)).collect()
        };
        Listing(
            all.map(|(directory, names)| (directory, kept(names)))
                .collect(),
            OnceLock::new(),
        )
    }

    /// Links of units to one another, read when they are asked for.
    pub(super) fn links(&self, root: &Root) -> &Links {
        self.1.get_or_init(|| Links::read(root, self))
    }

    /// Paths of that name, the strongest directory's first.
    pub(super) fn paths(&self, name: &str) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter(move |(_, names)| names.contains_key(name))
            .map(move |(directory, _)| format!("{directory}/{name}"))
    }
}
