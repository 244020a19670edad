//! What a GRUB script does before the menu shows (GRUB manual, "Shell-like scripting"): conditions that follow from the
//! tree are decided, others leave open what they guard.

use super::words;
use std::collections::{BTreeMap, BTreeSet};

/// Whether something is so when the menu shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guard {
    No,
    Maybe,
    Yes,
}

impl Guard {
    fn not(self) -> Guard {
        match self {
            Guard::No => Guard::Yes,
            Guard::Maybe => Guard::Maybe,
            Guard::Yes => Guard::No,
        }
    }
}

/// What is open at a line.
enum Block {
    /// Whether the branch runs, and whether an earlier one did.
    If(Guard, Guard),
    /// A loop: whether its body runs is not followed.
    Loop,
    /// The commands of an entry or a function: they run when it is chosen or called.
    Later,
}

/// What a menu says, its further files included.
pub(super) struct Menu {
    /// `FILE:LINE` of the serial terminal that takes keys.
    pub(super) serial: Option<String>,
    /// Names in `superusers`, and where.
    pub(super) superusers: Vec<String>,
    pub(super) place: Option<String>,
    /// Whether `superusers` is that for certain.
    sure: bool,
    /// All names that it may hold.
    possible: BTreeSet<String>,
    /// Users with a password that is set.
    passwords: BTreeMap<String, Guard>,
    /// `set NAME=VALUE`, and whether it is that for certain.
    variables: BTreeMap<String, (String, bool)>,
    /// Names of the files beside the menu.
    beside: BTreeSet<String>,
}

impl Menu {
    /// A menu in a directory with these files.
    pub(super) fn beside(beside: BTreeSet<String>) -> Menu {
        Menu {
            serial: None,
            superusers: Vec::new(),
            place: None,
            sure: true,
            possible: BTreeSet::new(),
            passwords: BTreeMap::new(),
            variables: BTreeMap::new(),
            beside,
        }
    }

    /// Whether it takes a password to edit the menu.
    pub(super) fn guard(&self) -> Guard {
        let of = |user: &String| self.passwords.get(user).copied();
        match self.sure {
            true => self
                .superusers
                .iter()
                .filter_map(of)
                .max()
                .unwrap_or(Guard::No),
            false => match self.possible.iter().filter_map(of).max() {
                Some(_) => Guard::Maybe,
                None => Guard::No,
            },
        }
    }

    /// Takes in the commands of a file that bear on who may edit.
    pub(super) fn add(&mut self, path: &str, text: &str) {
        let mut blocks = Vec::new();
        for (number, line) in text.lines().enumerate() {
            for command in commands(line) {
                self.command(command, &mut blocks, &format!("/{path}:{}", number + 1));
            }
        }
    }

    fn command(&mut self, command: &str, blocks: &mut Vec<Block>, place: &str) {
        let (first, rest) = command.split_once([' ', '\t']).unwrap_or((command, ""));
        match first {
            "if" => {
                let holds = self.condition(rest);
                blocks.push(Block::If(holds, holds));
            }
            "elif" => {
                let holds = self.condition(rest);
                if let Some(Block::If(runs, earlier)) = blocks.last_mut() {
                    *runs = holds.min(earlier.not());
                    *earlier = (*earlier).max(holds);
                }
            }
            "else" => {
                if let Some(Block::If(runs, earlier)) = blocks.last_mut() {
                    *runs = earlier.not();
                }
                self.command_behind(rest, blocks, place);
            }
            "then" => self.command_behind(rest, blocks, place),
            "for" | "while" | "until" => blocks.push(Block::Loop),
            "do" => self.command_behind(rest, blocks, place),
            "fi" | "done" | "}" => {
                blocks.pop();
            }
            "menuentry" | "submenu" | "function" => {
                if command.ends_with('{') {
                    blocks.push(Block::Later);
                }
            }
            _ => {
                let runs = blocks.iter().map(|block| match block {
                    Block::If(runs, _) => *runs,
                    Block::Loop => Guard::Maybe,
                    Block::Later => Guard::No,
                });
                let runs = runs.min().unwrap_or(Guard::Yes);
                if runs != Guard::No {
                    self.run(command, runs == Guard::Yes, place);
                }
            }
        }
    }

    fn command_behind(&mut self, rest: &str, blocks: &mut Vec<Block>, place: &str) {
        let rest = rest.trim();
        if !rest.is_empty() {
            self.command(rest, blocks, place);
        }
    }

    /// A command that runs, for certain or perhaps.
    fn run(&mut self, line: &str, sure: bool, place: &str) {
        let mut parts = words(line);
        match parts.next() {
            Some("terminal_input") => {
                let rest: Vec<&str> = parts.collect();
                let serial = rest.iter().any(|word| word.starts_with("serial"));
                let adds = rest.contains(&"--append");
                let removes = rest.contains(&"--remove");
                match (serial, removes) {
                    (true, false) => self.serial = Some(place.to_owned()),
                    (true, true) if sure => self.serial = None,
                    (false, _) if !adds && !removes && sure => self.serial = None,
                    _ => {}
                }
            }
            Some("set") => {
                let assignment = line.strip_prefix("set").unwrap_or(line);
                if let Some((name, value)) = assignment.trim_start().split_once('=') {
                    self.assign(name.trim(), value, sure, place);
                }
            }
            Some("unset") => {
                for name in parts {
                    self.assign(name, "", sure, place);
                }
            }
            Some("password" | "password_pbkdf2") => {
                if let (Some(user), Some(password)) = (parts.next(), parts.next()) {
                    let set = self.is_set(password);
                    let set = set.min(if sure { Guard::Yes } else { Guard::Maybe });
                    if set != Guard::No {
                        let known = self.passwords.entry(user.to_owned()).or_insert(set);
                        *known = set.max(*known);
                    }
                }
            }
            Some(_) => {
                if let Some((name, value)) = line.split_once('=')
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                {
                    self.assign(name, value, sure, place);
                }
            }
            None => {}
        }
    }

    fn assign(&mut self, name: &str, value: &str, sure: bool, place: &str) {
        let value = value.trim().trim_matches(['"', '\'']);
        if name != "superusers" {
            self.variables
                .insert(name.to_owned(), (value.to_owned(), sure));
            return;
        }
        let users: Vec<String> = value
            .split([' ', ',', ';', '&', '|'])
            .filter(|user| !user.is_empty())
            .map(str::to_owned)
            .collect();
        self.sure = match sure {
            true => true,
            false => self.sure && users == self.superusers,
        };
        if sure {
            self.possible.clear();
        }
        self.possible.extend(users.iter().cloned());
        self.superusers = users;
        self.place = Some(place.to_owned());
    }

    /// Whether a password is there: given as it stands, or by a variable that has a value.
    fn is_set(&self, password: &str) -> Guard {
        let Some(name) = password.strip_prefix('$') else {
            return if password.is_empty() {
                Guard::No
            } else {
                Guard::Yes
            };
        };
        match self.variables.get(name.trim_matches(['{', '}'])) {
            Some((value, true)) if !value.is_empty() => Guard::Yes,
            Some((_, false)) => Guard::Maybe,
            _ => Guard::No,
        }
    }

    /// Whether a condition holds, as far as the tree and the script tell.
    fn condition(&self, text: &str) -> Guard {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("! ") {
            return self.condition(rest).not();
        }
        let test = text
            .strip_prefix("test ")
            .or_else(|| text.strip_prefix("[ ")?.strip_suffix(" ]"));
        let Some(test) = test else {
            return match text {
                "true" => Guard::Yes,
                "false" => Guard::No,
                _ => Guard::Maybe,
            };
        };
        let parts: Vec<&str> = test.split_whitespace().collect();
        let is = |holds: bool| if holds { Guard::Yes } else { Guard::No };
        match parts.as_slice() {
            ["!", rest @ ..] => self.condition(&format!("[ {} ]", rest.join(" "))).not(),
            ["-f" | "-e" | "-s", file] => {
                let file = file.trim_matches('"');
                let name = [
                    "$prefix/",
                    "${prefix}/",
                    "$config_directory/",
                    "${config_directory}/",
                ]
                .iter()
                .find_map(|prefix| file.strip_prefix(prefix));
                match name {
                    Some(name) if !name.contains(['/', '$']) => match self.beside.contains(name) {
                        // An empty file has no commands either.
                        true => Guard::Yes,
                        false => Guard::No,
                    },
                    _ => Guard::Maybe,
                }
            }
            ["-n", text] | [text] => match self.value(text) {
                Some(value) => is(!value.is_empty()),
                None => Guard::Maybe,
            },
            ["-z", text] => match self.value(text) {
                Some(value) => is(value.is_empty()),
                None => Guard::Maybe,
            },
            [left, operator @ ("=" | "==" | "!="), right] => {
                match (self.value(left), self.value(right)) {
                    (Some(left), Some(right)) => is((left == right) == (*operator != "!=")),
                    _ => Guard::Maybe,
                }
            }
            _ => Guard::Maybe,
        }
    }

    /// What a word stands for; `None` where the script does not say it.
    fn value(&self, word: &str) -> Option<String> {
        if word.starts_with('\'') {
            return Some(word.trim_matches('\'').to_owned());
        }
        let bare = word.trim_matches('"');
        let Some(name) = bare.strip_prefix('$') else {
            return (!bare.contains(['$', '\\'])).then(|| bare.to_owned());
        };
        let name = name.trim_matches(['{', '}']);
        let known = self.variables.get(name).filter(|(_, sure)| *sure);
        known.map(|(value, _)| value.clone())
    }
}

/// The commands of a line, comments left out.
fn commands(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut quote, mut before) = (0, None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c == '#' && before.is_whitespace() => {
                found.push(&line[start..at]);
                start = line.len();
                break;
            }
            None if c == ';' => {
                found.push(&line[start..at]);
                start = at + 1;
            }
            None => {}
        }
        before = c;
    }
    found.push(&line[start..]);
    let found = found.into_iter().map(str::trim);
    found.filter(|command| !command.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_edit() {
        let sound = "set superusers=\"boss\"\npassword_pbkdf2 boss grub.pbkdf2.AA\n";
        for (text, expected) in [
            (sound.to_owned(), Guard::Yes),
            (format!("{sound}unset superusers\n"), Guard::No),
            (
                format!("{sound}if false; then unset superusers; fi\n"),
                Guard::Yes,
            ),
            (format!("if false; then\n{sound}fi\n"), Guard::No),
            (format!("if true; then\n{sound}fi\n"), Guard::Yes),
            (
                format!("if false; then true; else\n{sound}fi\n"),
                Guard::Yes,
            ),
            (format!("if true; then true; else\n{sound}fi\n"), Guard::No),
            (
                format!("if false; then true; elif true; then\n{sound}fi\n"),
                Guard::Yes,
            ),
            (format!("if [ x = y ]; then\n{sound}fi\n"), Guard::No),
            (
                format!("if [ \"${{grub_platform}}\" = \"efi\" ]; then\n{sound}fi\n"),
                Guard::Maybe,
            ),
            (
                format!("if background_image x; then\n{sound}fi\n"),
                Guard::Maybe,
            ),
            (
                format!("{sound}if sleep 1; then unset superusers; fi\n"),
                Guard::Maybe,
            ),
            (
                format!("if [ -f ${{prefix}}/there ]; then\n{sound}fi\n"),
                Guard::Yes,
            ),
            (
                format!("if [ -f ${{prefix}}/user.cfg ]; then\n{sound}fi\n"),
                Guard::No,
            ),
            (format!("menuentry 'x' {{\n{sound}}}\n"), Guard::No),
            (format!("function f {{\n{sound}}}\n"), Guard::No),
            (
                format!("menuentry 'x' {{\nlinux x\n}}\n{sound}"),
                Guard::Yes,
            ),
            (format!("for x in a; do\n{sound}done\n"), Guard::Maybe),
            (format!("# {}", sound.replace('\n', " ")), Guard::No),
            (
                format!("if false; then set superusers=boss; fi\n{}", &sound[21..]),
                Guard::No,
            ),
            ("set superusers=boss; password boss x".into(), Guard::Yes),
        ] {
            let mut menu = Menu::beside(BTreeSet::from(["there".to_owned()]));
            menu.add("boot/grub/grub.cfg", &text);
            assert_eq!(menu.guard(), expected, "{text}");
        }
    }
}
