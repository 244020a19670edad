//! What the kernel is told: sysctl, lockdown, mandatory access control, modules; now, and from the next boot on.

mod checks;
mod command_line;
mod mac;
mod modprobe;
mod module_index;
mod modules;
mod profiles;
mod security_modules;
mod sysctl;

pub use checks::CHECKS;

use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::systemd::UnitState;
use agent_core::finding::{Check, Finding, Verdict};
use checks::*;
use serde_json::json;
use sysctl::Sysctl;

/// Judges the checks of this area.
pub fn look(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let sysctl = match context
        .units()
        .state(context.root, "systemd-sysctl.service")
    {
        // Then nobody reads the files.
        UnitState::Masked(_) => Ok(Sysctl::default()),
        _ => Sysctl::read(context),
    };
    if context.wants(&ASLR) {
        emit(parameter(
            context,
            &ASLR,
            &sysctl,
            "kernel.randomize_va_space",
            "2",
            &|v| v == 2,
        ));
    }
    if context.wants(&SYSRQ) {
        emit(sysrq(context, &sysctl));
    }
    if context.wants(&MAC) {
        emit(mac::judge(context));
    }
    if context.wants(&LOCKDOWN) {
        emit(lockdown(context));
    }
    if context.wants(&MODULES) {
        modules::judge(context, sysctl.as_ref().ok(), emit);
    }
}

fn sysrq(context: &Context<'_>, sysctl: &Result<Sysctl, String>) -> Finding {
    let Some(mask) = context.demand(&SYSRQ).and_then(toml::Value::as_integer) else {
        let message = "the profile demands nothing of it";
        return context.finding(&SYSRQ, Verdict::NotApplicable, "kernel.sysrq", message);
    };
    // 1 stands for all functions; without them, every function is a bit (admin-guide/sysrq).
    let within = move |value: i64| match value {
        1 => mask == 1 || mask == 511,
        value => value & !mask == 0,
    };
    let mut finding = parameter(
        context,
        &SYSRQ,
        sysctl,
        "kernel.sysrq",
        &mask.to_string(),
        &within,
    );
    finding.remediation = finding
        .remediation
        .map(|text| text.replace("NUMBER", &mask.to_string()));
    finding
}

/// A parameter of the kernel's: its value now, and what the files set at the next boot.
fn parameter(
    context: &Context<'_>,
    check: &'static Check,
    sysctl: &Result<Sysctl, String>,
    key: &str,
    demanded: &str,
    good: &dyn Fn(i64) -> bool,
) -> Finding {
    let say = |verdict, message: String| context.finding(check, verdict, key, message);
    let configured = match sysctl {
        Ok(sysctl) => sysctl.value(key),
        Err(why) => return say(Verdict::Unknown, why.clone()),
    };
    let live = match live(context, key) {
        Ok(live) => live,
        Err((verdict, why)) => return say(verdict, why),
    };
    let holds = |value: &str| boot::number(value).is_some_and(good);
    if check == &SYSRQ
        && !good(1)
        && let Some(place) = command_line::flag(context, "sysrq_always_enabled")
    {
        let message = "the kernel is booted with sysrq_always_enabled, and allows every function whatever kernel.sysrq is";
        return say(Verdict::Fail, message.into())
            .evidence(
                json!({ "value": demanded }),
                json!({ "live": live, "default": false }),
            )
            .location(place)
            .remediation("remove sysrq_always_enabled from the kernel's command line, and reboot");
    }
    // The kernel refuses what is no number, and keeps what it has.
    let configured = configured.filter(|value| boot::number(&value.value).is_some());
    let at_start = command_line::value(context, key, &holds);
    let configured = configured.or(at_start.as_ref());
    let set = configured.map(|value| value.value.as_str());
    let place = configured.map(|value| value.location.clone());
    let (verdict, message) = match (&live, set) {
        (Some(now), Some(set)) if !holds(now) && holds(set) => (
            Verdict::Fail,
            format!("{key} is {now}, though the files set {set}: it was changed since the boot"),
        ),
        (Some(now), _) if !holds(now) => (Verdict::Fail, format!("{key} is {now}")),
        (Some(now), Some(set)) if !holds(set) => (
            Verdict::Fail,
            format!("{key} is {now} now, and will be {set} after the next boot"),
        ),
        (Some(now), Some(set)) if now != set => (
            Verdict::Pass,
            format!("{key} is {now}, though the files set {set}; either will do"),
        ),
        (Some(now), _) => (Verdict::Pass, format!("{key} is {now}")),
        (None, Some(set)) if !holds(set) => {
            (Verdict::Fail, format!("{key} will be {set} after boot"))
        }
        (None, Some(set)) => (Verdict::Pass, format!("{key} will be {set} after boot")),
        (None, None) if check == &ASLR => (
            Verdict::Pass,
            format!("no file sets {key}; the kernel's default is 2"),
        ),
        (None, None) => (
            Verdict::Unknown,
            format!("no file sets {key}; the default depends on how the kernel was built"),
        ),
    };
    let mut finding = say(verdict, message).evidence(
        json!({ "value": demanded }),
        json!({ "live": live, "configured": set, "default": set.is_none() }),
    );
    finding.location = place;
    match (verdict, check.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}

/// What the parameter is now; `None` where no running host is looked at. Else the verdict that there is, and why.
fn live(context: &Context<'_>, key: &str) -> Result<Option<String>, (Verdict, String)> {
    if !context.live() {
        return Ok(None);
    }
    let path = format!("proc/sys/{}", key.replace('.', "/"));
    match context.read(&path) {
        Ok(Some(text)) => Ok(Some(String::from_utf8_lossy(&text).trim().to_owned())),
        // Every kernel that has any parameter shows a directory of them.
        Ok(None) if !matches!(context.root.list(b"proc/sys/kernel"), Ok(Some(_))) => {
            let message = "the kernel's parameters cannot be read: /proc/sys/kernel is not there (is /proc mounted?)";
            Err((Verdict::Unknown, message.into()))
        }
        Ok(None) => Err((Verdict::NotApplicable, format!("this kernel has no {key}"))),
        Err(error) => Err((Verdict::Unknown, format!("/{path}: {error}"))),
    }
}

/// kernel_lockdown(7): `none [integrity] confidentiality`, the one in brackets in force.
fn lockdown(context: &Context<'_>) -> Finding {
    const FILE: &str = "sys/kernel/security/lockdown";
    const STRICTER: [&str; 3] = ["none", "integrity", "confidentiality"];
    let rank = |word: &str| STRICTER.iter().position(|known| *known == word);
    let say = |verdict, message: String| context.finding(&LOCKDOWN, verdict, "kernel", message);
    let Some(demanded) = context.demand(&LOCKDOWN).and_then(toml::Value::as_str) else {
        return say(
            Verdict::NotApplicable,
            "the profile demands nothing of it".into(),
        );
    };
    if !context.live() {
        return say(
            Verdict::NotApplicable,
            "it is the running kernel's, and follows from how the machine boots".into(),
        );
    }
    let text = match context.read(FILE) {
        Ok(Some(text)) => String::from_utf8_lossy(&text).into_owned(),
        Ok(None) => "[none] (not in this kernel, or securityfs is not mounted)".to_owned(),
        Err(error) => return say(Verdict::Unknown, format!("/{FILE}: {error}")),
    };
    let is = text
        .split('[')
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap_or("none");
    let verdict = match rank(is) >= rank(demanded) {
        true => Verdict::Pass,
        false => Verdict::Fail,
    };
    let finding = say(verdict, format!("lockdown is {is}"))
        .evidence(json!({ "value": demanded }), json!({ "value": is }));
    match (verdict, LOCKDOWN.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}
