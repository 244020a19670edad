//! Eye 3: the instance. The metadata service's posture, the signed identity, the role.
//!
//! The service is asked first and judged afterwards, so that whoever has a runtime asks by `await`
//! ([`Metadata::ask`]) and whoever has none waits ([`Metadata::ask_and_wait`]):
//!
//! ```text
//!  Metadata ──ask──► ImdsSnapshot ──► Identity ──► Host
//!                      └───────────┴──judge──► Finding
//! ```

mod checks;
mod client;
mod encryption;
mod endpoint;
mod hops;
pub mod identity;
mod overrides;
mod posture;
mod snapshot;
mod ssm;
mod trust;

pub use checks::CHECKS;
pub use endpoint::{Environment, Platform};
pub use snapshot::{ImdsSnapshot, Metadata, Questions};
pub use trust::Identity;

use crate::settings;
use crate::settings::context::Context;
use agent_core::config;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::trail;
use checks::{BACKUP_TAG, IMDS_ENDPOINT, IMDS_HOP_LIMIT, IMDS_V1_DISABLED, IMDS_V2_TOKEN};
use checks::{IMAGE_AGE, NITRO, ROLE_PRESENT};
use client::Item;
use posture::SUBJECT;
use serde_json::{Value, json};
use snapshot::{Seen, Service};

/// What verdicts rest on beside what the service said.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// `[instance]` of agent.toml.
    pub config: &'a config::Instance,
    /// What the environment says of the service.
    pub environment: &'a Environment,
    /// When the image was baked, in seconds since 1970, where a manifest says so.
    pub baked: Option<i64>,
}

/// What must be asked for the checks that the context wants.
pub fn questions(context: &Context<'_>) -> Questions {
    let tag = context.wants(&BACKUP_TAG).then(|| tag(context)).flatten();
    Questions {
        v1: context.wants(&IMDS_V1_DISABLED) || context.wants(&IMDS_V2_TOKEN),
        hops: context
            .wants(&IMDS_HOP_LIMIT)
            .then(|| posture::most_hops(context)),
        ipv6: context.wants(&IMDS_ENDPOINT) && context.demand(&IMDS_ENDPOINT).is_some(),
        role: context.wants(&ROLE_PRESENT),
        tag: tag.map(|(key, _)| key.to_owned()),
    }
}

/// Whether the profile asks when the image was baked: a manifest need not be read for it otherwise.
pub fn wants_age(context: &Context<'_>) -> bool {
    context.wants(&IMAGE_AGE) && context.demand(&IMAGE_AGE).is_some()
}

/// Judges what was seen: one finding for each check that the context wants, in their order.
pub fn judge(
    context: &Context<'_>,
    snapshot: &ImdsSnapshot,
    identity: &Identity,
    grounds: &Grounds<'_>,
    emit: &mut dyn FnMut(Finding),
) {
    let mut emit = |finding: Finding| {
        if context.wants(finding.check) {
            emit(finding);
        }
    };
    let seen = match &snapshot.service {
        Service::NoInstance(why) => {
            for check in CHECKS {
                emit(context.finding(check, Verdict::NotApplicable, "instance", *why));
            }
            return;
        }
        Service::Unasked(why) => {
            for check in [&IMDS_V1_DISABLED, &IMDS_V2_TOKEN, &IMDS_HOP_LIMIT] {
                emit(context.finding(check, Verdict::Unknown, SUBJECT, why.as_str()));
            }
            None
        }
        Service::Asked(seen) => {
            posture::tokens(context, seen, &mut emit);
            emit(posture::hop_limit(context, seen));
            Some(&**seen)
        }
    };
    if context.wants(&IMDS_ENDPOINT) {
        trail::take_cut();
        let found = overrides::find(context, grounds.environment);
        let cut = trail::take_cut();
        let finding = posture::endpoint(context, seen, &found);
        emit(match cut.first() {
            Some(cut) => settings::without(finding, cut),
            None => finding,
        });
    }
    emit(trust::verified(context, identity));
    emit(trust::ami(context, identity, grounds.config));
    emit(trust::age(context, identity, grounds.baked));
    emit(nitro(context, &snapshot.platform));
    emit(role(context, seen));
    if context.wants(&checks::SSM_AGENT) {
        emit(ssm::look(context));
    }
    if context.wants(&checks::ENCRYPTION) {
        emit(encryption::look(context));
    }
    emit(backup_tag(context, seen));
}

fn nitro(context: &Context<'_>, platform: &Platform) -> Finding {
    let (verdict, message) = match platform {
        Platform::Nitro(_) => (Verdict::Pass, "DMI names the instance, as on Nitro"),
        Platform::Xen => (Verdict::Fail, "the hypervisor is Xen"),
        Platform::Elsewhere => (
            Verdict::Unknown,
            "neither DMI nor a hypervisor says that this is EC2",
        ),
    };
    let observed = match platform {
        Platform::Nitro(_) => json!("nitro"),
        Platform::Xen => json!("xen"),
        Platform::Elsewhere => Value::Null,
    };
    context
        .finding(&NITRO, verdict, "hypervisor", message)
        .evidence(
            json!({ "hypervisor": "nitro" }),
            json!({ "hypervisor": observed }),
        )
}

fn role(context: &Context<'_>, seen: Option<&Seen>) -> Finding {
    let say = |verdict, message: String, profile: Option<String>| {
        context
            .finding(&ROLE_PRESENT, verdict, "instance profile", message)
            .evidence(
                json!({ "instance_profile": "any" }),
                json!({ "instance_profile": profile }),
            )
    };
    let Some(seen) = seen else {
        return say(
            Verdict::Unknown,
            "the metadata service was not asked".into(),
            None,
        );
    };
    match &seen.role {
        Some(Item::There(bytes)) => {
            let info: Option<Value> = serde_json::from_slice(bytes).ok();
            let arn = info
                .as_ref()
                .and_then(|info| info["InstanceProfileArn"].as_str());
            match arn.filter(|arn| arn.starts_with("arn:") && arn.len() <= 2048) {
                Some(arn) => say(
                    Verdict::Pass,
                    "the instance has a role".into(),
                    Some(arn.to_owned()),
                ),
                None => say(
                    Verdict::Unknown,
                    "what stands in meta-data/iam/info names no instance profile".into(),
                    None,
                ),
            }
        }
        Some(Item::Absent) => say(Verdict::Fail, "the instance has no role".into(), None),
        Some(Item::Untold(why)) => {
            let (verdict, message) = trust::unheard(seen, why);
            say(verdict, message, None)
        }
        None => say(Verdict::Unknown, "the role was not asked for".into(), None),
    }
}

/// The tag that the profile demands: its key, and its value where one is demanded.
fn tag<'a>(context: &Context<'a>) -> Option<(&'a str, Option<&'a str>)> {
    let text = context.demand(&BACKUP_TAG)?.as_str()?;
    match text.split_once('=') {
        Some((key, value)) => Some((key, Some(value))),
        None => Some((text, None)),
    }
}

fn backup_tag(context: &Context<'_>, seen: Option<&Seen>) -> Finding {
    let say = |verdict, message: String| context.finding(&BACKUP_TAG, verdict, "tags", message);
    let Some((key, wanted)) = tag(context) else {
        return say(Verdict::NotApplicable, "the profile names no tag".into());
    };
    let asked = seen.and_then(|seen| Some((seen, seen.tag.as_ref()?)));
    let Some((seen, (value, list))) = asked else {
        return say(
            Verdict::Unknown,
            "the metadata service was not asked".into(),
        );
    };
    let evidence = |finding: Finding, observed: Option<&str>| {
        finding.evidence(
            json!({ "tag": key, "value": wanted }),
            json!({ "tag": observed.map(|_| key), "value": observed }),
        )
    };
    match (value, list) {
        (Item::There(bytes), _) => {
            let found = String::from_utf8_lossy(bytes);
            let (verdict, message) = match wanted.is_none_or(|wanted| wanted == found) {
                true => (Verdict::Pass, format!("the tag {key} is there")),
                false => (Verdict::Fail, format!("the tag {key} has another value")),
            };
            evidence(say(verdict, message), Some(&found))
        }
        (Item::Absent, Some(Item::There(_))) => {
            evidence(say(Verdict::Fail, format!("there is no tag {key}")), None)
        }
        (Item::Absent, Some(Item::Absent) | None) => say(
            Verdict::NotApplicable,
            "instance tags are not allowed in metadata".into(),
        ),
        (Item::Untold(why), _) | (Item::Absent, Some(Item::Untold(why))) => {
            let (verdict, message) = trust::unheard(seen, why);
            say(verdict, message)
        }
    }
}
