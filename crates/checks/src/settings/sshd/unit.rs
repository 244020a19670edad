//! How systemd starts sshd: the command line of its unit, whose options come before all files.

use super::environment::{Environment, environments};
use super::forced::SHELLS;
use super::live::{Daemon, options};
use crate::settings::systemd::{self, Escapes, words};
use agent_core::os::root::Root;

/// As the Debian family calls it, then as the Red Hat family does.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// Keys whose commands may leave an sshd behind; what those before the start and after the end leave, systemd kills.
const COMMANDS: [&str; 3] = ["ExecStart", "ExecStartPost", "ExecReload"];

/// A unit that starts an sshd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Starter {
    /// Its name, as `ssh.service`.
    pub(super) unit: String,
    /// The file and options of its command line.
    pub(super) daemon: Daemon,
    /// Where the command line stands.
    pub(super) location: String,
}

/// The options that the unit gives the daemon; `None` where no unit starts one.
pub(super) fn daemon(root: &Root, inherited: &[Environment]) -> Option<Daemon> {
    let systemd = systemd::Units::read(root, &[]);
    // What differs with another entry of the boot menu is another starter.
    let first = inherited.get(..1).unwrap_or_default();
    UNITS
        .iter()
        .find_map(|unit| of_unit(root, &systemd, unit, &["ExecStart"], first).pop())
        .map(|starter| starter.daemon)
}

/// Every unit and template whose command line starts an sshd, by name; those that are masked start none.
pub(super) fn starters(
    root: &Root,
    systemd: &systemd::Units,
    inherited: &[Environment],
) -> Vec<Starter> {
    let units = systemd::of_kind(root, ".service");
    let mut found: Vec<Starter> = units
        .iter()
        .filter(|unit| !systemd.masked(root, unit))
        .flat_map(|unit| of_unit(root, systemd, unit, &COMMANDS, inherited))
        .collect();
    // On the running system the generator has written what it starts.
    let written = found.iter().any(|starter| starter.unit == TEMPLATE);
    if !root.is_live() && !written && !systemd.masked(root, TEMPLATE) {
        found.extend(generated(root));
    }
    found
}

/// The template that systemd-ssh-generator(8) starts for AF_UNIX, vsock, and `systemd.ssh_listen=`.
const TEMPLATE: &str = "sshd@.service";
/// Where generators lie, the strongest first (systemd.generator(7)).
const GENERATORS: [&str; 3] = [
    "etc/systemd/system-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/lib/systemd/system-generators",
];

/// What systemd-ssh-generator writes where no package brings the template; a link to /dev/null takes it away.
fn generated(root: &Root) -> Option<Starter> {
    let path = GENERATORS
        .iter()
        .map(|directory| format!("{directory}/systemd-ssh-generator"))
        .find(|path| {
            let found = root.resolve(path.as_bytes(), false);
            found.is_ok_and(|found| found.handle.is_some())
        })?;
    let program = matches!(root.open_file(path.as_bytes()), Ok(Some(_)));
    program.then(|| Starter {
        unit: TEMPLATE.into(),
        daemon: Daemon {
            options: vec![format!(
                "AuthorizedKeysFile /run/credentials/{TEMPLATE}/ssh.ephemeral-authorized_keys-all .ssh/authorized_keys"
            )],
            ..Daemon::default()
        },
        location: format!("/{path}"),
    })
}

fn of_unit(
    root: &Root,
    systemd: &systemd::Units,
    unit: &str,
    keys: &[&str],
    inherited: &[Environment],
) -> Vec<Starter> {
    let is_sshd = |path: &str| is_sshd(root, path);
    let starts = keys
        .iter()
        .flat_map(|key| systemd.values(root, unit, "Service", key));
    // Most units have nothing to do with it: their environment is not read. Escapes and variables may spell it, and links.
    let mut starts = starts
        .filter(|start| {
            let value = &start.value;
            let mut words = value.split(BLANKS).filter(|word| !word.is_empty());
            let first = words.next().unwrap_or_default();
            let starts_others = SHELLS.contains(&name(first)) || STARTERS.contains(&name(first));
            value.contains("sshd")
                || value.contains(['$', '\\'])
                || is_sshd(first)
                || starts_others && words.any(is_sshd)
        })
        .peekable();
    if starts.peek().is_none() {
        return Vec::new();
    }
    let environments = environments(root, systemd, unit, inherited);
    let mut found: Vec<Starter> = Vec::new();
    for start in starts {
        for environment in &environments {
            let commands = commands(&start.value, environment).into_iter();
            let daemons = commands.filter_map(|words| Some(options(&of_sshd(&words, &is_sshd)?)));
            for daemon in daemons {
                let starter = Starter {
                    unit: unit.to_owned(),
                    daemon,
                    location: start.location.clone(),
                };
                if !found.contains(&starter) {
                    found.push(starter);
                }
            }
        }
    }
    found
}

const BLANKS: [char; 5] = [' ', '\t', '"', '\'', ';'];

/// The path of a program, what may stand before it taken off: `-`, `@`, `+`, `!`, `:`, `|` (systemd.service(5)).
fn path(word: &str) -> &str {
    word.trim_start_matches(['-', '@', '+', '!', ':', '|'])
}

fn name(word: &str) -> &str {
    path(word).rsplit('/').next().unwrap_or_default()
}

/// Whether the program is an sshd by its own name, or by that of what it is a link to.
fn is_sshd(root: &Root, word: &str) -> bool {
    let path = path(word);
    let resolved = || root.resolve(path.as_bytes(), true).ok();
    let leads_there =
        || resolved().is_some_and(|found| found.handle.is_some() && found.path.ends_with(b"/sshd"));
    name(path) == "sshd" || (path.starts_with('/') && path.contains("bin/") && leads_there())
}

/// The words behind sshd's own name: the program, or one that env(1) or a shell is to run.
fn of_sshd(command: &[String], is_sshd: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    let program = command.first()?;
    let rest = match name(program) {
        _ if is_sshd(program) => command.to_vec(),
        shell if SHELLS.contains(&shell) => {
            let is_cluster = |word: &String| {
                word.starts_with('-') && !word.starts_with("--") && word.contains('c')
            };
            let mut behind = command
                .iter()
                .skip(1)
                .skip_while(|word| !is_cluster(word))
                .skip(1);
            let script = behind.find(|word| !word.starts_with(['-', '+']))?;
            let parted = script.replace([';', '&', '|', '\n', '(', ')'], " ; ");
            let script = words(&parted, Escapes::Plain);
            let is_before =
                |word: &&String| KEYWORDS.contains(&word.as_str()) || word.contains('=');
            return script.split(|word| word == ";").find_map(|words| {
                let before = words.iter().take_while(is_before).count();
                of_sshd(words.get(before..)?, is_sshd)
            });
        }
        program if STARTERS.contains(&program) => behind(command, is_sshd)?,
        // What only looks at the file or at processes of that name starts none.
        program if TOOLS.contains(&program) => return None,
        // Any other may be there to start what is named by its whole path.
        _ => behind(command, &|word| word.contains("bin/") && is_sshd(word))?,
    };
    let arguments = rest.get(1..)?;
    // Tests and prints its configuration, its version: it listens to nobody.
    let only_tells = options(arguments).only_tells;
    (!only_tells).then(|| arguments.to_vec())
}

/// Words of a script before a command.
const KEYWORDS: [&str; 9] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{",
];

/// Programs that start the one that is named behind their options.
const STARTERS: [&str; 10] = [
    "env",
    "nice",
    "ionice",
    "chrt",
    "setpriv",
    "taskset",
    "exec",
    "nohup",
    "setsid",
    "systemd-run",
];

/// Programs that take the name of a program and do not start it.
const TOOLS: [&str; 20] = [
    "[", "test", "cat", "chmod", "chown", "cp", "echo", "install", "kill", "killall", "ln",
    "logger", "ls", "mv", "pgrep", "pkill", "rm", "sed", "stat", "touch",
];

fn behind(words: &[String], is_it: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    let (_, mut rest) = words.split_first()?;
    while !is_it(rest.first()?) {
        rest = rest.get(1..)?;
    }
    Some(rest.to_vec())
}

/// The words of each command of a line: `$NAME` alone stands for as many words as it holds, `${NAME}` for a part of one.
fn commands(line: &str, environment: &Environment) -> Vec<Vec<String>> {
    let commands = systemd::commands(line).into_iter();
    commands.map(|words| expanded(words, environment)).collect()
}

fn expanded(command: Vec<String>, environment: &Environment) -> Vec<String> {
    let value = |name: &str| environment.get(name).map_or("", String::as_str);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut found = Vec::new();
    for word in command {
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            found.extend(words(value(name), Escapes::Plain));
            continue;
        }
        let mut out = String::new();
        let mut rest = word.as_str();
        while let Some(at) = rest.find(['$', '%']) {
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            let braced = tail.strip_prefix("${").and_then(|t| t.split_once('}'));
            rest = match braced.filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => {
                    out.push_str(value(name));
                    rest
                }
                None => {
                    // `$$` and `%%` stand for one; other specifiers are no matter of options.
                    let (sign, behind) = tail.split_at(1);
                    out.push_str(sign);
                    behind.strip_prefix(sign).unwrap_or(behind)
                }
            };
        }
        out.push_str(rest);
        found.push(out);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_start_it() {
        let is_sshd = |word: &str| name(word) == "sshd" || word == "/usr/local/bin/foo";
        let behind = |line: &str| of_sshd(&words(line, Escapes::C), &is_sshd);
        for (line, expected) in [
            ("-/usr/sbin/sshd -i", Some("-i")),
            ("@/usr/sbin/sshd sshd -D", Some("sshd -D")),
            ("/usr/bin/env A=b /usr/sbin/sshd -f /x", Some("-f /x")),
            (
                "/bin/sh -c 'exec /usr/sbin/sshd -D -f /x'",
                Some("-D -f /x"),
            ),
            ("/bin/sh /usr/sbin/sshd", None),
            ("/usr/bin/bash -lc \"exec /usr/sbin/sshd -D\"", Some("-D")),
            (
                "/usr/bin/bash -e -o pipefail -uc \"A=b /usr/sbin/sshd -D\"",
                Some("-D"),
            ),
            (
                "/usr/bin/zsh -c 'if true; then (/usr/sbin/sshd -D); fi'",
                Some("-D"),
            ),
            ("/usr/local/bin/foo -D", Some("-D")),
            ("/usr/bin/nice -n 1 /usr/local/bin/foo -D", Some("-D")),
            (
                "/bin/sh -c 'mkdir -p /run/sshd; /usr/sbin/sshd -D -f /x; true'",
                Some("-D -f /x"),
            ),
            ("/usr/bin/setsid /usr/sbin/sshd -D", Some("-D")),
            (
                "/usr/sbin/ip netns exec blue /usr/sbin/sshd -D -o Port=23",
                Some("-D -o Port=23"),
            ),
            ("/usr/bin/strace -f -o /t /usr/sbin/sshd -D", Some("-D")),
            ("/usr/bin/pkill -x /usr/sbin/sshd", None),
            ("/usr/bin/systemctl restart sshd", None),
            ("/usr/sbin/sshd -t", None),
            ("/usr/sbin/sshd -f /x -T", None),
            ("/usr/sbin/sshd -Df /t", Some("-Df /t")),
            ("/usr/sbin/sshd-keygen", None),
        ] {
            let found = behind(line).map(|words| words.join(" "));
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn words_of_a_command() {
        let environment = Environment::from([
            ("A".to_owned(), "-o \"Port 22\" -4".to_owned()),
            ("EMPTY".to_owned(), String::new()),
        ]);
        for (line, expected) in [
            ("/sshd -D $EMPTY", &["/sshd", "-D"][..]),
            ("/sshd $A $B", &["/sshd", "-o", "Port 22", "-4"]),
            ("/sshd -x${A}y", &["/sshd", "-x-o \"Port 22\" -4y"]),
            (
                "/sshd -o \"AuthorizedKeysCommand /x %%u\" $$A",
                &["/sshd", "-o", "AuthorizedKeysCommand /x %u", "$A"],
            ),
            (
                "/usr/sbin/ssh\\x64 -oPermit\\u0052ootLogin=yes",
                &["/usr/sbin/sshd", "-oPermitRootLogin=yes"],
            ),
            ("'a b'c \"d\\\"e\" ''", &["a bc", "d\"e", ""]),
        ] {
            assert_eq!(commands(line, &environment).concat(), expected, "{line}");
        }
    }
}
