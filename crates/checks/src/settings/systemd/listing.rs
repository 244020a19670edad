//! Names of what lies in the directories of units.

use super::{directories, names};
use agent_core::os::node;
use agent_core::os::root::Root;
use std::collections::BTreeMap;

/// What lies in each directory of units, the strongest first: read once, so that what is not there is not asked for.
#[derive(Debug, Default)]
pub(super) struct Listing(pub(super) Vec<(&'static str, BTreeMap<String, node::Hint>)>);

impl Listing {
    pub(super) fn read(root: &Root) -> Listing {
        let all = directories(root).map(|directory| (directory, names(root, directory)));
        Listing(
            all.map(|(directory, names)| (directory, names.into_iter().collect()))
                .collect(),
        )
    }

    /// Paths of that name, the strongest directory's first.
    pub(super) fn paths(&self, name: &str) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .filter(move |(_, names)| names.contains_key(name))
            .map(move |(directory, _)| format!("{directory}/{name}"))
    }
}
