//! What sshd would do: its configuration read as sshd reads it, and judged.
//!
//! `read` cuts files to lines with their places, `config` holds them, `effective` decides what is in force and
//! prints it as `sshd -T` does, `rules` says what is demanded and `judge` judges it. Keywords, defaults and refusals
//! are those of the tree's own build of OpenSSH: `table` and `history` say how versions differ, `build` what a
//! distribution changed.

mod address;
mod algorithms;
pub mod build;
mod called;
mod checks;
pub mod config;
mod consistent;
pub mod criteria;
pub mod effective;
mod environment;
mod files;
mod forced;
pub mod history;
pub(super) mod include;
mod judge;
pub mod keys;
mod keyword;
mod live;
mod meaning;
mod namespace;
mod read;
mod root_access;
mod root_keys;
mod rules;
mod script;
mod starters;
mod table;
mod unit;
mod value;
pub mod version;
mod words;

pub(in crate::settings) use called::commands;
pub use checks::CHECKS;
pub(in crate::settings) use environment::{environments, inherited};

use crate::settings::context::Context;
use crate::settings::vendor;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::root::Root;
use checks::CONFIG_VALID;
use config::{Config, NotUnderstood, Rejection};
use effective::Effective;
use judge::{judge, service};
use rules::RULES;
use serde_json::json;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Unit, name and value of each of the variables that is in the environment of a unit, by settings and files, whatever
/// the machine is booted with.
pub(crate) fn in_environments(
    context: &Context<'_>,
    units: &BTreeSet<String>,
    variables: &[&str],
) -> BTreeSet<(String, String, String)> {
    let inherited = environment::inherited(context);
    let mut found = BTreeSet::new();
    for unit in units {
        let all = environment::environments(context.root, context.units(), unit, &inherited);
        for environment in all {
            for variable in variables {
                if environment.has(variable) {
                    let value = environment.value(variable).to_owned();
                    found.insert((unit.clone(), (*variable).to_owned(), value));
                }
            }
        }
    }
    found
}

/// Where sshd looks for its configuration.
const CONFIG: &str = "/etc/ssh/sshd_config";

/// Where the tree's sshd looks for its configuration, if no command line names another: SUSE's takes the one below
/// /usr/etc where /etc has none.
fn main_file(root: &Root) -> String {
    vendor::place(root, "ssh/sshd_config")
}

/// The configuration of a tree's sshd, as the daemon that runs was called, or would be.
pub struct Taken {
    /// The main file.
    pub file: String,
    /// What it and those that it includes say, or why sshd would not start.
    pub config: Result<Config, Rejection>,
    /// The version that reads it.
    pub version: version::Version,
    /// Options of the command line that came before the files.
    options: Vec<String>,
    /// When the running daemon read it, seconds since 1970.
    read_at: Option<i64>,
    /// Further daemons that run.
    others: Vec<live::Daemon>,
    /// The line of a unit for which the configuration cannot be told.
    doubted_at: Option<String>,
}

impl Taken {
    /// That of the context's tree, read once for all areas.
    pub fn of(context: &Context<'_>) -> Rc<Option<Taken>> {
        context.cached(|| Taken::read(context))
    }

    /// Reads it below the root; `None` where there is no sshd.
    fn read(context: &Context<'_>) -> Option<Taken> {
        let root = context.root;
        if !version::installed(root) {
            return None;
        }
        let mut others = match root.is_live() {
            true => live::daemons(root),
            false => Vec::new(),
        };
        // Those whose command line is known stand first.
        let running = match others.first() {
            Some(first) if !first.cut => Some(others.remove(0)),
            _ => None,
        };
        let inherited = environment::inherited(context);
        let starter = unit::daemon(root, context.units(), &inherited);
        // In a tree, and where none listens until somebody connects.
        let (daemon, doubt) = match (running, &starter) {
            (Some(daemon), _) => (daemon, None),
            (None, Some(starter)) => (starter.daemon.clone(), starter.doubt.map(str::to_owned)),
            (None, None) => (live::Daemon::default(), None),
        };
        let file = daemon.file.unwrap_or_else(|| main_file(root));
        let version = version::read(root);
        let mut config = Config::read(root, &file, &daemon.options, version.build);
        let place = starter.as_ref().map(|starter| starter.location.clone());
        let mut doubt = doubt.zip(place);
        if let (Ok(taken), Some(starter)) = (&config, &starter) {
            doubt = doubt.or_else(|| namespace::veil(context, &starter.unit, taken));
        }
        let doubted_at = doubt.map(|(why, place)| {
            config = Err(Rejection::Unknown(why));
            place
        });
        Some(Taken {
            config,
            doubted_at,
            version,
            file,
            options: daemon.options,
            read_at: daemon.read_at,
            others,
        })
    }
}

impl Taken {
    /// Whether the line is told already as the one for which nothing is known of the daemon.
    fn is_doubted_at(&self, place: &str) -> bool {
        self.doubted_at.as_deref() == Some(place)
    }
}

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let taken = Taken::of(context);
    let Some(taken) = taken.as_ref() else {
        all(context, Verdict::NotApplicable, "there is no sshd", emit);
        return;
    };
    let config = match &taken.config {
        Ok(config) => config,
        Err(rejection) => {
            refused(context, taken, rejection, emit);
            starters::look(context, taken, emit);
            return;
        }
    };
    valid(context, config, taken, emit);
    let global = Effective::global(config);
    for check in CHECKS {
        match check.id {
            "sshd.root_authorized_keys" => root_keys::look(context, config, &global, emit),
            "sshd.config_permissions" => files::config_permissions(context, config, emit),
            "sshd.host_key_permissions" => files::host_keys(context, emit),
            _ => {
                if let Some(rule) = RULES.iter().find(|rule| rule.check == check) {
                    judge(context, config, &global, rule, emit);
                }
            }
        }
    }
    starters::look(context, taken, emit);
}

/// The same verdict for every check.
fn all(context: &Context<'_>, verdict: Verdict, message: &str, emit: &mut dyn FnMut(Finding)) {
    for check in CHECKS {
        emit(context.finding(check, verdict, "sshd", message));
    }
}

fn refused(
    context: &Context<'_>,
    taken: &Taken,
    rejection: &Rejection,
    emit: &mut dyn FnMut(Finding),
) {
    let file = taken.file.as_str();
    let version = &taken.version;
    let (verdict, message, place) = match rejection {
        Rejection::Missing => (
            Verdict::Fail,
            format!("sshd is installed and {file} is not there: it would not start"),
            file.to_owned(),
        ),
        Rejection::Refused { reason, location } => (
            Verdict::Fail,
            format!(
                "OpenSSH {} refuses its configuration: {reason} (the version is known from {})",
                version.shown(),
                version.source
            ),
            location.text(),
        ),
        Rejection::Unknown(why) => (
            Verdict::Unknown,
            format!("the configuration cannot be judged: {why}"),
            taken.doubted_at.clone().unwrap_or_else(|| file.to_owned()),
        ),
    };
    emit(
        context
            .finding(&CONFIG_VALID, verdict, "sshd", message)
            .location(place)
            .remediation("sshd -t -f FILE names the error"),
    );
    for check in CHECKS.into_iter().filter(|check| *check != &CONFIG_VALID) {
        match check.id {
            "sshd.host_key_permissions" => files::host_keys(context, emit),
            _ => emit(context.finding(
                check,
                Verdict::Unknown,
                "sshd",
                "no value is in force: sshd's configuration could not be taken",
            )),
        }
    }
}

/// A file changed within the second of the start was most likely read. Its time may be any number of seconds.
fn is_newer(changed: i64, read: i64) -> bool {
    changed > read.saturating_add(1)
}

/// Valid it is; what is left is whether the daemon has read it.
fn valid(context: &Context<'_>, config: &Config, taken: &Taken, emit: &mut dyn FnMut(Finding)) {
    let read_at = taken.read_at;
    let newer: Vec<&String> = config
        .files
        .iter()
        .filter(|path| match (read_at, live::modified(context.root, path)) {
            (Some(read), Some(changed)) => is_newer(changed, read),
            _ => false,
        })
        .collect();
    let version = &taken.version;
    let shown = version.shown();
    let observed =
        json!({ "files": config.files, "openssh": shown, "openssh_from": version.source });
    let finding = match (newer.first(), config.not_understood.first()) {
        (Some(first), _) => context
            .finding(
                &CONFIG_VALID,
                Verdict::Fail,
                "sshd",
                format!("{first} was changed after the running daemon read its configuration: what the files say is not in force"),
            )
            .location((*first).clone())
            .remediation(format!("systemctl reload {}", service(context))),
        (None, Some(line)) => context
            .finding(&CONFIG_VALID, Verdict::Unknown, "sshd", beyond(config, version, line))
            .location(line.location.text()),
        (None, None) => {
            let judged = match config.build.newer {
                true => format!("OpenSSH {shown} is judged as {}, the newest that is known here, which accepts its configuration", newest()),
                false => format!("OpenSSH {shown} accepts its configuration"),
            };
            let message = format!("{judged} (the version is known from {})", version.source);
            context.finding(&CONFIG_VALID, Verdict::Pass, "sshd", message)
        }
    };
    emit(finding.evidence(json!({ "value": "valid" }), observed));
}

/// What is said of lines that only a version newer than what is known here may take.
fn beyond(config: &Config, version: &version::Version, first: &NotUnderstood) -> String {
    let lines = match config.not_understood.len() {
        1 => String::new(),
        n => format!("; {n} lines are so"),
    };
    format!(
        "OpenSSH {} is newer than {}, the newest that is known here and would refuse: {}{lines}; every other line is judged",
        version.shown(),
        newest(),
        first.reason,
    )
}

/// The newest version that is known here, as `10.6`.
pub fn newest() -> String {
    let (major, minor) = history::NEWEST;
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_newer_by_more_than_a_second() {
        assert!(is_newer(1_002, 1_000) && !is_newer(1_001, 1_000));
        assert!(!is_newer(1_000, i64::MAX));
    }
}
