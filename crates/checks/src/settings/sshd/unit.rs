//! How systemd starts sshd: the command line of its unit, whose options come before all files.

use super::called::{Called, Finder, STARTERS, name, path};
use super::environment::{Environment, environments};
use super::forced::SHELLS;
use super::live::{Daemon, options};
use super::script::Budget;
use crate::settings::systemd::{self, UNTOLD};
use agent_core::bounds;
use agent_core::os::root::Root;

/// As the Debian family calls it, then as the Red Hat family does.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// Keys whose commands may leave an sshd behind; what those before the start and after the end leave, systemd kills.
const COMMANDS: [&str; 3] = ["ExecStart", "ExecStartPost", "ExecReload"];

/// A unit that starts an sshd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Starter {
    /// Its name, as `ssh.service`.
    pub(super) unit: String,
    /// The file and options of its command line.
    pub(super) daemon: Daemon,
    /// Where the command line stands.
    pub(super) location: String,
    /// Why its options cannot be told, or whether it is an sshd.
    pub(super) doubt: Option<&'static str>,
}

/// The unit that starts the daemon; `None` where none does.
pub(super) fn daemon(
    root: &Root,
    systemd: &systemd::Units,
    inherited: &[Environment],
) -> Option<Starter> {
    let budget = Budget::new(bounds::UNIT_COMMANDS);
    // What differs with another entry of the boot menu is another starter.
    let first = inherited.get(..1).unwrap_or_default();
    UNITS
        .iter()
        .find_map(|unit| of_unit(root, systemd, unit, &["ExecStart"], first, &budget).pop())
}

/// Every unit and template whose command line starts an sshd, by name; those that are masked start none.
pub(super) fn starters(
    root: &Root,
    systemd: &systemd::Units,
    inherited: &[Environment],
) -> Vec<Starter> {
    let units = systemd::of_kind(root, ".service");
    let budget = Budget::new(bounds::UNIT_COMMANDS);
    let mut found: Vec<Starter> = units
        .iter()
        .filter(|unit| !systemd.masked(root, unit))
        .flat_map(|unit| of_unit(root, systemd, unit, &COMMANDS, inherited, &budget))
        .collect();
    // On the running system the generator has written what it starts.
    let written = found.iter().any(|starter| starter.unit == TEMPLATE);
    if !root.is_live() && !written && !systemd.masked(root, TEMPLATE) {
        found.extend(generated(root));
    }
    found
}

/// The template that systemd-ssh-generator(8) starts for AF_UNIX, vsock, and `systemd.ssh_listen=`.
const TEMPLATE: &str = "sshd@.service";
/// Where generators lie, the strongest first (systemd.generator(7)).
const GENERATORS: [&str; 3] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
];

/// What systemd-ssh-generator writes where no package brings the template; a link to /dev/null takes it away.
fn generated(root: &Root) -> Option<Starter> {
    let path = GENERATORS
        .iter()
        .map(|directory| format!("{directory}/systemd-ssh-generator"))
        .find(|path| {
            let found = root.resolve(path.as_bytes(), false);
            found.is_ok_and(|found| found.handle.is_some())
        })?;
    let program = matches!(root.open_file(path.as_bytes()), Ok(Some(_)));
    program.then(|| Starter {
        unit: TEMPLATE.into(),
        daemon: Daemon {
            options: vec![format!(
                "AuthorizedKeysFile /run/credentials/{TEMPLATE}/ssh.ephemeral-authorized_keys-all .ssh/authorized_keys"
            )],
            ..Daemon::default()
        },
        location: format!("/{path}"),
        doubt: None,
    })
}

fn of_unit(
    root: &Root,
    systemd: &systemd::Units,
    unit: &str,
    keys: &[&str],
    inherited: &[Environment],
    budget: &Budget,
) -> Vec<Starter> {
    let is_sshd = |path: &str| is_sshd(root, path);
    let specified = |text: &str| systemd.specified(root, unit, text);
    let starts = keys
        .iter()
        .flat_map(|key| systemd.values(root, unit, "Service", key));
    // Most units have nothing to do with it: their environment is not read. Escapes, specifiers and variables may spell it,
    // and links.
    let mut starts = starts
        .filter(|start| {
            let value = specified(&start.value);
            let mut words = value.split(BLANKS).filter(|word| !word.is_empty());
            let first = words.next().unwrap_or_default();
            let starts_others = SHELLS.contains(&name(first)) || STARTERS.contains(&name(first));
            value.contains("sshd")
                || value.contains(['$', '\\', UNTOLD])
                || is_sshd(first)
                || starts_others && words.any(is_sshd)
        })
        .peekable();
    if starts.peek().is_none() {
        return Vec::new();
    }
    let environments = environments(root, systemd, unit, inherited);
    let finder = Finder {
        is_sshd: &is_sshd,
        budget,
    };
    let mut found: Vec<Starter> = Vec::new();
    for start in starts {
        for environment in &environments {
            for called in finder.line(&start.value, &specified, environment) {
                let (daemon, doubt) = match called {
                    Called::With(words) => (options(&words), None),
                    Called::Untold(why) => (Daemon::default(), Some(why)),
                };
                let starter = Starter {
                    unit: unit.to_owned(),
                    daemon,
                    location: start.location.clone(),
                    doubt,
                };
                if !found.contains(&starter) {
                    found.push(starter);
                }
            }
            if budget.is_spent() {
                return found;
            }
        }
    }
    found
}

const BLANKS: [char; 5] = [' ', '\t', '"', '\'', ';'];

/// Whether the program is an sshd by its own name, or by that of what it is a link to.
fn is_sshd(root: &Root, word: &str) -> bool {
    let path = path(word);
    let resolved = || root.resolve(path.as_bytes(), true).ok();
    let leads_there =
        || resolved().is_some_and(|found| found.handle.is_some() && found.path.ends_with(b"/sshd"));
    name(path) == "sshd" || (path.starts_with('/') && path.contains("bin/") && leads_there())
}
