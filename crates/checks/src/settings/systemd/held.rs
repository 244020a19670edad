//! What keeps a unit that boot asks for from being started, or from going on (systemd.unit(5), systemd.service(5)).

use super::found;
use super::names::{fragment, holders};
use super::node::needs_no_file;
use super::specifiers::specifiers;
use super::{UnitState, Units, collect, commands, ini, sources, values_of};
use agent_core::os::root::Root;
use std::collections::BTreeSet;

/// Settings by which a unit is not started unless another one can be.
const REQUIRES: [&str; 3] = ["Requires", "BindsTo", "Requisite"];
/// Templates of which generators make instances.
const GENERATED: [&str; 2] = ["systemd-cryptsetup@", "systemd-veritysetup@"];
/// Where scripts of System V lie.
const SCRIPTS: [&str; 2] = ["etc/init.d", "etc/rc.d/init.d"];
/// Units that require each other in a row.
// Own bound: what lies behind it is taken for startable.
const DEPTH: usize = 32;

/// Whether a generator makes the unit at boot: of a script of System V's (systemd-sysv-generator(8)), or of an entry of
/// crypttab(5) or veritytab(5).
fn is_generated(root: &Root, unit: &str) -> bool {
    if GENERATED.iter().any(|prefix| unit.starts_with(prefix)) {
        return true;
    }
    let Some(name) = unit.strip_suffix(".service") else {
        return false;
    };
    SCRIPTS.iter().any(|directory| {
        let found = root.resolve(format!("{directory}/{name}").as_bytes(), true);
        found.is_ok_and(|found| found.handle.is_some())
    })
}

/// Why a service that is started is not kept up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// It ends, or is never started.
    Ends(String),
    /// It cannot be told.
    Perhaps(String),
}

impl Units {
    /// Why the unit would be passed over at boot: a path that it wants is not there, or one that it avoids is, or a unit that
    /// it requires cannot be started.
    pub fn held_back(&self, root: &Root, unit: &str) -> Option<String> {
        let keys = ["ConditionPathExists", "AssertPathExists"];
        self.fails(root, unit, &keys)
            .or_else(|| self.lacks(root, unit, &mut BTreeSet::new()))
    }

    /// The first condition on a path that does not hold.
    fn fails(&self, root: &Root, unit: &str, keys: &[&str]) -> Option<String> {
        keys.iter()
            .flat_map(|key| {
                let all = values_of(root, &self.listing, unit, "Unit", key).into_iter();
                all.map(move |condition| (key, condition.value))
            })
            .find(|(_, value)| {
                // Of several conditions marked with `|` one is enough: that is left alone.
                let (unwanted, path) = match value.strip_prefix('!') {
                    Some(path) => (true, path),
                    None => (false, value.as_str()),
                };
                let there = || {
                    let found = root.resolve(path.trim().as_bytes(), true);
                    found.is_ok_and(|found| found.handle.is_some())
                };
                !path.starts_with('|') && there() == unwanted
            })
            .map(|(key, value)| format!("{key}={value}"))
    }

    /// The first unit that it requires and that cannot be started; `seen` are those that were asked for.
    fn lacks(&self, root: &Root, unit: &str, seen: &mut BTreeSet<String>) -> Option<String> {
        if seen.len() > DEPTH || !seen.insert(unit.to_owned()) {
            return None;
        }
        for (path, bytes) in sources(root, &self.listing, unit) {
            for (section, key, value, line) in ini(&bytes) {
                if section != "Unit" || !REQUIRES.contains(&key.as_str()) {
                    continue;
                }
                for name in value.split_whitespace() {
                    let name = specifiers(&name.replace(['"', '\''], ""), unit);
                    let must_be = key == "Requisite";
                    if let Some(why) = self.cannot(root, &name, must_be, seen) {
                        return Some(format!("it requires {name}, which {why} (/{path}:{line})"));
                    }
                }
            }
        }
        for (directory, names) in &self.listing.0 {
            for holder in holders(unit) {
                let holder = format!("{holder}.requires");
                if !names.contains_key(&holder) {
                    continue;
                }
                for (name, _) in super::names(root, &format!("{directory}/{holder}")) {
                    let path = format!("{directory}/{holder}/{name}");
                    if found::pulls(root, &path)
                        && let Some(why) = self.cannot(root, &name, false, seen)
                    {
                        return Some(format!("it requires {name}, which {why} (/{path})"));
                    }
                }
            }
        }
        None
    }

    /// Why a unit cannot be started, or, of one that must be started already, is not.
    fn cannot(
        &self,
        root: &Root,
        unit: &str,
        must_be: bool,
        seen: &mut BTreeSet<String>,
    ) -> Option<String> {
        // A tree without systemd's own units is a part of one, and says nothing of what is not in it.
        let whole = fragment(root, &self.listing, "basic.target").is_some();
        match self.state(root, unit) {
            UnitState::Masked(place) => Some(format!("is masked ({place})")),
            UnitState::Missing if needs_no_file(unit) || !whole || is_generated(root, unit) => None,
            UnitState::Missing => Some("is not there".to_owned()),
            UnitState::Idle(_) | UnitState::Elsewhere(_) if must_be && !needs_no_file(unit) => {
                Some("is not started".to_owned())
            }
            _ => {
                let failed = self.fails(root, unit, &["AssertPathExists"]);
                let why = failed.or_else(|| self.lacks(root, unit, seen));
                why.map(|why| format!("cannot be started: {why}"))
            }
        }
    }

    /// Why a service that is started does not stay, or is another than it is named for: one of these programs.
    pub fn cut_short(&self, root: &Root, unit: &str, programs: &[&str]) -> Option<Short> {
        let list = |key: &str| values_of(root, &self.listing, unit, "Service", key);
        let last = |key: &str| list(key).pop();
        let starts = list("ExecStart");
        let oneshot = last("Type").is_some_and(|kind| kind.value == "oneshot");
        match starts.as_slice() {
            [] => {
                if let Some(place) = self.emptied(root, unit) {
                    return Some(Short::Ends(format!(
                        "{place} takes its program away (ExecStart=)"
                    )));
                }
            }
            [_, second, ..] if !oneshot => {
                return Some(Short::Ends(format!(
                    "{} gives it a second program, which systemd refuses",
                    second.location
                )));
            }
            _ => {}
        }
        if let Some(most) = last("RuntimeMaxSec")
            && !matches!(most.value.as_str(), "infinity" | "0")
        {
            let what = format!("RuntimeMaxSec={} ({})", most.value, most.location);
            let again = ["always", "on-failure", "on-abnormal"];
            let restart = last("Restart");
            return Some(match restart {
                Some(restart) if again.contains(&restart.value.as_str()) => {
                    Short::Perhaps(format!("it is ended and started anew: {what}"))
                }
                _ => Short::Ends(format!("it is ended: {what}")),
            });
        }
        let other = starts.iter().find(|start| {
            let command = commands(&start.value)
                .into_iter()
                .next()
                .unwrap_or_default();
            let program = command.first().map_or("", String::as_str);
            let program = program.rsplit('/').next().unwrap_or_default();
            let program = program.trim_start_matches(['@', '-', ':', '+', '!', '|']);
            start.location.contains(".d/") && !programs.contains(&program)
        });
        other.map(|start| {
            let place = &start.location;
            Short::Perhaps(format!("{place} starts another program in its place"))
        })
    }

    /// The file that empties `ExecStart=` of a unit that had one.
    fn emptied(&self, root: &Root, unit: &str) -> Option<String> {
        let mut found = Vec::new();
        let mut place = None;
        for (path, bytes) in sources(root, &self.listing, unit) {
            let had = !found.is_empty();
            collect(&path, &bytes, "Service", "ExecStart", &mut found);
            if had && found.is_empty() {
                place = Some(format!("/{path}"));
            }
        }
        place
    }
}
