//! How much a right without a password matters: by what it opens, and to whom.

use super::sudoers::Grant;
use crate::settings::users::Users;
use agent_core::finding::Severity;
use std::path::Path;

/// Programs that show something or stop the machine and do nothing else, whatever their arguments are: none of them
/// runs another program, writes a file of the caller's choice, or shows one.
const OPEN_NOTHING: [&str; 18] = [
    "true", "false", "id", "whoami", "uptime", "w", "who", "free", "lsblk", "lscpu", "lsmem",
    "uname", "nproc", "sync", "reboot", "poweroff", "halt", "shutdown",
];

/// The severity of what `principal` may do unasked.
///
/// Every command as root opens the host: to everybody, to a group, or to a user whom a password lets in. A user who comes
/// in by key alone is known by more than a guess; named commands are fewer than all, and may open nothing.
pub(super) fn severity(users: &Users, principal: &str, grant: &Grant) -> Severity {
    let everything = grant.what.iter().any(|command| command == "ALL");
    let root = |target: &String| matches!(target.as_str(), "root" | "any user" | "#0");
    let as_root = grant.targets.is_empty() || grant.targets.iter().any(root);
    match everything && as_root {
        true if comes_by_key_alone(users, principal) => Severity::Medium,
        true => Severity::High,
        false if grant.what.iter().all(|command| opens_nothing(command)) => Severity::Low,
        false => Severity::Medium,
    }
}

/// Whether the principal is one account, and no password lets it in.
fn comes_by_key_alone(users: &Users, principal: &str) -> bool {
    if users.account(principal.as_bytes()).is_none() {
        return false;
    }
    // crypt(3): no hash begins with these, so that no password fits.
    let shadow = users.shadow_of(principal.as_bytes());
    shadow.is_some_and(|row| row.field(1).starts_with(b"!") || row.field(1).starts_with(b"*"))
}

fn opens_nothing(command: &str) -> bool {
    let name = Path::new(command)
        .file_name()
        .and_then(|name| name.to_str());
    // A program elsewhere is another one, and a wildcard any.
    let installed = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];
    let installed = installed.iter().any(|place| command.starts_with(place));
    installed && name.is_some_and(|name| OPEN_NOTHING.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::users::Row;

    fn users() -> Users {
        let row = |fields: &[&str]| Row::of(fields);
        Users {
            passwd: Some(vec![row(&["ann", "x", "1000"]), row(&["bob", "x", "1001"])]),
            shadow: Some(vec![row(&["ann", "$y$j9T$hash"]), row(&["bob", "!"])]),
            group: None,
            ..Users::default()
        }
    }

    #[test]
    fn what_opens_root_to_whom_decides() {
        let cases = [
            ("ALL", "ALL", "root", Severity::High),
            ("%wheel", "ALL", "root", Severity::High),
            ("ann", "ALL", "root", Severity::High),
            ("bob", "ALL", "root", Severity::Medium),
            ("ann", "ALL", "postgres", Severity::Medium),
            ("ALL", "/usr/bin/vi", "root", Severity::Medium),
            ("ann", "/usr/bin/*", "root", Severity::Medium),
            ("ann", "/usr/bin/uptime", "root", Severity::Low),
            ("ann", "ALL", "any user", Severity::High),
            ("ALL", "/sbin/reboot", "root", Severity::Low),
            ("ALL", "/tmp/reboot", "root", Severity::Medium),
        ];
        for (principal, command, target, wanted) in cases {
            let mut grant = Grant::default();
            grant.what.push(command.into());
            grant.targets.push(target.into());
            let found = severity(&users(), principal, &grant);
            assert_eq!(found, wanted, "{principal} {command} {target}");
        }
    }
}
