//! `accounts.sudo_nopasswd`.

use super::checks::SUDO_NOPASSWD;
use super::sudoers::{self, grants};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;

/// As many commands as a message has room for.
const SHOWN: usize = 3;

pub(super) fn look(context: &Context<'_>, users: &Users, emit: &mut dyn FnMut(Finding)) {
    let say = |verdict, subject: &str, message: String| {
        context.finding(&SUDO_NOPASSWD, verdict, subject, message)
    };
    let host = match context.live() {
        true => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        false => String::new(),
    };
    let short = host.split('.').next().unwrap_or_default();
    let policy = match sudoers::read(context.root, short) {
        Ok(Some(policy)) => policy,
        Ok(None) => {
            let message = "there is no /etc/sudoers".to_owned();
            return emit(say(Verdict::NotApplicable, "sudoers", message));
        }
        Err(error) => {
            let message = format!("/etc/sudoers: {error}");
            return emit(say(Verdict::Unknown, "sudoers", message));
        }
    };
    let (grants, too_many) =
        grants::without_password(&policy, users, context.live().then_some(host.as_str()));
    let allowed = context.demanded_texts(&SUDO_NOPASSWD);
    let (named, others): (Vec<_>, Vec<_>) = grants
        .into_iter()
        .partition(|(principal, _)| allowed.contains(&principal.as_str()));
    let trouble = policy.troubles.first();
    if let Some(trouble) = trouble {
        let message = match policy.troubles.len() {
            1 => trouble.reason.clone(),
            n => format!("{} there, and at {} further places", trouble.reason, n - 1),
        };
        emit(
            say(
                Verdict::Unknown,
                "sudoers",
                format!("not everything of sudo's policy can be judged: {message}"),
            )
            .location(trouble.place.text())
            .remediation("visudo -c names the error"),
        );
    } else if too_many {
        let message = "sudo's policy has more rules than are looked at".to_owned();
        emit(say(Verdict::Unknown, "sudoers", message));
    }
    if others.is_empty() && trouble.is_none() && !too_many {
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let message = match names.as_slice() {
            [] => "sudo asks everybody for a password".to_owned(),
            names => format!(
                "sudo asks everybody for a password but {}, whom the profile names",
                names.join(", ")
            ),
        };
        emit(
            say(Verdict::Pass, "sudoers", message)
                .evidence(json!({ "value": allowed }), json!({ "value": names })),
        );
    }
    for (principal, grant) in others {
        let what = match grant.what.as_slice() {
            what if what.iter().any(|command| command == "ALL") => "every command".to_owned(),
            [one] if one.contains("authenticate") || one == "exempt_group" => {
                format!("what is granted ({one})")
            }
            [one] => one.clone(),
            what => {
                let more = what.len().saturating_sub(SHOWN);
                let first = what[..what.len() - more].join(", ");
                match more {
                    0 => first,
                    more => format!("{first} and {more} more"),
                }
            }
        };
        let message = format!("sudo lets {principal} run {what} without a password");
        let place = grant.places.first().cloned().unwrap_or_default();
        let file = place
            .rsplit_once(':')
            .map_or("", |(file, _)| file)
            .to_owned();
        emit(
            say(Verdict::Fail, &principal, message)
                .evidence(
                    json!({ "value": allowed }),
                    json!({ "value": grant.what, "lines": grant.places }),
                )
                .location(place)
                .remediation(format!(
                    "take NOPASSWD or !authenticate out with visudo -f {file}, or name {principal} in the profile's demand"
                )),
        );
    }
}
