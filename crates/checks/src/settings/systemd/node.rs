//! What one unit starts with itself, and what it may start later (systemd.unit(5), systemd.timer(5) and their like).

use super::found::{self, Found};
use super::listing::Listing;
use super::{ini, names, sources, specifiers};
use crate::settings::boot;
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// Settings that start what they name together with the unit.
const ASKS: [&str; 4] = ["Wants", "Requires", "BindsTo", "Upholds"];
/// Directories that do the same.
pub(super) const HOLDERS: [&str; 3] = ["wants", "requires", "upholds"];
/// What targets that systemd brings start with themselves, for trees that lack their files.
const STOCK: [(&str, &[&str]); 18] = [
    ("default.target", &["graphical.target"]),
    (
        "graphical.target",
        &["multi-user.target", "display-manager.service"],
    ),
    ("multi-user.target", &["basic.target", "getty.target"]),
    (
        "basic.target",
        &[
            "sysinit.target",
            "sockets.target",
            "timers.target",
            "paths.target",
            "slices.target",
        ],
    ),
    (
        "sysinit.target",
        &["local-fs.target", "swap.target", "cryptsetup.target"],
    ),
    ("sockets.target", &[]),
    ("timers.target", &[]),
    ("paths.target", &[]),
    ("slices.target", &[]),
    ("getty.target", &[]),
    ("local-fs.target", &[]),
    ("swap.target", &[]),
    ("cryptsetup.target", &[]),
    ("network.target", &[]),
    ("network-online.target", &[]),
    ("remote-fs.target", &[]),
    ("time-sync.target", &[]),
    ("cloud-init.target", &[]),
];

/// One unit that another starts.
#[derive(Debug)]
pub(super) struct Edge {
    /// Its name, as it is given.
    pub(super) to: String,
    /// The link or `FILE:LINE`.
    pub(super) place: String,
    /// Why it cannot be told whether it is started, for what only a time, a change or an end starts.
    pub(super) doubt: Option<String>,
}

/// All that a unit starts, and what it does not go together with.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) edges: Vec<Edge>,
    pub(super) conflicts: Vec<String>,
    /// Whether there is such a unit that can be started.
    pub(super) there: bool,
}

/// Kinds of units that are there without a file: devices, mounts and their like.
pub(super) fn needs_no_file(unit: &str) -> bool {
    let (_, kind) = unit.rsplit_once('.').unwrap_or_default();
    matches!(
        kind,
        "device" | "mount" | "automount" | "swap" | "slice" | "scope"
    )
}

/// Reads the node of a unit by the name that all its others lead to.
pub(super) fn read(root: &Root, listing: &Listing, unit: &str) -> Node {
    let mut node = Node::default();
    let stock = match names::fragment(root, listing, unit) {
        Some((_, Found::Other)) => None,
        Some(_) => return node,
        None => match STOCK.iter().find(|(target, _)| *target == unit) {
            None if !needs_no_file(unit) => return node,
            found => found,
        },
    };
    node.there = true;
    for to in stock.map(|(_, all)| *all).unwrap_or_default() {
        node.add(to, unit, unit.to_owned(), None);
    }
    settings(root, listing, unit, &mut node);
    links(root, listing, unit, &mut node);
    node
}

impl Node {
    fn add(&mut self, name: &str, unit: &str, place: String, doubt: Option<String>) {
        if let Some(to) = instance(&specifiers(name, unit), unit) {
            self.edges.push(Edge { to, place, doubt });
        }
    }
}

/// What its file and its drop-ins say.
fn settings(root: &Root, listing: &Listing, unit: &str, node: &mut Node) {
    let (name, kind) = unit.rsplit_once('.').unwrap_or((unit, ""));
    let (mut explicit, mut accept, mut defaults) = (None, false, true);
    let mut own_place = unit.to_owned();
    for (path, bytes) in sources(root, listing, unit) {
        for (section, key, value, line) in ini(&bytes) {
            let place = || format!("/{path}:{line}");
            let mut each = |doubt: Option<&str>| {
                for word in value.split_whitespace() {
                    let bare = word.replace(['"', '\''], "");
                    // Whether a name in quotes is one differs by version.
                    let doubt = doubt.or((bare != word).then_some("its name stands in quotes"));
                    node.add(
                        &bare,
                        unit,
                        place(),
                        doubt.map(|why| format!("{unit}: {why}")),
                    );
                }
            };
            match (section.as_str(), key.as_str()) {
                ("Unit", key) if ASKS.contains(&key) => each(None),
                ("Unit", "OnSuccess") => each(Some("it is started when that ends")),
                ("Unit", "OnFailure") => each(Some("it is started when that fails")),
                ("Service", "Sockets") => each(None),
                ("Unit", "Conflicts") => {
                    let all = value.split_whitespace();
                    node.conflicts
                        .extend(all.map(|name| specifiers(name, unit)));
                }
                ("Unit", "DefaultDependencies") => defaults = !boot::is_false(&value),
                ("Timer" | "Path", "Unit") | ("Socket", "Service") => {
                    explicit = (!value.is_empty()).then(|| (value.clone(), place()));
                }
                ("Socket", "Accept") => accept = boot::is_true(&value),
                _ => {}
            }
        }
        if own_place == unit {
            own_place = format!("/{path}");
        }
    }
    let (why, started) = match kind {
        "timer" => ("it is started when the time comes", "service"),
        "path" => ("it is started when the path changes", "service"),
        "socket" => ("it is started when somebody connects", "service"),
        "automount" => ("it is mounted when somebody looks", "mount"),
        _ => ("", ""),
    };
    if !why.is_empty() {
        let same = match accept && kind == "socket" {
            true => format!("{name}@0.service"),
            false => format!("{name}.{started}"),
        };
        let (to, place) = explicit.unwrap_or((same, own_place.clone()));
        node.add(&to, unit, place, Some(format!("{unit}: {why}")));
    }
    if defaults && matches!(kind, "service" | "socket" | "timer" | "path") {
        node.add("sysinit.target", unit, own_place, None);
    }
}

/// What its `.wants` directories and their like hold, those of all its names.
fn links(root: &Root, listing: &Listing, unit: &str, node: &mut Node) {
    let mut known_as: Vec<String> = names::aliases(root, listing, unit)
        .iter()
        .flat_map(|name| names::holders(name))
        .collect();
    known_as.extend(unit.rsplit_once('.').map(|(_, kind)| kind.to_owned()));
    for suffix in HOLDERS {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let holders: Vec<String> = known_as
            .iter()
            .map(|name| format!("{name}.{suffix}"))
            .collect();
        for (directory, held) in &listing.0 {
            for holder in holders.iter().filter(|holder| held.contains_key(*holder)) {
                for (name, _) in super::names(root, &format!("{directory}/{holder}")) {
                    // Of links of one name the strongest directory's decides.
                    let path = format!("{directory}/{holder}/{name}");
                    if seen.insert(name.clone()) && found::pulls(root, &path) {
                        node.add(&name, unit, format!("/{path}"), None);
                    }
                }
            }
        }
    }
}

/// The name itself; of a template its instance by the unit that asks for it, as resolve_template() of systemd makes it.
fn instance(name: &str, unit: &str) -> Option<String> {
    let Some((prefix, rest)) = name.split_once("@.") else {
        return Some(name.to_owned());
    };
    let (own, _) = unit.rsplit_once('.')?;
    let instance = own.split_once('@').map_or(own, |(_, instance)| instance);
    Some(format!("{prefix}@{instance}.{rest}"))
}
