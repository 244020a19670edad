//! What a GRUB script does before the menu shows (GRUB manual, "Shell-like scripting"): conditions that follow from the
//! tree are decided, others leave open what they guard.
// Long: the statements of the script are gone through in one place.

use super::words;
use crate::settings::boot::commands;
use std::collections::{BTreeMap, BTreeSet};

/// Whether something is so when the menu shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guard {
    No,
    Maybe,
    Yes,
}

impl Guard {
    pub(super) fn not(self) -> Guard {
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
    /// The commands of an entry, or of a function by its name: they run when it is chosen or called.
    Later(Option<String>),
}

/// A command, and `FILE:LINE`.
type Command = (String, String);

/// Functions that call each other, and files that source each other.
// Own bound: what is deeper is unknown.
const DEPTH: usize = 16;
/// Commands that are gone through before it is given up.
const STEPS: usize = 100_000;

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
    pub(super) variables: BTreeMap<String, (String, bool)>,
    /// Names of the files beside the menu, and the texts of those that can be scripts.
    pub(super) beside: BTreeMap<String, Option<String>>,
    /// Functions that are known.
    functions: BTreeMap<String, Vec<Command>>,
    /// Where it was given up: what comes behind is not known.
    lost: bool,
    steps: usize,
}

impl Menu {
    /// A menu in a directory with these files.
    pub(super) fn beside(beside: BTreeMap<String, Option<String>>) -> Menu {
        Menu {
            serial: None,
            superusers: Vec::new(),
            place: None,
            sure: true,
            possible: BTreeSet::new(),
            passwords: BTreeMap::new(),
            variables: BTreeMap::new(),
            beside,
            functions: BTreeMap::new(),
            lost: false,
            steps: 0,
        }
    }

    /// Whether it takes a password to edit the menu.
    pub(super) fn guard(&self) -> Guard {
        let of = |user: &String| self.passwords.get(user).copied();
        if self.lost {
            return Guard::Maybe;
        }
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
        let commands = commands(text).into_iter();
        let commands: Vec<Command> = commands
            .map(|(line, command)| (command, format!("/{path}:{line}")))
            .collect();
        self.all(&commands, Guard::Yes, 0);
    }

    /// Goes through commands that run as far as `outer` says.
    fn all(&mut self, commands: &[Command], outer: Guard, depth: usize) {
        let mut blocks = Vec::new();
        for (command, place) in commands {
            self.steps = self.steps.saturating_add(1);
            if depth > DEPTH || self.steps > STEPS {
                self.lost = true;
                return;
            }
            self.command(command, &mut blocks, place, (outer, depth));
        }
    }

    fn command(
        &mut self,
        command: &str,
        blocks: &mut Vec<Block>,
        place: &str,
        within: (Guard, usize),
    ) {
        let (first, rest) = command
            .split_once([' ', '\t', '\n'])
            .unwrap_or((command, ""));
        // What a function is made of is kept for its calls, the ends of its own blocks included.
        let function = blocks.iter().find_map(|block| match block {
            Block::Later(Some(name)) => Some(name.clone()),
            _ => None,
        });
        if let Some(name) = &function
            && !(first == "}" && matches!(blocks.last(), Some(Block::Later(Some(_)))))
            && let Some(body) = self.functions.get_mut(name)
        {
            body.push((command.to_owned(), place.to_owned()));
        }
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
                self.command_behind(rest, blocks, place, within);
            }
            "then" | "do" => self.command_behind(rest, blocks, place, within),
            "for" | "while" | "until" => blocks.push(Block::Loop),
            "fi" | "done" | "}" => {
                blocks.pop();
            }
            "function" if command.ends_with('{') => {
                let name = rest
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                if function.is_none() {
                    self.functions.insert(name.clone(), Vec::new());
                }
                blocks.push(Block::Later(function.is_none().then_some(name)));
            }
            "menuentry" | "submenu" if command.ends_with('{') => blocks.push(Block::Later(None)),
            _ => {
                let runs = blocks.iter().map(|block| match block {
                    Block::If(runs, _) => *runs,
                    Block::Loop => Guard::Maybe,
                    Block::Later(_) => Guard::No,
                });
                let runs = runs.min().unwrap_or(Guard::Yes).min(within.0);
                if runs == Guard::No {
                    return;
                }
                match self.functions.get(first).cloned() {
                    Some(body) => self.all(&body, runs, within.1.saturating_add(1)),
                    None if matches!(first, "source" | ".") => {
                        self.source(rest.trim(), runs, within.1);
                    }
                    None => self.run(command, runs == Guard::Yes, place),
                }
            }
        }
    }

    fn command_behind(
        &mut self,
        rest: &str,
        blocks: &mut Vec<Block>,
        place: &str,
        within: (Guard, usize),
    ) {
        let rest = rest.trim();
        if !rest.is_empty() {
            self.command(rest, blocks, place, within);
        }
    }

    /// Another file is read in: one beside the menu, or one that nothing is known of.
    fn source(&mut self, file: &str, runs: Guard, depth: usize) {
        let Some(name) = self.beside_name(file.trim_matches(['"', '\''])) else {
            self.lost = true;
            return;
        };
        // What is not there does nothing.
        match self.beside.get(&name).cloned() {
            None => {}
            Some(None) => self.lost = true,
            Some(Some(text)) => {
                let commands = commands(&text).into_iter();
                let commands: Vec<Command> = commands
                    .map(|(line, command)| (command, format!("{name}:{line}")))
                    .collect();
                self.all(&commands, runs, depth.saturating_add(1));
            }
        }
    }

    /// The name of a file that a script calls by the directory of the menu; `None` where it lies elsewhere.
    pub(super) fn beside_name(&self, file: &str) -> Option<String> {
        let directories = [
            "$prefix/",
            "${prefix}/",
            "$config_directory/",
            "${config_directory}/",
            "/boot/grub/",
            "/boot/grub2/",
        ];
        let name = directories
            .iter()
            .find_map(|directory| file.strip_prefix(directory))?;
        (!name.contains(['/', '$'])).then(|| name.to_owned())
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // Its table of cases is what is long.
    #[allow(clippy::too_many_lines)]
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
            (format!("function f {{\n{sound}}}\nf\n"), Guard::Yes),
            (
                format!("{sound}function f {{ unset superusers; }}\nf\n"),
                Guard::No,
            ),
            (
                format!("{sound}function f {{ unset superusers; }}\n"),
                Guard::Yes,
            ),
            (
                format!(
                    "{sound}function f {{\nif true; then\nunset superusers\nfi\n}}\nif sleep 1; then f; fi\n"
                ),
                Guard::Maybe,
            ),
            (format!("function f {{ f; }}\n{sound}f\n"), Guard::Maybe),
            (
                format!("{sound}menuentry \"x\ny\" {{ unset superusers; }}\n"),
                Guard::Yes,
            ),
            (
                format!("{sound}echo \"a\nunset superusers\n\"\n"),
                Guard::Yes,
            ),
            (format!("{sound}unset \\\nsuperusers\n"), Guard::No),
            (format!("{sound}source $prefix/there\n"), Guard::No),
            (
                format!("{sound}if false; then source $prefix/there; fi\n"),
                Guard::Yes,
            ),
            (
                format!("{sound}source ${{config_directory}}/none.cfg\n"),
                Guard::Yes,
            ),
            (format!("{sound}source (hd0,1)/x.cfg\n"), Guard::Maybe),
            (
                format!("{sound}for x in a; do source (hd0,1)/x.cfg; done\n"),
                Guard::Maybe,
            ),
        ] {
            let mut menu = Menu::beside(BTreeMap::from([(
                "there".to_owned(),
                Some("unset superusers\n".to_owned()),
            )]));
            menu.add("boot/grub/grub.cfg", &text);
            assert_eq!(menu.guard(), expected, "{text}");
        }
    }
}
