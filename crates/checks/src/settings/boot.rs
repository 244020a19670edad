//! What the kernel is booted with: its command line.

use super::context::Context;

/// The command line of the running kernel; of a tree every one that it may be booted with. Each with its place.
pub fn command_lines(context: &Context<'_>) -> Vec<(String, String)> {
    match context.live() {
        true => live(context),
        false => tree(context),
    }
}

/// The command line of the running kernel.
fn live(context: &Context<'_>) -> Vec<(String, String)> {
    let read = context.root.read(b"proc/cmdline", 1 << 16).ok().flatten();
    read.map(|line| {
        (
            "/proc/cmdline".to_owned(),
            String::from_utf8_lossy(&line).into_owned(),
        )
    })
    .into_iter()
    .collect()
}

/// Every command line that the tree may be booted with, with its place.
fn tree(context: &Context<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |path: String, keep: &dyn Fn(&str) -> Option<String>| {
        let bytes = context.read(&path).ok().flatten().unwrap_or_default();
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if let Some(kept) = keep(line.trim()) {
                found.push((format!("/{path}:{}", number + 1), kept));
            }
        }
    };
    let menu = |line: &str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        matches!(first, "linux" | "linux16" | "linuxefi").then(|| line.to_owned())
    };
    let variable = |line: &str| {
        let (key, value) = line.split_once('=')?;
        matches!(key, "GRUB_CMDLINE_LINUX" | "GRUB_CMDLINE_LINUX_DEFAULT")
            .then(|| value.trim_matches(['"', '\'']).to_owned())
    };
    let entry = |line: &str| {
        let rest = line.strip_prefix("options")?;
        rest.starts_with([' ', '\t']).then(|| rest.to_owned())
    };
    for path in ["boot/grub/grub.cfg", "boot/grub2/grub.cfg"] {
        add(path.into(), &menu);
    }
    add("etc/default/grub".into(), &variable);
    for (directory, suffix) in [
        ("etc/default/grub.d", ".cfg"),
        ("boot/loader/entries", ".conf"),
    ] {
        let names = context.root.list(directory.as_bytes()).ok().flatten();
        for (name, _) in names.iter().flat_map(|names| names.iter()) {
            let name = String::from_utf8_lossy(name);
            if name.ends_with(suffix) {
                match suffix {
                    ".cfg" => add(format!("{directory}/{name}"), &variable),
                    _ => add(format!("{directory}/{name}"), &entry),
                }
            }
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
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (lower.as_str(), 10),
    };
    // A second sign is a digit to nobody but the parser of numbers.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let value = i64::from_str_radix(digits, base).ok().filter(|_| plain)?;
    Some(sign * value)
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
