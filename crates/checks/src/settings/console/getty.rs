//! What a command on a terminal does about a password: agetty(8), the login program behind it, or a shell.

use super::agetty;
use super::command::{behind, commands, words};
use crate::settings::systemd;
use agent_core::bounds;
use std::collections::VecDeque;

/// Shells that a terminal may be given instead of a login.
pub(super) const SHELLS: [&str; 12] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", "sash",
];
/// Programs that start the command behind their own options: options with a value in the next word, operands before
/// the command, and whether they start a shell where none is named.
pub(in crate::settings) const WRAPPERS: [(&str, &str, usize, bool); 17] = [
    ("env", "uCS", 0, false),
    ("setsid", "", 0, false),
    ("nice", "n", 0, false),
    ("ionice", "cnpPu", 0, false),
    ("stdbuf", "ioe", 0, false),
    ("exec", "a", 0, false),
    ("nohup", "", 0, false),
    ("timeout", "ks", 1, false),
    ("chrt", "TPD", 1, false),
    ("taskset", "", 1, false),
    ("chroot", "", 1, true),
    ("setpriv", "", 0, false),
    ("openvt", "c", 0, true),
    ("unshare", "SGRw", 0, true),
    ("nsenter", "tSG", 0, true),
    ("systemd-cat", "tp", 0, false),
    ("sudo", "ugChprtTDU", 0, true),
];
/// Commands of a script that let nobody in.
const HARMLESS: [&str; 22] = [
    "[", "[[", "cd", "clear", "chvt", "done", "echo", "export", "false", "fi", "printf", "read",
    "reset", "set", "setterm", "sleep", "stty", "test", "trap", "true", "umask", ":",
];
/// Words of a script before a command.
const KEYWORDS: [&str; 9] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{",
];

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
    /// No password opens root: sulogin(8) that is told to go on then asks for none.
    pub(super) root_open: bool,
}

/// Judges the value of an `ExecStart=` (systemd.service(5), "Command Lines").
pub(super) fn judge(command: &str, given: Given) -> Access {
    // A semicolon that is a word parts commands.
    judge_words(&systemd::commands(command), given)
}

/// The same of the words of its commands; what holds [`systemd::UNTOLD`] is not known.
pub(super) fn judge_words(commands: &[Vec<String>], given: Given) -> Access {
    let accesses = commands.iter().cloned().map(|words| {
        let untold = words.iter().any(|word| word.contains(systemd::UNTOLD));
        let mut words: VecDeque<String> = words.into();
        let bare = |word: &str| {
            let path = word.trim_start_matches(['-', '@', ':', '+', '!', '|']);
            let marks = word.strip_suffix(path).unwrap_or_default();
            (path.to_owned(), marks.contains('@'))
        };
        if let Some(word) = words.front_mut() {
            let (path, renamed) = bare(word);
            *word = path;
            // With `@` the second word is what the program is called, not an argument of it.
            if renamed {
                words.remove(1);
            }
        }
        match run(words.into(), given, 0) {
            Access::Asks if untold => {
                Access::Unknown("what a specifier stands for cannot be told".into())
            }
            access => access,
        }
    });
    worst(accesses)
}

/// Whether the words of a command let somebody in without a password.
pub(in crate::settings) fn asks_nobody(words: &[String]) -> bool {
    matches!(run(words.to_vec(), Given::default(), 0), Access::Unasked(_))
}

/// What several commands let somebody do: the first that asks nobody decides.
fn worst(accesses: impl Iterator<Item = Access>) -> Access {
    let mut found = Access::Asks;
    for access in accesses {
        match (&found, &access) {
            (_, Access::Unasked(_)) => return access,
            (Access::Asks, Access::Unknown(_)) => found = access,
            _ => {}
        }
    }
    found
}

fn run(words: Vec<String>, given: Given, depth: usize) -> Access {
    let Some((program, arguments)) = words.split_first() else {
        return Access::Asks;
    };
    if depth > bounds::GETTY_PROGRAMS {
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
        "sulogin" => sulogin(arguments, given),
        "nologin" | "false" | "true" | "systemd-sulogin-shell" => Access::Asks,
        "busybox" => run(arguments.to_vec(), given, depth.saturating_add(1)),
        "su" | "runuser" => su(name, arguments, given, depth),
        name if SHELLS.contains(&name.trim_start_matches('-')) => {
            shell(name, arguments, given, depth)
        }
        name => match WRAPPERS.iter().find(|(known, ..)| *known == name) {
            Some((_, valued, operands, starts_shell)) => {
                let inner = behind(arguments, valued, *operands);
                match inner.is_empty() && *starts_shell {
                    true => Access::Unasked(format!("{name} starts a shell that asks nobody")),
                    false => run(inner, given, depth.saturating_add(1)),
                }
            }
            None => Access::Unknown(format!("{program} is no getty that is known")),
        },
    }
}

/// su(1) and runuser(1), which root is not asked by.
fn su(name: &str, arguments: &[String], given: Given, depth: usize) -> Access {
    let next_words = arguments.iter().skip(1).map(Some).chain([None]);
    let command = arguments.iter().zip(next_words).find_map(|(word, after)| {
        let attached = word
            .strip_prefix("--command=")
            .or_else(|| word.strip_prefix("--session-command="));
        let next = matches!(word.as_str(), "-c" | "--command" | "--session-command")
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
        attached
            .map(str::to_owned)
            .or_else(|| after.filter(|_| next).cloned())
    });
    let as_user = |word: &String| word == "-u" || word == "--user";
    let as_user = arguments.splitn(2, as_user).nth(1);
    match (command, as_user) {
        (Some(command), _) => script(name, &command, given, depth),
        // The first word is the user.
        (None, Some(words)) if name == "runuser" => run(
            behind(words.get(1..).unwrap_or_default(), "", 0),
            given,
            depth.saturating_add(1),
        ),
        _ => Access::Unasked(format!("{name} starts a shell that asks nobody")),
    }
}

/// sulogin(8) asks for root's password; told to go on where there is none, it asks for nothing.
fn sulogin(arguments: &[String], given: Given) -> Access {
    let forced = arguments.iter().any(|word| match word.strip_prefix("--") {
        Some(long) => !long.is_empty() && "force".starts_with(long),
        None => word.strip_prefix('-').is_some_and(|cluster| {
            let end = cluster.find('t').unwrap_or(cluster.len());
            cluster[..end].contains('e')
        }),
    });
    match forced && given.root_open {
        true => Access::Unasked("sulogin --force, and root has no password".into()),
        false => Access::Asks,
    }
}

/// A shell, or the commands of `sh -c`.
fn shell(name: &str, arguments: &[String], given: Given, depth: usize) -> Access {
    let is_option =
        |word: &String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let words = arguments.splitn(2, is_option).nth(1);
    match words.and_then(<[String]>::first) {
        None if arguments.iter().any(|word| !word.starts_with('-')) => {
            Access::Unknown(format!("{name} runs a script"))
        }
        None => Access::Unasked(format!("{name} is a shell that asks nobody")),
        Some(text) => script(name, text, given, depth),
    }
}

/// The commands of a script, each for itself; what substitutions yield is not known.
fn script(name: &str, text: &str, given: Given, depth: usize) -> Access {
    if depth > bounds::GETTY_PROGRAMS {
        return Access::Unknown(format!("{name} runs a script"));
    }
    worst(commands(text).into_iter().map(|words| {
        let keywords = words
            .iter()
            .take_while(|word| KEYWORDS.contains(&word.as_str()));
        let own = words.get(keywords.count()..).unwrap_or_default();
        let words = behind(own, "", 0);
        match words.first() {
            None => Access::Asks,
            Some(first) if HARMLESS.contains(&first.as_str()) => Access::Asks,
            Some(_) => match run(words, given, depth.saturating_add(1)) {
                Access::Unknown(_) => Access::Unknown(format!("{name} runs a script")),
                access => access,
            },
        }
    }))
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
        let mut cluster = cluster.chars();
        while let Some(option) = cluster.next() {
            match option {
                'f' => return Access::Unasked(format!("login {word}")),
                // An argument of its own, in the same word or the next.
                'h' | 'r' | 'd' => {
                    if cluster.as_str().is_empty() {
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

fn agetty(arguments: &[String], given: Given, depth: usize) -> Access {
    let options = agetty::options(arguments);
    if options.ends {
        return Access::Asks;
    }
    let autologin = options.autologin || given.autologin;
    let program = options.login_program.unwrap_or_else(|| "/bin/login".into());
    let mut called = vec![program];
    match options.login_options {
        // Options given replace those of agetty, the `-f` of an autologin included.
        Some(text) => called.extend(words(&text)),
        None if autologin => called.extend(["-f".to_owned(), "--".to_owned()]),
        None => {}
    }
    match run(called, given, depth.saturating_add(1)) {
        Access::Unasked(_) if autologin && !given.noauth => {
            Access::Unasked("agetty logs in by itself (autologin)".into())
        }
        access => access,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Given = Given {
        autologin: false,
        noauth: false,
        root_open: false,
    };

    #[test]
    fn who_is_let_in_without_a_password() {
        for command in [
            "-/sbin/agetty --autologin root %I",
            "-/sbin/agetty --autologin=root %I",
            "-/sbin/agetty -a root %I",
            r"-/sbin/agetty --\x61utologin root %I",
            r"-/sbin/\141getty -\u0061 root %I",
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
            "/bin/true ; /sbin/agetty -a root tty1",
            "/bin/su -",
            "/usr/sbin/runuser -l alice",
            "/usr/sbin/runuser -u alice -- /bin/bash -i",
            "/bin/su alice -c bash",
            "/usr/bin/nice -n 5 /bin/bash",
            "/usr/bin/env -u TERM A=b /bin/bash",
            "/usr/bin/openvt -c 8 -- /bin/bash",
            "/usr/bin/openvt -c 8",
            "/usr/sbin/chroot /srv",
            "/usr/sbin/chroot /srv /bin/login -f root",
            "/usr/bin/timeout -k 1 60 /bin/sh",
            "/bin/sh -c 'stty sane; exec bash'",
            "/bin/sh -c 'while :; do /bin/login -f root; done'",
            "/bin/sh -c 'exec /bin/bash </dev/ttyS0 >/dev/ttyS0 2>&1'",
            "/bin/sh -c 'sleep 1 && TERM=linux /bin/login -f root'",
            "/bin/sh -c 'A=`tty`; /bin/bash'",
        ] {
            let access = judge(command, NOBODY);
            assert!(
                matches!(access, Access::Unasked(_)),
                "{command}: {access:?}"
            );
        }
    }

    #[test]
    fn who_starts_more_programs_than_any_is_not_known() {
        let through = |programs: usize| {
            let command = format!("{}/bin/login -f root", "/usr/bin/env ".repeat(programs));
            judge(&command, NOBODY)
        };
        assert!(matches!(
            through(bounds::GETTY_PROGRAMS),
            Access::Unasked(_)
        ));
        let more = through(bounds::GETTY_PROGRAMS + 1);
        assert!(matches!(more, Access::Unknown(_)), "{more:?}");
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
            "/bin/sh -c 'stty sane; exec /sbin/agetty tty1'",
            "/bin/sh -c 'echo \"login -f; bash\"; exec /bin/login'",
            "/usr/bin/env -- /bin/login",
            "/bin/su -c 'exec login'",
            "/sbin/sulogin --force",
            r"/sbin/agetty tty1 \; /bin/bash",
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
            root_open: false,
        };
        let noauth = Given {
            autologin: false,
            noauth: true,
            root_open: false,
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
