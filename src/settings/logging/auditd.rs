//! The audit daemon: started at boot, running, with rules.

use super::checks::AUDITD;
use super::service::{Service, Standing};
use super::targets::files;
use crate::finding::{Finding, Verdict};
use crate::os::netlink;
use crate::settings::context::Context;
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
        .flatten();
    let rules = loaded.or(written.as_ref().ok().copied());
    let (verdict, message) = match (SERVICE.standing(context), rules) {
        (Standing::Absent, _) => (Verdict::Fail, "there is no auditd".to_owned()),
        (Standing::Down(why), _) => (Verdict::Fail, why),
        (Standing::Unknown(why), _) => (Verdict::Unknown, why),
        (Standing::Up, Some(0)) => (Verdict::Fail, "auditd is up, and has no rules".into()),
        (Standing::Up, Some(count)) => {
            let where_from = match loaded {
                Some(_) => "loaded",
                None => "written",
            };
            (
                Verdict::Pass,
                format!("auditd is up, {count} rules are {where_from}"),
            )
        }
        (Standing::Up, None) => (
            Verdict::Unknown,
            written.as_ref().err().cloned().unwrap_or_default(),
        ),
    };
    let finding = context
        .finding(&AUDITD, verdict, "auditd", message)
        .evidence(
            json!({ "rules": "at least one" }),
            json!({ "rules_loaded": loaded, "rules_written": written.ok() }),
        );
    match verdict {
        Verdict::Fail => finding.remediation(mend(context)),
        _ => finding,
    }
}

/// Rules in the files that auditctl(8) and augenrules(8) read.
fn written(context: &Context<'_>) -> Result<usize, String> {
    let files = files(
        context,
        &["/etc/audit/audit.rules", "/etc/audit/rules.d/*.rules"],
    )?;
    let is_rule = |line: &&str| matches!(line.split_whitespace().next(), Some("-a" | "-A" | "-w"));
    Ok(files
        .iter()
        .map(|(_, text)| text.lines().filter(is_rule).count())
        // The one file is made of the others.
        .max()
        .unwrap_or(0))
}

fn mend(context: &Context<'_>) -> &'static str {
    match crate::packages::detect(context.root) {
        crate::packages::Kind::Rpm => {
            "dnf install audit; put rules into /etc/audit/rules.d/, then: augenrules --load && systemctl enable --now auditd"
        }
        _ => {
            "apt-get install auditd; put rules into /etc/audit/rules.d/, then: augenrules --load && systemctl enable --now auditd"
        }
    }
}
