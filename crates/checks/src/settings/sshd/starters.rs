//! Other units that start an sshd than the one whose daemon is judged: each by its own command line.
//!
//! Templates of ssh.socket and of systemd-ssh-generator(8) are among them, and whatever an administrator wrote. What
//! is as it is for the daemon is not told again.

use super::checks::CONFIG_VALID;
use super::config::{Config, Rejection};
use super::effective::Effective;
use super::environment::inherited;
use super::judge::{blocks_of_another, shown};
use super::live::Daemon;
use super::namespace;
use super::root_keys;
use super::rules::{Judged, RULES};
use super::unit::{self, Starter};
use super::{Taken, main_file};
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;

/// Findings of what another daemon that runs, or another unit's sshd, does worse than the daemon.
pub(super) fn look(context: &Context<'_>, taken: &Taken, emit: &mut dyn FnMut(Finding)) {
    let mut seen: Vec<(String, Vec<String>)> = vec![(taken.file.clone(), taken.options.clone())];
    let running = taken.others.iter().cloned().map(running);
    let units = unit::starters(context.root, context.units(), &inherited(context));
    let mut doubts: usize = 0;
    for starter in running.chain(units) {
        if starter.daemon.cut {
            emit(cut(context, &starter));
            continue;
        }
        if starter.doubt.is_some() {
            doubts = doubts.saturating_add(1);
            let is_told = doubts > bounds::SSHD_STARTERS || taken.is_doubted_at(&starter.location);
            if !is_told {
                emit(doubted(context, &starter));
            }
            continue;
        }
        let Daemon { file, options, .. } = starter.daemon.clone();
        let called = (file.unwrap_or_else(|| main_file(context.root)), options);
        let elsewhere = starter.daemon.pid.is_none() && namespace::has_own(context, &starter.unit);
        if seen.contains(&called) && !elsewhere {
            continue;
        }
        let most = bounds::SSHD_STARTERS;
        if seen.len() > most {
            let message = format!("only {most} command lines that start an sshd are judged");
            let finding =
                context.finding(&CONFIG_VALID, Verdict::Unknown, subject(&starter), message);
            emit(finding.location(starter.location));
            return;
        }
        one(context, taken, &starter, &called, emit);
        seen.push(called);
    }
}

/// A daemon that runs beside the one that is judged first.
fn running(daemon: Daemon) -> Starter {
    let pid = daemon.pid.unwrap_or_default();
    Starter {
        unit: format!("process {pid}"),
        daemon,
        location: format!("/proc/{pid}/cmdline"),
        doubt: None,
    }
}

fn cut(context: &Context<'_>, starter: &Starter) -> Finding {
    let message = format!(
        "{} listens, and its title is cut off: with what options it runs cannot be told",
        who(starter)
    );
    let finding = context.finding(&CONFIG_VALID, Verdict::Unknown, subject(starter), message);
    finding.location(starter.location.clone())
}

fn doubted(context: &Context<'_>, starter: &Starter) -> Finding {
    let unit = &starter.unit;
    let why = starter.doubt.unwrap_or_default();
    let message = format!("with what options {unit} starts an sshd cannot be told: {why}");
    let finding = context.finding(&CONFIG_VALID, Verdict::Unknown, subject(starter), message);
    finding.location(starter.location.clone())
}

fn subject(starter: &Starter) -> String {
    format!("sshd {}", starter.unit)
}

/// The sshd, as messages name it.
fn who(starter: &Starter) -> String {
    match starter.daemon.pid {
        Some(pid) => format!("the sshd that runs as process {pid}"),
        None => format!("the sshd that {} starts", starter.unit),
    }
}

fn remedy(starter: &Starter) -> String {
    match starter.daemon.pid {
        Some(pid) => format!("ps -fp {pid} shows its command line; end it where nobody needs it"),
        None => format!(
            "systemctl cat {} shows its command line; systemctl mask {0} where nobody needs it",
            starter.unit
        ),
    }
}

fn one(
    context: &Context<'_>,
    taken: &Taken,
    starter: &Starter,
    (file, options): &(String, Vec<String>),
    emit: &mut dyn FnMut(Finding),
) {
    let config = match Config::read(context.root, file, options, taken.version.build) {
        Ok(config) => config,
        Err(rejection) => {
            if taken.config.as_ref().err() != Some(&rejection) {
                emit(refused(context, starter, file, &rejection));
            }
            return;
        }
    };
    let veil = match starter.daemon.pid {
        Some(_) => None,
        None => namespace::veil(context, &starter.unit, &config),
    };
    if let Some((why, place)) = veil {
        if !taken.is_doubted_at(&place) {
            let message = format!("what {} does cannot be told: {why}", who(starter));
            let finding =
                context.finding(&CONFIG_VALID, Verdict::Unknown, subject(starter), message);
            emit(finding.location(place));
        }
        return;
    }
    let values = Effective::global(&config);
    let theirs = taken.config.as_ref().ok();
    let daemon = theirs.map(Effective::global);
    for rule in &RULES {
        if !context.wants(rule.check) {
            continue;
        }
        // Blocks of the daemon's own file are told as the daemon's.
        if *file != taken.file {
            blocks_of_another(context, &config, &values, rule, &mut |mut finding| {
                let block = String::from_utf8_lossy(&finding.subject).into_owned();
                let block = block.strip_prefix("sshd ").unwrap_or(&block);
                finding.subject = format!("{} {block}", subject(starter)).into_bytes();
                emit(finding);
            });
        }
        if !matches!(rule.judge(context, &values), Judged::Bad) {
            continue;
        }
        let value = rule.observed(&values);
        // The same value is the daemon's finding already.
        if daemon
            .as_ref()
            .is_some_and(|daemon| rule.observed(daemon) == value)
        {
            continue;
        }
        let expected = rule.expected(context);
        let message = format!(
            "{}: {}; demanded: {expected}",
            who(starter),
            shown(rule, &value)
        );
        let location = rule
            .keywords
            .iter()
            .find_map(|keyword| values.location(keyword))
            .filter(|location| location.line > 0)
            .map_or_else(|| starter.location.clone(), |location| location.text());
        emit(
            context
                .finding(rule.check, Verdict::Fail, subject(starter), message)
                .evidence(
                    json!({ "value": expected }),
                    json!({ "value": value, "default": false, "conflicts": [] }),
                )
                .location(location)
                .remediation(remedy(starter)),
        );
    }
    let daemon = theirs.zip(daemon.as_ref());
    root_keys::of_another(context, (&config, &values), daemon, &who(starter), emit);
}

fn refused(context: &Context<'_>, starter: &Starter, file: &str, rejection: &Rejection) -> Finding {
    let (verdict, why, location) = match rejection {
        Rejection::Missing => (
            Verdict::Fail,
            format!("{file} is not there"),
            starter.location.clone(),
        ),
        Rejection::Refused { reason, location } => (Verdict::Fail, reason.clone(), location.text()),
        Rejection::Unknown(why) => (Verdict::Unknown, why.clone(), file.to_owned()),
    };
    let does = match starter.daemon.pid {
        Some(_) => "read what is refused now",
        None => "would not start",
    };
    let message = format!("{} {does}: {why}", who(starter));
    context
        .finding(&CONFIG_VALID, verdict, subject(starter), message)
        .location(location)
        .remediation(remedy(starter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::sshd::build::Build;
    use crate::settings::sshd::version::Version;
    use crate::settings::testing::within;

    #[test]
    fn each_daemon_that_runs_is_judged() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        put(
            "main",
            "PermitRootLogin no\nMatch User ann\nX11Forwarding yes\n",
        );
        put(
            "own",
            "PermitRootLogin no\nMatch User root\nPermitRootLogin yes\n",
        );
        let daemon = |pid, file: &str, option: &str| Daemon {
            pid: Some(pid),
            file: Some(file.to_owned()),
            options: vec![option.to_owned()],
            cut: pid == 9,
            ..Daemon::default()
        };
        let told = within(directory.path(), |context| {
            let build = <Build as Default>::default();
            let taken = Taken {
                file: "/main".into(),
                config: Config::read(context.root, "/main", &[], build),
                version: Version {
                    number: build.number,
                    build,
                    source: "a test",
                },
                options: Vec::new(),
                read_at: None,
                doubted_at: None,
                others: vec![
                    daemon(7, "/main", "PermitRootLogin=yes"),
                    daemon(8, "/own", "MaxSessions=10"),
                    daemon(9, "/own", "Permit"),
                ],
            };
            let mut told = Vec::new();
            look(context, &taken, &mut |finding| {
                let subject = String::from_utf8_lossy(&finding.subject).into_owned();
                told.push(format!("{} {subject}", finding.check.id));
            });
            told
        });
        assert_eq!(
            told,
            [
                "sshd.permit_root_login sshd process 7",
                "sshd.permit_root_login sshd process 8 Match User root",
                "sshd.config_valid sshd process 9",
            ]
        );
    }
}
