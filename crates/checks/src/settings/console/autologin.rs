//! `console.getty_autologin`: every terminal that systemd starts something on, judged by what that command asks.

use super::getty::{self, Access};
use super::{GETTY_AUTOLOGIN, credentials, debug, line, units};
use crate::settings::boot::{self, words};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Terminals that get a login by the first key pressed or by a generator, whatever the links say.
const ALWAYS: [&str; 7] = [
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    // NAutoVTs=, ReserveVT= of logind.conf(5).
    "autovt@tty2.service",
    "autovt@tty3.service",
    "autovt@tty4.service",
    "autovt@tty5.service",
    "autovt@tty6.service",
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
    let (mut given, credential) = credentials::given(context, unit);
    given.root_open = debug::root_has_no_password(context);
    let starts = units::starts(context, unit);
    let any = !starts.is_empty();
    let starts = starts.into_iter().chain(units::around(context, unit));
    let openings = starts.filter_map(|start| {
        let access = getty::judge_words(&start.words, given);
        // Of what runs before and after, shells and logins count.
        if !start.main && !matches!(access, Access::Unasked(_)) {
            return None;
        }
        let by_credential =
            getty::judge_words(&start.words, getty::Given::default()) == Access::Asks;
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
    let mut places = BTreeSet::new();
    if !units::in_charge(context) {
        for (id, process, place) in line::inittab(context) {
            let given = getty::Given {
                root_open: debug::root_has_no_password(context),
                ..getty::Given::default()
            };
            let access = getty::judge(&process, given);
            let is_getty = process.contains("getty");
            known |= is_getty;
            if matches!(access, Access::Unasked(_)) || (is_getty && access != Access::Asks) {
                told = true;
                let opening = Opening {
                    access,
                    location: place,
                };
                emit(finding(context, &format!("inittab {id}"), opening));
            }
        }
    }
    for unit in terminals(context) {
        if context.units().masked(context.root, &unit) {
            continue;
        }
        let (openings, any) = openings(context, &unit);
        known |= any;
        for opening in openings {
            told = true;
            // One line is told once for all the terminals that switching to them starts.
            let place = (unit.starts_with("autovt@")).then(|| opening.location.clone());
            if place.is_some_and(|place| !places.insert(place)) {
                continue;
            }
            emit(finding(context, &unit, opening));
        }
    }
    if !told {
        let (verdict, message) = match known {
            true if context.live() && boot::command_lines(context).is_empty() => (
                Verdict::Unknown,
                "no unit logs somebody in unasked, but what the kernel was started with cannot be read (/proc/cmdline)",
            ),
            true => (Verdict::Pass, "no terminal logs somebody in unasked"),
            false => (Verdict::NotApplicable, "nothing starts a getty here"),
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
        .remediation(match unit.starts_with("inittab ") {
            true => "take out what is named there, then: telinit q",
            false => "take out what is named there, then: systemctl daemon-reload",
        })
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
    for unit in context.units().started(context.root, ".service") {
        let getty = GETTYS.iter().any(|name| unit.starts_with(name));
        // debug-shell.service has a check of its own.
        let other = !unit.ends_with("@.service") && unit != "debug-shell.service";
        if other && (getty || on_terminal(context, unit)) {
            found.insert(unit.to_owned());
        }
    }
    found
}

/// Whether the service's own input is a terminal (systemd.exec(5), StandardInput=), or a shell of its opens one, and what
/// it starts there may let somebody in. What only boot itself asks on the console is no login.
fn on_terminal(context: &Context<'_>, unit: &str) -> bool {
    let is_terminal = input_is_terminal(context, unit);
    let all = units::starts(context, unit).into_iter();
    let mut all = all.chain(units::around(context, unit));
    all.any(|start| {
        let access = getty::judge_words(&start.words, getty::Given::default());
        match access {
            Access::Unknown(_) => is_terminal && start.main && !asks_at_boot(&start.words),
            _ => {
                is_terminal
                    || start
                        .words
                        .iter()
                        .flatten()
                        .any(|word| names_terminal(word))
            }
        }
    })
}

fn names_terminal(text: &str) -> bool {
    let names = ["/dev/tty", "/dev/console", "/dev/hvc", "/dev/vcs", "openvt"];
    names.iter().any(|name| text.contains(name))
}

/// By its own name, as a file, or as what a socket hands over (systemd.socket(5), ListenSpecial=).
fn input_is_terminal(context: &Context<'_>, unit: &str) -> bool {
    let units = context.units();
    let last = |key: &str| {
        let values = units.values(context.root, unit, "Service", key);
        values.last().map(|setting| setting.value.clone())
    };
    let input = last("StandardInput").unwrap_or_default();
    match input.as_str() {
        "socket" => units
            .started(context.root, ".socket")
            .into_iter()
            .flat_map(|socket| units.values(context.root, socket, "Socket", "ListenSpecial"))
            .any(|setting| names_terminal(&setting.value)),
        input => input.starts_with("tty") || (input.starts_with("file:") && names_terminal(input)),
    }
}

/// Programs that ask on the console while the machine boots, and let nobody in.
fn asks_at_boot(commands: &[Vec<String>]) -> bool {
    let words = commands.first();
    let program = words.and_then(|words| words.first()?.rsplit('/').next());
    program.is_some_and(|name| {
        matches!(
            name,
            "systemd-firstboot"
                | "systemd-tty-ask-password-agent"
                | "systemd-ask-password"
                | "systemd-cryptsetup"
                | "homectl"
                | "initial-setup"
                | "initial-setup-text"
                | "plymouth"
                | "plymouthd"
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::settings::testing::within;
    use agent_core::finding::Verdict;
    use std::fs;

    /// The verdicts on a tree with a masked getty@.service and these files of units.
    fn verdicts(files: &[(&str, &str)]) -> Vec<Verdict> {
        let tree = tempfile::tempdir().expect("a directory");
        let units = tree.path().join("etc/systemd/system");
        fs::create_dir_all(tree.path().join("usr/lib/systemd/system")).expect("made");
        for (path, text) in files {
            let path = units.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        std::os::unix::fs::symlink("/dev/null", units.join("getty@.service")).expect("a link");
        let mut found = Vec::new();
        within(tree.path(), |context| {
            super::look(context, &mut |finding| found.push(finding.verdict));
        });
        found
    }

    #[test]
    fn services_on_terminals_that_settings_start() {
        let shell = "[Service]\nStandardInput=tty\nTTYPath=/dev/tty9\nExecStart=/bin/bash\n";
        for (path, text, expected) in [
            (
                "multi-user.target.d/x.conf",
                "[Unit]\nWants=a.service\n",
                Verdict::Fail,
            ),
            (
                "default.target",
                "[Unit]\nRequires=x.target\n",
                Verdict::Fail,
            ),
            (
                "rescue.target.d/x.conf",
                "[Unit]\nWants=a.service\n",
                Verdict::NotApplicable,
            ),
        ] {
            let through = ("x.target", "[Unit]\nUpholds=%p-no.service a.service\n");
            assert_eq!(
                verdicts(&[("a.service", shell), through, (path, text)]),
                [expected],
                "{path}"
            );
        }
    }

    #[test]
    fn what_else_is_a_shell_on_a_terminal() {
        let wanted = "[Unit]\nWants=a.service a.socket\n";
        let on = |input: &str, command: &str| {
            let unit = format!(
                "[Service]\nType=oneshot\nStandardInput={input}\nTTYPath=/dev/tty9\n{command}\n"
            );
            verdicts(&[
                ("default.target", wanted),
                ("a.service", &unit),
                ("a.socket", "[Socket]\nListenSpecial=/dev/ttyS0\n"),
            ])
        };
        for (input, command, expected) in [
            ("file:/dev/ttyS0", "ExecStart=/bin/bash", Verdict::Fail),
            ("file:/etc/x", "ExecStart=/bin/bash", Verdict::NotApplicable),
            ("tty", "ExecStop=/bin/bash", Verdict::Fail),
            ("socket", "ExecStart=/bin/bash", Verdict::Fail),
            ("tty", "ExecStart=/usr/bin/python3 -i", Verdict::Unknown),
            (
                "tty",
                "ExecStart=/bin/systemd-firstboot --prompt",
                Verdict::NotApplicable,
            ),
            (
                "null",
                "ExecStart=/usr/bin/python3 -i",
                Verdict::NotApplicable,
            ),
        ] {
            assert_eq!(on(input, command), [expected], "{input} {command}");
        }
    }

    /// Specifiers in the words of a command, and those that the tree does not decide.
    #[test]
    fn options_that_specifiers_spell() {
        for (command, expected) in [
            ("/sbin/agetty --%j root tty9 linux", Verdict::Fail),
            ("/sbin/agetty --%%j root tty9 linux", Verdict::Pass),
            ("/sbin/agetty %b root tty9 linux", Verdict::Unknown),
        ] {
            let unit = format!("[Service]\nStandardInput=tty\nExecStart={command}\n");
            let wanted = "[Unit]\nWants=x-autologin.service\n";
            let files = [("default.target", wanted), ("x-autologin.service", &unit)];
            assert_eq!(verdicts(&files), [expected], "{command}");
        }
    }

    #[test]
    fn an_instance_of_a_masked_template() {
        let autologin = "[Service]\nExecStart=-/sbin/agetty --autologin root %I\n";
        let own = verdicts(&[("getty@tty1.service", autologin)]);
        assert_eq!(own, [Verdict::Fail]);
        let after = "[Service]\nExecStart=-/sbin/agetty %I\nExecStopPost=/bin/bash\n";
        assert_eq!(verdicts(&[("getty@tty1.service", after)]), [Verdict::Fail]);
        let none = verdicts(&[("getty@tty1.service.d/x.conf", autologin)]);
        assert_eq!(none, [Verdict::NotApplicable]);
    }
}
