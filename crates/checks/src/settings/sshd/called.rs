//! What a command line of a unit starts: the sshd in it, by its own name or behind env(1), a shell and their like, and with
//! what words.

use super::environment::Environment;
use super::forced::SHELLS;
use super::live::options;
use super::script::{Budget, DEPTH, Shell, is_name};
use crate::settings::systemd::{self, Escapes, UNTOLD, specifiers, words};
use agent_core::bounds;

/// An sshd that a command starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// The words behind its name.
    With(Vec<String>),
    /// It may be one; why its words cannot be told.
    Untold(&'static str),
}

/// Looks for an sshd in commands.
pub(super) struct Finder<'a> {
    /// Whether a program is one.
    pub(super) is_sshd: &'a dyn Fn(&str) -> bool,
    /// What may be put into words.
    pub(super) budget: &'a Budget,
}

const WORDS: &str =
    "variables, specifiers or commands that cannot be told stand in its command line";
const SPENT: &str = "its command line has more bytes than are looked at";

/// The words of each command that the value of an `ExecStart=` of the unit starts, in that environment, with [`UNTOLD`] in
/// the place of what is not known; `None` where they are more than are looked at.
pub(in crate::settings) fn commands(
    line: &str,
    unit: &str,
    environment: &Environment,
) -> Option<Vec<Vec<String>>> {
    let budget = Budget::new(bounds::UNIT_COMMANDS);
    let commands = systemd::commands(line).into_iter();
    let specified = |word: &String| specifiers(word, unit);
    commands
        .map(|command| {
            let words = command.iter().map(specified).collect();
            expanded(words, environment, &budget)
        })
        .collect()
}

/// `$NAME` alone stands for as many words as it holds, `${NAME}` for a part of one; neither in the name of the program,
/// nor anywhere with `:` before it (systemd.service(5)). `None` beyond the budget.
fn expanded(
    command: Vec<String>,
    environment: &Environment,
    budget: &Budget,
) -> Option<Vec<String>> {
    let mut command = command.into_iter();
    let program = command.next()?;
    let marks = program.strip_suffix(path(&program)).unwrap_or_default();
    let plain = marks.contains(':');
    let mut found = vec![program];
    for word in command {
        if plain {
            found.push(word);
            continue;
        }
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            let value = environment.value(name);
            if !budget.spend_word(value) {
                return None;
            }
            found.extend(words(value, Escapes::Plain));
            continue;
        }
        let mut out = String::new();
        let mut rest = word.as_str();
        while let Some((before, tail)) = rest.split_once('$') {
            out.push_str(before);
            let braced = tail.strip_prefix('{').and_then(|t| t.split_once('}'));
            rest = match braced.filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => {
                    let value = environment.value(name);
                    if !budget.spend(value.len()) {
                        return None;
                    }
                    out.push_str(value);
                    rest
                }
                // `$$` stands for one.
                None => {
                    out.push('$');
                    tail.strip_prefix('$').unwrap_or(tail)
                }
            };
        }
        out.push_str(rest);
        found.push(out);
    }
    Some(found)
}

impl Finder<'_> {
    /// Those that the value of an `ExecStart=` starts; `specified` puts in what specifiers stand for.
    pub(super) fn line(
        &self,
        line: &str,
        specified: &dyn Fn(&str) -> String,
        environment: &Environment,
    ) -> Vec<Called> {
        let mut found = Vec::new();
        for command in systemd::commands(line) {
            let words = command.iter().map(|word| specified(word)).collect();
            if let Some(words) = expanded(words, environment, self.budget) {
                self.command(&words, environment, 0, &mut found);
            }
        }
        if self.budget.is_spent() {
            return vec![Called::Untold(SPENT)];
        }
        found
    }

    /// Adds the sshd that the command is, or that it is to run.
    fn command(
        &self,
        command: &[String],
        environment: &Environment,
        depth: usize,
        found: &mut Vec<Called>,
    ) {
        let Some(program) = command.first() else {
            return;
        };
        if depth > DEPTH || self.may_be(program) {
            return found.push(Called::Untold(WORDS));
        }
        let deeper = depth.saturating_add(1);
        match name(program) {
            _ if (self.is_sshd)(program) => {
                let arguments = command.get(1..).unwrap_or_default();
                // Tests and prints its configuration, its version: it listens to nobody.
                if options(arguments).only_tells {
                    return;
                }
                found.push(match arguments.iter().any(|word| word.contains(UNTOLD)) {
                    true => Called::Untold(WORDS),
                    false => Called::With(arguments.to_vec()),
                });
            }
            shell if SHELLS.contains(&shell) => self.shell(command, environment, deeper, found),
            starter if STARTERS.contains(&starter) => {
                let mut front = Front::of(starter);
                let mut is_it = |word: &String| {
                    let may_start = front.may_start(word);
                    (self.is_sshd)(word)
                        || may_start && self.may_be(word)
                        || SHELLS.contains(&name(word))
                };
                self.behind(command, &mut is_it, environment, deeper, found);
            }
            // What only looks at the file or at processes of that name starts none.
            tool if TOOLS.contains(&tool) => {}
            // Any other may be there to start what is named by its whole path.
            _ => {
                let mut is_it = |word: &String| {
                    word.contains("bin/") && ((self.is_sshd)(word) || SHELLS.contains(&name(word)))
                };
                self.behind(command, &mut is_it, environment, deeper, found);
            }
        }
    }

    /// The command behind the words of another, with variables that stand before it (env(1)).
    fn behind(
        &self,
        command: &[String],
        is_it: &mut dyn FnMut(&String) -> bool,
        environment: &Environment,
        depth: usize,
        found: &mut Vec<Called>,
    ) {
        let mut all = command.iter().skip(1);
        let Some(at) = all.position(is_it).and_then(|at| at.checked_add(1)) else {
            return;
        };
        let (before, behind) = command.split_at_checked(at).unwrap_or_default();
        let mut assignments = before.iter().filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            is_name(name).then_some((name, value))
        });
        let Some(first) = assignments.next() else {
            return self.command(behind, environment, depth, found);
        };
        if self.budget.spend(environment.bytes()) {
            let mut environment = environment.clone();
            for (name, value) in std::iter::once(first).chain(assignments) {
                environment.set(name, value);
            }
            self.command(behind, &environment, depth, found);
        }
    }

    /// What the script of `sh -c` starts.
    fn shell(
        &self,
        command: &[String],
        environment: &Environment,
        depth: usize,
        found: &mut Vec<Called>,
    ) {
        let is_cluster =
            |word: &String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
        let Some(at) = command.iter().skip(1).position(is_cluster) else {
            return;
        };
        let (options, behind) = command
            .split_at_checked(at.saturating_add(2))
            .unwrap_or_default();
        let is_option = |word: &&String| word.starts_with(['-', '+']);
        let more = behind.iter().take_while(is_option).count();
        let Some((script, operands)) = behind.get(more..).and_then(<[String]>::split_first) else {
            return;
        };
        if !self.budget.spend(environment.bytes()) {
            return;
        }
        let mut environment = environment.clone();
        // Files of a log-in, and those that variables name, may say anything of any variable.
        let of_login =
            |word: &String| word == "--login" || word.starts_with('-') && word.contains('l');
        environment.untold |= options.iter().chain(behind.iter().take(more)).any(of_login)
            || environment.has("BASH_ENV")
                && name(command.first().map_or("", String::as_str)) == "bash";
        let mut shell = Shell {
            environment,
            operands: Some(operands.to_vec()),
            budget: self.budget,
            conditional: false,
            open: 0,
        };
        shell.run(script, depth, &mut |words, environment| {
            self.command(words, environment, depth, found);
        });
    }

    /// Whether what is not known of the word may make it the name of an sshd.
    fn may_be(&self, word: &str) -> bool {
        let name = name(word);
        let Some((first, rest)) = name.split_once(UNTOLD) else {
            return false;
        };
        let last = rest.rsplit(UNTOLD).next().unwrap_or_default();
        let between = "sshd".strip_prefix(first);
        between.is_some_and(|between| between.ends_with(last))
    }
}

/// The words behind a starter, as far as what it starts has not been named.
struct Front {
    /// Whether the next word may be the value of an option.
    value: bool,
    /// Whether the program has been named: what follows are its arguments.
    named: bool,
}

impl Front {
    fn of(starter: &str) -> Front {
        Front {
            // Its mask may look like a name, as `ff`.
            value: starter == "taskset",
            named: false,
        }
    }

    /// Whether the next word may be the program that is started.
    fn may_start(&mut self, word: &str) -> bool {
        if self.named {
            return false;
        }
        let is_value = std::mem::take(&mut self.value);
        // What is not known of its beginning may make it an option.
        if word.starts_with(['-', UNTOLD]) {
            let has_own = word.contains('=') || word.ends_with(|c: char| c.is_ascii_digit());
            self.value = word != "--" && !has_own;
            return true;
        }
        if word.starts_with(['<', '>']) || word.ends_with(['<', '>']) {
            self.value = word.ends_with(['<', '>']);
            return false;
        }
        let assigned = word.split_once('=').map(|(name, _)| name);
        if assigned.is_some_and(is_name) {
            return false;
        }
        if STARTERS.contains(&name(word)) {
            *self = Front::of(name(word));
            return false;
        }
        // A number, a duration, a list of processors.
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        self.named = !is_value && !is_number;
        true
    }
}

/// The path of a program, what may stand before it taken off: `-`, `@`, `+`, `!`, `:`, `|` (systemd.service(5)).
pub(super) fn path(word: &str) -> &str {
    word.trim_start_matches(['-', '@', '+', '!', ':', '|'])
}

pub(super) fn name(word: &str) -> &str {
    path(word).rsplit('/').next().unwrap_or_default()
}

/// Programs that start the one that is named behind their options.
pub(super) const STARTERS: [&str; 14] = [
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
    "command",
    "timeout",
    "unshare",
    "busybox",
];

/// Programs that take the name of a program and do not start it.
const TOOLS: [&str; 20] = [
    "[", "test", "cat", "chmod", "chown", "cp", "echo", "install", "kill", "killall", "ln",
    "logger", "ls", "mv", "pgrep", "pkill", "rm", "sed", "stat", "touch",
];

#[cfg(test)]
mod tests;
