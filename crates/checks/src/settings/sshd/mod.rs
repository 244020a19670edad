//! What sshd would do: its configuration read as sshd reads it, and judged.
//!
//! [`parse`] reads files to lines with their places, [`effective`] decides what is in force and prints it as
//! `sshd -T` does, `rules` says what is demanded. Keywords, defaults and refusals are those of the tree's
//! own version of OpenSSH: `history` says how they differ.

mod algorithms;
mod checks;
pub mod criteria;
pub mod effective;
mod files;
pub mod history;
pub(super) mod include;
pub mod keys;
mod keyword;
mod live;
pub mod parse;
mod rules;
mod unit;
mod value;
pub mod version;
mod words;

pub use checks::CHECKS;

use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::root::Root;
use checks::CONFIG_VALID;
use effective::Effective;
use parse::{Config, Trouble};
use rules::{Judged, RULES, Rule};
use serde_json::{Value, json};
use std::rc::Rc;

/// Where sshd looks for its configuration.
pub const CONFIG: &str = "/etc/ssh/sshd_config";

/// The configuration of a tree's sshd, as the daemon that runs was called, or would be.
pub struct Taken {
    /// The main file.
    pub file: String,
    /// What it and those that it includes say, or why sshd would not start.
    pub config: Result<Config, Trouble>,
    /// The version that reads it.
    pub version: version::Version,
    /// When the running daemon read it, seconds since 1970.
    read_at: Option<i64>,
}

impl Taken {
    /// That of the context's tree, read once for all areas.
    pub fn of(context: &Context<'_>) -> Rc<Option<Taken>> {
        context.cached(|| Taken::read(context.root))
    }

    /// Reads it below the root; `None` where there is no sshd.
    pub fn read(root: &Root) -> Option<Taken> {
        if !version::installed(root) {
            return None;
        }
        let daemon = match root.is_live() {
            true => live::daemon(root),
            false => None,
        }
        // In a tree, and where none listens until somebody connects.
        .or_else(|| unit::daemon(root))
        .unwrap_or_default();
        let file = daemon.file.unwrap_or_else(|| CONFIG.to_owned());
        let version = version::read(root);
        Some(Taken {
            config: Config::read(root, &file, &daemon.options, version.number),
            version,
            file,
            read_at: daemon.read_at,
        })
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
        Err(trouble) => {
            refused(context, taken, trouble, emit);
            return;
        }
    };
    valid(context, config, taken, emit);
    let global = Effective::global(config);
    for check in CHECKS {
        match check.id {
            "sshd.root_authorized_keys" => files::root_keys(context, &global, emit),
            "sshd.config_permissions" => files::config_permissions(context, &config.files, emit),
            "sshd.host_key_permissions" => files::host_keys(context, emit),
            _ => {
                if let Some(rule) = RULES.iter().find(|rule| rule.check == check) {
                    judge(context, config, &global, rule, emit);
                }
            }
        }
    }
}

/// The same verdict for every check.
fn all(context: &Context<'_>, verdict: Verdict, message: &str, emit: &mut dyn FnMut(Finding)) {
    for check in CHECKS {
        emit(context.finding(check, verdict, "sshd", message));
    }
}

fn refused(context: &Context<'_>, taken: &Taken, trouble: &Trouble, emit: &mut dyn FnMut(Finding)) {
    let file = taken.file.as_str();
    let (major, minor) = taken.version.number;
    let (verdict, message, place) = match trouble {
        Trouble::Missing => (
            Verdict::Fail,
            format!("sshd is installed and {file} is not there: it would not start"),
            file.to_owned(),
        ),
        Trouble::Refused { reason, place } => (
            Verdict::Fail,
            format!(
                "OpenSSH {major}.{minor} refuses its configuration: {reason} (the version is known from {})",
                taken.version.source
            ),
            place.text(),
        ),
        Trouble::Unknown(why) => (
            Verdict::Unknown,
            format!("the configuration cannot be judged: {why}"),
            file.to_owned(),
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

/// Valid it is; what is left is whether the daemon has read it.
fn valid(context: &Context<'_>, config: &Config, taken: &Taken, emit: &mut dyn FnMut(Finding)) {
    let read_at = taken.read_at;
    let newer: Vec<&String> = config
        .files
        .iter()
        .filter(|path| match (read_at, live::modified(context.root, path)) {
            // A file changed within the second of the start was most likely read.
            (Some(read), Some(changed)) => changed > read + 1,
            _ => false,
        })
        .collect();
    let version = &taken.version;
    let shown = format!("{}.{}", version.number.0, version.number.1);
    let observed =
        json!({ "files": config.files, "openssh": shown, "openssh_from": version.source });
    let finding = match newer.first() {
        Some(first) => context
            .finding(
                &CONFIG_VALID,
                Verdict::Fail,
                "sshd",
                format!("{first} was changed after the running daemon read its configuration: what the files say is not in force"),
            )
            .location((*first).clone())
            .remediation(format!("systemctl reload {}", service(context))),
        None => context.finding(&CONFIG_VALID, Verdict::Pass, "sshd", format!("OpenSSH {shown} accepts its configuration (the version is known from {})", version.source)),
    };
    emit(finding.evidence(json!({ "value": "valid" }), observed));
}

/// The unit is called `ssh` in the Debian family.
fn service(context: &Context<'_>) -> &'static str {
    let release = context.release;
    let debian = ["debian", "ubuntu"];
    let is = |id: &String| debian.contains(&id.as_str());
    match is(&release.id) || release.id_like.iter().any(is) {
        true => "ssh",
        false => "sshd",
    }
}

fn judge(
    context: &Context<'_>,
    config: &Config,
    global: &Effective<'_>,
    rule: &Rule,
    emit: &mut dyn FnMut(Finding),
) {
    let check = rule.check;
    let keyword = rule.keywords[0];
    let expected = rule.expected(context);
    let value = rule.observed(global);
    let judged = rule.judge(context, global);
    // Of several keywords, the one that opens what should be closed.
    let opens = |keyword: &&&str| matches!(judged, Judged::Bad) && global.value(keyword) == "yes";
    let place = rule
        .keywords
        .iter()
        .filter(opens)
        .chain(rule.keywords)
        .find_map(|keyword| global.place(keyword));
    if let Judged::NoDemand = judged {
        emit(
            context
                .finding(
                    check,
                    Verdict::NotApplicable,
                    "sshd",
                    "the profile demands nothing",
                )
                .evidence(Value::Null, json!({ "value": value })),
        );
        return;
    }
    let conflicts = conflicts(config, global, rule);
    let default = rule
        .keywords
        .iter()
        .all(|keyword| global.is_default(keyword));
    let evidence = |finding: Finding, value: &str, default: bool| {
        finding.evidence(
            json!({ "value": expected }),
            json!({ "value": value, "default": default, "conflicts": conflicts }),
        )
    };
    let is = shown(keyword, rule, &value);
    let (verdict, message) = match judged {
        Judged::Bad if default => (
            Verdict::Fail,
            format!("{is}, by default; demanded: {expected}"),
        ),
        Judged::Bad => (Verdict::Fail, format!("{is}; demanded: {expected}")),
        _ if context.sshd_explicit() && global.is_default(keyword) => (
            Verdict::Fail,
            format!("{is} by default alone; the profile demands that the line stands"),
        ),
        _ if context.sshd_explicit() && !every_line_holds(context, config, rule) => (
            Verdict::Fail,
            format!(
                "{is}, and another line says otherwise; the profile demands that every line holds"
            ),
        ),
        _ if conflicts.is_empty() => (Verdict::Pass, is),
        _ => (
            Verdict::Pass,
            format!("{is}; later lines that say otherwise have no effect"),
        ),
    };
    let mut finding = evidence(
        context.finding(check, verdict, "sshd", message),
        &value,
        default,
    );
    if let Some(place) = place {
        finding = finding.location(place.text());
    }
    if verdict == Verdict::Fail {
        finding = finding.remediation(remedy(context, rule, &expected));
    }
    emit(finding);
    if rule.per_connection {
        for (block, whom) in weakening(context, config, rule) {
            let values = Effective::under(config, block);
            let value = rule.observed(&values);
            let message = format!(
                "Match {whom}: {}; demanded: {expected}",
                shown(keyword, rule, &value)
            );
            let subject = format!("sshd Match {whom}");
            let place = rule.keywords.iter().find_map(|keyword| {
                values.place(keyword).filter(|place| {
                    **place > config.blocks[block].place
                        || place.file != config.blocks[block].place.file
                })
            });
            let finding = evidence(
                context.finding(check, Verdict::Fail, subject, message),
                &value,
                false,
            )
            .location(place.unwrap_or(&config.blocks[block].place).text())
            .remediation(format!(
                "remove the line from the Match block, then: systemctl reload {}",
                service(context)
            ));
            emit(finding);
        }
    }
}

/// `PermitRootLogin is yes`, in the words of the manual page where one keyword decides.
fn shown(keyword: &str, rule: &Rule, value: &str) -> String {
    match rule.keywords.len() {
        1 => format!("{} is {value}", proper(keyword)),
        _ => match rule.check.id {
            "sshd.x11_forwarding" | "sshd.allow_tcp_forwarding" => {
                format!("{} is {value}", proper(keyword))
            }
            "sshd.weak_crypto" => format!("weak algorithms: {value}"),
            "sshd.limit_user_access" => format!("who may log in is limited by: {value}"),
            _ => value.to_owned(),
        },
    }
}

/// The keyword as sshd_config(5) writes it, where this can be told from the title of its remedy.
fn proper(keyword: &str) -> &str {
    RULES
        .iter()
        .filter_map(|rule| rule.check.remedy.or(Some(rule.check.demand)))
        .flat_map(|text| text.split([' ', ',', ':']))
        .find(|word| word.eq_ignore_ascii_case(keyword))
        .unwrap_or(keyword)
}

/// Lines outside of Match blocks that say something else than what is in force.
fn conflicts(config: &Config, global: &Effective<'_>, rule: &Rule) -> Vec<String> {
    let in_force = global.values(rule.keywords[0]);
    config
        .entries
        .iter()
        .filter(|entry| keyword::KEYWORDS[entry.keyword].name == rule.keywords[0])
        .filter(|entry| config.applies(entry.block, None, None))
        .filter(|entry| {
            !entry
                .values
                .iter()
                .all(|value| in_force.contains(&value.as_str()))
        })
        .map(|entry| format!("{} {}", entry.place.text(), entry.values.join(" ")))
        .collect()
}

/// Whether every line for the keyword, wherever it stands, would satisfy the demand (CIS, STIG).
fn every_line_holds(context: &Context<'_>, config: &Config, rule: &Rule) -> bool {
    config
        .entries
        .iter()
        .filter(|entry| keyword::KEYWORDS[entry.keyword].name == rule.keywords[0])
        .all(|entry| {
            let alone = Effective::global(config).overlaid(std::iter::once(entry));
            matches!(rule.judge(context, &alone), Judged::Good)
        })
}

/// Match blocks under which the demand does not hold, and for whom they are.
fn weakening(context: &Context<'_>, config: &Config, rule: &Rule) -> Vec<(usize, String)> {
    let users = context.users().ok();
    let sets = |block: usize| {
        rule.keywords
            .iter()
            .any(|keyword| config.sets(block, keyword))
    };
    (0..config.blocks.len())
        .filter(|block| sets(*block) && !config.applies(Some(*block), None, None))
        .filter(|block| {
            rule.user
                .is_none_or(|user| config.can_apply_to(*block, user, users))
        })
        .filter(|block| {
            matches!(
                rule.judge(context, &Effective::under(config, *block)),
                Judged::Bad
            )
        })
        .map(|block| (block, config.whom(block)))
        .collect()
}

fn remedy(context: &Context<'_>, rule: &Rule, expected: &str) -> String {
    let demanded = context.demand(rule.check).map(|demand| match demand {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(texts) => texts
            .iter()
            .filter_map(toml::Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    });
    let line = match (rule.check.remedy, demanded) {
        // What the profile demands takes the place of what is demanded of everybody.
        (Some(line), Some(demanded)) if !line.contains(',') => match line.split_once(' ') {
            Some((keyword, _)) => format!("{keyword} {demanded}"),
            None => line.to_owned(),
        },
        (Some(line), _) => line.to_owned(),
        (None, Some(demanded)) => format!("{} {demanded}", proper(rule.keywords[0])),
        (None, None) => format!("demanded: {expected}"),
    };
    format!(
        "in {CONFIG}, before any line that says otherwise: {line}; then: systemctl reload {}",
        service(context)
    )
}
