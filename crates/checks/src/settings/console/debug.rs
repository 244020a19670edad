//! `console.debug_shell`: a root shell that nobody logs in to (systemd-debug-generator(8), debug-shell.service).

use super::getty::{self, Access, SHELLS};
use super::{DEBUG_SHELL, units};
use crate::settings::accounts::login;
use crate::settings::accounts::password::Password;
use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::systemd::{self, Escapes};
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

const UNIT: &str = "debug-shell.service";
/// Programs that take commands from the terminal as a shell does, without the version behind their names.
const INTERPRETERS: [&str; 12] = [
    "busybox", "toybox", "python", "pypy", "perl", "lua", "ruby", "irb", "node", "gdb", "vi", "vim",
];
/// Programs that are made to be the first one.
const INITS: [&str; 13] = [
    "",
    "init",
    "linuxrc",
    "systemd",
    "systemd-bootchart",
    "ostree-prepare-root",
    "upstart",
    "openrc-init",
    "runit-init",
    "runit",
    "dinit",
    "finit",
    "tini",
];
/// Where the kernel shows a unit that runs (cgroup v2, v1).
const RUNNING: [&str; 2] = [
    "sys/fs/cgroup/system.slice/debug-shell.service",
    "sys/fs/cgroup/systemd/system.slice/debug-shell.service",
];

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let say = |verdict, message: String| context.finding(&DEBUG_SHELL, verdict, "console", message);
    let there = |path: &&str| {
        context
            .root
            .resolve(path.as_bytes(), true)
            .is_ok_and(|found| found.handle.is_some())
    };
    if !units::in_charge(context) {
        let message = "systemd is not in charge here".to_owned();
        return emit(say(Verdict::NotApplicable, message));
    }
    let lines = boot::command_lines(context);
    let masked = context.units().masked(context.root, UNIT);
    let root_open = root_has_no_password(context);
    let mut unknown = None;
    let booted = lines.iter().find_map(|(place, line)| {
        let (word, certain) = asks(line, root_open)?;
        // A mask keeps the unit away, not a shell of the initial ram disk or one in place of init.
        let of_unit = word.contains("debug") && !word.starts_with("rd.");
        if !certain {
            unknown.get_or_insert((place, word));
            return None;
        }
        (!masked || !of_unit).then_some((place, word))
    });
    let wanted = context
        .units()
        .pulled_in(context.root, UNIT)
        .filter(|_| !masked);
    let running = RUNNING.iter().find(|path| context.live() && there(path));
    let found = if let Some((place, word)) = booted {
        Some((
            "the kernel's command line asks for a root shell without a login",
            place.clone(),
            format!(
                "take {} off the kernel's command line",
                escape::terminal_text(&word)
            ),
        ))
    } else if let Some(path) = wanted {
        Some((
            "debug-shell.service is enabled: a root shell without a login",
            path,
            "systemctl disable --now debug-shell.service".to_owned(),
        ))
    } else {
        running.map(|path| {
            (
                "debug-shell.service runs: a root shell without a login",
                format!("/{path}"),
                "systemctl stop debug-shell.service".to_owned(),
            )
        })
    };
    let finding = match (found, unknown) {
        (Some((message, place, remedy)), _) => say(Verdict::Fail, message.to_owned())
            .location(place)
            .remediation(remedy),
        (None, Some((place, word))) => say(
            Verdict::Unknown,
            format!(
                "whether {} on the kernel's command line starts a shell is not known",
                escape::terminal_text(&word)
            ),
        )
        .location(place.clone()),
        _ if lines.is_empty() && !masked => say(
            Verdict::Unknown,
            "debug-shell.service is off, but no boot loader entry tells what the kernel is started with".to_owned(),
        ),
        _ => say(
            Verdict::Pass,
            "no root shell waits on a terminal".to_owned(),
        ),
    };
    let on = finding.verdict == Verdict::Fail;
    emit(finding.evidence(
        json!({ "debug_shell": false }),
        json!({ "debug_shell": on }),
    ));
}

/// The word of a kernel command line that starts a shell nobody logs in to.
///
/// systemd takes `-` and `_` in its words for the same; `rd.` is for the initial ram disk. Of `systemd.debug_shell`
/// and of `init` the last one counts. With it whether it starts one for certain.
fn asks(line: &str, root_open: bool) -> Option<(String, bool)> {
    let words = systemd::words(line, Escapes::Plain);
    let mut last: BTreeMap<String, (Shell, &str)> = BTreeMap::new();
    let (mut rescue, mut forced) = (None, false);
    for word in words.iter().map(String::as_str) {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        let key = key.replace('-', "_");
        let value_is = |names: &[&str]| value.is_some_and(|value| names.contains(&value));
        match key.strip_prefix("rd.").unwrap_or(&key) {
            "systemd.debug_shell" => {
                let on = value.is_none_or(|value| !boot::is_false(value));
                last.insert(key, (if on { Shell::Yes } else { Shell::No }, word));
            }
            "init" | "rdinit" => {
                let name = value.unwrap_or_default();
                last.insert(key, (first_program(name), word));
            }
            // systemd-run-generator(8).
            "systemd.run" => {
                let command = value.unwrap_or_default();
                let shell = match getty::judge(command, getty::Given::default()) {
                    Access::Unasked(_) => Shell::Yes,
                    Access::Asks => Shell::No,
                    Access::Unknown(_) => Shell::Maybe,
                };
                last.insert(key, (shell, word));
            }
            // dracut, initramfs-tools, systemd from 258 on.
            "break" | "systemd.break" => {
                last.insert(key, (Shell::Yes, word));
            }
            "systemd.wants" if value_is(&[UNIT, "debug-shell"]) => {
                last.insert(key, (Shell::Yes, word));
            }
            "systemd.unit" if value_is(&[UNIT]) => {
                last.insert(key, (Shell::Yes, word));
            }
            "systemd.unit" if value_is(&["rescue.target", "emergency.target"]) => {
                rescue = Some(word);
            }
            "systemd.setenv" => {
                forced |= value
                    .and_then(|value| value.strip_prefix("SYSTEMD_SULOGIN_FORCE="))
                    .is_some_and(boot::is_true);
            }
            "single" | "s" | "S" | "1" | "rescue" | "emergency" | "_b" if value.is_none() => {
                rescue = Some(word);
            }
            _ => {}
        }
    }
    let of = |wanted: Shell| last.values().find(|(shell, _)| *shell == wanted);
    // sulogin(8) asks for root's password; forced, it asks for nothing where root has none.
    let rescue = rescue.filter(|_| forced && root_open);
    let certain = of(Shell::Yes).map(|(_, word)| *word).or(rescue);
    let found = certain.map(|word| (word, true));
    let found = found.or_else(|| of(Shell::Maybe).map(|(_, word)| (*word, false)));
    found.map(|(word, certain)| (word.to_owned(), certain))
}

/// Whether a word starts a shell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shell {
    No,
    Maybe,
    Yes,
}

/// What the kernel starts as its first program.
fn first_program(path: &str) -> Shell {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_shell = |name: &str| SHELLS.contains(&name) || INTERPRETERS.contains(&name);
    match is_shell(name) || is_shell(stem) {
        true => Shell::Yes,
        false if INITS.contains(&name) => Shell::No,
        false => Shell::Maybe,
    }
}

/// Whether no password opens root, so that a forced sulogin(8) does not ask for one.
pub(super) fn root_has_no_password(context: &Context<'_>) -> bool {
    let Ok(users) = context.users() else {
        return false;
    };
    users
        .account(b"root")
        .is_some_and(|root| !matches!(login::password(users, root).0, Password::Usable { .. }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_of_the_command_line() {
        for (line, expected) in [
            ("root=x quiet", false),
            ("systemd.debug_shell", true),
            ("systemd.debug-shell=1", true),
            ("systemd.debug_shell=ttyS0", true),
            ("systemd.debug_shell=no", false),
            ("systemd.debug_shell systemd.debug_shell=0", false),
            ("rd.systemd.debug_shell", true),
            ("xsystemd.debug_shell", false),
            ("systemd.debug_shellx", false),
            ("init=/bin/sh", true),
            ("rdinit=/bin/bash", true),
            ("init=/sbin/init", false),
            ("init=/bin/sh init=/lib/systemd/systemd", false),
            ("rd.break", true),
            ("rd.break=pre-mount", true),
            ("break=init", true),
            ("systemd.break=pre-switch-root", true),
            ("systemd.wants=debug-shell.service", true),
            ("systemd.wants=ssh.service", false),
            ("systemd.unit=debug-shell.service", true),
            ("init=/bin/busybox", true),
            ("init=/usr/bin/python3.11", true),
            ("\"systemd.run=openvt -c 9 bash\"", true),
            ("systemd.run=\"openvt -c 9 bash\"", true),
            ("systemd.run=/bin/true", false),
            ("init=/sbin/init systemd.debug\"_shell\"", true),
            ("single", false),
            ("emergency systemd.setenv=SYSTEMD_SULOGIN_FORCE=1", true),
            ("emergency systemd.setenv=SYSTEMD_SULOGIN_FORCE=0", false),
            (
                "systemd.unit=rescue.target systemd.setenv=SYSTEMD_SULOGIN_FORCE=1",
                true,
            ),
            ("systemd.setenv=SYSTEMD_SULOGIN_FORCE=1", false),
        ] {
            let found = super::asks(line, true);
            assert_eq!(found.is_some(), expected, "{line}");
            assert!(found.is_none_or(|(_, certain)| certain), "{line}");
        }
        for line in ["init=/opt/x", "systemd.run=/opt/x"] {
            assert!(
                super::asks(line, true).is_some_and(|(_, certain)| !certain),
                "{line}"
            );
        }
        let forced = "single systemd.setenv=SYSTEMD_SULOGIN_FORCE=1";
        assert_eq!(super::asks(forced, false), None);
    }
}
