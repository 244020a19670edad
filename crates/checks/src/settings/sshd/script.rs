//! Scripts of `sh -c` in units: their simple commands, with what variables stand for (POSIX.1-2017, XCU 2).
//!
//! What the script alone does not decide, as what a command prints or a file that is read in says, stands in a word as
//! [`UNTOLD`].

use super::called::{STARTERS, name};
use super::environment::Environment;
use crate::settings::systemd::UNTOLD;
use std::cell::Cell;
use std::iter::Peekable;
use std::str::Chars;

/// Scripts within one another, as those of `eval`.
// Own bound: a quote within a quote doubles its backslashes, nobody writes more.
pub(super) const DEPTH: usize = 8;

/// Bytes that may still be put into the words of commands.
#[derive(Debug)]
pub(super) struct Budget(Cell<Option<usize>>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget(Cell::new(Some(bytes)))
    }

    /// Whether so many are left; once they are not, none are.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let left = self.0.get().and_then(|left| left.checked_sub(bytes));
        self.0.set(left);
        left.is_some()
    }

    /// Whether the word may be held: each takes some more bytes than it has, even one without any.
    pub(super) fn spend_word(&self, word: &str) -> bool {
        self.spend(word.len().saturating_mul(8).saturating_add(64))
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get().is_none()
    }
}

/// Words before a command, and whether what follows may not come to be run.
const KEYWORDS: [(&str, bool); 12] = [
    ("if", true),
    ("then", true),
    ("else", true),
    ("elif", true),
    ("while", true),
    ("until", true),
    ("do", true),
    ("!", false),
    ("{", false),
    ("}", false),
    ("fi", false),
    ("done", false),
];
/// Commands whose operands are assignments.
const DECLARE: [&str; 5] = ["export", "readonly", "local", "declare", "typeset"];
/// Variables that a shell sets for itself.
const OWN: [&str; 16] = [
    "HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "IFS", "PPID", "UID", "EUID",
    "RANDOM", "HOSTNAME", "BASH", "ZSH_NAME", "_",
];

/// What is to be done with each command: its words, and the environment that it gets.
pub(super) type Each<'a> = dyn FnMut(&[String], &Environment) + 'a;

/// A shell on its way through a script.
pub(super) struct Shell<'a> {
    pub(super) environment: Environment,
    /// `$0`, `$1` and so on; `None` once the script changes them.
    pub(super) operands: Option<Vec<String>>,
    pub(super) budget: &'a Budget,
    /// Whether what is read may not come to be run.
    pub(super) conditional: bool,
    /// Parentheses that are open.
    pub(super) open: usize,
}

/// One command as it is read.
#[derive(Default)]
struct Command {
    words: Vec<String>,
    word: Option<String>,
}

impl Command {
    fn push(&mut self, text: &str) {
        self.word.get_or_insert_default().push_str(text);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    /// Whether the next word may be the name of a program.
    fn is_program(&self) -> bool {
        let is_before = |word: &String| {
            KEYWORDS.iter().any(|(keyword, _)| keyword == word)
                || assignment(word).is_some()
                || STARTERS.contains(&name(word))
                || word.starts_with('-')
        };
        self.words.iter().all(is_before)
    }

    /// Whether a value is taken as it is: in an assignment.
    fn assigns(&self) -> bool {
        self.word
            .as_deref()
            .is_some_and(|word| assignment(word).is_some())
    }

    /// Adds a value that stands in no quotes: its blanks part words. Stops where the budget ends.
    fn split(&mut self, value: &str, budget: &Budget) {
        for (at, part) in value.split([' ', '\t', '\n']).enumerate() {
            if at > 0 {
                self.end_word();
            }
            if part.is_empty() {
                continue;
            }
            if !budget.spend_word(part) {
                return;
            }
            self.push(part);
        }
    }
}

/// `NAME=VALUE`
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    is_name(name).then_some((name, value))
}

pub(super) fn is_name(name: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    !name.is_empty()
        && !name.as_bytes().first().is_some_and(is_digit)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Shell<'_> {
    /// Goes through the script; what it says of variables holds from there on.
    pub(super) fn run(&mut self, text: &str, depth: usize, each: &mut Each<'_>) {
        if depth > DEPTH {
            return each(&[UNTOLD.to_string()], &self.environment);
        }
        let mut rest = text.chars().peekable();
        let (mut command, mut quote) = (Command::default(), None);
        while let Some(c) = rest.next() {
            if self.budget.is_spent() {
                return;
            }
            match (quote, c) {
                (Some(open), close) if open == close => quote = None,
                (Some('\''), c) => command.push(c.encode_utf8(&mut [0; 4])),
                (_, '\\') => escaped(&mut rest, quote, &mut command),
                (_, '$') => self.expand(&mut rest, quote, &mut command, depth, each),
                (_, '`') => {
                    let inner: String = rest.by_ref().take_while(|c| *c != '`').collect();
                    self.substitute(&inner, depth, each);
                    command.push("\0");
                }
                (Some(_), c) => command.push(c.encode_utf8(&mut [0; 4])),
                (None, '"' | '\'') => {
                    quote = Some(c);
                    command.push("");
                }
                (None, ' ' | '\t') => command.end_word(),
                (None, '#') if command.word.is_none() => {
                    while rest.next_if(|c| *c != '\n').is_some() {}
                }
                // `2>&1` and `&>` part no commands.
                (None, '&') if redirects(&command, &mut rest) => command.push("&"),
                (None, ';' | '&' | '|' | '\n' | '(' | ')') => {
                    self.part(c, &mut rest, &mut command, depth, each);
                }
                // What patterns and braces in the name of a program come to.
                (None, '*' | '?' | '{') if command.is_program() && rest.peek() != Some(&' ') => {
                    command.push("\0");
                }
                (None, c) => command.push(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.end(&mut command, depth, each);
    }

    /// Ends a command at what parts it from the next one.
    fn part(
        &mut self,
        c: char,
        rest: &mut Peekable<Chars<'_>>,
        command: &mut Command,
        depth: usize,
        each: &mut Each<'_>,
    ) {
        let both = matches!(c, '&' | '|') && rest.next_if_eq(&c).is_some();
        match (c, self.open.checked_sub(1)) {
            // It ends a pattern of `case`.
            (')', None) => *command = Command::default(),
            (')', Some(open)) => self.open = open,
            ('(', _) => self.open = self.open.saturating_add(1),
            _ => {}
        }
        let before = self.conditional;
        // What runs beside the shell changes nothing in it.
        self.conditional |= matches!(c, '&' | '|') && !both;
        self.end(command, depth, each);
        self.conditional = before || both || matches!(c, '(' | ')' | '|');
    }

    /// What a command does: to variables, or what is to be done with it.
    fn end(&mut self, command: &mut Command, depth: usize, each: &mut Each<'_>) {
        command.end_word();
        let all = std::mem::take(&mut command.words);
        let mut words = all.as_slice();
        while let [first, behind @ ..] = words {
            let Some((_, conditional)) = KEYWORDS.iter().find(|(word, _)| word == first) else {
                break;
            };
            self.conditional |= conditional;
            words = behind;
        }
        let count = words.iter().take_while(|word| assignment(word).is_some());
        let (before, words) = words.split_at_checked(count.count()).unwrap_or_default();
        match words {
            [] => self.assign(before),
            [name, behind @ ..] => self.builtin(name, before, (words, behind), depth, each),
        }
    }

    fn builtin(
        &mut self,
        name: &str,
        before: &[String],
        (words, behind): (&[String], &[String]),
        depth: usize,
        each: &mut Each<'_>,
    ) {
        let is_option = |word: &String| word.starts_with(['-', '+']) && word != "--";
        match name {
            name if DECLARE.contains(&name) => self.assign(behind),
            "set" if behind.iter().all(is_option) => {}
            "set" | "shift" => self.operands = None,
            "." | "source" => self.environment.untold = true,
            "read" | "for" | "select" | "unset" | "getopts" | "mapfile" | "printf" | "let" => {
                self.conditional |= name == "for" || name == "select";
                for word in behind {
                    if is_name(word) && (name != "unset" || self.environment.has(word)) {
                        self.environment.set(word, "\0");
                    }
                }
            }
            "eval" => self.run(&behind.join(" "), depth.saturating_add(1), each),
            _ if before.is_empty() => each(words, &self.environment),
            _ => {
                if self.budget.spend(self.environment.bytes()) {
                    let own = self.environment.clone();
                    self.assign(before);
                    let theirs = std::mem::replace(&mut self.environment, own);
                    each(words, &theirs);
                }
            }
        }
    }

    fn assign(&mut self, words: &[String]) {
        for (name, value) in words.iter().filter_map(|word| assignment(word)) {
            let known = self.environment.value(name);
            let value = match self.conditional && known != value {
                true => "\0",
                false => value,
            };
            let value = value.to_owned();
            if self.budget.spend(value.len()) {
                self.environment.set(name, &value);
            }
            // Words are parted elsewhere, or files read first.
            self.environment.untold |= matches!(name, "IFS" | "ENV" | "BASH_ENV");
        }
    }

    /// Commands whose output takes the place of a word.
    fn substitute(&mut self, inner: &str, depth: usize, each: &mut Each<'_>) {
        let before = std::mem::replace(&mut self.conditional, true);
        self.run(inner, depth.saturating_add(1), each);
        self.conditional = before;
    }

    /// Adds what stands for the `$` that was read and for what follows it.
    fn expand(
        &mut self,
        rest: &mut Peekable<Chars<'_>>,
        quote: Option<char>,
        command: &mut Command,
        depth: usize,
        each: &mut Each<'_>,
    ) {
        let value = match rest.peek().copied() {
            Some('{') => {
                rest.next();
                let inner: String = rest.by_ref().take_while(|c| *c != '}').collect();
                self.braced(&inner)
            }
            Some('(') => {
                let inner = parenthesized(rest);
                self.substitute(&inner, depth, each);
                UNTOLD.to_string()
            }
            Some('\'') if quote.is_none() => {
                rest.next();
                while rest.next_if(|c| *c != '\'').is_some() {}
                rest.next();
                UNTOLD.to_string()
            }
            Some('@' | '*') => {
                rest.next();
                return self.all_operands(command);
            }
            Some(c) if c.is_ascii_digit() => {
                rest.next();
                let at = c.to_digit(10).unwrap_or_default() as usize;
                let operands = self.operands.as_ref();
                let operand = operands.map(|all| all.get(at).cloned().unwrap_or_default());
                operand.unwrap_or_else(|| UNTOLD.to_string())
            }
            Some('?' | '$' | '!' | '#' | '-') => {
                rest.next();
                UNTOLD.to_string()
            }
            _ => {
                let mut name = String::new();
                let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                while let Some(c) = rest.next_if(is_part) {
                    name.push(c);
                }
                match name.is_empty() {
                    true => "$".to_owned(),
                    false => self.value(&name).to_owned(),
                }
            }
        };
        if !self.budget.spend(value.len()) {
            return;
        }
        match quote.is_none() && !command.assigns() {
            true => command.split(&value, self.budget),
            false => command.push(&value),
        }
    }

    /// Adds the operands from `$1` on, each as a word. Stops where the budget ends.
    fn all_operands(&self, command: &mut Command) {
        let Some(operands) = &self.operands else {
            return command.push("\0");
        };
        for (at, operand) in operands.iter().skip(1).enumerate() {
            if !self.budget.spend_word(operand) {
                return;
            }
            if at > 0 {
                command.end_word();
            }
            command.push(operand);
        }
    }

    fn value(&self, name: &str) -> &str {
        match OWN.contains(&name) && !self.environment.has(name) {
            true => "\0",
            false => self.environment.value(name),
        }
    }

    /// `${NAME}` and `${NAME:-WORD}`
    fn braced(&self, inner: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = inner.find(|c| !is_part(c)).unwrap_or(inner.len());
        let (name, behind) = inner.split_at_checked(end).unwrap_or_default();
        let word = behind.strip_prefix(":-").or(behind.strip_prefix('-'));
        let value = self.value(name);
        match word {
            _ if !is_name(name) => UNTOLD.to_string(),
            None if behind.is_empty() => value.to_owned(),
            Some(_) if !value.is_empty() => value.to_owned(),
            Some(word) if !word.contains(['$', '`', '"', '\'', '\\']) => word.to_owned(),
            _ => UNTOLD.to_string(),
        }
    }
}

fn redirects(command: &Command, rest: &mut Peekable<Chars<'_>>) -> bool {
    let word = command.word.as_deref().unwrap_or_default();
    word.ends_with(['>', '<']) || rest.peek() == Some(&'>')
}

/// Adds what a backslash stands for: within double quotes itself, before most characters.
fn escaped(rest: &mut Peekable<Chars<'_>>, quote: Option<char>, command: &mut Command) {
    let Some(next) = rest.next() else {
        return command.push("\\");
    };
    if next == '\n' {
        return;
    }
    if quote.is_some() && !matches!(next, '$' | '`' | '"' | '\\') {
        command.push("\\");
    }
    command.push(next.encode_utf8(&mut [0; 4]));
}

/// What stands in parentheses, without them.
fn parenthesized(rest: &mut Peekable<Chars<'_>>) -> String {
    let (mut inner, mut open) = (String::new(), 0_usize);
    for c in rest.by_ref() {
        match c {
            '(' => open = open.saturating_add(1),
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            break;
        }
        inner.push(c);
    }
    let inner = inner.strip_prefix('(').unwrap_or(&inner);
    inner.to_owned()
}

#[cfg(test)]
mod tests;
