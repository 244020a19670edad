//! `sshd.root_authorized_keys`: no key opens a shell of root's, wherever it comes from.

use super::checks::ROOT_AUTHORIZED_KEYS;
use super::config::Config;
use super::effective::Effective;
use super::forced::{self, Opens};
use super::keys::{self, Pattern};
use super::root_access::{Access, Door};
use super::words;
use crate::settings::console::credentials;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::collections::BTreeSet;

/// Credentials that become keys: root's authorized_keys at the next boot (systemd-tmpfiles, provision.conf), and
/// those of everybody for what systemd-ssh-generator(8) starts.
const CREDENTIALS: [&str; 2] = [
    "ssh.authorized_keys.root",
    "ssh.ephemeral-authorized_keys-all",
];
/// Where systemd looks for credentials by name (systemd.exec(5), "ImportCredential").
const STORES: [&str; 4] = [
    "/etc/credstore",
    "/run/credstore",
    "/usr/local/lib/credstore",
    "/usr/lib/credstore",
];

/// Keys of root and of whoever has its number: no line that opens a shell, unless they are refused altogether.
pub(super) fn look(
    context: &Context<'_>,
    config: &Config,
    values: &Effective<'_>,
    emit: &mut dyn FnMut(Finding),
) {
    let users = match context.users() {
        Ok(users) => users,
        Err(error) => {
            let message = format!("root's home is not known: {error}");
            emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, "sshd", message));
            return;
        }
    };
    let all = Access::all(config, values, Some(users));
    let widest = all.iter().map(|access| access.door).max();
    let widest = widest.unwrap_or(Door::Open);
    let mut found = false;
    for (pattern, door) in patterns(&all, config) {
        found |= files(context, door, &pattern, None, emit);
    }
    let asks_userdb = |access: &Access<'_>| access.commands.iter().any(|c| keys::is_userdbctl(c));
    if all.iter().any(asks_userdb) {
        found |= records(context, widest, emit);
    }
    found |= opaque(context, &all, emit);
    // They become root's own, or everybody's.
    for name in CREDENTIALS {
        for store in STORES {
            if store.starts_with("/run") && !context.live() {
                continue;
            }
            found |= file(context, widest, &format!("{store}/{name}"), None, emit);
            let refused = widest == Door::Shut;
            found |= encrypted(context, refused, &format!("{store}.encrypted/{name}"), emit);
        }
    }
    found |= given(context, widest, emit);
    if !found {
        let message = match widest {
            Door::Shut => "root is refused, whatever keys there are",
            _ => "no key opens a shell of root's",
        };
        emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Pass, "sshd", message));
    }
}

/// The same for the sshd that another unit starts: files that the daemon does not read, or refuses root for.
pub(super) fn of_another(
    context: &Context<'_>,
    (config, values): (&Config, &Effective<'_>),
    daemon: Option<(&Config, &Effective<'_>)>,
    who: &str,
    emit: &mut dyn FnMut(Finding),
) {
    // Without accounts nobody's home is known: the daemon's finding says so.
    let Ok(users) = context.users() else {
        return;
    };
    let of = |config, values| patterns(&Access::all(config, values, Some(users)), config);
    let judged = daemon.map(|(config, values)| of(config, values));
    let judged = judged.unwrap_or_default();
    for (pattern, door) in of(config, values) {
        if !judged.contains(&(pattern.clone(), door)) {
            files(context, door, &pattern, Some(who), emit);
        }
    }
}

/// Where keys are looked for, and which of them open.
fn patterns(all: &[Access<'_>], config: &Config) -> Vec<(Pattern, Door)> {
    let mut found: Vec<(Pattern, Door)> = Vec::new();
    for access in all {
        for word in &access.patterns {
            let pattern = Pattern::of(word, &access.account, config.build.number);
            match found.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, door)) => *door = access.door.max(*door),
                None => found.push((pattern, access.door)),
            }
        }
    }
    found
}

/// Whether a finding was made of one of the files that the pattern names.
fn files(
    context: &Context<'_>,
    door: Door,
    pattern: &Pattern,
    unit: Option<&str>,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    match pattern.files(context.root) {
        Ok(paths) => {
            let judged = paths
                .iter()
                .map(|path| file(context, door, path, unit, emit));
            judged.fold(false, |found, told| found | told)
        }
        Err(_) if door == Door::Shut => false,
        Err(error) => {
            let message = format!("files of keys cannot be told: {error}");
            let path = pattern.path.as_str();
            emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, path, message));
            true
        }
    }
}

/// What names keys that cannot be listed. Whether a finding was made.
fn opaque(context: &Context<'_>, all: &[Access<'_>], emit: &mut dyn FnMut(Finding)) -> bool {
    let mut told = BTreeSet::new();
    for access in all.iter().filter(|access| access.door == Door::Open) {
        let commands = access
            .commands
            .iter()
            .filter(|command| keys::is_opaque(command));
        let commands = commands.map(|command| {
            let program = words::of_command(command).into_iter().next();
            let program = program.unwrap_or_default();
            let message = format!("AuthorizedKeysCommand {program} may name keys of root's");
            (program, message)
        });
        let authorities = access.authorities.iter().map(|file| {
            ((*file).to_owned(), format!("certificates that a key of TrustedUserCAKeys {file} signs may open root's account"))
        });
        told.extend(commands.chain(authorities));
    }
    for (place, message) in &told {
        let message = format!("{message}: which cannot be told");
        let subject = place.as_str();
        let finding = context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, subject, message);
        emit(
            finding
                .location(place.clone())
                .remediation("set PermitRootLogin no"),
        );
    }
    !told.is_empty()
}

/// Units that make keys of credentials, or hand them to an sshd.
const TAKERS: [&str; 2] = ["systemd-tmpfiles-setup.service", "sshd@.service"];

/// Credentials that units, the kernel's command line and the firmware hand over. Whether a finding was made.
fn given(context: &Context<'_>, door: Door, emit: &mut dyn FnMut(Finding)) -> bool {
    let mut all = credentials::handed_over(context);
    for unit in TAKERS {
        all.extend(credentials::of_unit(context, unit));
    }
    let mut seen = BTreeSet::new();
    // Files of the stores are judged as such.
    all.retain(|(name, _, place)| {
        CREDENTIALS.contains(&name.as_str())
            && !place.contains("/credstore")
            && seen.insert(place.clone())
    });
    let shells = shells(context);
    let mut found = false;
    for (name, value, place) in all.into_iter().filter(|_| door != Door::Shut) {
        let opened = value.map(|text| {
            let lines = text.lines().map(|line| forced::opens(line, door, &shells));
            lines.max().unwrap_or(Opens::No)
        });
        let (verdict, message) = match opened {
            Some(Opens::Yes) => (
                Verdict::Fail,
                format!("the credential {name} opens a shell of root's"),
            ),
            Some(Opens::Maybe) => (
                Verdict::Unknown,
                format!(
                    "the credential {name} has a forced command that may open a shell of root's"
                ),
            ),
            Some(Opens::No) => continue,
            None if door != Door::Open => continue,
            None => (
                Verdict::Unknown,
                format!(
                    "the credential {name} becomes keys of root's: what it holds cannot be told"
                ),
            ),
        };
        found = true;
        emit(
            context
                .finding(&ROOT_AUTHORIZED_KEYS, verdict, place.as_str(), message)
                .location(place.clone())
                .remediation("take the credential out, or set PermitRootLogin no"),
        );
    }
    found
}

/// Paths of the tree's /etc/shells.
fn shells(context: &Context<'_>) -> Vec<String> {
    let text = context.read("/etc/shells").ok().flatten();
    forced::shells(&String::from_utf8_lossy(&text.unwrap_or_default()))
}

/// Whether a finding was made of the file.
fn file(
    context: &Context<'_>,
    door: Door,
    path: &str,
    unit: Option<&str>,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    let bytes = match context.read(path) {
        Ok(None) => return false,
        Ok(Some(bytes)) => bytes,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, path, message));
            return true;
        }
    };
    judge(
        context,
        door,
        path,
        &String::from_utf8_lossy(&bytes),
        unit,
        emit,
    )
}

/// Keys of records of userdb for root, and for whoever else has its number.
fn records(context: &Context<'_>, door: Door, emit: &mut dyn FnMut(Finding)) -> bool {
    let Ok(users) = context.users() else {
        return false;
    };
    let mut found = false;
    for record in users.records.iter().filter(|record| record.is_root()) {
        let text = record.keys.join("\n");
        found |= judge(context, door, &record.file, &text, None, emit);
    }
    if door != Door::Shut {
        for (file, why) in &users.unread {
            let message = format!("accounts cannot be read: {why}");
            let finding = context.finding(
                &ROOT_AUTHORIZED_KEYS,
                Verdict::Unknown,
                file.as_str(),
                message,
            );
            emit(finding.location(file.clone()));
            found = true;
        }
    }
    found
}

/// Whether a finding was made of lines of authorized_keys.
fn judge(
    context: &Context<'_>,
    door: Door,
    path: &str,
    text: &str,
    unit: Option<&str>,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    let shells = shells(context);
    let lines = (1..).zip(text.lines());
    let lines = lines.map(|(number, line)| (number, forced::opens(line, door, &shells)));
    let lines: Vec<(usize, Opens)> = lines.collect();
    let of = |wanted: Opens| lines.iter().filter(move |(_, opens)| *opens == wanted);
    let open: Vec<usize> = of(Opens::Yes).map(|(number, _)| *number).collect();
    let by = unit.map_or_else(String::new, |unit| format!(", for {unit}"));
    if let (None, Some((line, _))) = (open.first(), of(Opens::Maybe).next()) {
        let message = format!(
            "whether the forced command of a key opens a shell of root's cannot be told{by}"
        );
        let finding = context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, path, message);
        emit(finding.location(format!("{path}:{line}")).remediation(
            "name one program by its whole path in command=, or set PermitRootLogin no",
        ));
        return true;
    }
    let Some(first) = open.first() else {
        return false;
    };
    emit(
        context
            .finding(
                &ROOT_AUTHORIZED_KEYS,
                Verdict::Fail,
                path,
                match open.len() {
                    1 => format!("a key opens a shell of root's{by}"),
                    keys => format!("{keys} keys open a shell of root's{by}"),
                },
            )
            .evidence(json!({ "keys": 0 }), json!({ "keys": open.len() }))
            .location(format!("{path}:{first}"))
            .remediation(format!(
                "remove the key from {path}, or set PermitRootLogin no"
            )),
    );
    true
}

/// What an encrypted credential holds cannot be told without the host's key.
fn encrypted(
    context: &Context<'_>,
    refused: bool,
    path: &str,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    let there = context
        .root
        .resolve(path.as_bytes(), true)
        .is_ok_and(|found| found.handle.is_some());
    if refused || !there {
        return false;
    }
    let message =
        "an encrypted credential that becomes keys of root's: what it holds cannot be told";
    emit(
        context
            .finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, path, message)
            .location(path.to_owned()),
    );
    true
}

#[cfg(test)]
mod tests;
