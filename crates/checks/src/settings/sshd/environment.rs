//! Variables in the environment of a unit, and its files of them (systemd.exec(5), parse_env_file_internal() of systemd's
//! env-file.c).

use super::include;
use crate::settings::boot;
use crate::settings::context::Context;
use crate::settings::systemd::{self, Escapes, UNTOLD, specifiers, words};
use agent_core::bounds;
use agent_core::glob::Syntax;
use agent_core::os::root::Root;
use std::collections::HashMap;

/// Variables by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings) struct Environment {
    variables: HashMap<String, String>,
    /// Of names and values.
    bytes: usize,
    /// Whether any of them may have another value: a file of variables is not known, or they are more than are held.
    pub(super) untold: bool,
}

impl Environment {
    /// The value, empty where there is none; [`UNTOLD`] in the place of what is not known of it.
    pub(super) fn value(&self, name: &str) -> &str {
        match self.untold {
            true => "\0",
            false => self.variables.get(name).map_or("", String::as_str),
        }
    }

    /// Whether the variable is known to be set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the variable a value.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let length = |name: &str, value: &str| name.len().saturating_add(value.len());
        self.remove(name);
        self.bytes = self.bytes.saturating_add(length(name, value));
        if self.bytes > bounds::UNIT_ENVIRONMENT {
            (self.variables, self.bytes, self.untold) = (HashMap::new(), 0, true);
        } else {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(old) = self.variables.remove(name) {
            let length = name.len().saturating_add(old.len());
            self.bytes = self.bytes.saturating_sub(length);
        }
    }

    fn assign(&mut self, word: &str) {
        if let Some((name, value)) = word.split_once('=') {
            self.set(name, value);
        }
    }

    /// What `UnsetEnvironment=` takes away: a name, or a name with that value alone.
    fn unset(&mut self, word: &str) {
        match word.split_once('=') {
            Some((name, value)) if self.variables.get(name).is_none_or(|own| own != value) => {}
            Some((name, _)) => self.remove(name),
            None => self.remove(word),
        }
    }
}

/// What every service inherits: `DefaultEnvironment=`, and `systemd.setenv=` of the kernel's command line, one for each that
/// the machine may be booted with (systemd-system.conf(5), kernel-command-line(7)).
pub(in crate::settings) fn inherited(context: &Context<'_>) -> Vec<Environment> {
    let mut configured = Environment::default();
    for setting in systemd::config(context.root, "system.conf", "Manager", "DefaultEnvironment") {
        if setting.value.is_empty() {
            configured = Environment::default();
        }
        // Specifiers stand for parts of a unit's name nowhere here.
        let words = words(&setting.value, Escapes::C).into_iter();
        words.for_each(|word| configured.assign(&specifiers(&word, "")));
    }
    let lines = boot::command_lines(context);
    let mut found = Vec::new();
    if !context.live() || lines.is_empty() {
        found.push(configured.clone());
    }
    for (_, line) in lines {
        let mut environment = configured.clone();
        for (key, value) in boot::parameters(&line) {
            if key == "systemd.setenv" {
                environment.assign(value.as_deref().unwrap_or_default());
            }
        }
        // Each may come to a command line of its own, of which no more are judged.
        if !found.contains(&environment) && found.len() <= bounds::SSHD_STARTERS {
            found.push(environment);
        }
    }
    found
}

/// What `Environment=` and `EnvironmentFile=` say; files come after, and what is unset last. Two for each that is inherited where systemd before 254
/// and later ones disagree.
pub(in crate::settings) fn environments(
    root: &Root,
    systemd: &systemd::Units,
    unit: &str,
    inherited: &[Environment],
) -> Vec<Environment> {
    let mut found = Vec::new();
    for environment in inherited {
        for said in of_unit(root, systemd, unit, environment) {
            if !found.contains(&said) {
                found.push(said);
            }
        }
    }
    found
}

fn of_unit(
    root: &Root,
    systemd: &systemd::Units,
    unit: &str,
    inherited: &Environment,
) -> Vec<Environment> {
    let credentials = format!("/run/credentials/{unit}");
    let mut said = inherited.clone();
    said.set("CREDENTIALS_DIRECTORY", &credentials);
    let list = |key: &str| {
        let settings = systemd.values(root, unit, "Service", key).into_iter();
        let words = settings.flat_map(|setting| words(&setting.value, Escapes::C));
        words.map(|word| systemd.specified(root, unit, &word))
    };
    // What systemd itself was started with is not read.
    list("PassEnvironment").for_each(|name| said.set(&name, "\0"));
    for word in list("Environment") {
        let name = word.split('=').next().unwrap_or_default();
        said.untold |= name.contains(UNTOLD);
        said.assign(&word);
    }
    let mut found = vec![said.clone(), said];
    for setting in systemd.values(root, unit, "Service", "EnvironmentFile") {
        files(
            root,
            &systemd.specified(root, unit, &setting.value),
            &mut found,
        );
    }
    for word in list("UnsetEnvironment") {
        for environment in &mut found {
            environment.untold |= word.contains(UNTOLD);
            environment.unset(&word);
        }
    }
    found.dedup();
    found
}

/// Adds what the files say that an `EnvironmentFile=` names.
fn files(root: &Root, value: &str, found: &mut [Environment]) {
    let pattern = value.strip_prefix('-').unwrap_or(value);
    let paths = match pattern.contains(UNTOLD) {
        true => None,
        false => include::matches(root, pattern, Syntax::Fnmatch).ok(),
    };
    let Some(paths) = paths else {
        return found.iter_mut().for_each(|one| one.untold = true);
    };
    for path in paths {
        let text = root.read(path.as_bytes(), bounds::ENVIRONMENT_FILE);
        let text = text.ok().flatten().unwrap_or_default();
        for (environment, goes_on) in found.iter_mut().zip([true, false]) {
            let variables = variables(&text, goes_on).unwrap_or_default();
            for (name, value) in &variables {
                environment.set(name, value);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeKey,
    Key,
    BeforeValue,
    Value,
    ValueEscape,
    Quoted,
    DoublyQuoted,
    DoublyQuotedEscape,
    Comment,
    CommentEscape,
}

/// The variables of a file; `None` where systemd refuses it. A backslash at its end lets a comment go on in the next line,
/// up to systemd 253.
// The states of systemd's reader, which follow one another here as they do there.
#[expect(clippy::cognitive_complexity)]
fn variables(text: &[u8], comment_goes_on: bool) -> Option<Vec<(String, String)>> {
    use State::{
        BeforeKey, BeforeValue, Comment, CommentEscape, DoublyQuoted, DoublyQuotedEscape, Key,
        Quoted, Value, ValueEscape,
    };
    let mut found = Vec::new();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    // Bytes of the value that are kept though they are blank and stand last.
    let mut kept: usize = 0;
    let mut state = BeforeKey;
    let mut push = |key: &mut Vec<u8>, value: &mut Vec<u8>| {
        let [key, value] = [std::mem::take(key), std::mem::take(value)].map(String::from_utf8);
        found.push((key.ok()?.trim_end_matches(BLANKS).to_owned(), value.ok()?));
        Some(())
    };
    for byte in text.iter().copied().take_while(|byte| *byte != 0) {
        let is_end = matches!(byte, b'\n' | b'\r');
        let is_blank = is_end || matches!(byte, b' ' | b'\t');
        state = match state {
            BeforeKey if matches!(byte, b'#' | b';') => Comment,
            BeforeKey if is_blank => BeforeKey,
            Key if is_end => {
                key.clear();
                BeforeKey
            }
            Key if byte == b'=' => BeforeValue,
            BeforeKey | Key => {
                key.push(byte);
                Key
            }
            BeforeValue | Value if is_end => {
                trim(&mut value, kept);
                push(&mut key, &mut value)?;
                kept = 0;
                BeforeKey
            }
            BeforeValue if byte == b'\'' => Quoted,
            BeforeValue if byte == b'"' => DoublyQuoted,
            BeforeValue | Value if byte == b'\\' => ValueEscape,
            BeforeValue if is_blank => BeforeValue,
            BeforeValue | Value => {
                value.push(byte);
                Value
            }
            ValueEscape => {
                if !is_end {
                    value.push(byte);
                }
                kept = value.len();
                Value
            }
            Quoted if byte == b'\'' => BeforeValue,
            DoublyQuoted if byte == b'"' => BeforeValue,
            DoublyQuoted if byte == b'\\' => DoublyQuotedEscape,
            Quoted | DoublyQuoted => {
                value.push(byte);
                kept = value.len();
                state
            }
            DoublyQuotedEscape => {
                match byte {
                    b'"' | b'\\' | b'`' | b'$' => value.push(byte),
                    b'\n' => {}
                    _ => value.extend([b'\\', byte]),
                }
                kept = value.len();
                DoublyQuoted
            }
            Comment if byte == b'\\' => CommentEscape,
            CommentEscape if is_end && comment_goes_on => Comment,
            Comment | CommentEscape if is_end => BeforeKey,
            Comment | CommentEscape => Comment,
        };
    }
    if !matches!(state, BeforeKey | Key | Comment | CommentEscape) {
        trim(&mut value, kept);
        push(&mut key, &mut value)?;
    }
    Some(found)
}

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Takes blanks off the end that were neither quoted nor escaped.
fn trim(value: &mut Vec<u8>, kept: usize) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let blanks = value.iter().rev().take_while(|byte| is_blank(byte)).count();
    value.truncate(value.len().saturating_sub(blanks).max(kept));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables() {
        for (text, before, later) in [
            (&b"A=\\\n-oX=yes\n"[..], "A:-oX=yes", None),
            (b"# none\rA=b\n", "A:b", None),
            (b"A=b\n# x\\\nA=\n", "A:b", Some("A:b|A:")),
            (b"A=b\nX=\"1\nA=\n2\"\n", "A:b|X:1\nA=\n2", None),
            (b"A=b\nX='1\\\nA=\n2'\n", "A:b|X:1\\\nA=\n2", None),
            (b" A = b c  \n", "A:b c", None),
            (b"A='b '  c\\ \n", "A:b c ", None),
            (b"A=\"b\\\"\\c\\\nd\"\n", "A:b\"\\cd", None),
            (b"A=b\"c\nA\nB", "A:b\"c", None),
            (b"A=b", "A:b", None),
            (b"A=b\0A=", "A:b", None),
            (b"A=\n", "A:", None),
        ] {
            let said = |goes_on| {
                let all = variables(text, goes_on).expect("it is taken").into_iter();
                let all: Vec<String> = all.map(|(key, value)| format!("{key}:{value}")).collect();
                all.join("|")
            };
            let name = String::from_utf8_lossy(text);
            assert_eq!(said(true), before, "{name}");
            assert_eq!(said(false), later.unwrap_or(before), "{name}");
        }
        assert_eq!(variables(b"A=b\nA=\xff\n", true), None);
    }
}
