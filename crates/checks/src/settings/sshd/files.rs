//! Owners and modes of the files around sshd.

use super::checks::{CONFIG_PERMISSIONS, HOST_KEY_PERMISSIONS};
use super::config::Config;
use crate::settings::context::Context;
use agent_core::attributes::FileType;
use agent_core::finding::{Check, Finding, Verdict};
use agent_core::os::node;
use agent_core::os::root::Root;
use serde_json::json;
use std::collections::BTreeSet;
use std::os::fd::AsFd;

/// sshd_config, its drop-ins, whatever else was included, and the directories that lead to it: whoever may write to one of
/// those puts another file in its place.
pub(super) fn config_permissions(
    context: &Context<'_>,
    config: &Config,
    emit: &mut dyn FnMut(Finding),
) {
    let files = &config.files;
    let mut bad = false;
    let (mut ways, mut directories) = (config.directories.clone(), BTreeSet::new());
    for path in files {
        let is_link = context.root.resolve(path.as_bytes(), false).ok();
        let is_link = is_link.and_then(|found| node::stat(&found.handle?).ok());
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        ways.insert(
            match is_link.is_some_and(|stat| stat.kind == FileType::Link) {
                true => path.clone(),
                false => parent.to_owned(),
            },
        );
    }
    for way in &ways {
        add_directories(context.root, way, &mut directories);
    }
    for path in &directories {
        let path = format!("/{path}");
        bad |= permissions(context, &CONFIG_PERMISSIONS, &path, Who::Directory, emit);
    }
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

/// Every directory on the way to a file, links on it followed, the root itself left out.
fn add_directories(root: &Root, path: &str, found: &mut BTreeSet<String>) {
    // As many links as the kernel follows.
    let mut links = 40_usize;
    let names = |path: &str| -> Vec<String> {
        let names = path
            .split('/')
            .rev()
            .filter(|name| !matches!(*name, "" | "."));
        names.map(str::to_owned).collect()
    };
    let mut at: Vec<String> = Vec::new();
    let mut pending = names(path);
    while let Some(name) = pending.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(name);
        let here = at.join("/");
        let handle = root.resolve(here.as_bytes(), false).ok();
        let Some(handle) = handle.and_then(|found| found.handle) else {
            return;
        };
        match node::stat(&handle).map(|stat| stat.kind) {
            Ok(FileType::Dir) => {
                found.insert(here);
            }
            Ok(FileType::Link) if links > 0 => {
                links = links.saturating_sub(1);
                let Ok(target) = node::read_link(handle.as_fd()) else {
                    return;
                };
                let target = String::from_utf8_lossy(&target).into_owned();
                match target.starts_with('/') {
                    true => at.clear(),
                    false => drop(at.pop()),
                }
                pending.extend(names(&target));
            }
            _ => return,
        }
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
    /// And everybody, who may enter as well.
    Directory,
}

impl Who {
    /// The bits that a file of that group may have.
    fn allows(self, gid: u32) -> u16 {
        match self {
            Who::Group(group) if group == gid => 0o640,
            Who::Root | Who::Group(_) => 0o600,
            Who::Readers => 0o644,
            Who::Directory => 0o755,
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
    let counted = match who {
        Who::Directory => 0o777,
        _ => 0o7777,
    };
    if stat.uid == 0 && stat.mode & counted & !allowed == 0 {
        return false;
    }
    emit(
        context
            .finding(
                check,
                Verdict::Fail,
                path,
                excess(stat.uid, stat.mode & counted, allowed),
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
