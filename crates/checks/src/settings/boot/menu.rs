//! What GRUB's menus hand to the kernel: the `linux` commands of grub.cfg and of what lies beside it, with the values that
//! their variables may have (GRUB manual, "Shell-like scripting").

use super::in_directory;
use super::lexer::{commands, expanded};
use crate::settings::context::Context;
use agent_core::os::trail;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// The directories of menus.
const DIRECTORIES: [&str; 2] = ["boot/grub", "boot/grub2"];
/// Where UEFI systems keep one a vendor.
const VENDORS: [&str; 2] = ["boot/efi/EFI", "efi/EFI"];
/// Commands that name a kernel; `module` and its kin that of a machine below Xen.
const KERNELS: [&str; 7] = [
    "linux",
    "linux16",
    "linuxefi",
    "kernel",
    "module",
    "module2",
    "multiboot2",
];
/// Lines that variables make of a command.
// Own bound: a menu has some ten; more is told, and leaves the verdict open.
const MAX_LINES: usize = 10_000;

/// The menus of a tree.
pub(super) struct Menus {
    /// `FILE:LINE`, and the command.
    commands: Vec<(String, String)>,
    /// What variables may hold.
    values: BTreeMap<String, BTreeSet<String>>,
    /// Those that grubenv sets.
    kept: BTreeSet<String>,
    /// Bytes that may still be put together.
    left: Cell<u64>,
}

impl Menus {
    pub(super) fn read(context: &Context<'_>, environment: Vec<(String, String)>) -> Menus {
        let mut menus = Menus::of(environment);
        let mut directories: Vec<String> = DIRECTORIES.map(str::to_owned).to_vec();
        for place in VENDORS {
            let names = context.root.list(place.as_bytes()).ok().flatten();
            for (name, _) in names.iter().flat_map(|names| names.iter()) {
                directories.push(format!("{place}/{}", String::from_utf8_lossy(name)));
            }
        }
        for directory in directories {
            for path in in_directory(context, &directory, ".cfg") {
                let text = context.read(&path).ok().flatten().unwrap_or_default();
                menus.add(&path, &String::from_utf8_lossy(&text));
            }
        }
        menus
    }

    /// Without commands yet; `environment` is what grubenv sets.
    fn of(environment: Vec<(String, String)>) -> Menus {
        let mut menus = Menus {
            commands: Vec::new(),
            values: BTreeMap::new(),
            kept: BTreeSet::new(),
            left: Cell::new(MAX_BYTES),
        };
        for (name, value) in environment {
            menus.kept.insert(name.clone());
            menus.values.entry(name).or_default().insert(value);
        }
        menus
    }

    /// Takes in the commands of a file, whatever branch they stand in.
    fn add(&mut self, path: &str, text: &str) {
        let mut conditions: Vec<String> = Vec::new();
        for (line, command) in commands(text) {
            let (first, rest) = command
                .split_once([' ', '\t', '\n'])
                .unwrap_or((&command, ""));
            match first {
                "if" => conditions.push(rest.to_owned()),
                "elif" | "else" => {
                    conditions.pop();
                    conditions.push(String::new());
                }
                "fi" => drop(conditions.pop()),
                _ => {}
            }
            let command = match first {
                "then" | "else" | "do" => rest,
                _ => &command,
            };
            let assigned = command.strip_prefix("set ").unwrap_or(command).trim_start();
            if let Some((name, _)) = assigned.split_once('=')
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                // What is set where there is no value yet does not count beside one that grubenv gives.
                let if_empty = |text: &String| text.contains("-z") && text.contains(name);
                if !(self.kept.contains(name) && conditions.iter().any(if_empty)) {
                    self.assign(name.to_owned(), assigned);
                }
            }
            self.commands
                .push((format!("/{path}:{line}"), command.to_owned()));
        }
    }

    fn assign(&mut self, name: String, assignment: &str) {
        let mut values = BTreeSet::new();
        for words in self.variants(assignment) {
            let value = words.join(" ");
            let value = value.split_once('=').map_or("", |(_, value)| value);
            values.insert(value.to_owned());
        }
        let known = self.values.entry(name).or_default();
        if known.len().saturating_add(values.len()) <= MAX_VALUES {
            known.extend(values);
        } else {
            trail::cut(b"boot", MAX_VALUES as u64);
        }
    }

    /// The words of a text: once with the first value of each variable, and once for each further value of each.
    fn variants(&self, text: &str) -> Vec<Vec<String>> {
        let named = RefCell::new(BTreeSet::new());
        let words = self.expanded(text, &|name| {
            named.borrow_mut().insert(name.to_owned());
            self.first(name)
        });
        let mut found = vec![words];
        for name in named.take() {
            let further = self.values.get(&name).into_iter().flatten().skip(1);
            for value in further {
                let words = self.expanded(text, &|asked| match asked == name {
                    true => value.as_str(),
                    false => self.first(asked),
                });
                found.push(words);
            }
        }
        found
    }

    fn first(&self, name: &str) -> &str {
        let values = self.values.get(name);
        values
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }

    fn expanded<'a>(&self, text: &str, value: &dyn Fn(&str) -> &'a str) -> Vec<String> {
        self.spend(text.len());
        expanded(text, &|name| {
            let value = value(name);
            match self.spend(value.len()) {
                true => value.to_owned(),
                false => String::new(),
            }
        })
    }

    /// Whether so much more may be put together.
    fn spend(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes as u64);
        self.left.set(left.unwrap_or_default());
        if left.is_none() {
            trail::cut(b"boot", MAX_BYTES);
        }
        left.is_some()
    }

    /// The command lines of all entries, each with its place.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (place, command) in &self.commands {
            for mut words in self.variants(command) {
                if words.first().is_some_and(|word| word == "eval") {
                    words = expanded(&words.split_off(1).join(" "), &|_| String::new());
                }
                if !is_kernel(&words) {
                    continue;
                }
                if found.len() >= MAX_LINES {
                    trail::cut(b"boot", MAX_LINES as u64);
                    return found;
                }
                found.push((place.clone(), joined(&words)));
            }
        }
        found
    }

    /// What the options of an entry of the Boot Loader Specification become, whose variables are GRUB's.
    pub(super) fn options(&self, text: &str) -> Vec<String> {
        if !text.contains('$') {
            return vec![text.to_owned()];
        }
        self.variants(text)
            .iter()
            .map(|words| joined(words))
            .collect()
    }
}

/// Whether a command hands a line to a kernel; what comes with one below Xen, as its initrd, has no words behind its path.
fn is_kernel(words: &[String]) -> bool {
    let Some((first, rest)) = words.split_first() else {
        return false;
    };
    let plain = rest.iter().filter(|word| !word.starts_with("--"));
    let named = KERNELS.contains(&first.as_str());
    named && (!first.starts_with("module") || plain.count() > 1)
}

/// The line that the kernel gets: words with blanks stand between quotes (grub_create_loader_cmdline()).
fn joined(words: &[String]) -> String {
    let words = words.iter().map(|word| match word.contains([' ', '\t']) {
        true => format!("\"{word}\""),
        false => word.clone(),
    });
    words.collect::<Vec<String>>().join(" ")
}

/// Text of commands with what their variables stand for, in bytes.
// Own bound: menus have some kilobytes; more is told, and leaves the verdict open.
const MAX_BYTES: u64 = 16 << 20;
/// Values that a variable may have.
// Own bound: a menu gives a variable one or two; more is told, and leaves the verdict open.
const MAX_VALUES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(environment: &[(&str, &str)], text: &str) -> Vec<String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut menus = Menus::of(environment.iter().map(owned).collect());
        menus.add("boot/grub/grub.cfg", text);
        menus.lines().into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn what_the_kernel_gets() {
        for (text, expected) in [
            ("linux /v ro \\\n  shell\n", &["linux /v ro shell"][..]),
            ("set x=\"shell\"\nlinux /v $x\n", &["linux /v shell"]),
            (
                "if a; then\n set x=b\nelse set x=c\nfi\nlinux /v ${x}\n",
                &["linux /v b", "linux /v c"],
            ),
            (
                "set y=b\nset x=\"a$y\"\nmenuentry 'l' { linux /v $x; }\n",
                &["linux /v ab"],
            ),
            ("\"linux\" /v sy'st'em\"d\"\n", &["linux /v systemd"]),
            (
                "linux /v systemd.run=\"a b\"\n",
                &["linux /v \"systemd.run=a b\""],
            ),
            ("eval \"linux /v a\"\n", &["linux /v a"]),
            ("# linux /v a\necho \"\nlinux /v a\n\"\n", &[]),
            ("linux /v $none ro\n", &["linux /v ro"]),
        ] {
            assert_eq!(lines(&[], text), expected, "{text}");
        }
        let kept = [("kernelopts", "audit=1")];
        let fallback =
            "if [ -z \"${kernelopts}\" ]; then\n set kernelopts=\"ro\"\nfi\nlinux /v $kernelopts\n";
        assert_eq!(lines(&kept, fallback), ["linux /v audit=1"]);
        assert_eq!(lines(&[], fallback), ["linux /v ro"]);
    }

    #[test]
    fn variables_that_grow_have_an_end() {
        let mut text = "set x0=0123456789\n".to_owned();
        for n in 1..60 {
            text.push_str(&format!("set x{n}=\"$x{}$x{}\"\n", n - 1, n - 1));
        }
        text.push_str("linux /v $x59\n");
        trail::take_cut();
        assert_eq!(lines(&[], &text).len(), 1);
        let cut = trail::take_cut();
        assert!(cut.iter().any(|cut| cut.path == b"boot"));
    }
}
