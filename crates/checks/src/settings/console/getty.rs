//! What a command on a terminal does about a password: agetty(8) with its options as getopt_long(3) reads them,
//! the login program behind it, or a shell.

use std::collections::VecDeque;

/// Shells that a terminal may be given instead of a login.
pub(super) const SHELLS: [&str; 12] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", "sash",
];
/// Programs that start the command behind their own options.
const WRAPPERS: [&str; 6] = ["env", "setsid", "nice", "ionice", "stdbuf", "exec"];
/// Programs within programs that are looked through.
const MAX_DEPTH: usize = 8;

/// What stands between whoever is at the terminal and a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// A password is asked for, or nothing is started.
    Asks,
    /// None; what makes it so.
    Unasked(String),
    /// The command is none that is known.
    Unknown(String),
}

/// Credentials that agetty and login read (systemd.system-credentials(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// `agetty.autologin` names somebody.
    pub(super) autologin: bool,
    /// `login.noauth` is true.
    pub(super) noauth: bool,
}

/// Judges the value of an `ExecStart=` (systemd.service(5), "Command Lines").
pub(super) fn judge(command: &str, given: Given) -> Access {
    let trimmed = command.trim_start();
    let bare = trimmed.trim_start_matches(['-', '@', ':', '+', '!', '|']);
    let renamed = trimmed[..trimmed.len() - bare.len()].contains('@');
    let mut words: VecDeque<String> = words(bare).into();
    // With `@` the second word is what the program is called, not an argument of it.
    if renamed {
        words.remove(1);
    }
    run(words.into(), given, 0)
}

fn run(words: Vec<String>, given: Given, depth: usize) -> Access {
    let Some((program, arguments)) = words.split_first() else {
        return Access::Asks;
    };
    if depth > MAX_DEPTH {
        return Access::Unknown(format!("{program} starts a program that starts another"));
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    match name {
        "agetty" | "getty" => agetty(arguments, given, depth),
        "login" => login(arguments, given),
        "mingetty" => match arguments.iter().any(|word| word.starts_with("--autol")) {
            true => Access::Unasked("mingetty --autologin".into()),
            false => Access::Asks,
        },
        "nologin" | "false" | "true" | "sulogin" => Access::Asks,
        "busybox" => run(arguments.to_vec(), given, depth + 1),
        name if WRAPPERS.contains(&name) => {
            let inner = arguments
                .iter()
                .position(|word| !word.starts_with('-') && !word.contains('='));
            let inner = inner.map_or(Vec::new(), |at| arguments[at..].to_vec());
            run(inner, given, depth + 1)
        }
        name if SHELLS.contains(&name.trim_start_matches('-')) => {
            shell(name, arguments, given, depth)
        }
        _ => Access::Unknown(format!("{program} is no getty that is known")),
    }
}

/// A shell, or the single command of `sh -c`.
fn shell(name: &str, arguments: &[String], given: Given, depth: usize) -> Access {
    let script = arguments
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('c'));
    match script.and_then(|at| arguments.get(at + 1)) {
        None if arguments.iter().any(|word| !word.starts_with('-')) => {
            Access::Unknown(format!("{name} runs a script"))
        }
        None => Access::Unasked(format!("{name} is a shell that asks nobody")),
        Some(script) if script.contains(['|', '&', ';', '$', '`', '<', '>', '(', '\n']) => {
            Access::Unknown(format!("{name} -c runs a script"))
        }
        Some(script) => run(self::words(script), given, depth + 1),
    }
}

/// login(1) of util-linux and of shadow: `-f` takes whoever is named for known.
fn login(arguments: &[String], given: Given) -> Access {
    if given.noauth {
        return Access::Unasked("the credential login.noauth is set".into());
    }
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let Some(cluster) = word.strip_prefix('-') else {
            continue;
        };
        if cluster == "-" {
            break;
        }
        for (at, option) in cluster.char_indices() {
            match option {
                'f' => return Access::Unasked(format!("login {word}")),
                // An argument of its own, in the same word or the next.
                'h' | 'r' | 'd' => {
                    if at + 1 == cluster.len() {
                        words.next();
                    }
                    break;
                }
                _ => {}
            }
        }
    }
    Access::Asks
}

/// Long options of agetty(8) up to util-linux 2.42, with the short one that means the same and whether a value follows.
const LONG: [(&str, char, Value); 36] = [
    ("8bits", '8', Value::None),
    ("autologin", 'a', Value::Required),
    ("noreset", 'c', Value::None),
    ("chdir", 'C', Value::Required),
    ("delay", 'd', Value::Required),
    ("remote", 'E', Value::None),
    ("issue-file", 'f', Value::Required),
    ("show-issue", '?', Value::None),
    ("flow-control", 'h', Value::None),
    ("host", 'H', Value::Required),
    ("noissue", 'i', Value::None),
    ("init-string", 'I', Value::Required),
    ("noclear", 'J', Value::None),
    ("login-program", 'l', Value::Required),
    ("local-line", 'L', Value::Optional),
    ("extract-baud", 'm', Value::None),
    ("list-speeds", '?', Value::None),
    ("skip-login", 'n', Value::None),
    ("nonewline", 'N', Value::None),
    ("login-options", 'o', Value::Required),
    ("login-pause", 'p', Value::None),
    ("nice", 'P', Value::Required),
    ("chroot", 'r', Value::Required),
    ("hangup", 'R', Value::None),
    ("keep-baud", 's', Value::None),
    ("timeout", 't', Value::Required),
    ("detect-case", 'U', Value::None),
    ("wait-cr", 'w', Value::None),
    ("nohints", '?', Value::None),
    ("nohostname", '?', Value::None),
    ("long-hostname", '?', Value::None),
    ("reload", '?', Value::None),
    ("version", 'V', Value::None),
    ("help", 'V', Value::None),
    ("erase-chars", '?', Value::Required),
    ("kill-chars", '?', Value::Required),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Optional,
    Required,
}

/// Options of agetty that bear on who is let in; of several of a kind the last counts.
#[derive(Default)]
struct Options {
    autologin: bool,
    login_options: Option<String>,
    login_program: Option<String>,
    /// Ends with a message and starts nothing.
    ends: bool,
}

impl Options {
    fn set(&mut self, option: char, value: &str) {
        match option {
            'a' => self.autologin = true,
            'o' => self.login_options = Some(value.to_owned()),
            'l' => self.login_program = Some(value.to_owned()),
            'V' => self.ends = true,
            _ => {}
        }
    }
}

fn agetty(arguments: &[String], given: Given, depth: usize) -> Access {
    let options = options(arguments);
    if options.ends {
        return Access::Asks;
    }
    let autologin = options.autologin || given.autologin;
    let program = options.login_program.unwrap_or_else(|| "/bin/login".into());
    let mut words = vec![program];
    match options.login_options {
        // Options given replace those of agetty, the `-f` of an autologin included.
        Some(text) => words.extend(self::words(&text)),
        None if autologin => words.extend(["-f".to_owned(), "--".to_owned()]),
        None => {}
    }
    match run(words, given, depth + 1) {
        Access::Unasked(_) if autologin && !given.noauth => {
            Access::Unasked("agetty logs in by itself (autologin)".into())
        }
        access => access,
    }
}

/// Reads a command line as getopt_long(3) does: clusters, values in the same word or the next, options behind
/// operands, unambiguous beginnings of long ones.
fn options(arguments: &[String]) -> Options {
    let mut options = Options::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, own) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match long_option(name) {
                Some((option, Value::Required)) => match own.or_else(|| words.next().cloned()) {
                    Some(value) => options.set(option, &value),
                    None => options.ends = true,
                },
                Some((option, _)) => options.set(option, ""),
                None => options.ends = true,
            }
        } else if let Some(cluster) = word.strip_prefix('-') {
            short_options(cluster, &mut words, &mut options);
        }
    }
    options
}

fn long_option(name: &str) -> Option<(char, Value)> {
    let mut fits = LONG.iter().filter(|(long, ..)| long.starts_with(name));
    let exact = LONG.iter().find(|(long, ..)| *long == name);
    let first = exact.or_else(|| fits.next())?;
    let ambiguous = exact.is_none() && fits.next().is_some();
    (!ambiguous).then_some((first.1, first.2))
}

fn short_options<'a>(
    cluster: &str,
    words: &mut impl Iterator<Item = &'a String>,
    options: &mut Options,
) {
    for (at, option) in cluster.char_indices() {
        let known = LONG
            .iter()
            .find(|(_, short, _)| *short == option && option != '?');
        let rest = &cluster[at + option.len_utf8()..];
        match known.map(|(_, _, value)| *value) {
            None => options.ends = true,
            Some(Value::None) => options.set(option, ""),
            Some(Value::Optional) => return options.set(option, rest),
            Some(Value::Required) if !rest.is_empty() => return options.set(option, rest),
            Some(Value::Required) => match words.next() {
                Some(value) => return options.set(option, value),
                None => options.ends = true,
            },
        }
    }
}

/// Words of a command line: quotes hold blanks together, a backslash takes the next character as it is.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, '\\') => word
                .get_or_insert_default()
                .push(characters.next().unwrap_or('\\')),
            (None, blank) if blank.is_whitespace() => found.extend(word.take()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    found.extend(word);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Given = Given {
        autologin: false,
        noauth: false,
    };

    #[test]
    fn who_is_let_in_without_a_password() {
        for command in [
            "-/sbin/agetty --autologin root %I",
            "-/sbin/agetty --autologin=root %I",
            "-/sbin/agetty -a root %I",
            "-/sbin/agetty -aroot %I",
            "-/sbin/agetty --autol root %I",
            "-/sbin/agetty --au=root - linux",
            "-/sbin/agetty -Ja root %I",
            "-/sbin/agetty -iNaroot %I",
            "-/sbin/agetty - linux -a root",
            "-/sbin/agetty '--autologin' root %I",
            "-/sbin/agetty -o '-f root' %I",
            r"-/sbin/agetty -o '-p -f -- \\u' --noclear --autologin root %I",
            r"-/sbin/agetty -o '-p -f -- \\u' %I",
            "-/sbin/agetty -n -o '-pf root' %I",
            "-/sbin/agetty --skip-login --login-o='-f root' %I",
            "-/sbin/agetty -n -l /bin/bash %I",
            "-/sbin/agetty -nl/bin/sh %I",
            "-/sbin/agetty --login-program=/usr/bin/zsh %I",
            "@/sbin/agetty getty -a root %I",
            "-/bin/bash",
            "/bin/sh -l",
            "-/bin/login -f root",
            "-/bin/login -pf root",
            "/usr/bin/env TERM=linux /bin/login -f root",
            "/bin/sh -c 'exec /sbin/agetty -a root tty1'",
            "/bin/busybox getty -n -l /bin/sh 115200 tty1",
            "-/sbin/mingetty --autologin root tty1",
        ] {
            let access = judge(command, NOBODY);
            assert!(
                matches!(access, Access::Unasked(_)),
                "{command}: {access:?}"
            );
        }
    }

    #[test]
    fn who_is_asked() {
        for command in [
            r"-/sbin/agetty -o '-p -- \\u' --keep-baud 115200,57600,38400,9600 %I $TERM",
            r"-/sbin/agetty -o '-p -- \\u' --noclear %I $TERM",
            "-/sbin/agetty %I",
            // The value of another option.
            "-/sbin/agetty -I -a %I",
            "-/sbin/agetty -H -aroot %I",
            "-/sbin/agetty --host --autologin %I",
            "-/sbin/agetty -- -a root",
            // Options given are all that login gets.
            r"-/sbin/agetty -o '-p -- \\u' -a root %I",
            // Two long options begin so: agetty ends.
            "-/sbin/agetty --login -a root %I",
            "-/sbin/agetty -l /usr/sbin/nologin %I",
            "-/bin/login -p -h faraway",
            "-/bin/login -hf",
            "-/bin/login -- -f",
        ] {
            assert_eq!(judge(command, NOBODY), Access::Asks, "{command}");
        }
        let access = judge("/opt/greeter --tty 1", NOBODY);
        assert!(matches!(access, Access::Unknown(_)), "{access:?}");
    }

    #[test]
    fn credentials() {
        let bare = "-/sbin/agetty --noreset - linux";
        let with = r"-/sbin/agetty -o '-- \\u' --noreset - linux";
        let autologin = Given {
            autologin: true,
            noauth: false,
        };
        let noauth = Given {
            autologin: false,
            noauth: true,
        };
        for (command, given, open) in [
            (bare, autologin, true),
            (with, autologin, false),
            (bare, noauth, true),
            (with, noauth, true),
            (bare, NOBODY, false),
        ] {
            let unasked = matches!(judge(command, given), Access::Unasked(_));
            assert_eq!(unasked, open, "{command} {given:?}");
        }
    }
}
