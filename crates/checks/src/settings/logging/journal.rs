//! The journal as it is kept: persistent, or automatic with its directory there (journald.conf(5)), of a daemon that
//! starts, and on the running host runs.

use super::memory::{self, Kept};
use super::targets::Target;
use crate::settings::boot;
use crate::settings::console::credentials;
use crate::settings::context::Context;
use crate::settings::processes::{self, Running};
use crate::settings::systemd::{self, Short, UnitState};
use agent_core::attributes::FileType;
use agent_core::os::node;

/// The journal's own daemon.
const JOURNALD: [&str; 1] = ["systemd-journald"];
const UNIT: &str = "systemd-journald.service";
/// Values of `Storage=`.
const STORAGES: [&str; 4] = ["volatile", "persistent", "auto", "none"];
/// Levels of syslog(3), in their order.
const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];
/// sshd and sudo tell at this level who came.
const INFO: usize = 6;

/// Where it is kept for good.
pub(super) fn journal(context: &Context<'_>) -> Target {
    let root = context.root;
    if context.live() {
        match context.processes() {
            Ok(all) => match processes::running(root, all, &JOURNALD, &[UNIT]) {
                Running::Yes => {}
                Running::No => return Target::None,
                Running::Unknown(why) => return Target::Unknown(why),
            },
            Err(error) => return Target::Unknown(error.to_string()),
        }
    }
    let masked = matches!(context.units().state(root, UNIT), UnitState::Masked(_));
    if masked || level(context) < INFO {
        return Target::None;
    }
    match context.units().cut_short(root, UNIT, &JOURNALD) {
        Some(Short::Ends(why)) => return Target::Idle(format!("journald is not kept up: {why}")),
        Some(Short::Perhaps(why)) => return Target::Unknown(format!("journald: {why}")),
        None => {}
    }
    let (storage, place) = match storage(context) {
        Ok(found) => found.unzip(),
        Err(why) => return Target::Unknown(why),
    };
    let storage = storage.as_deref().unwrap_or("auto");
    let kept = match storage {
        "persistent" => true,
        "auto" => is_directory(context),
        _ => false,
    };
    if !kept {
        return Target::None;
    }
    match memory::holds(context) {
        Kept::Disk => Target::At {
            what: "a persistent journal".to_owned(),
            place: match place.filter(|_| storage == "persistent") {
                Some(place) => place,
                None => "/var/log/journal".to_owned(),
            },
        },
        Kept::Memory(why) => Target::Idle(format!("the journal is kept in memory: {why}")),
        Kept::Unknown(why) => Target::Unknown(why),
    }
}

/// Where it is to be stored, and where that is said; what is no storage is passed over. A credential counts where no file
/// says anything (journald.conf(5), systemd.system-credentials(7)).
fn storage(context: &Context<'_>) -> Result<Option<(String, String)>, String> {
    let is_one = |word: &str| STORAGES.contains(&word);
    let mut settings = systemd::config(context.root, "journald.conf", "Journal", "Storage");
    settings.retain(|setting| is_one(&setting.value));
    if let Some(setting) = settings.pop() {
        return Ok(Some((setting.value, setting.location)));
    }
    let mut handed = credentials::of_unit(context, UNIT).into_iter();
    match handed.find(|(name, ..)| name == "journal.storage") {
        Some((_, None, place)) => Err(format!(
            "where the journal is stored is not known: {place} is encrypted"
        )),
        Some((_, Some(value), place)) if is_one(value.trim()) => {
            Ok(Some((value.trim().to_owned(), place)))
        }
        _ => Ok(None),
    }
}

/// Up to which level messages are stored.
fn level(context: &Context<'_>) -> usize {
    let settings = systemd::config(context.root, "journald.conf", "Journal", "MaxLevelStore");
    let mut found = settings
        .iter()
        .rev()
        .filter_map(|setting| number(&setting.value));
    let lines = boot::command_lines(context);
    let booted = lines.iter().filter_map(|(_, line)| {
        let parameters = boot::parameters(line);
        let mut words = parameters.iter().rev();
        words.find_map(|(name, value)| {
            let is_it = name.replace('-', "_") == "systemd.journald.max_level_store";
            number(value.as_deref().filter(|_| is_it)?)
        })
    });
    // The command line comes last; of several, the machine may be booted with any.
    booted.min().or(found.next()).unwrap_or(LEVELS.len())
}

fn number(level: &str) -> Option<usize> {
    let named = LEVELS.iter().position(|name| *name == level);
    named.or_else(|| level.parse().ok().filter(|number| *number < LEVELS.len()))
}

fn is_directory(context: &Context<'_>) -> bool {
    let found = context.root.resolve(b"var/log/journal", true);
    let handle = found.ok().and_then(|found| found.handle);
    let stat = handle.and_then(|handle| node::stat(&handle).ok());
    stat.is_some_and(|stat| stat.kind == FileType::Dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_name_and_number() {
        for (text, level) in [
            ("emerg", Some(0)),
            ("6", Some(INFO)),
            ("debug", Some(7)),
            ("8", None),
            ("", None),
        ] {
            assert_eq!(number(text), level, "{text}");
        }
    }
}
