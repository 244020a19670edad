//! dpkg's log and apt's history, of the packages that are there: followed while a transaction writes to them.

use agent_core::os::root::Root;
use agent_packages::Package;
use agent_packages::dpkg::Owners;
use agent_packages::log::Logs;
use std::collections::HashSet;

/// What they say of the packages of `owners`. `before`: what they said, and of which packages.
pub(crate) fn read(root: &Root, owners: &Owners, before: Option<(Vec<Package>, Logs)>) -> Logs {
    let names = |packages: &[Package]| -> HashSet<String> {
        packages
            .iter()
            .map(|package| package.name.clone())
            .collect()
    };
    let there = names(owners.packages());
    let is_there = |name: &str| there.contains(name);
    if let Some((known, mut logs)) = before
        // Of the others it was passed over.
        && there.is_subset(&names(&known))
        && logs.follow(root, &is_there)
    {
        return logs;
    }
    Logs::read(root, &is_there)
}
