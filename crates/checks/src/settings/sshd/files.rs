//! Owners, modes and keys around sshd.

use super::checks::{CONFIG_PERMISSIONS, HOST_KEY_PERMISSIONS, ROOT_AUTHORIZED_KEYS};
use super::effective::Effective;
use super::{keys, words};
use crate::settings::context::Context;
use crate::settings::users::Row;
use agent_core::finding::{Check, Finding, Verdict};
use agent_core::os::node;
use serde_json::json;

/// sshd_config, its drop-ins, and whatever else was included.
pub(super) fn config_permissions(
    context: &Context<'_>,
    files: &[String],
    emit: &mut dyn FnMut(Finding),
) {
    let mut bad = false;
    for path in files {
        let who = match path.starts_with("/etc/ssh/") {
            true => Who::Root,
            // What is included from elsewhere, as the crypto policy of the Red Hat family, is read by others, too.
            false => Who::Readers,
        };
        bad |= permissions(context, &CONFIG_PERMISSIONS, path, who, emit);
    }
    if !bad {
        let verdict = match files.is_empty() {
            true => Verdict::NotApplicable,
            false => Verdict::Pass,
        };
        emit(context.finding(
            &CONFIG_PERMISSIONS,
            verdict,
            "sshd",
            "only root reads and writes the configuration",
        ));
    }
}

/// /etc/ssh/*_key.
pub(super) fn host_keys(context: &Context<'_>, emit: &mut dyn FnMut(Finding)) {
    let group = context.users().ok().and_then(|users| {
        let row = users
            .group
            .iter()
            .flatten()
            .find(|row| row.name() == b"ssh_keys")?;
        u32::try_from(row.number(2)?).ok()
    });
    let names = context.root.list(b"etc/ssh").ok().flatten();
    let keys: Vec<String> = names
        .iter()
        .flat_map(|names| names.iter())
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .filter(|name| name.ends_with("_key"))
        .map(|name| format!("/etc/ssh/{name}"))
        .collect();
    let who = group.map_or(Who::Root, Who::Group);
    let mut bad = false;
    for path in &keys {
        bad |= permissions(context, &HOST_KEY_PERMISSIONS, path, who, emit);
    }
    if !bad {
        let (verdict, message) = match keys.is_empty() {
            true => (Verdict::NotApplicable, "there are no host keys"),
            false => (Verdict::Pass, "only root reads the host's private keys"),
        };
        emit(context.finding(&HOST_KEY_PERMISSIONS, verdict, "sshd", message));
    }
}

/// Who may read a file; write it may root alone.
#[derive(Clone, Copy)]
enum Who {
    Root,
    /// And this group.
    Group(u32),
    /// And everybody.
    Readers,
}

impl Who {
    /// The bits that a file of that group may have.
    fn allows(self, gid: u32) -> u16 {
        match self {
            Who::Group(group) if group == gid => 0o640,
            Who::Root | Who::Group(_) => 0o600,
            Who::Readers => 0o644,
        }
    }
}

/// Whether a finding was made: owner other than root, or bits beyond what is allowed.
fn permissions(
    context: &Context<'_>,
    check: &'static Check,
    path: &str,
    who: Who,
    emit: &mut dyn FnMut(Finding),
) -> bool {
    let stat = context
        .root
        .resolve(path.as_bytes(), true)
        .and_then(|found| match found.handle {
            Some(handle) => node::stat(&handle).map_err(Into::into),
            None => Err(std::io::ErrorKind::NotFound.into()),
        });
    let stat = match stat {
        Ok(stat) => stat,
        Err(error) => {
            emit(context.finding(
                check,
                Verdict::Unknown,
                path,
                format!("cannot be looked at: {error}"),
            ));
            return true;
        }
    };
    let allowed = who.allows(stat.gid);
    if stat.uid == 0 && stat.mode & 0o7777 & !allowed == 0 {
        return false;
    }
    emit(
        context
            .finding(
                check,
                Verdict::Fail,
                path,
                format!(
                    "owner {} mode {:04o}: others than root may read or write it",
                    stat.uid, stat.mode
                ),
            )
            .evidence(
                json!({ "uid": 0, "mode": format!("{allowed:04o}") }),
                json!({ "uid": stat.uid, "gid": stat.gid, "mode": format!("{:04o}", stat.mode) }),
            )
            .remediation(format!(
                "chown root:root {path} && chmod {allowed:o} {path}"
            )),
    );
    true
}

/// root's authorized_keys: no line that opens a shell, unless root is refused altogether.
pub(super) fn root_keys(
    context: &Context<'_>,
    values: &Effective<'_>,
    emit: &mut dyn FnMut(Finding),
) {
    let refused = values.value("permitrootlogin") == "no";
    let users = match context.users() {
        Ok(users) => users,
        Err(error) => {
            let message = format!("root's home is not known: {error}");
            emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, "sshd", message));
            return;
        }
    };
    let mut found = false;
    let home = Row::of(&["root", "x", "0", "0", "root", "/root", "/bin/sh"]);
    let root = users.account(b"root").unwrap_or(&home);
    for pattern in values
        .value("authorizedkeysfile")
        .split(' ')
        .filter(|p| *p != "none")
    {
        let path = keys::file_of(pattern, root);
        let bytes = match context.read(&path) {
            Ok(None) => continue,
            Ok(Some(bytes)) => bytes,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Unknown, path, message));
                found = true;
                continue;
            }
        };
        let open: Vec<usize> = String::from_utf8_lossy(&bytes)
            .lines()
            .enumerate()
            .filter(|(_, line)| opens_a_shell(line))
            .map(|(number, _)| number + 1)
            .collect();
        if let (Some(first), false) = (open.first(), refused) {
            found = true;
            let forced = values.value("permitrootlogin") == "forced-commands-only";
            if forced {
                // Only lines with a command are used at all.
                continue;
            }
            emit(
                context
                    .finding(
                        &ROOT_AUTHORIZED_KEYS,
                        Verdict::Fail,
                        path.as_str(),
                        format!("{} key(s) open a shell of root's", open.len()),
                    )
                    .evidence(json!({ "keys": 0 }), json!({ "keys": open.len() }))
                    .location(format!("{path}:{first}"))
                    .remediation(format!(
                        "remove the key from {path}, or set PermitRootLogin no"
                    )),
            );
        }
    }
    if !found {
        let message = match refused {
            true => "root is refused, whatever keys there are",
            false => "no key opens a shell of root's",
        };
        emit(context.finding(&ROOT_AUTHORIZED_KEYS, Verdict::Pass, "sshd", message));
    }
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
