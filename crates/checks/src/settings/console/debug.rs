//! `console.debug_shell`: a root shell that nobody logs in to (systemd-debug-generator(8), debug-shell.service).

use super::{DEBUG_SHELL, units};
use crate::settings::context::Context;
use crate::settings::{boot, systemd};
use agent_core::finding::{Finding, Verdict};
use serde_json::json;

const UNIT: &str = "debug-shell.service";
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
    let masked = systemd::masked(context.root, UNIT);
    let booted = lines.iter().find(|(_, line)| asks(line));
    let wanted = systemd::pulled_in(context.root, UNIT).filter(|_| !masked);
    let running = RUNNING.iter().find(|path| context.live() && there(path));
    let found = if let Some((place, _)) = booted.filter(|_| !masked) {
        Some((
            "the kernel's command line asks for a root shell without a login",
            place.clone(),
            "take systemd.debug_shell off the kernel's command line",
        ))
    } else if let Some(path) = wanted {
        Some((
            "debug-shell.service is enabled: a root shell without a login",
            path,
            "systemctl disable --now debug-shell.service",
        ))
    } else {
        running.map(|path| {
            (
                "debug-shell.service runs: a root shell without a login",
                format!("/{path}"),
                "systemctl stop debug-shell.service",
            )
        })
    };
    let finding = match found {
        Some((message, place, remedy)) => say(Verdict::Fail, message.to_owned())
            .location(place)
            .remediation(remedy),
        None if lines.is_empty() && !masked => say(
            Verdict::Unknown,
            "debug-shell.service is off, but no boot loader entry tells what the kernel is started with".to_owned(),
        ),
        None => say(
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

/// Whether a kernel command line starts the shell: the word alone, a true value, or the name of a terminal.
///
/// systemd takes `-` and `_` in it for the same; `rd.` is for the initial ram disk.
fn asks(line: &str) -> bool {
    let mut on = [false, false];
    for word in line.split_whitespace() {
        let word = word.trim_matches(['"', '\'']);
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        let slot = match key.replace('-', "_").as_str() {
            "systemd.debug_shell" => 0,
            "rd.systemd.debug_shell" => 1,
            _ => continue,
        };
        // The last one counts.
        let off = ["0", "no", "n", "false", "f", "off"];
        on[slot] = value.is_none_or(|value| !off.iter().any(|off| value.eq_ignore_ascii_case(off)));
    }
    on[0] || on[1]
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
        ] {
            assert_eq!(super::asks(line), expected, "{line}");
        }
    }
}
