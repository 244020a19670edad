//! Units that settings of started ones pull in (systemd.unit(5): Wants=, Requires= and their like).

use super::{ELSEWHERE, Found, Listing, UnitState, Units, ini, link, names, sources};
use agent_core::os::root::Root;
use std::collections::BTreeMap;

/// Settings that start what they name together with the unit.
const KEYS: [&str; 4] = ["Wants", "Requires", "BindsTo", "Upholds"];
/// Targets that every ordinary start of the machine reaches.
const REACHED: [&str; 5] = [
    "default.target",
    "graphical.target",
    "multi-user.target",
    "basic.target",
    "sysinit.target",
];

impl Units {
    /// What settings of units that are started pull in, and is not started by a link: unit to `FILE:LINE`.
    pub fn asked_for(&self, root: &Root) -> &BTreeMap<String, String> {
        self.asked_for
            .get_or_init(|| asked_for(root, &self.listing, self.started.keys()))
    }

    /// What pulls the unit in at boot under any of its names: a link, or `FILE:LINE` of a setting.
    pub fn pulled_in(&self, root: &Root, unit: &str) -> Option<String> {
        let mut all = self.started.iter().chain(self.asked_for(root));
        let is_it = |name: &str| {
            name == unit || names::aliases(root, &self.listing, name).contains(&unit.to_owned())
        };
        let place = all.find(|(name, _)| is_it(name)).map(|found| found.1);
        let place = place.cloned().or_else(|| self.link_anywhere(root, unit))?;
        let is_masked = matches!(self.state(root, unit), UnitState::Masked(_));
        (!is_masked).then_some(place)
    }

    /// A link that pulls the unit in with any target, those that no ordinary start reaches among them.
    fn link_anywhere(&self, root: &Root, unit: &str) -> Option<String> {
        let holders = self.listing.0.iter().flat_map(|(directory, names)| {
            let names = names.keys().map(String::as_str);
            names.map(move |name| format!("{directory}/{name}"))
        });
        holders
            .filter(|holder| holder.ends_with(".wants") || holder.ends_with(".requires"))
            .map(|holder| format!("{holder}/{unit}"))
            .find(|path| link(root, path) == Found::Other)
            .map(|path| format!("/{path}"))
    }
}

fn asked_for<'a>(
    root: &Root,
    listing: &Listing,
    started: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let reached = REACHED.iter().map(|target| (*target).to_owned());
    let mut pending: Vec<String> = started.cloned().chain(reached).collect();
    let mut seen: std::collections::BTreeSet<String> = pending.iter().cloned().collect();
    while let Some(unit) = pending.pop() {
        for (path, bytes) in sources(root, listing, &unit) {
            let all = ini(&bytes).into_iter();
            let asked =
                all.filter(|(section, key, ..)| section == "Unit" && KEYS.contains(&key.as_str()));
            for (_, _, value, line) in asked {
                for name in value.split_whitespace() {
                    let name = named(name.trim_matches(['"', '\'']), &unit);
                    if !ELSEWHERE.contains(&name.as_str()) && seen.insert(name.clone()) {
                        found.insert(name.clone(), format!("/{path}:{line}"));
                        pending.push(name);
                    }
                }
            }
        }
    }
    found
}

/// The name with the specifiers that are parts of the unit's own name (systemd.unit(5), "Specifiers").
fn named(name: &str, unit: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    let (whole, _) = unit.rsplit_once('.').unwrap_or((unit, ""));
    let (prefix, instance) = whole.split_once('@').unwrap_or((whole, ""));
    let last = prefix.rsplit('-').next().unwrap_or_default();
    let parts = [
        ("%n", unit),
        ("%N", whole),
        ("%p", prefix),
        ("%P", prefix),
        ("%i", instance),
        ("%I", instance),
        ("%j", last),
        ("%J", last),
    ];
    let mut name = name.to_owned();
    for (specifier, part) in parts {
        name = name.replace(specifier, part);
    }
    name
}
