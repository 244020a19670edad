//! What systemd would start: units with their drop-ins, links and masks, as systemd.unit(5) puts them together.
//!
//! One reader for every area. Nothing is asked of a running systemd: files say the same on an unpacked image.

mod config;
mod events;
mod found;
mod held;
mod line;
mod listing;
mod names;
mod node;
mod presets;
mod scripts;
mod specifiers;
mod started;
mod syntax;
mod words;

use agent_core::bounds;
use agent_core::os::node::Hint;
use agent_core::os::root::Root;
use agent_core::os::trail;
pub use config::config;
use found::Found;
pub use held::Short;
use line::{Lines, Share};
use listing::Listing;
use presets::Presets;
pub use specifiers::{UNTOLD, specifiers};
use started::Boot;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
pub use syntax::ini;
pub use words::{Escapes, commands, words};

/// Where units lie, the strongest first (systemd.unit(5), "System Unit Search Path").
const DIRECTORIES: [&str; 13] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "run/systemd/transient",
    "run/systemd/generator.early",
    "etc/systemd/system",
    // Portable services (portablectl(1)).
    "etc/systemd/system.attached",
    "run/systemd/system",
    "run/systemd/system.attached",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    // Where /lib is no link to /usr/lib.
    "lib/systemd/system",
    "run/systemd/generator.late",
];
/// The search path of the tree: of a tree that does not run, /run is not its own.
fn directories(root: &Root) -> impl Iterator<Item = &'static str> {
    let live = root.is_live();
    DIRECTORIES
        .into_iter()
        .filter(move |directory| live || !directory.starts_with("run/"))
}

/// What becomes of a unit when the machine starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// There is no such unit.
    Missing,
    /// Nothing can start it; the link or empty file that says so.
    Masked(String),
    /// It is started at boot; what pulls it in.
    Started(String),
    /// Something that is started at boot may start it, or a device: the place, and why it cannot be told.
    Perhaps(String, String),
    /// It is linked to what boot does not lead to; the link.
    Elsewhere(String),
    /// It is there and nothing pulls it in at boot; its file.
    Idle(String),
}

/// One `KEY=VALUE` in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value, continued lines joined.
    pub value: String,
    /// `FILE:LINE`
    pub location: String,
}

/// Which units are started at boot, read once for a tree.
#[derive(Debug, Default)]
pub struct Units {
    /// Scripts of System V that systemd-sysv-generator(8) makes units of, to the link.
    scripts: BTreeMap<String, String>,
    listing: Listing,
    lines: Lines,
    presets: Presets,
    /// What boot leads to, read when it is asked for.
    boot: OnceLock<Boot>,
}

impl Units {
    /// Reads the names below the root; the command lines are those that the kernel may be booted with.
    pub fn read(root: &Root, lines: &[String]) -> Units {
        Units {
            scripts: scripts::started(root),
            listing: Listing::read(root),
            lines: Lines::read(lines),
            presets: Presets::read(root),
            boot: OnceLock::new(),
        }
    }

    fn boot(&self, root: &Root) -> &Boot {
        self.boot
            .get_or_init(|| Boot::read(root, &self.listing, &self.lines, &self.presets))
    }

    /// The values of a list-like key in force, as [`values`] gives them.
    pub fn values(&self, root: &Root, unit: &str, section: &str, key: &str) -> Vec<Setting> {
        values_of(root, &self.listing, unit, section, key)
    }

    /// The text of one of the unit's settings with what specifiers stand for there, as [`fn@specifiers`] has it: under an
    /// alias they say the unit's own name.
    pub fn specified(&self, root: &Root, unit: &str, text: &str) -> String {
        match text.contains('%') {
            true => specifiers(text, &names::real(root, &self.listing, unit)),
            false => text.to_owned(),
        }
    }

    /// Whether the unit is masked, as [`masked`] says, or by every command line.
    pub fn masked(&self, root: &Root, unit: &str) -> bool {
        masked_in(root, &self.listing, unit) || self.lines.masks(unit) == Share::All
    }

    /// What becomes of the unit of that name, as `rsyslog.service`.
    pub fn state(&self, root: &Root, unit: &str) -> UnitState {
        let boot = self.boot(root);
        let Some((path, found)) = names::fragment(root, &self.listing, unit) else {
            let Some(path) = self.scripts.get(unit) else {
                return UnitState::Missing;
            };
            // systemd-sysv-generator(8) links them to the targets of the runlevels.
            let levels = ["multi-user.target", "graphical.target"];
            let known = levels.iter().find_map(|level| boot.reached.get(*level));
            return match known.map(|found| &found.doubt) {
                Some(None) => UnitState::Started(path.clone()),
                Some(Some(why)) => UnitState::Perhaps(path.clone(), why.clone()),
                None => UnitState::Elsewhere(path.clone()),
            };
        };
        match found {
            Found::Null => return UnitState::Masked(format!("/{path}")),
            Found::Broken | Found::Nothing => return UnitState::Missing,
            Found::Other => {}
        }
        let real = names::real(root, &self.listing, unit);
        let masks = self.lines.masks(unit).max(self.lines.masks(&real));
        if masks == Share::All {
            return UnitState::Masked("the kernel's command line".to_owned());
        }
        match (boot.reached.get(&real), boot.elsewhere.get(&real)) {
            (Some(found), _) => match &found.doubt {
                None if masks == Share::Some => UnitState::Perhaps(
                    found.place.clone(),
                    "a boot entry masks it (systemd.mask=)".to_owned(),
                ),
                None => match self.presets.disables(&real) {
                    Some(place) => UnitState::Perhaps(
                        place.to_owned(),
                        "a preset disables it at the first boot".to_owned(),
                    ),
                    None => UnitState::Started(found.place.clone()),
                },
                Some(why) => UnitState::Perhaps(found.place.clone(), why.clone()),
            },
            (None, Some((link, false))) => UnitState::Elsewhere(link.clone()),
            _ => UnitState::Idle(format!("/{path}")),
        }
    }

    /// The first of the units that is started at boot: its name and what pulls it in.
    pub fn first_started<'a>(&self, root: &Root, units: &[&'a str]) -> Option<(&'a str, String)> {
        units.iter().find_map(|unit| match self.state(root, unit) {
            UnitState::Started(by) => Some((*unit, by)),
            _ => None,
        })
    }

    /// Why it cannot be told whether one of the units is started.
    pub fn perhaps_started(&self, root: &Root, units: &[&str]) -> Option<String> {
        units.iter().find_map(|unit| match self.state(root, unit) {
            UnitState::Perhaps(_, why) => Some(format!(
                "whether {unit} is started at boot is not known: {why}"
            )),
            _ => None,
        })
    }

    /// All units of that kind that are started at boot or linked to be started, as `.mount`; perhaps started ones too.
    pub fn started(&self, root: &Root, suffix: &str) -> Vec<&str> {
        let boot = self.boot(root);
        let elsewhere = boot.elsewhere.iter().filter(|(_, (_, never))| !never);
        let elsewhere = elsewhere.map(|(unit, _)| unit.as_str());
        let all = boot.reached.keys().map(String::as_str).chain(elsewhere);
        all.filter(|unit| unit.ends_with(suffix)).collect()
    }

    /// What starts the unit under any of its names, at boot or with any target: a link, or `FILE:LINE` of a setting.
    pub fn pulled_in(&self, root: &Root, unit: &str) -> Option<String> {
        let boot = self.boot(root);
        if self.masked(root, unit) {
            return None;
        }
        let real = names::real(root, &self.listing, unit);
        let reached = boot.reached.get(&real).map(|found| &found.place);
        let linked = boot.elsewhere.get(&real).map(|(link, _)| link);
        reached.or(linked).cloned()
    }
}

fn names(root: &Root, directory: &str) -> Vec<(String, Hint)> {
    let listed = root.list(directory.as_bytes()).ok().flatten();
    let names = listed.iter().flat_map(|names| names.iter());
    names
        .map(|(name, hint)| (String::from_utf8_lossy(name).into_owned(), hint))
        .collect()
}

/// `getty@.service` for `getty@tty1.service`.
fn template(unit: &str) -> Option<String> {
    let (name, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{name}@.{kind}"))
}

/// Whether the unit is masked, by a link to /dev/null or otherwise, or there is a link in its place that leads nowhere:
/// nothing can start it. An instance that has a file of its own is not masked with its template.
pub fn masked(root: &Root, unit: &str) -> bool {
    masked_in(root, &Listing::read(root), unit)
}

fn masked_in(root: &Root, listing: &Listing, unit: &str) -> bool {
    let fragment = names::fragment(root, listing, unit);
    fragment.is_some_and(|(_, found)| found != Found::Other)
}

/// The link in `TARGET.wants` that pulls the unit in.
pub fn wanted_by(root: &Root, target: &str, unit: &str) -> Option<String> {
    directories(root)
        .map(|directory| format!("{directory}/{target}.wants/{unit}"))
        .find(|path| found::there(root, path))
        .filter(|path| found::pulls(root, path))
        .map(|path| format!("/{path}"))
}

/// The files of units of that kind, as `.mount`, by name: of equal names the strongest directory's.
pub fn of_kind(root: &Root, suffix: &str) -> Vec<String> {
    let mut found = BTreeSet::new();
    for directory in directories(root) {
        let names = names(root, directory).into_iter().map(|(name, _)| name);
        found.extend(names.filter(|name| name.ends_with(suffix)));
    }
    found.into_iter().collect()
}

/// The values of a list-like key in force: the unit's file, then its drop-ins; an empty one clears what came before.
pub fn values(root: &Root, unit: &str, section: &str, key: &str) -> Vec<Setting> {
    values_of(root, &Listing::read(root), unit, section, key)
}

fn values_of(root: &Root, listing: &Listing, unit: &str, section: &str, key: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    for (path, bytes) in sources(root, listing, unit) {
        collect(&path, &bytes, section, key, &mut found);
    }
    found
}

/// Reads files until they are more than is held at once; what is left unread then is told.
fn reader(root: &Root) -> impl Fn(String) -> Option<(String, Vec<u8>)> {
    let left = Cell::new(Some(bounds::UNIT_ALL));
    move |path| {
        let most = left.get()?;
        let bytes = root.read(path.as_bytes(), bounds::UNIT_FILE).ok()??;
        left.set(most.checked_sub(bytes.len() as u64));
        if left.get().is_none() {
            let (directory, _) = path.rsplit_once('/').unwrap_or_default();
            trail::cut(directory.as_bytes(), bounds::UNIT_ALL);
            return None;
        }
        Some((path, bytes))
    }
}

/// The files that make up a unit, in the order in which they are read.
fn sources(root: &Root, listing: &Listing, unit: &str) -> Vec<(String, Vec<u8>)> {
    let read = reader(root);
    let known_as = names::aliases(root, listing, unit);
    let own = names::fragment(root, listing, unit).filter(|(_, found)| *found == Found::Other);
    let mut sources: Vec<_> = own.and_then(|(path, _)| read(path)).into_iter().collect();
    // Drop-ins: sorted by name, of equal names the strongest directory's.
    let mut drop_ins: BTreeMap<String, Option<(String, Vec<u8>)>> = BTreeMap::new();
    let mut add = |directory: String| {
        for (file, _) in self::names(root, &directory) {
            if file.ends_with(".conf") {
                let path = format!("{directory}/{file}");
                drop_ins.entry(file).or_insert_with(|| read(path));
            }
        }
    };
    let holders: Vec<String> = known_as
        .iter()
        .flat_map(|name| names::holders(name))
        .map(|name| format!("{name}.d"))
        .collect();
    for (directory, names) in &listing.0 {
        for holder in holders.iter().filter(|holder| names.contains_key(*holder)) {
            add(format!("{directory}/{holder}"));
        }
    }
    if let Some((_, kind)) = unit.rsplit_once('.') {
        listing.paths(&format!("{kind}.d")).for_each(&mut add);
    }
    sources.extend(drop_ins.into_values().flatten());
    sources
}

/// Adds the lines `key=` of a section of one file; an empty one clears what came before.
fn collect(path: &str, bytes: &[u8], section: &str, key: &str, found: &mut Vec<Setting>) {
    for (name, at, value, line) in ini(bytes) {
        if name != section || at != key {
            continue;
        }
        match value.is_empty() {
            true => found.clear(),
            false => found.push(Setting {
                value,
                location: format!("/{path}:{line}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
