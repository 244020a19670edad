//! One rule on what is in force for everybody, and under each Match block that says otherwise.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::CONFIG;
use super::config::{Config, Location};
use super::criteria::{Account, Criterion};
use super::effective::Effective;
use super::root_access;
use super::rules::{Judged, RULES, Rule};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::{Value, json};

/// The unit is called `ssh` in the Debian family.
pub(super) fn service(context: &Context<'_>) -> &'static str {
    let release = context.release;
    let debian = ["debian", "ubuntu"];
    let is = |id: &String| debian.contains(&id.as_str());
    match is(&release.id) || release.id_like.iter().any(is) {
        true => "ssh",
        false => "sshd",
    }
}

/// A rule, what it is judged on, and what comes of it for everybody.
struct Judging<'a> {
    context: &'a Context<'a>,
    config: &'a Config,
    global: &'a Effective<'a>,
    rule: &'a Rule,
    expected: String,
    conflicts: Vec<String>,
}

/// A finding for each Match block of another sshd's own configuration under which the rule does not hold.
pub(super) fn blocks_of_another(
    context: &Context<'_>,
    config: &Config,
    global: &Effective<'_>,
    rule: &Rule,
    emit: &mut dyn FnMut(Finding),
) {
    let judging = Judging {
        context,
        config,
        global,
        rule,
        expected: rule.expected(context),
        conflicts: Vec::new(),
    };
    if rule.per_connection {
        judging.blocks(emit);
    }
}

/// Judges a rule.
pub(super) fn judge(
    context: &Context<'_>,
    config: &Config,
    global: &Effective<'_>,
    rule: &Rule,
    emit: &mut dyn FnMut(Finding),
) {
    if let Some(line) = config.value_not_understood(rule.keywords) {
        let message = format!(
            "only an OpenSSH that is newer than what is known here may take the line: {}",
            line.reason
        );
        let finding = context.finding(rule.check, Verdict::Unknown, "sshd", message);
        emit(finding.location(line.location.text()));
        return;
    }
    let judged = rule.judge(context, global);
    if let Judged::NoDemand = judged {
        let message = "the profile demands nothing";
        emit(
            context
                .finding(rule.check, Verdict::NotApplicable, "sshd", message)
                .evidence(Value::Null, json!({ "value": rule.observed(global) })),
        );
        return;
    }
    let judging = Judging {
        context,
        config,
        global,
        rule,
        expected: rule.expected(context),
        conflicts: conflicts(config, global, rule),
    };
    judging.everyone(&judged, emit);
    if rule.per_connection {
        judging.blocks(emit);
    }
}

impl Judging<'_> {
    fn everyone(&self, judged: &Judged, emit: &mut dyn FnMut(Finding)) {
        let (context, rule, global) = (self.context, self.rule, self.global);
        let value = rule.observed(global);
        let default = self
            .decisive(judged, global)
            .iter()
            .all(|keyword| global.is_default(keyword));
        let (verdict, message) = self.verdict(judged, &value, default);
        let finding = context.finding(rule.check, verdict, "sshd", message);
        let mut finding = self.evidence(finding, &value, default);
        if let Some(location) = self.location(judged) {
            finding = finding.location(location.text());
        }
        if verdict == Verdict::Fail {
            finding = finding.remediation(remedy(context, rule, &self.expected));
        }
        emit(finding);
    }

    fn verdict(&self, judged: &Judged, value: &str, default: bool) -> (Verdict, String) {
        let (context, expected) = (self.context, &self.expected);
        let is = shown(self.rule, value);
        match judged {
            Judged::Bad if default => {
                let keywords = self.decisive(judged, self.global);
                // Where several stand in the message, it names those that no line sets.
                let said = match self.rule.keywords.len() > 1
                    && keywords.len() < self.rule.keywords.len()
                {
                    true => {
                        let names: Vec<&str> =
                            keywords.iter().map(|keyword| proper(keyword)).collect();
                        format!("; {} by default, no line", names.join(" and "))
                    }
                    false => ", by default".to_owned(),
                };
                (Verdict::Fail, format!("{is}{said}; demanded: {expected}"))
            }
            Judged::Bad => (Verdict::Fail, format!("{is}; demanded: {expected}")),
            _ if context.sshd_explicit() && !self.rule.stands(self.global) => (
                Verdict::Fail,
                format!("{is} by default alone; the profile demands that the line stands"),
            ),
            _ if context.sshd_explicit() && !self.every_line_holds() => (
                Verdict::Fail,
                format!(
                    "{is}, and another line says otherwise; the profile demands that every line holds"
                ),
            ),
            _ if self.conflicts.is_empty() => (Verdict::Pass, is),
            _ => (
                Verdict::Pass,
                format!("{is}; later lines that say otherwise have no effect"),
            ),
        }
    }

    /// Where it stands: the line that decides, none where a default does.
    fn location(&self, judged: &Judged) -> Option<&Location> {
        let keywords = self.decisive(judged, self.global);
        let mut keywords = keywords.into_iter();
        keywords.find_map(|keyword| self.global.location(keyword))
    }

    /// The keywords that decide: of what is not as demanded, those that make it so.
    fn decisive(&self, judged: &Judged, values: &Effective<'_>) -> Vec<&'static str> {
        match judged {
            Judged::Bad => self.rule.to_blame(self.context, values),
            Judged::Good | Judged::NoDemand => self.rule.keywords.to_vec(),
        }
    }

    fn evidence(&self, finding: Finding, value: &str, default: bool) -> Finding {
        finding.evidence(
            json!({ "value": self.expected }),
            json!({ "value": value, "default": default, "conflicts": self.conflicts }),
        )
    }

    /// Whether every line for the keyword, wherever it stands, would satisfy the demand (CIS, STIG).
    fn every_line_holds(&self) -> bool {
        self.config.lines_of(self.rule.keywords[0]).all(|line| {
            let alone = self.global.clone().overlaid(std::iter::once(line));
            matches!(self.rule.judge(self.context, &alone), Judged::Good)
        })
    }

    /// A finding for each Match block under which the demand does not hold.
    fn blocks(&self, emit: &mut dyn FnMut(Finding)) {
        let (context, config, rule) = (self.context, self.config, self.rule);
        let users = context.users().ok();
        let roots = root_access::roots(users);
        let names: Vec<_> = roots
            .iter()
            .map(|row| String::from_utf8_lossy(row.name()))
            .collect();
        let roots: Vec<Account<'_>> = names.iter().map(|name| Account::of(name, users)).collect();
        for block in 0..config.blocks.len() {
            let sets = rule
                .keywords
                .iter()
                .any(|keyword| config.sets(block, keyword));
            let concerns = !rule.of_root
                || roots
                    .iter()
                    .any(|account| config.can_apply_to(block, account));
            if !sets || !concerns || config.for_everyone(Some(block)) {
                continue;
            }
            let values = self.global.under(config, block);
            if let Judged::Bad = rule.judge(context, &values) {
                emit(self.block(block, &values));
            }
        }
    }

    fn block(&self, block: usize, values: &Effective<'_>) -> Finding {
        let (context, config, rule) = (self.context, self.config, self.rule);
        let whom = config.whom(block);
        let value = rule.observed(values);
        let message = format!(
            "Match {whom}: {}; demanded: {}",
            shown(rule, &value),
            self.expected
        );
        let start = &config.blocks[block].location;
        let to_blame = rule.to_blame(context, values);
        let location = to_blame.iter().chain(rule.keywords).find_map(|keyword| {
            values
                .location(keyword)
                .filter(|location| *location > start || location.file != start.file)
        });
        let not_understood =
            |criterion: &Criterion| matches!(criterion, Criterion::NotUnderstood(_));
        let verdict = match config
            .around(block)
            .any(|block| config.blocks[block].criteria.iter().any(not_understood))
        {
            true => Verdict::Unknown,
            false => Verdict::Fail,
        };
        let subject = format!("sshd Match {whom}");
        let finding = context.finding(rule.check, verdict, subject, message);
        self.evidence(finding, &value, false)
            .location(location.unwrap_or(start).text())
            .remediation(format!(
                "remove the line from the Match block, then: systemctl reload {}",
                service(context)
            ))
    }
}

/// `PermitRootLogin is yes`, in the words of the manual page where one keyword decides.
pub(super) fn shown(rule: &Rule, value: &str) -> String {
    let keyword = rule.keywords[0];
    match rule.keywords.len() {
        1 => format!("{} is {value}", proper(keyword)),
        _ => match rule.check.id {
            "sshd.x11_forwarding" | "sshd.allow_tcp_forwarding" | "sshd.disable_forwarding" => {
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
        .lines_of(rule.keywords[0])
        .filter(|line| config.for_everyone(line.block))
        .filter(|line| {
            let holds = |value: &String| in_force.contains(&value.as_str());
            !line.values.iter().all(holds)
        })
        .map(|line| format!("{} {}", line.location.text(), line.values.join(" ")))
        .collect()
}

pub(super) fn remedy(context: &Context<'_>, rule: &Rule, expected: &str) -> String {
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
