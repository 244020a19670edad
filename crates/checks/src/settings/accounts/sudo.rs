//! `accounts.sudo_nopasswd`: sudo, sudo-rs, doas and polkit.

use super::checks::SUDO_NOPASSWD;
use super::pam_stack::{self, Asks};
use super::sudo_program::{self, Program};
use super::sudoers::{self, Grants, Links};
use super::{doas, opened, polkit};
use crate::settings::context::Context;
use crate::settings::users::Users;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeSet;

/// How a grant says that it is PAM's.
const ASKS_NOBODY: &str = " of PAM asks for nothing";
/// Commands that a message has room for.
const SHOWN: usize = 3;
/// Directories of programs that may be links to each other.
const DIRECTORIES: [&str; 3] = ["bin", "sbin", "usr/sbin"];

/// What one program gives without a password.
pub(super) struct Judged {
    /// `sudo`, `sudo-rs`, `doas`, `polkit`
    pub(super) program: &'static str,
    pub(super) grants: Grants,
    /// Files that it passes over, each with its reason.
    pub(super) ignored: Vec<String>,
}

pub(super) fn look(context: &Context<'_>, users: &Users, emit: &mut dyn FnMut(Finding)) {
    let host = match context.live() {
        true => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        false => String::new(),
    };
    let links = links(context);
    let sudo = sudo_program::programs(context.root);
    let sudo = sudo
        .iter()
        .filter_map(|program| judge(context, program, users, &host, &links));
    let mut judged: Vec<Judged> = sudo.collect();
    judged.extend(doas::judge(context, users, &links));
    judged.extend(polkit::judge(context, users));
    tell(context, users, judged, emit);
}

/// Which directories of programs lead to others.
fn links(context: &Context<'_>) -> Links {
    let resolved = DIRECTORIES.iter().filter_map(|directory| {
        let found = context.root.resolve(directory.as_bytes(), true).ok()?;
        found.handle.as_ref()?;
        let real = String::from_utf8_lossy(&found.path).into_owned();
        (real != *directory).then(|| (format!("/{directory}/"), format!("/{real}/")))
    });
    Links::new(resolved.collect())
}

fn judge(
    context: &Context<'_>,
    program: &Program,
    users: &Users,
    host: &str,
    links: &Links,
) -> Option<Judged> {
    let source = &program.source;
    let short = host.split('.').next().unwrap_or_default();
    let (mut grants, mut ignored) = (Grants::default(), Vec::new());
    match sudoers::read(context.root, source, short) {
        Ok(Some(policy)) => {
            let host = context.live().then_some(host);
            grants = sudoers::without_password(&policy, source.dialect, users, host, links);
            for service in services(context, &policy) {
                stack(context, &service, &mut grants);
            }
            ignored = policy.ignored;
        }
        Ok(None) if program.unknown.is_none() => return None,
        Ok(None) => {}
        Err(error) => {
            let reason = format!("{}: {error}", source.main);
            grants.unknown.push((reason, source.main.clone()));
        }
    }
    grants.unknown.extend(program.unknown.clone());
    Some(Judged {
        program: program.name,
        grants,
        ignored,
    })
}

/// The services of PAM that sudo asks by: each that a `Defaults` names for anybody, and those that it is built with.
fn services(context: &Context<'_>, policy: &sudoers::Policy) -> BTreeSet<String> {
    let named = |name: &str| {
        let mut for_all = None;
        let mut found = BTreeSet::new();
        for setting in policy.settings.iter().filter(|set| set.name == name) {
            let value = setting.value.clone().filter(|_| !setting.negated);
            match setting.scope {
                sudoers::Scope::Everything => for_all = value,
                _ => found.extend(value),
            }
        }
        (for_all, found)
    };
    let (service, mut services) = named("pam_service");
    services.insert(service.unwrap_or_else(|| "sudo".into()));
    let (login, others) = named("pam_login_service");
    // Debian and Red Hat have another for a login shell, and others none.
    let own = || Some("sudo-i".to_owned()).filter(|name| pam_stack::is_there(context.root, name));
    services.extend(login.or_else(own).into_iter().chain(others));
    let (askpass, others) = named("pam_askpass_service");
    services.extend(askpass.into_iter().chain(others));
    services
}

/// Adds what the program's stack of PAM gives to whom its policy asks for a password.
pub(super) fn stack(context: &Context<'_>, service: &str, grants: &mut Grants) {
    match pam_stack::asks(context.root, service) {
        Asks::Yes => {}
        Asks::No { place, module } => {
            grants.everything("ALL", format!("{module}{ASKS_NOBODY}"), place)
        }
        Asks::Unknown { place, reason } => grants.unknown.push((reason, place)),
    }
}

fn tell(context: &Context<'_>, users: &Users, judged: Vec<Judged>, emit: &mut dyn FnMut(Finding)) {
    let say = |verdict, subject: &str, message: String| {
        context.finding(&SUDO_NOPASSWD, verdict, subject, message)
    };
    if judged.is_empty() {
        let message = "there is no /etc/sudoers".to_owned();
        return emit(say(Verdict::NotApplicable, "sudoers", message));
    }
    let allowed = context.demanded_texts(&SUDO_NOPASSWD);
    let mut unknown = Vec::new();
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for one in &judged {
        for place in &one.grants.unknown {
            if !unknown.iter().any(|(_, known)| *known == place) {
                unknown.push((one.program, place));
            }
        }
        for (principal, grant) in &one.grants.given {
            match allowed.contains(&principal.as_str()) {
                true => named.push(principal.as_str()),
                false => others.push((one.program, principal, grant)),
            }
        }
    }
    let ignored: Vec<&String> = judged.iter().flat_map(|one| &one.ignored).collect();
    if let Some(((program, (reason, place)), others)) = unknown.split_first() {
        let more = match others.len() {
            0 => String::new(),
            n => format!(" there, and at {n} further places"),
        };
        let places: Vec<&String> = unknown
            .iter()
            .map(|(_, (_, place))| place)
            .take(SHOWN * 3)
            .collect();
        emit(
            say(
                Verdict::Unknown,
                "sudoers",
                format!("not everything of {program}'s policy can be judged: {reason}{more}"),
            )
            .evidence(json!({ "value": allowed }), json!({ "value": "unknown", "lines": places }))
            .location(place.clone())
            .remediation("visudo -c names errors; what is too large or needs a directory must be looked at by hand"),
        );
    } else if others.is_empty() {
        named.sort_unstable();
        named.dedup();
        let mut message = match named.as_slice() {
            [] => "sudo asks everybody for a password".to_owned(),
            names => format!(
                "sudo asks everybody for a password but {}, whom the profile names",
                names.join(", ")
            ),
        };
        if let Some(first) = ignored.first() {
            message.push_str(&format!("; it passes over {first}"));
        }
        emit(say(Verdict::Pass, "sudoers", message).evidence(
            json!({ "value": allowed }),
            json!({ "value": named, "ignored": ignored }),
        ));
    }
    let mut told = BTreeSet::new();
    for (program, principal, grant) in others {
        let subject = match program {
            "sudo" | "sudo-rs" => principal.clone(),
            program => format!("{program} {principal}"),
        };
        // Two programs that follow one policy are told once.
        if told.insert(subject.clone()) {
            let finding = failed(context, &allowed, &subject, program, principal, grant);
            let set = context.settings.checks.get(SUDO_NOPASSWD.id);
            let set = set.and_then(|set| set.severity);
            emit(Finding {
                severity: set.unwrap_or_else(|| opened::severity(users, principal, grant)),
                ..finding
            });
        }
    }
}

fn failed(
    context: &Context<'_>,
    allowed: &[&str],
    subject: &str,
    program: &str,
    principal: &str,
    grant: &sudoers::Grant,
) -> Finding {
    let what = match grant.what.as_slice() {
        what if what.iter().any(|command| command == "ALL") => "every command".to_owned(),
        [one] => one.clone(),
        what => {
            let more = what.len().saturating_sub(SHOWN);
            let first = what.get(..SHOWN).unwrap_or(what).join(", ");
            match more {
                0 => first,
                more => format!("{first} and {more} more"),
            }
        }
    };
    let target = match grant.targets.first() {
        Some(target) if !grant.targets.iter().any(|target| target == "root") => {
            format!(" as {target}")
        }
        _ => String::new(),
    };
    let setting = grant
        .setting
        .as_ref()
        .map_or(String::new(), |setting| format!(" ({setting})"));
    let by_stack = grant
        .setting
        .as_ref()
        .is_some_and(|set| set.ends_with(ASKS_NOBODY));
    let message = match by_stack {
        // It gives nothing to whom the policy gives nothing.
        true => format!(
            "{program} asks nobody for a password whom its policy lets run something{setting}"
        ),
        false => {
            format!("{program} lets {principal} run {what}{target} without a password{setting}")
        }
    };
    let place = grant.places.first().cloned().unwrap_or_default();
    let file = place
        .rsplit_once(':')
        .map_or("", |(file, _)| file)
        .to_owned();
    let remedy = match program {
        _ if by_stack => format!("take the module out of {file}, or put it behind one that asks"),
        "sudo" | "sudo-rs" => format!("take NOPASSWD or !authenticate out with visudo -f {file}"),
        "doas" => format!("take nopass out of {file}"),
        _ => format!("take the rule out of {file}, or everybody out of the group"),
    };
    context
        .finding(&SUDO_NOPASSWD, Verdict::Fail, subject, message)
        .evidence(
            json!({ "value": allowed }),
            json!({ "value": grant.what, "as": grant.targets, "lines": grant.places }),
        )
        .location(place)
        .remediation(format!(
            "{remedy}, or name {principal} in the profile's demand"
        ))
}
