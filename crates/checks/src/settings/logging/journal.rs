//! The journal as it is kept: persistent, or automatic with its directory there (journald.conf(5)), of a daemon that
//! starts, and on the running host runs.

use super::targets::Target;
use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::processes::{self, Running};
use crate::settings::systemd::{self, UnitState};
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
    let kept = is_directory(context) && !is_in_memory(context);
    let what = "a persistent journal".to_owned();
    // What is no storage is passed over.
    let mut settings = systemd::config(root, "journald.conf", "Journal", "Storage");
    settings.retain(|setting| STORAGES.contains(&setting.value.as_str()));
    match settings.pop() {
        Some(setting) if setting.value == "persistent" && !is_in_memory(context) => Target::At {
            what,
            place: setting.location,
        },
        Some(setting) if setting.value != "auto" => Target::None,
        _ if kept => Target::At {
            what,
            place: "/var/log/journal".into(),
        },
        _ => Target::None,
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

/// Whether fstab(5) mounts memory there.
fn is_in_memory(context: &Context<'_>) -> bool {
    let text = context.read("etc/fstab").ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.split_ascii_whitespace());
    lines.any(|mut words| {
        let place = words.nth(1).map(|place| place.trim_end_matches('/'));
        let kind = words.next();
        matches!(kind, Some("tmpfs" | "ramfs"))
            && matches!(place, Some("/var" | "/var/log" | "/var/log/journal"))
    })
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
