//! Whether there is a login prompt on ttyS0, the line of the EC2 serial console.

use super::getty::{self, Access};
use super::units;
use crate::settings::boot::{self, words};
use crate::settings::context::Context;
use crate::settings::systemd::UnitState;

const UNIT: &str = "serial-getty@ttyS0.service";
/// The terminal below /dev.
const DEVICE: &str = "ttyS0";

/// What is known of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    /// A login prompt, what brings it: `FILE:LINE`, or a file, and the unit.
    Yes(String, String),
    /// None.
    No(&'static str),
    /// Nothing in the tree tells.
    Unknown,
}

/// Looks at the unit and at the kernel's command lines.
pub(super) fn prompt(context: &Context<'_>) -> Prompt {
    let root = context.root;
    if !units::in_charge(context) {
        return match of_inittab(context) {
            Some(place) => Prompt::Yes(place, UNIT.into()),
            None => Prompt::No("neither systemd nor inittab starts one"),
        };
    }
    let masked = units::masked(root, UNIT);
    if !masked && let Some(path) = units::wanted(root, UNIT) {
        return Prompt::Yes(path, UNIT.into());
    }
    if let Some((unit, place)) = started(context) {
        return Prompt::Yes(place, unit);
    }
    if masked {
        return Prompt::No("serial-getty@ttyS0.service is masked");
    }
    let lines = boot::command_lines(context);
    if lines.is_empty() {
        return Prompt::Unknown;
    }
    match lines
        .iter()
        .find(|(_, line)| console(line) && getty_auto(line))
    {
        Some((place, _)) => Prompt::Yes(place.clone(), UNIT.into()),
        None => Prompt::No("the kernel has no console on ttyS0"),
    }
}

/// A unit that is started at boot, or may be, and prompts on the line; and what pulls it in.
fn started(context: &Context<'_>) -> Option<(String, String)> {
    let units = context.units();
    let others = units.started(context.root, ".service").into_iter();
    let others = others.filter(|unit| !unit.ends_with("@.service") && prompts(context, unit));
    std::iter::once(UNIT).chain(others).find_map(|unit| {
        let state = units.state(context.root, unit);
        match state {
            UnitState::Started(place) | UnitState::Perhaps(place, _) => {
                Some((unit.to_owned(), place))
            }
            _ => None,
        }
    })
}

/// Whether a unit starts a getty, a login or a shell on the line: as an argument of the command, or by its TTYPath=.
fn prompts(context: &Context<'_>, unit: &str) -> bool {
    let name = unit.strip_suffix(".service").unwrap_or(unit);
    let instance = name.split_once('@').map_or("", |(_, instance)| instance);
    let spelt = |text: &str| text.replace("%i", instance).replace("%I", instance);
    let is_device = |word: &str| word.strip_prefix("/dev/").unwrap_or(word) == DEVICE;
    let last = |key: &str| {
        let values = context.units().values(context.root, unit, "Service", key);
        values.last().map(|setting| spelt(&setting.value))
    };
    let input = last("StandardInput").unwrap_or_default();
    let is_input = match input.strip_prefix("file:") {
        Some(path) => is_device(path),
        None => {
            input.starts_with("tty") && last("TTYPath").is_some_and(|path| is_device(path.trim()))
        }
    };
    let starts = units::starts(context, unit).into_iter();
    let mut starts = starts.chain(units::around(context, unit));
    starts.any(|start| {
        let command = spelt(&start.command);
        let mut words = command.split(|c: char| c.is_whitespace() || "\"'<>=;&|".contains(c));
        let is_here = is_input || words.any(is_device);
        is_here && asks_or_opens(&command)
    })
}

/// Whether a command names a program that logs somebody in, or is a shell.
fn asks_or_opens(command: &str) -> bool {
    let mut words = command.split(|c: char| c.is_whitespace() || "\"'-@:+!|;&".contains(c));
    let logs_in = words.any(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        name.ends_with("getty") || matches!(name, "login" | "sulogin")
    });
    let access = getty::judge(command, getty::Given::default());
    logs_in || matches!(access, Access::Unasked(_))
}

/// What inittab(5) keeps running: id, process, and `FILE:LINE`.
pub(super) fn inittab(context: &Context<'_>) -> Vec<(String, String, String)> {
    let text = context.read("etc/inittab").ok().flatten();
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = (1_usize..).zip(text.lines());
    let kept = lines.filter_map(|(number, line)| {
        let line = line.trim();
        let mut fields = line.splitn(4, ':');
        let (id, _, action) = (fields.next()?, fields.next()?, fields.next()?);
        let process = fields.next()?.trim_start_matches('+');
        let on = !line.starts_with('#') && action != "off";
        on.then(|| {
            let place = format!("/etc/inittab:{number}");
            (id.to_owned(), process.to_owned(), place)
        })
    });
    kept.collect()
}

/// The line of inittab(5) that starts a getty on ttyS0.
fn of_inittab(context: &Context<'_>) -> Option<String> {
    let found = inittab(context).into_iter().find(|(_, process, _)| {
        let mut words = process.split_whitespace();
        process.contains("getty") && words.any(|word| word.ends_with("ttyS0"))
    });
    found.map(|(.., place)| place)
}

/// Whether the line makes ttyS0 a console of the kernel (kernel-parameters.txt).
fn console(line: &str) -> bool {
    words(line).any(|word| {
        word.strip_prefix("console=")
            .is_some_and(|value| value.split(',').next() == Some("ttyS0"))
    })
}

/// Whether systemd-getty-generator(8) is left on; the last word counts.
fn getty_auto(line: &str) -> bool {
    words(line)
        .filter_map(|word| word.split_once('='))
        .filter(|(key, _)| key.replace('-', "_") == "systemd.getty_auto")
        .last()
        .is_none_or(|(_, value)| !boot::is_false(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_console_of_the_kernel_counts() {
        for (line, expected) in [
            ("root=x console=ttyS0", true),
            ("console=tty0 console=ttyS0,115200n8", true),
            ("earlyprintk=ttyS0", false),
            ("console=ttyS01", false),
            ("netconsole=ttyS0", false),
            ("console=ttyS1", false),
        ] {
            assert_eq!(console(line), expected, "{line}");
        }
        for (line, expected) in [
            ("console=ttyS0 systemd.getty_auto=no", false),
            ("systemd.getty-auto=OFF", false),
            ("systemd.getty_auto=0 systemd.getty_auto=1", true),
        ] {
            assert_eq!(getty_auto(line), expected, "{line}");
        }
    }
}
