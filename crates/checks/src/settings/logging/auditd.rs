//! The audit daemon: started at boot, running, with rules.

use super::audit_rules::{Rules, written};
use super::checks::AUDITD;
use super::service::{Service, ServiceState};
use super::targets::files;
use crate::settings::boot;
use crate::settings::context::{Context, Manager};
use crate::settings::systemd::{Short, UnitState};
use agent_core::finding::{Finding, Verdict};
use agent_core::os::netlink;
use serde_json::json;

static SERVICE: Service = Service {
    name: "auditd",
    units: &["auditd.service"],
    programs: &["auditd"],
};

/// What loads the rules, where it is there.
const LOADER: &str = "audit-rules.service";

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let written = written(context);
    // Only who has CAP_AUDIT_CONTROL may ask the kernel; the files say what was to be loaded.
    let loaded = context
        .live()
        .then(|| netlink::audit_rules().ok())
        .flatten()
        .map(|rules| Rules::of(&rules));
    // What the files leave out, the next boot leaves out, whatever was loaded since.
    let off = written.as_ref().ok().copied();
    let off = off.filter(|written| matches!(written, Rules::Off(_)));
    let off = off.or_else(|| unloaded(context));
    let rules = off.or(loaded).or(written.as_ref().ok().copied());
    let state = match switched_off(context) {
        Ok(None) => SERVICE.state(context),
        Ok(Some(why)) => ServiceState::Down(why),
        Err(why) => ServiceState::Unknown(why),
    };
    let (verdict, message) = match (state, rules) {
        (ServiceState::Absent, _) => (Verdict::Fail, "there is no auditd".to_owned()),
        (ServiceState::Down(why), _) => (Verdict::Fail, why),
        (ServiceState::Unknown(why), _) => (Verdict::Unknown, why),
        (ServiceState::Up, Some(Rules::Off(why))) => (
            Verdict::Fail,
            format!("auditd is up, and the kernel records nothing of what anybody does: {why}"),
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

/// From audit 4 on a service of its own loads the rules, which auditd.service requires; before, auditd.service did it.
fn unloaded(context: &Context<'_>) -> Option<Rules> {
    let (root, units) = (context.root, context.units());
    let held = match units.state(root, LOADER) {
        UnitState::Missing | UnitState::Perhaps(..) => return None,
        UnitState::Started(_) => {
            let short = units.cut_short(root, LOADER, &["augenrules", "auditctl"]);
            units.held_back(root, LOADER).is_some() || matches!(short, Some(Short::Ends(_)))
        }
        _ => true,
    };
    let itself = ["ExecStartPre", "ExecStartPost"].into_iter().any(|key| {
        let all = units.values(root, "auditd.service", "Service", key);
        let loads = |line: &str| line.contains("augenrules") || line.contains("auditctl");
        all.iter().any(|setting| loads(&setting.value))
    });
    (held && !itself).then_some(Rules::Off(
        "audit-rules.service, which loads the rules, is not started at boot",
    ))
}

/// What keeps all records from auditd, whatever the rules say: the kernel's command line, for which the unit has a
/// condition as well, and auditd.conf(5).
fn switched_off(context: &Context<'_>) -> Result<Option<String>, String> {
    for (place, line) in boot::command_lines(context) {
        let parameters = boot::parameters(&line);
        let mut values = parameters.iter().rev();
        let audit = values.find(|(name, value)| name == "audit" && value.is_some());
        let audit = audit.and_then(|(_, value)| value.as_deref());
        if audit.is_some_and(|value| value == "off" || boot::number(value) == Some(0)) {
            return Ok(Some(format!("the kernel is booted with audit=0: {place}")));
        }
    }
    for (path, text) in files(context, &["/etc/audit/auditd.conf"])? {
        let says = |key: &str, value: &str| says(&text, key, value);
        if says("local_events", "no") {
            return Ok(Some(format!(
                "local_events = no in {path}: auditd hears nothing of this host"
            )));
        }
        let unwritten = [("write_logs", "no"), ("log_format", "nolog")];
        let unwritten = unwritten.iter().find(|(key, value)| says(key, value));
        if let Some((key, value)) = unwritten
            && !hands_on(context)?
        {
            return Ok(Some(format!(
                "{key} = {value} in {path}, and no plugin is active: what auditd hears is kept nowhere"
            )));
        }
    }
    Ok(None)
}

/// Whether a plugin of auditd's gets the records (auditd-plugins(5)).
fn hands_on(context: &Context<'_>) -> Result<bool, String> {
    let places = [
        "/etc/audit/plugins.d/*.conf",
        "/etc/audisp/plugins.d/*.conf",
    ];
    let plugins = files(context, &places)?;
    Ok(plugins.iter().any(|(_, text)| says(text, "active", "yes")))
}

/// Whether a line gives the key that value: both in any case, as auditd takes them.
fn says(text: &str, key: &str, value: &str) -> bool {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.any(|(name, given)| {
        name.trim().eq_ignore_ascii_case(key) && given.trim().eq_ignore_ascii_case(value)
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
