//! The host's own baseline: there, sealed by somebody trusted, and not too old.

use super::checks::INTEGRITY_MONITOR;
use crate::settings::context::Context;
use crate::settings::manifest;
use agent_baseline::manifest::verified::SealStatus;
use agent_core::finding::{Finding, Verdict};
use agent_core::words::counted;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// Judges the check. The signers are this host's own, or named by whoever asks: a tree cannot vouch for itself.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let limit = context.demanded_number(&INTEGRITY_MONITOR, 365);
    let place = manifest::place(context);
    let shown = place.display().to_string();
    let say = |verdict, message: String, observed: Value| {
        let finding = context
            .finding(&INTEGRITY_MONITOR, verdict, shown.as_str(), message)
            .evidence(json!({ "sealed": true, "days": limit }), observed);
        match (verdict, INTEGRITY_MONITOR.remedy) {
            (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
            _ => finding,
        }
    };
    let opened = match manifest::open(context) {
        Ok(Some(opened)) => opened,
        Ok(None) => return say(Verdict::Fail, "there is no manifest".into(), Value::Null),
        Err(error) => return say(Verdict::Fail, error.message, Value::Null),
    };
    let seal_status = &opened.seal_status;
    let time = &opened.manifest.header().time;
    let made: Option<jiff::Timestamp> = time.parse().ok();
    let days = made.map(|made| context.now.saturating_sub(made.as_second()).div_euclid(DAY));
    let observed = json!({
        "sealed": matches!(seal_status, SealStatus::Sealed(_)), "made": time, "days": days,
    });
    match (seal_status, days) {
        (SealStatus::Unsealed, _) => {
            let message = "the manifest is not sealed: whoever can write it can hide a change";
            say(Verdict::Fail, message.into(), observed)
        }
        (SealStatus::Unchecked, _) => {
            let message = "the manifest is sealed, and no signer is trusted on this host";
            say(Verdict::Unknown, message.into(), observed)
        }
        (SealStatus::Sealed(_), None) => {
            let message = "the manifest does not say when it was made";
            say(Verdict::Unknown, message.into(), observed)
        }
        (SealStatus::Sealed(_), Some(days)) if days > limit => say(
            Verdict::Fail,
            format!(
                "the manifest was made {} ago, {limit} are demanded at most",
                counted(days.unsigned_abs(), "day")
            ),
            observed,
        ),
        (SealStatus::Sealed(signer), Some(days)) => say(
            Verdict::Pass,
            format!(
                "sealed by {}, made {} ago",
                signer.principal,
                counted(days.unsigned_abs(), "day")
            ),
            observed,
        ),
    }
}
