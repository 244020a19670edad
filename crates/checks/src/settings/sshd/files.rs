//! Owners and modes of the files around sshd.

use super::checks::{CONFIG_PERMISSIONS, HOST_KEY_PERMISSIONS};
use crate::settings::context::Context;
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
                excess(stat.uid, stat.mode & 0o7777, allowed),
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

/// What is beyond root and the bits that are allowed, in words.
fn excess(uid: u32, mode: u16, allowed: u16) -> String {
    let mut parts = Vec::new();
    if uid != 0 {
        parts.push(format!("it belongs to uid {uid}, not to root"));
    }
    let beyond = mode & !allowed;
    for (shift, who) in [(6, "its owner"), (3, "its group"), (0, "everybody")] {
        let rights = [(4, "read"), (2, "write"), (1, "run")];
        let held = rights
            .into_iter()
            .filter(|(bit, _)| beyond >> shift & bit != 0);
        let held: Vec<&str> = held.map(|(_, what)| what).collect();
        if !held.is_empty() {
            parts.push(format!("{who} may {} it", held.join(" and ")));
        }
    }
    if beyond & 0o7000 != 0 {
        parts.push("it has setuid, setgid or sticky bits".into());
    }
    format!(
        "mode {mode:04o}, {allowed:04o} at most is demanded: {}",
        parts.join(", ")
    )
}
