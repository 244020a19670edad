//! What systemd starts on a terminal line, out of the reader of units that all areas share.

use crate::settings::context::Context;
use crate::settings::systemd;
use agent_core::os::root::Root;

pub(super) use systemd::masked;

/// One `ExecStart=` in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) command: String,
    /// `FILE:LINE`
    pub(super) location: String,
}

/// Whether systemd is what starts services: on the running host it is up (sd_booted(3)), in a tree it is there.
pub(super) fn in_charge(context: &Context<'_>) -> bool {
    let signs: &[&str] = match context.live() {
        true => &["run/systemd/system"],
        false => &["usr/lib/systemd/system", "lib/systemd/system"],
    };
    signs.iter().any(|path| {
        context
            .root
            .resolve(path.as_bytes(), true)
            .is_ok_and(|found| found.handle.is_some())
    })
}

/// The link below getty.target.wants that starts the unit, whatever the kernel's consoles are.
pub(super) fn wanted(root: &Root, unit: &str) -> Option<String> {
    systemd::wanted_by(root, "getty.target", unit)
}

/// The commands that the instance `TEMPLATE@INSTANCE.service` starts.
pub(super) fn starts(root: &Root, template: &str, instance: &str) -> Vec<Start> {
    let unit = format!("{template}@{instance}.service");
    systemd::values(root, &unit, "Service", "ExecStart")
        .into_iter()
        .map(|setting| Start {
            command: setting.value,
            location: setting.location,
        })
        .collect()
}

/// Whether the command logs somebody in without asking (agetty(8)).
pub(super) fn logs_in(command: &str) -> bool {
    command.split_whitespace().any(|word| {
        let short = word.starts_with('-') && !word.starts_with("--") && word.starts_with("-a");
        word == "--autologin" || word.starts_with("--autologin=") || short
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autologin_in_every_spelling() {
        for (command, expected) in [
            ("-/sbin/agetty --autologin root %I", true),
            ("-/sbin/agetty --autologin=root %I", true),
            ("-/sbin/agetty -a root %I", true),
            ("-/sbin/agetty -o '-p' %I", false),
        ] {
            assert_eq!(logs_in(command), expected, "{command}");
        }
    }
}
