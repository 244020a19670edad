//! `sshd.root_authorized_keys`: no key opens a shell of root's, wherever it comes from.

use super::checks::ROOT_AUTHORIZED_KEYS;
use super::effective::Effective;
use super::{keys, words};
use crate::settings::console::credentials;
use crate::settings::context::Context;
use crate::settings::users::Row;
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

/// root's authorized_keys: no line that opens a shell, unless root is refused altogether.
pub(super) fn look(context: &Context<'_>, values: &Effective<'_>, emit: &mut dyn FnMut(Finding)) {
    let refused = values.value("permitrootlogin") == "no";
    let mut found = false;
    match files(context, values) {
        Ok(paths) => {
            for path in paths {
                found |= file(context, values, &path, None, emit);
            }
        }
        Err(message) => {
            emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, "sshd", message));
            return;
        }
    }
    if keys::is_userdbctl(values.value("authorizedkeyscommand")) {
        found |= records(context, values, emit);
    }
    for name in CREDENTIALS {
        for store in STORES {
            if store.starts_with("/run") && !context.live() {
                continue;
            }
            found |= file(context, values, &format!("{store}/{name}"), None, emit);
            found |= encrypted(context, refused, &format!("{store}.encrypted/{name}"), emit);
        }
    }
    found |= given(context, values, emit);
    if !found {
        let message = match refused {
            true => "root is refused, whatever keys there are",
            false => "no key opens a shell of root's",
        };
        emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Pass, "sshd", message));
    }
}

/// The same for the sshd that another unit starts: files that the daemon does not read, or refuses root for.
pub(super) fn of_another(
    context: &Context<'_>,
    values: &Effective<'_>,
    daemon: Option<&Effective<'_>>,
    unit: &str,
    emit: &mut dyn FnMut(Finding),
) {
    let own = files(context, values).unwrap_or_default();
    let judged = daemon
        .filter(|daemon| daemon.value("permitrootlogin") == values.value("permitrootlogin"))
        .and_then(|daemon| files(context, daemon).ok())
        .unwrap_or_default();
    for path in own.iter().filter(|path| !judged.contains(path)) {
        file(context, values, path, Some(unit), emit);
    }
}

/// Where root's keys are looked for.
fn files(context: &Context<'_>, values: &Effective<'_>) -> Result<Vec<String>, String> {
    let users = context
        .users()
        .map_err(|error| format!("root's home is not known: {error}"))?;
    let home = Row::of(&["root", "x", "0", "0", "root", "/root", "/bin/sh"]);
    let root = users.account(b"root").unwrap_or(&home);
    let patterns = values.value("authorizedkeysfile").split(' ');
    Ok(patterns
        .filter(|pattern| *pattern != "none")
        .map(|pattern| keys::file_of(pattern, root))
        .collect())
}

/// Units that make keys of credentials, or hand them to an sshd.
const TAKERS: [&str; 2] = ["systemd-tmpfiles-setup.service", "sshd@.service"];

/// Credentials that units, the kernel's command line and the firmware hand over. Whether a finding was made.
fn given(context: &Context<'_>, values: &Effective<'_>, emit: &mut dyn FnMut(Finding)) -> bool {
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
    let closed = matches!(
        values.value("permitrootlogin"),
        "no" | "forced-commands-only"
    );
    let mut found = false;
    for (name, value, place) in all.into_iter().filter(|_| !closed) {
        let (verdict, message) = match value {
            Some(text) if text.lines().any(opens_a_shell) => (
                Verdict::Fail,
                format!("the credential {name} opens a shell of root's"),
            ),
            Some(_) => continue,
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

/// Whether a finding was made of the file.
fn file(
    context: &Context<'_>,
    values: &Effective<'_>,
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
        values,
        path,
        &String::from_utf8_lossy(&bytes),
        unit,
        emit,
    )
}

/// Keys of records of userdb for root, and for whoever else has its number.
fn records(context: &Context<'_>, values: &Effective<'_>, emit: &mut dyn FnMut(Finding)) -> bool {
    let Ok(users) = context.users() else {
        return false;
    };
    let mut found = false;
    for record in users.records.iter().filter(|record| record.is_root()) {
        let text = record.keys.join("\n");
        found |= judge(context, values, &record.file, &text, None, emit);
    }
    if values.value("permitrootlogin") != "no" {
        for (file, why) in &users.unread {
            let message = format!("a record of an account cannot be read: {why}");
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
    values: &Effective<'_>,
    path: &str,
    text: &str,
    unit: Option<&str>,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    let open: Vec<usize> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| opens_a_shell(line))
        .map(|(number, _)| number)
        .collect();
    // With forced-commands-only lines with a command alone are used at all.
    let closed = matches!(
        values.value("permitrootlogin"),
        "no" | "forced-commands-only"
    );
    let Some(first) = open.first().filter(|_| !closed) else {
        return false;
    };
    let by = unit.map_or_else(String::new, |unit| format!(", for {unit}"));
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

/// Whether an authorized_keys line (sshd(8), AUTHORIZED_KEYS FILE FORMAT) holds a key without a forced command.
fn opens_a_shell(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return false;
    }
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    if is_type(first) {
        return true;
    }
    // Options come first: one word in which blanks may stand within quotes.
    let mut quoted = false;
    let end = line
        .char_indices()
        .scan('\0', |before, (at, c)| {
            if c == '"' && *before != '\\' {
                quoted = !quoted;
            }
            *before = c;
            Some((at, matches!(c, ' ' | '\t') && !quoted))
        })
        .find(|(_, ends)| *ends)
        .map(|(at, _)| at);
    let Some(end) = end else {
        return false;
    };
    let (options, rest) = line.split_at(end);
    let has_key =
        words::split(rest).is_some_and(|words| words.first().is_some_and(|word| is_type(word)));
    has_key
        && !options
            .to_ascii_lowercase()
            .split(',')
            .any(|option| option.starts_with("command="))
}

#[cfg(test)]
mod tests {
    use super::opens_a_shell;

    #[test]
    fn lines_of_authorized_keys() {
        for (line, expected) in [
            ("ssh-ed25519 AAAA x", true),
            ("# ssh-ed25519 AAAA x", false),
            ("no-pty ssh-rsa AAAA", true),
            (
                "command=\"echo 'Please login as the user \\\"admin\\\"';sleep 10\" ssh-rsa AAAA",
                false,
            ),
            ("no-port-forwarding,command=\"x y\" ssh-rsa AAAA", false),
            ("rubbish", false),
            ("", false),
        ] {
            assert_eq!(opens_a_shell(line), expected, "{line}");
        }
    }
}
