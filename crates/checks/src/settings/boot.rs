//! What the kernel is booted with: its command line.

mod lexer;
mod menu;

use super::context::Context;
use agent_core::bounds;
pub(super) use lexer::commands;
use menu::Menus;

/// The command line of the running kernel; of a tree every one that it may be booted with. Each with its place.
pub fn command_lines(context: &Context<'_>) -> Vec<(String, String)> {
    match context.live() {
        true => live(context),
        false => tree(context),
    }
}

/// The command line of the running kernel.
fn live(context: &Context<'_>) -> Vec<(String, String)> {
    let read = context
        .root
        .read(b"proc/cmdline", bounds::SHORT_FILE)
        .ok()
        .flatten();
    read.map(|line| {
        (
            "/proc/cmdline".to_owned(),
            String::from_utf8_lossy(&line).into_owned(),
        )
    })
    .into_iter()
    .collect()
}

/// Files of entries beside GRUB's: of extlinux, and of systemd's kernel-install.
const MENUS: [&str; 3] = [
    "boot/extlinux/extlinux.conf",
    "etc/kernel/cmdline",
    "usr/lib/kernel/cmdline",
];
/// Directories of entries by the Boot Loader Specification.
const ENTRIES: [&str; 3] = [
    "boot/loader/entries",
    "boot/efi/loader/entries",
    "efi/loader/entries",
];
/// Where GRUB keeps variables, `kernelopts` of the entries of the Red Hat family among them.
const ENVIRONMENTS: [&str; 2] = ["boot/grub/grubenv", "boot/grub2/grubenv"];
/// What grub-mkconfig makes command lines of; the second comes behind the first, in entries that are no recovery ones.
const VARIABLES: [&str; 2] = ["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT"];

/// Every command line that the tree may be booted with, with its place. What grub-mkconfig joins comes in its pieces.
fn tree(context: &Context<'_>) -> Vec<(String, String)> {
    let mut found = entries(context);
    found.extend(defaults(context).into_iter().flatten());
    found
}

/// Whole command lines that the machine may be booted with.
pub fn whole_lines(context: &Context<'_>) -> Vec<String> {
    if context.live() {
        return live(context).into_iter().map(|(_, line)| line).collect();
    }
    let mut lines: Vec<String> = entries(context).into_iter().map(|(_, line)| line).collect();
    let pieces = defaults(context).concat();
    if !pieces.is_empty() {
        let joined: Vec<String> = pieces.into_iter().map(|(_, text)| text).collect();
        lines.push(joined.join(" "));
    }
    lines
}

/// The lines of a file, each with its number.
fn lines(context: &Context<'_>, path: &str) -> Vec<(usize, String)> {
    let bytes = context.read(path).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| line.trim().to_owned());
    (1..).zip(lines).collect()
}

/// The entries of boot loaders.
fn entries(context: &Context<'_>) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    let mut kernelopts = Vec::new();
    for path in ENVIRONMENTS {
        for (number, line) in lines(context, path) {
            let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            environment.push((name.to_owned(), value.to_owned()));
            if name == "kernelopts" {
                kernelopts.push((format!("/{path}:{number}"), value.to_owned()));
            }
        }
    }
    let menus = Menus::read(context, environment);
    let mut found = menus.lines();
    let mut add = |path: &str, keep: &dyn Fn(&str) -> Vec<String>| {
        for (number, line) in lines(context, path) {
            let kept = keep(&line).into_iter();
            found.extend(kept.map(|kept| (format!("/{path}:{number}"), kept)));
        }
    };
    let append = |line: &str| {
        let found = line.split_once([' ', '\t']);
        let found = found.filter(|(first, _)| first.eq_ignore_ascii_case("append"));
        found.into_iter().map(|(_, rest)| rest.to_owned()).collect()
    };
    let whole = |line: &str| match line.is_empty() || line.starts_with('#') {
        true => Vec::new(),
        false => vec![line.to_owned()],
    };
    let entry = |line: &str| {
        let rest = line.strip_prefix("options");
        match rest.filter(|rest| rest.starts_with([' ', '\t'])) {
            Some(rest) => menus.options(rest),
            None => Vec::new(),
        }
    };
    for path in MENUS {
        match path.ends_with("extlinux.conf") {
            true => add(path, &append),
            false => add(path, &whole),
        }
    }
    for directory in ENTRIES {
        for path in in_directory(context, directory, ".conf") {
            add(&path, &entry);
        }
    }
    found.extend(kernelopts);
    found
}

fn in_directory(context: &Context<'_>, directory: &str, suffix: &str) -> Vec<String> {
    let names = context.root.list(directory.as_bytes()).ok().flatten();
    let names = names.iter().flat_map(|names| names.iter());
    let names = names.map(|(name, _)| String::from_utf8_lossy(name).into_owned());
    let kept = names.filter(|name| name.ends_with(suffix) && !name.starts_with('.'));
    let mut paths: Vec<String> = kept.map(|name| format!("{directory}/{name}")).collect();
    paths.sort();
    paths
}

/// The pieces of which the next menu is made: /etc/default/grub, then its drop-ins, as the shell of grub-mkconfig takes
/// them. A later assignment replaces what came before, unless it names it or adds to it.
fn defaults(context: &Context<'_>) -> [Vec<(String, String)>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    let mut paths = vec!["etc/default/grub".to_owned()];
    paths.extend(in_directory(context, "etc/default/grub.d", ".cfg"));
    for path in paths {
        for (number, line) in lines(context, &path) {
            let line = line.strip_prefix("export ").unwrap_or(&line).trim_start();
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let (name, adds) = match name.strip_suffix('+') {
                Some(name) => (name, true),
                None => (name, false),
            };
            let mut all = VARIABLES.iter().zip(&mut found);
            let Some((_, found)) = all.find(|(known, _)| **known == name) else {
                continue;
            };
            let names_itself = [format!("${name}"), format!("${{{name}}}")]
                .iter()
                .any(|own| value.split(['"', '\'', ' ', '\t']).any(|word| word == own));
            if !adds && !names_itself {
                found.clear();
            }
            let value = value.trim_matches(['"', '\'']).to_owned();
            found.push((format!("/{path}:{number}"), value));
        }
    }
    found
}

/// The parameters of a command line.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']))
}

/// The kernel's own parameters on a command line, as next_arg of lib/cmdline.c takes them apart: up to `--`, blanks
/// between double quotes belonging to the value.
pub fn parameters(line: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let whole = rest.strip_prefix('"');
        let text = whole.unwrap_or(rest);
        let mut quoted = whole.is_some();
        let end = text.find(|c: char| {
            quoted ^= c == '"';
            c.is_ascii_whitespace() && !quoted
        });
        let (word, after) = text.split_at(end.unwrap_or(text.len()));
        rest = after.trim_start();
        if word == "--" {
            break;
        }
        let word = match whole {
            Some(_) => word.strip_suffix('"').unwrap_or(word),
            None => word,
        };
        found.push(match word.split_once('=') {
            None => (word.to_owned(), None),
            Some((name, value)) => {
                let bare = match value.strip_prefix('"') {
                    Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
                    None => value,
                };
                (name.to_owned(), Some(bare.to_owned()))
            }
        });
    }
    found
}

/// A number as the kernel reads one written to a parameter (proc_get_long): decimal, octal with 0 or hexadecimal with 0x
/// in front, ended by a blank. What comes behind the blank is not read.
pub fn number(text: &str) -> Option<i64> {
    let word = text.split_ascii_whitespace().next()?;
    let negative = word.strip_prefix('-');
    let lower = negative.unwrap_or(word).to_ascii_lowercase();
    let (digits, base) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (lower.as_str(), 10),
    };
    // A second sign is a digit to nobody but the parser of numbers.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let value = i64::from_str_radix(digits, base).ok().filter(|_| plain)?;
    match negative {
        Some(_) => value.checked_neg(),
        None => Some(value),
    }
}

/// Whether systemd takes the value for no (`parse_boolean`).
pub fn is_false(value: &str) -> bool {
    ["0", "no", "n", "false", "f", "off"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether systemd takes the value for yes.
pub fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"]
        .iter()
        .any(|word| value.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_the_kernel_takes_them() {
        let line = "linux /vmlinuz ro \"a b=c d\" x=\"1 2\" y='1 z=\"\" w -- late=1";
        let shown: Vec<String> = parameters(line)
            .into_iter()
            .map(|(name, value)| format!("{name}|{}", value.unwrap_or("-".into())))
            .collect();
        let expected = [
            "linux|-",
            "/vmlinuz|-",
            "ro|-",
            "a b|c d",
            "x|1 2",
            "y|'1",
            "z|",
            "w|-",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_as_the_kernel_reads_them() {
        for (text, expected) in [
            ("2", Some(2)),
            ("2 # hardened", Some(2)),
            ("\t2\tx", Some(2)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("2#", None),
            ("2;", None),
            ("+2", None),
            ("--2", None),
            ("\"2\"", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
