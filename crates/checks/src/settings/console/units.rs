//! What systemd starts on a terminal line, out of the reader of units that all areas share.

use crate::settings::context::Context;
use crate::settings::systemd;
use agent_core::os::root::Root;

pub(super) use systemd::masked;

/// One `ExecStart=` or the like in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) command: String,
    /// The words of each command in it, specifiers put in.
    pub(super) words: Vec<Vec<String>>,
    /// `FILE:LINE`
    pub(super) location: String,
    /// Whether it is what the unit is for.
    pub(super) main: bool,
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

/// The commands that the unit starts.
pub(super) fn starts(context: &Context<'_>, unit: &str) -> Vec<Start> {
    of_key(context, unit, "ExecStart")
}

/// Commands before and after those, on the same terminal.
pub(super) fn around(context: &Context<'_>, unit: &str) -> Vec<Start> {
    let keys = [
        "ExecCondition",
        "ExecStartPre",
        "ExecStartPost",
        "ExecStop",
        "ExecStopPost",
    ];
    let all = keys.iter().flat_map(|key| of_key(context, unit, key));
    all.collect()
}

fn of_key(context: &Context<'_>, unit: &str, key: &str) -> Vec<Start> {
    let values = context.units().values(context.root, unit, "Service", key);
    let specified = |word: String| context.units().specified(context.root, unit, &word);
    let parted = |text: &str| {
        let all = systemd::commands(text).into_iter();
        all.map(|words| words.into_iter().map(specified).collect())
            .collect()
    };
    values
        .into_iter()
        .map(|setting| Start {
            words: parted(&setting.value),
            command: setting.value,
            location: setting.location,
            main: key == "ExecStart",
        })
        .collect()
}
