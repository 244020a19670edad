//! Whether a line of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT) opens a shell, by itself or by the command that it
//! forces.

use super::keys::options;
use super::root_access::Door;
use super::words;

/// Programs that are a shell wherever they lie.
const SHELLS: [&str; 13] = [
    "sh", "bash", "rbash", "dash", "ash", "ksh", "mksh", "lksh", "yash", "zsh", "csh", "tcsh",
    "fish",
];
/// What /etc/shells may name and what lets nobody type a command.
const CLOSED: [&str; 5] = ["nologin", "false", "true", "git-shell", "rssh"];
/// Words that run what follows them.
const WRAPPERS: [&str; 8] = [
    "exec", "eval", "command", "builtin", "env", "nice", "nohup", "busybox",
];
/// Options of shells that take a word.
const WITH_WORD: [&str; 4] = ["--rcfile", "--init-file", "-o", "-O"];
/// Shells within each other.
// Own bound: a quote within a quote doubles its backslashes, nobody writes more.
const DEPTH: usize = 4;

/// Paths of /etc/shells that somebody can type commands into.
pub(super) fn shells(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| line.starts_with('/') && !CLOSED.contains(&name(line)))
        .map(str::to_owned)
        .collect()
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether the line opens a shell where that door is.
pub(super) fn opens_a_shell(line: &str, door: Door, shells: &[String]) -> bool {
    let line = line.trim();
    if door == Door::Shut || line.is_empty() || line.starts_with('#') {
        return false;
    }
    let first = |text: &str| text.split([' ', '\t']).next().is_some_and(is_type);
    if first(line) {
        return door == Door::Open;
    }
    let Some((options, rest)) = options(line) else {
        return false;
    };
    if !first(rest) {
        return false;
    }
    let mut commands = options
        .iter()
        .filter(|(name, _)| name == "command")
        .filter_map(|(_, value)| value.as_deref())
        .peekable();
    match commands.peek() {
        Some(_) => commands.any(|command| is_shell(command, shells, 0)),
        None => door == Door::Open,
    }
}

/// Before OpenSSH 7.9 a short name stands for the type too.
fn is_type(word: &str) -> bool {
    let long = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
    let short = ["rsa", "dsa", "ecdsa", "ed25519"];
    long.iter().any(|prefix| word.starts_with(prefix))
        || short.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Whether a command line, given to a shell, is a shell that takes commands of the client's.
fn is_shell(command: &str, shells: &[String], depth: usize) -> bool {
    let parted = command.replace([';', '&', '|', '\n'], " ; ");
    // What a quote is left open in, the shell refuses.
    let words = words::split(&parted).unwrap_or_default();
    words
        .split(|word| word == ";")
        .any(|words| runs_a_shell(words, shells, depth))
}

fn runs_a_shell(words: &[String], shells: &[String], depth: usize) -> bool {
    let is_before = |word: &&String| {
        let assigns = word.contains('=') && !word.starts_with('/');
        WRAPPERS.contains(&name(word)) || assigns || word.starts_with('-')
    };
    let before = words.iter().take_while(is_before).count();
    let words = words.get(before..).unwrap_or_default();
    let Some((program, rest)) = words.split_first() else {
        return false;
    };
    // The client's own words, or the shell of the account.
    let variables = [
        "$SSH_ORIGINAL_COMMAND",
        "${SSH_ORIGINAL_COMMAND",
        "$SHELL",
        "${SHELL",
    ];
    if variables.iter().any(|name| program.starts_with(name)) {
        return true;
    }
    if !SHELLS.contains(&name(program)) && !shells.contains(program) {
        return false;
    }
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if WITH_WORD.contains(&word.as_str()) {
            rest.next();
        } else if word.starts_with('-') && !word.starts_with("--") && word.contains('c') {
            let script = rest.find(|word| !word.starts_with('-'));
            let deeper = depth.saturating_add(1);
            return deeper > DEPTH || script.is_some_and(|text| is_shell(text, shells, deeper));
        } else if !word.starts_with(['-', '+']) {
            // It runs a file.
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

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
