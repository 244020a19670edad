//! What systemd would start: units with their drop-ins, links and masks, as systemd.unit(5) puts them together.
//!
//! One reader for every area. Nothing is asked of a running systemd: files say the same on an unpacked image.

mod asked;
mod listing;
mod names;
mod scripts;
mod syntax;
mod words;

use agent_core::attributes::FileType;
use agent_core::bounds;
use agent_core::os::node;
use agent_core::os::root::Root;
use agent_core::os::trail;
use listing::Listing;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
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
/// Targets that no ordinary start of the machine reaches.
const ELSEWHERE: [&str; 10] = [
    "rescue.target",
    "emergency.target",
    "shutdown.target",
    "reboot.target",
    "poweroff.target",
    "halt.target",
    "kexec.target",
    "sleep.target",
    "suspend.target",
    "hibernate.target",
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

/// Which units are pulled in at boot, read once for a tree.
#[derive(Debug, Default)]
pub struct Units {
    /// Unit to the link that pulls it in.
    started: BTreeMap<String, String>,
    /// Scripts of System V that systemd-sysv-generator(8) makes units of, to the link.
    scripts: BTreeMap<String, String>,
    listing: Listing,
    /// What settings pull in, read when it is asked for.
    asked_for: OnceLock<BTreeMap<String, String>>,
}

impl Units {
    /// Reads the `.wants` and `.requires` directories below the root.
    pub fn read(root: &Root) -> Units {
        let mut units = Units {
            listing: Listing::read(root),
            ..Units::default()
        };
        let mut seen = BTreeSet::new();
        for directory in directories(root) {
            for (holder, _) in names(root, directory) {
                let Some((target, _)) = holder
                    .rsplit_once('.')
                    .filter(|(_, kind)| matches!(*kind, "wants" | "requires" | "upholds"))
                else {
                    continue;
                };
                if ELSEWHERE.contains(&target) {
                    continue;
                }
                let holding = format!("{directory}/{holder}");
                for (unit, _) in names(root, &holding) {
                    // Of links of one name the strongest directory's decides.
                    if !seen.insert((holder.clone(), unit.clone())) {
                        continue;
                    }
                    let path = format!("{holding}/{unit}");
                    if link(root, &path) == Found::Other {
                        units.started.entry(unit).or_insert(format!("/{path}"));
                    }
                }
            }
        }
        units.scripts = scripts::started(root);
        units
    }

    /// The values of a list-like key in force, as [`values`] gives them.
    pub fn values(&self, root: &Root, unit: &str, section: &str, key: &str) -> Vec<Setting> {
        values_of(root, &self.listing, unit, section, key)
    }

    /// Whether the unit is masked, as [`masked`] says.
    pub fn masked(&self, root: &Root, unit: &str) -> bool {
        let own = [Some(unit.to_owned()), template(unit)]
            .into_iter()
            .flatten();
        let path = own
            .filter_map(|name| self.listing.paths(&name).next())
            .next();
        path.is_some_and(|path| link(root, &path) == Found::Null)
    }

    /// What becomes of the unit of that name, as `rsyslog.service`.
    pub fn state(&self, root: &Root, unit: &str) -> UnitState {
        let Some(path) = file(root, unit) else {
            return match self.scripts.get(unit) {
                Some(path) => UnitState::Started(path.clone()),
                None => UnitState::Missing,
            };
        };
        if link(root, &path) == Found::Null || is_empty(root, &path) {
            return UnitState::Masked(format!("/{path}"));
        }
        match self.started.get(unit) {
            Some(link) => UnitState::Started(link.clone()),
            None => UnitState::Idle(format!("/{path}")),
        }
    }

    /// The first of the units that is started at boot: its name and what pulls it in.
    pub fn first_started<'a>(&self, root: &Root, units: &[&'a str]) -> Option<(&'a str, String)> {
        units.iter().find_map(|unit| match self.state(root, unit) {
            UnitState::Started(by) => Some((*unit, by)),
            _ => None,
        })
    }

    /// All units of that kind that are pulled in, as `.mount`: name and what pulls it in.
    pub fn started(&self, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.started
            .iter()
            .filter(move |(unit, _)| unit.ends_with(suffix))
            .map(|(unit, path)| (unit.as_str(), path.as_str()))
    }
}

fn names(root: &Root, directory: &str) -> Vec<(String, node::Hint)> {
    let listed = root.list(directory.as_bytes()).ok().flatten();
    let names = listed.iter().flat_map(|names| names.iter());
    names
        .map(|(name, hint)| (String::from_utf8_lossy(name).into_owned(), hint))
        .collect()
}

/// The unit's own file in the strongest directory that has one; of an instance the template's.
fn file(root: &Root, unit: &str) -> Option<String> {
    [Some(unit.to_owned()), template(unit)]
        .into_iter()
        .flatten()
        .find_map(|name| {
            directories(root)
                .map(|directory| format!("{directory}/{name}"))
                .find(|path| link(root, path) != Found::Nothing)
        })
}

/// `getty@.service` for `getty@tty1.service`.
fn template(unit: &str) -> Option<String> {
    let (name, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{name}@.{kind}"))
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Null,
    Other,
}

fn link(root: &Root, path: &str) -> Found {
    let Some(handle) = root
        .resolve(path.as_bytes(), false)
        .ok()
        .and_then(|found| found.handle)
    else {
        return Found::Nothing;
    };
    let is_link = node::stat(&handle).is_ok_and(|stat| stat.kind == FileType::Link);
    match is_link && node::read_link(handle.as_fd()).is_ok_and(|target| &*target == b"/dev/null") {
        true => Found::Null,
        false => Found::Other,
    }
}

fn is_empty(root: &Root, path: &str) -> bool {
    let found = root.resolve(path.as_bytes(), true).ok();
    let stat = found
        .and_then(|found| found.handle)
        .and_then(|handle| node::stat(&handle).ok());
    stat.is_some_and(|stat| stat.kind == FileType::File && stat.size == 0)
}

/// Whether the unit is masked by a link to /dev/null: nothing can start it. An instance that has a file of its own is not
/// masked with its template.
pub fn masked(root: &Root, unit: &str) -> bool {
    file(root, unit).is_some_and(|path| link(root, &path) == Found::Null)
}

/// The link in `TARGET.wants` that pulls the unit in.
pub fn wanted_by(root: &Root, target: &str, unit: &str) -> Option<String> {
    directories(root)
        .map(|directory| format!("{directory}/{target}.wants/{unit}"))
        .find(|path| link(root, path) == Found::Other)
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

/// Why the unit would be passed over at boot: a path that it wants is not there, or one that it avoids is.
pub fn held_back(root: &Root, unit: &str) -> Option<String> {
    values(root, unit, "Unit", "ConditionPathExists")
        .into_iter()
        .find(|condition| {
            // Of several conditions marked with `|` one is enough: that is left alone.
            let (unwanted, path) = match condition.value.strip_prefix('!') {
                Some(path) => (true, path),
                None => (false, condition.value.as_str()),
            };
            let there = || {
                let found = root.resolve(path.trim().as_bytes(), true);
                found.is_ok_and(|found| found.handle.is_some())
            };
            !path.starts_with('|') && there() == unwanted
        })
        .map(|condition| format!("ConditionPathExists={}", condition.value))
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
    // An instance is mostly a link to its template: the file that is read is the same.
    let own = known_as
        .iter()
        .flat_map(|name| [Some(name.clone()), template(name)]);
    let own = own
        .flatten()
        .find_map(|name| listing.paths(&name).find_map(&read));
    let mut sources: Vec<_> = own.into_iter().collect();
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

/// Every `KEY=` of one of systemd's own configuration files, as `journald.conf`, and its drop-ins, in the order
/// in which they are read (journald.conf(5), "Configuration Directories and Precedence"); empty ones too.
pub fn config(root: &Root, name: &str, section: &str, key: &str) -> Vec<Setting> {
    let places = [
        "etc/systemd",
        "run/systemd",
        "usr/local/lib/systemd",
        "usr/lib/systemd",
    ];
    let places = places
        .iter()
        .filter(|place| root.is_live() || !place.starts_with("run/"));
    let read = reader(root);
    let mut sources = Vec::new();
    let mut drop_ins: BTreeMap<String, Option<(String, Vec<u8>)>> = BTreeMap::new();
    for place in places {
        if sources.is_empty() {
            sources.extend(read(format!("{place}/{name}")));
        }
        let directory = format!("{place}/{name}.d");
        for (file, _) in names(root, &directory) {
            if file.ends_with(".conf") {
                let path = format!("{directory}/{file}");
                drop_ins.entry(file).or_insert_with(|| read(path));
            }
        }
    }
    sources.extend(drop_ins.into_values().flatten());
    let mut found = Vec::new();
    for (path, bytes) in sources {
        for (at, name, value, line) in ini(&bytes) {
            if at == section && name == key {
                let location = format!("/{path}:{line}");
                found.push(Setting { value, location });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
