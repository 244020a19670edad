//! What a forced command lets whoever has the key do: the account's shell runs it, for sshd gives it to that.

use crate::settings::console::command::{behind, commands};
use crate::settings::console::getty;

/// Programs that are a shell wherever they lie.
pub(in crate::settings::sshd) const SHELLS: [&str; 15] = [
    "sh", "bash", "rbash", "dash", "ash", "ksh", "mksh", "lksh", "yash", "zsh", "csh", "tcsh",
    "fish", "sash", "pwsh",
];
/// Programs that run what follows their options, beside those of getty's: options with a value in the next word,
/// operands before the command, and whether they start a shell where none is named.
const WRAPPERS: [(&str, &str, usize, bool); 20] = [
    ("command", "", 0, false),
    ("builtin", "", 0, false),
    ("time", "fo", 0, false),
    ("busybox", "", 0, false),
    ("coproc", "", 0, false),
    ("script", "cEIOBTmo", 1, true),
    ("strace", "eopsuEabIOPSX", 0, false),
    ("ltrace", "eopsunaADFlwx", 0, false),
    ("watch", "n", 0, false),
    ("xargs", "adEIiLnPs", 0, false),
    ("flock", "wE", 1, false),
    ("systemd-run", "pEuHMt", 0, false),
    ("doas", "uC", 0, true),
    ("pkexec", "", 0, true),
    ("newgrp", "", 1, true),
    ("prlimit", "p", 0, false),
    ("linux64", "", 0, true),
    ("setarch", "", 1, true),
    ("ssh-agent", "atPO", 0, false),
    ("dbus-run-session", "", 0, false),
];
/// Words of a script before a command.
const KEYWORDS: [&str; 12] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{", "in", "exec", "eval",
];
/// Programs that read commands where no script is named.
const INTERPRETERS: [&str; 13] = [
    "python", "pypy", "ipython", "perl", "ruby", "irb", "lua", "luajit", "node", "php", "tclsh",
    "expect", "guile",
];
/// Programs in which a key or a word opens a shell.
const WITH_A_SHELL: [&str; 14] = [
    "vi", "vim", "nvim", "view", "ex", "ed", "emacs", "mc", "gdb", "less", "more", "man", "ftp",
    "nano",
];
/// Programs that are there to open one.
const TERMINALS: [&str; 4] = ["tmux", "screen", "byobu", "zellij"];
/// Options of shells that take a word.
const WITH_WORD: [&str; 4] = ["--rcfile", "--init-file", "-o", "-O"];
/// What the client says.
const CLIENT: &str = "SSH_ORIGINAL_COMMAND";
/// Commands within each other.
// Own bound: a quote within a quote doubles its backslashes, nobody writes more.
const DEPTH: usize = 8;

/// Whether somebody can type commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::settings::sshd) enum Opens {
    No,
    /// What is started cannot be told.
    Maybe,
    Yes,
}

/// What a command line opens that is given to a shell; `shells` are those of /etc/shells.
pub(super) fn line(text: &str, shells: &[String]) -> Opens {
    script(text, shells, 0)
}

pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn script(text: &str, shells: &[String], depth: usize) -> Opens {
    if depth > DEPTH {
        return Opens::Maybe;
    }
    let all = commands(text);
    // What a pattern lets through is the script's own matter.
    let is_chosen = all
        .iter()
        .any(|words| words.first().is_some_and(|word| word == "case"));
    let opens = all.iter().map(|words| command(words, shells, depth));
    let opens = opens.max().unwrap_or(Opens::No);
    match is_chosen && text.contains(CLIENT) {
        true => opens.min(Opens::Maybe),
        false => opens,
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// One command of a script, keywords and variables before it passed over.
fn command(words: &[String], shells: &[String], depth: usize) -> Opens {
    let substituted = words.iter().map(|word| substitution(word, shells, depth));
    let substituted = substituted.max().unwrap_or(Opens::No);
    let is_before = |word: &&String| KEYWORDS.contains(&word.as_str()) || is_assignment(word);
    let before = words.iter().take_while(is_before).count();
    let (before, words) = words.split_at_checked(before).unwrap_or_default();
    // The words of eval are a script, and exec has an option of its own.
    let opens = match before
        .iter()
        .rev()
        .find(|word| !is_assignment(word))
        .map(String::as_str)
    {
        Some("eval") => {
            let text = words.join(" ");
            match opens_by_expansion(&text) {
                Opens::No => script(&text, shells, depth.saturating_add(1)),
                opens => opens,
            }
        }
        Some("exec") => program(&behind(words, "a", 0), shells, depth),
        _ => program(words, shells, depth),
    };
    opens.max(substituted)
}

/// Commands in the place of a word, as far as quotes hold it together.
fn substitution(word: &str, shells: &[String], depth: usize) -> Opens {
    let inner = word
        .split_once("$(")
        .map(|(_, rest)| rest.rsplit_once(')').map_or(rest, |(inner, _)| inner))
        .or_else(|| {
            word.split_once('`')
                .map(|(_, rest)| rest.trim_end_matches('`'))
        });
    let deeper = depth.saturating_add(1);
    inner.map_or(Opens::No, |inner| {
        script(inner, shells, deeper).min(Opens::Maybe)
    })
}

/// What a word is that the shell puts something in for.
fn opens_by_expansion(word: &str) -> Opens {
    let client = [CLIENT, "SHELL"];
    let is_client =
        |name: &str| word.contains(&format!("${name}")) || word.contains(&format!("${{{name}"));
    match client.into_iter().any(is_client) {
        true => Opens::Yes,
        false if word.contains(['$', '`']) => Opens::Maybe,
        false => Opens::No,
    }
}

fn program(words: &[String], shells: &[String], depth: usize) -> Opens {
    let Some((program, rest)) = words.split_first() else {
        return Opens::No;
    };
    let called = name(program);
    if opens_by_expansion(program) == Opens::Yes {
        return Opens::Yes;
    }
    // What a directory is called that is put in does not matter.
    if called.contains(['$', '`', '}']) {
        return Opens::Maybe;
    }
    let deeper = depth.saturating_add(1);
    if deeper > DEPTH {
        return Opens::Maybe;
    }
    if SHELLS.contains(&called) || shells.contains(program) {
        return shell(rest, shells, deeper);
    }
    let table = WRAPPERS.iter().chain(&getty::WRAPPERS);
    if let Some((_, valued, operands, starts_shell)) =
        table.into_iter().find(|(known, ..)| *known == called)
    {
        let inner = behind(rest, valued, *operands);
        let text = given(rest);
        let starts_shell = *starts_shell && text.is_none() && inner.is_empty();
        let given = text.map_or(Opens::No, |text| script(&text, shells, deeper));
        return match starts_shell {
            true => Opens::Yes,
            false => command(&inner, shells, deeper).max(given),
        };
    }
    let plain = called.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match called {
        "su" | "runuser" => match given(rest) {
            Some(text) => script(&text, shells, deeper),
            None => Opens::Yes,
        },
        "." | "source" => file(rest.first()),
        "trap" => rest
            .first()
            .map_or(Opens::No, |text| script(text, shells, deeper)),
        called if TERMINALS.contains(&called) => Opens::Yes,
        called if WITH_A_SHELL.contains(&called) => Opens::Maybe,
        _ if INTERPRETERS.contains(&plain) => interpreter(rest),
        // Who logs in by itself, as the terminal's checks know them.
        "login" | "agetty" | "getty" => match getty::asks_nobody(words) {
            true => Opens::Yes,
            false => Opens::No,
        },
        _ => Opens::No,
    }
}

/// The text behind `-c`, `--command`, or a cluster that ends with c.
fn given(arguments: &[String]) -> Option<String> {
    let next_words = arguments.iter().skip(1).map(Some).chain([None]);
    arguments.iter().zip(next_words).find_map(|(word, after)| {
        let attached = word
            .strip_prefix("--command=")
            .or_else(|| word.strip_prefix("--session-command="));
        let next = matches!(word.as_str(), "--command" | "--session-command")
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
        attached
            .map(str::to_owned)
            .or_else(|| after.filter(|_| next).cloned())
    })
}

/// What a shell does with its arguments.
fn shell(arguments: &[String], shells: &[String], depth: usize) -> Opens {
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let is_cluster = word.starts_with('-') && !word.starts_with("--");
        if WITH_WORD.contains(&word.as_str()) {
            rest.next();
        } else if is_cluster && word.contains('c') {
            let text = rest.find(|word| !word.starts_with(['-', '+']));
            return text.map_or(Opens::No, |text| script(text, shells, depth));
        } else if is_cluster && word.contains('s') {
            return Opens::Yes;
        } else if word == "-" || word == "--" {
            return rest.next().map_or(Opens::Yes, |word| file(Some(word)));
        } else if !word.starts_with(['-', '+']) {
            return file(Some(word));
        }
    }
    Opens::Yes
}

/// What a shell that is given a file runs: that, unless it is what the client sends.
fn file(path: Option<&String>) -> Opens {
    let Some(path) = path else {
        return Opens::No;
    };
    let is_input = matches!(
        path.as_str(),
        "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0" | "/dev/tty" | "-"
    );
    match is_input {
        true => Opens::Yes,
        false => opens_by_expansion(path),
    }
}

/// An interpreter reads commands unless it is given some, or a file of them.
fn interpreter(arguments: &[String]) -> Opens {
    let text = arguments.join(" ");
    let starts = [
        "exec",
        "spawn",
        "system",
        "popen",
        "pty",
        "subprocess",
        CLIENT,
    ];
    let is_inline = arguments
        .iter()
        .any(|word| word.starts_with('-') && word.contains(['c', 'e', 'r', 'E']));
    let first = arguments.iter().find(|word| !word.starts_with('-'));
    match first {
        _ if arguments.iter().any(|word| word == "-i") => Opens::Yes,
        None => Opens::Yes,
        Some(_) if is_inline && starts.iter().any(|word| text.contains(word)) => Opens::Maybe,
        Some(_) if is_inline => Opens::No,
        first => file(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_shell() {
        for command in [
            "if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; then eval \"$SSH_ORIGINAL_COMMAND\"; else bash -l; fi",
            "if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; then eval \"$SSH_ORIGINAL_COMMAND\"; fi",
            "nice -n 5 bash",
            "${SHELL:-/bin/sh}",
            "env -u X bash",
            "exec -a x bash",
            "timeout 1h bash",
            "(bash)",
            "{ bash; }",
            "while :; do bash; done",
            "time bash",
            "time -p bash",
            "setsid -w bash",
            "su -",
            "su",
            "su - postgres",
            "sudo -i",
            "sudo bash",
            "runuser -l x",
            "bash /dev/stdin",
            "bash -s x",
            "bash -",
            "bash -lc 'exec zsh'",
            "script -q /dev/null",
            "script -qc bash /dev/null",
            "python3",
            "python3.11 -i x.py",
            "perl -",
            "echo hello && command -p sh",
            "systemd-run -t -p A=b bash",
            "tmux",
            "flock /run/x bash",
            "unshare -m",
            "eval exec bash",
            "trap bash EXIT",
            "echo x | xargs -I y sh -c $SSH_ORIGINAL_COMMAND",
            "/bin/login -f root",
        ] {
            assert_eq!(line(command, &[]), Opens::Yes, "{command}");
        }
    }

    #[test]
    fn what_cannot_be_told() {
        let deep = "env ".repeat(DEPTH) + "bash";
        for command in [
            "b=bash; $b",
            "`which bash`",
            "$(which bash)",
            "/bin/$x",
            "${x:-/bin/sh}",
            "sh -c '\"$@\"' x bash",
            "eval $x",
            "echo \"$(bash)\"",
            "vim /etc/motd",
            "python3 -c 'import pty; pty.spawn(\"x\")'",
            "case $SSH_ORIGINAL_COMMAND in rsync*) $SSH_ORIGINAL_COMMAND ;; esac",
            "bash $x",
            &deep,
        ] {
            assert_eq!(line(command, &[]), Opens::Maybe, "{command}");
        }
    }

    #[test]
    fn what_opens_none() {
        for command in [
            "echo 'Please login as the user \"admin\" rather than the user \"root\".';echo;sleep 10;exit 142",
            "/usr/bin/rrsync -ro /srv",
            "rsync --server --sender -vlogDtpr . /srv",
            "internal-sftp -R",
            "/usr/lib/backup/run \"$SSH_ORIGINAL_COMMAND\"",
            "$HOME/bin/backup",
            "ionice -c 3 tar c /etc",
            "if [ -x /x ]; then /x --all; fi",
            "su - postgres -c 'pg_dump all'",
            "sudo /usr/bin/systemctl restart x",
            "nice -n 19 tar -C / -cf - etc",
            "python3 /opt/x.py",
            "python3 -c 'print(1)'",
            "bash /opt/x.sh -s",
            "bash -c '/opt/x.sh'",
            "A=b",
            "",
        ] {
            assert_eq!(line(command, &[]), Opens::No, "{command}");
        }
    }
}
