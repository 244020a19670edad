//! Whether a line of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT) opens a shell, by itself or by the command that it
//! forces.

mod command;

use super::keys::{is_type, options};
use super::root_access::Door;
use command::name;
pub(super) use command::{Opens, SHELLS};

/// What /etc/shells may name and what lets nobody type a command.
const CLOSED: [&str; 5] = ["nologin", "false", "true", "git-shell", "rssh"];

/// Paths of /etc/shells that somebody can type commands into.
pub(super) fn shells(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with('/') && !CLOSED.contains(&name(line)))
        .map(str::to_owned)
        .collect()
}

/// Whether the line opens a shell where that door is.
pub(super) fn opens(line: &str, door: Door, shells: &[String]) -> Opens {
    let line = line.split('\0').next().unwrap_or_default().trim();
    let by_itself = match door {
        Door::Open => Opens::Yes,
        _ => Opens::No,
    };
    if door == Door::Shut || line.is_empty() || line.starts_with('#') {
        return Opens::No;
    }
    let first = |text: &str| text.split([' ', '\t']).next().is_some_and(is_type);
    if first(line) {
        return by_itself;
    }
    let Some((options, rest)) = options(line) else {
        return Opens::No;
    };
    if !first(rest) {
        return Opens::No;
    }
    let commands = options
        .iter()
        .filter(|(name, _)| name == "command")
        .filter_map(|(_, value)| value.as_deref());
    let opened = commands.map(|text| command::line(text, shells));
    opened.max().unwrap_or(by_itself)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens_a_shell(line: &str, door: Door, shells: &[String]) -> bool {
        opens(line, door, shells) == Opens::Yes
    }

    const KEY: &str = "ssh-ed25519 AAAA x";

    #[test]
    fn lines_of_authorized_keys() {
        for (line, expected) in [
            ("ssh-ed25519 AAAA x", true),
            ("ED25519 AAAA x", true),
            ("# ssh-ed25519 AAAA x", false),
            ("no-pty ssh-rsa AAAA", true),
            (
                "command=\"echo 'Please login as the user \\\"admin\\\"';sleep 10\" ssh-rsa AAAA",
                false,
            ),
            ("no-port-forwarding,command=\"x y\" ssh-rsa AAAA", false),
            ("Command=\"x\",no-pty ssh-rsa AAAA", false),
            ("from=\"*,command=x\" ssh-ed25519 AAAA", true),
            ("environment=\"A=b,command=x\" ssh-ed25519 AAAA", true),
            (
                "environment=\"A=\\\",command=\\\"x\" ssh-ed25519 AAAA",
                true,
            ),
            ("from=\"*\\\\\",command=\"x\" ssh-ed25519 AAAA", false),
            ("command=x ssh-ed25519 AAAA", false),
            ("rubbish", false),
            ("", false),
        ] {
            assert_eq!(opens_a_shell(line, Door::Open, &[]), expected, "{line}");
        }
    }

    #[test]
    fn a_forced_command_that_is_a_shell() {
        let shells =
            shells("# /etc/shells\n/bin/sh\n/opt/own\n/usr/sbin/nologin\n/usr/bin/git-shell\n");
        for (command, expected) in [
            ("/bin/sh", true),
            ("bash -il", true),
            ("exec /usr/bin/zsh", true),
            ("env A=b bash -o vi", true),
            ("A=b sh", true),
            ("echo x; exec sh", true),
            ("/opt/own", true),
            ("sh -c 'echo; bash'", true),
            ("$SSH_ORIGINAL_COMMAND", true),
            ("sh -c $SSH_ORIGINAL_COMMAND", true),
            ("/usr/sbin/nologin", false),
            ("/usr/bin/git-shell -c $SSH_ORIGINAL_COMMAND", false),
            ("sh /usr/local/bin/backup", false),
            ("sh -c 'backup --all'", false),
            ("/usr/bin/rrsync /srv", false),
        ] {
            let line = format!("command=\"{command}\" {KEY}");
            for door in [Door::Open, Door::Forced] {
                assert_eq!(opens_a_shell(&line, door, &shells), expected, "{command}");
            }
            assert!(!opens_a_shell(&line, Door::Shut, &shells));
        }
        assert!(!opens_a_shell(KEY, Door::Forced, &shells));
    }
}
