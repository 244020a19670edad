//! The audit daemon: started at boot, running, with rules.

use super::checks::AUDITD;
use super::service::{Service, ServiceState};
use super::targets::files;
use crate::settings::context::{Context, Manager};
use agent_core::finding::{Finding, Verdict};
use agent_core::os::netlink::{self, AuditRule};
use serde_json::json;

static SERVICE: Service = Service {
    name: "auditd",
    units: &["auditd.service"],
    programs: &["auditd"],
};

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let written = written(context);
    // Only who has CAP_AUDIT_CONTROL may ask the kernel; the files say what was to be loaded.
    let loaded = context
        .live()
        .then(|| netlink::audit_rules().ok())
        .flatten()
        .map(|rules| Rules::of(&rules));
    let rules = loaded.or(written.as_ref().ok().copied());
    let (verdict, message) = match (SERVICE.state(context), rules) {
        (ServiceState::Absent, _) => (Verdict::Fail, "there is no auditd".to_owned()),
        (ServiceState::Down(why), _) => (Verdict::Fail, why),
        (ServiceState::Unknown(why), _) => (Verdict::Unknown, why),
        (ServiceState::Up, Some(Rules::Off)) => (
            Verdict::Fail,
            "auditd is up, and a rule keeps the kernel from recording what anybody does: -a task,never".into(),
        ),
        (ServiceState::Up, Some(Rules::On(0))) => {
            (Verdict::Fail, "auditd is up, and has no rules".into())
        }
        (ServiceState::Up, Some(Rules::On(count))) => {
            let where_from = match loaded {
                Some(_) => "loaded",
                None => "written",
            };
            (
                Verdict::Pass,
                format!("auditd is up, {count} rules are {where_from}"),
            )
        }
        (ServiceState::Up, None) => (
            Verdict::Unknown,
            written.as_ref().err().cloned().unwrap_or_default(),
        ),
    };
    let finding = context
        .finding(&AUDITD, verdict, "auditd", message)
        .evidence(
            json!({ "rules": "at least one" }),
            json!({ "rules_loaded": loaded.map(Rules::count), "rules_written": written.ok().map(Rules::count) }),
        );
    match verdict {
        Verdict::Fail => finding.remediation(mend(context)),
        _ => finding,
    }
}

/// linux/audit.h
const FILTER_TASK: u32 = 1;
const NEVER: u32 = 0;
const ALWAYS: u32 = 2;

/// What rules come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// So many make records.
    On(usize),
    /// No process gets a context for its system calls, so that no rule on these finds anything (auditctl(8)).
    Off,
}

impl Rules {
    fn of(rules: &[AuditRule]) -> Rules {
        let task = rules.iter().find(|rule| rule.list == FILTER_TASK);
        match task.is_some_and(|rule| rule.action == NEVER && rule.conditions == 0) {
            true => Rules::Off,
            false => Rules::On(rules.iter().filter(|rule| rule.action == ALWAYS).count()),
        }
    }

    fn count(self) -> usize {
        match self {
            Rules::On(count) => count,
            Rules::Off => 0,
        }
    }
}

/// Rules in the files of auditctl(8). Where there are parts, augenrules(8) makes the one file of them at boot.
fn written(context: &Context<'_>) -> Result<Rules, String> {
    let parts = files(context, &["/etc/audit/rules.d/*.rules"])?;
    let texts = match parts.is_empty() {
        true => files(context, &["/etc/audit/audit.rules"])?,
        false => parts,
    };
    let rules: Vec<AuditRule> = texts
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(rule)
        .collect();
    Ok(Rules::of(&rules))
}

/// A line of auditctl(8): `-a LIST,ACTION` in either order, or a watch.
fn rule(line: &str) -> Option<AuditRule> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (list, action) = match words.as_slice() {
        ["-w", ..] => ("exit", "always"),
        ["-a" | "-A", both, ..] => {
            let (first, second) = both.split_once(',')?;
            match first {
                "always" | "never" => (second, first),
                _ => (first, second),
            }
        }
        _ => return None,
    };
    Some(AuditRule {
        list: if list == "task" {
            FILTER_TASK
        } else {
            u32::MAX
        },
        action: if action == "never" { NEVER } else { ALWAYS },
        conditions: u32::from(words.contains(&"-F")),
    })
}

fn mend(context: &Context<'_>) -> String {
    let package = match context.manager() {
        Manager::Apt => "auditd",
        _ => "audit",
    };
    format!(
        "{}; put rules into /etc/audit/rules.d/, then: augenrules --load && systemctl enable --now auditd",
        context.installation(package)
    )
}
