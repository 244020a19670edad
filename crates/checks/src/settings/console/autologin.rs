//! `console.getty_autologin`: every terminal that systemd starts something on, judged by what that command asks.

use super::getty::{self, Access};
use super::{GETTY_AUTOLOGIN, credentials, units};
use crate::settings::boot::{self, words};
use crate::settings::context::Context;
use crate::settings::systemd;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Terminals that get a login by the first key pressed or by a generator, whatever the links say.
const ALWAYS: [&str; 3] = [
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "autovt@tty2.service",
];
/// Templates and units of logins on terminals.
const GETTYS: [&str; 5] = [
    "getty@",
    "serial-getty@",
    "container-getty@",
    "autovt@",
    "console-getty.service",
];

/// A command on a terminal that asks nobody, or cannot be judged.
pub(super) struct Opening {
    pub(super) access: Access,
    pub(super) location: String,
}

/// The commands of a unit that do not ask for a password; whether the unit has any command at all.
pub(super) fn openings(context: &Context<'_>, unit: &str) -> (Vec<Opening>, bool) {
    let (given, credential) = credentials::given(context, unit);
    let starts = units::starts(context.root, unit);
    let any = !starts.is_empty();
    let openings = starts.into_iter().filter_map(|start| {
        let access = getty::judge(&start.command, given);
        let by_credential = getty::judge(&start.command, getty::Given::default()) == Access::Asks;
        let place = credential.clone().filter(|_| by_credential);
        (access != Access::Asks).then(|| Opening {
            access,
            location: place.unwrap_or(start.location),
        })
    });
    (openings.collect(), any)
}

pub(super) fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let mut told = false;
    let mut known = false;
    for unit in terminals(context) {
        let template = unit
            .split_once('@')
            .map(|(name, _)| format!("{name}@.service"));
        if units::masked(context.root, &unit)
            || template.is_some_and(|template| units::masked(context.root, &template))
        {
            continue;
        }
        let (openings, any) = openings(context, &unit);
        known |= any;
        for opening in openings {
            told = true;
            emit(finding(context, &unit, opening));
        }
    }
    if !told {
        let (verdict, message) = match known {
            true => (Verdict::Pass, "no terminal logs somebody in unasked"),
            false => (Verdict::NotApplicable, "systemd starts no getty here"),
        };
        emit(
            context
                .finding(&GETTY_AUTOLOGIN, verdict, "console", message)
                .evidence(Value::Null, Value::Null),
        );
    }
}

fn finding(context: &Context<'_>, unit: &str, opening: Opening) -> Finding {
    let (verdict, message, why) = match opening.access {
        Access::Unknown(why) => (
            Verdict::Unknown,
            format!("whether {unit} asks for a password is not known: {why}"),
            why,
        ),
        Access::Unasked(why) => (
            Verdict::Fail,
            format!("{unit} logs somebody in unasked: {why}"),
            why,
        ),
        Access::Asks => (Verdict::Pass, format!("{unit} asks"), String::new()),
    };
    context
        .finding(&GETTY_AUTOLOGIN, verdict, unit, message)
        .evidence(
            json!({ "autologin": false }),
            json!({ "autologin": verdict == Verdict::Fail, "by": why }),
        )
        .location(opening.location)
        .remediation("take out what is named there, then: systemctl daemon-reload")
}

/// Units that put something on a terminal.
fn terminals(context: &Context<'_>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = ALWAYS.iter().map(|unit| (*unit).to_owned()).collect();
    for (_, line) in boot::command_lines(context) {
        let consoles = words(&line).filter_map(|word| word.strip_prefix("console="));
        for device in consoles.filter_map(|value| value.split(',').next()) {
            // Virtual terminals have getty@ instead.
            let number = device.strip_prefix("tty").unwrap_or("x");
            let virtual_terminal = number.bytes().all(|byte| byte.is_ascii_digit());
            if !virtual_terminal && !device.contains('/') {
                found.insert(format!("serial-getty@{device}.service"));
            }
        }
    }
    for (unit, _) in context.units().started(".service") {
        let getty = GETTYS.iter().any(|name| unit.starts_with(name));
        // debug-shell.service has a check of its own.
        let other = !unit.ends_with("@.service") && unit != "debug-shell.service";
        if other && (getty || on_terminal(context, unit)) {
            found.insert(unit.to_owned());
        }
    }
    found
}

/// Whether the service's own input is a terminal (systemd.exec(5), StandardInput=).
fn on_terminal(context: &Context<'_>, unit: &str) -> bool {
    let values = systemd::values(context.root, unit, "Service", "StandardInput");
    let input = values.last().map_or("", |setting| setting.value.as_str());
    // What only boot itself asks on the console is no login.
    input.starts_with("tty") && getty_like(context, unit)
}

/// Whether a service on a terminal starts a shell, a login or a getty.
fn getty_like(context: &Context<'_>, unit: &str) -> bool {
    let starts = units::starts(context.root, unit);
    starts.iter().any(|start| {
        !matches!(
            getty::judge(&start.command, getty::Given::default()),
            Access::Unknown(_)
        )
    })
}
