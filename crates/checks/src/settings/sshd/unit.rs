//! How systemd starts sshd: the command line of its unit, whose options come before all files.

use super::live::{Daemon, options};
use crate::settings::systemd;
use agent_core::bounds;
use agent_core::os::root::Root;
use std::collections::HashMap;

/// As the Debian family calls it, then as the Red Hat family does.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// The options that the unit gives the daemon; `None` where no unit starts one.
pub(super) fn daemon(root: &Root) -> Option<Daemon> {
    UNITS.iter().find_map(|unit| {
        let start = systemd::values(root, unit, "Service", "ExecStart").pop()?;
        let words = command(&start.value, &environment(root, unit));
        let (program, rest) = words.split_first()?;
        // Before the path: `-`, `@`, `+`, `!`, `:` (systemd.service(5)).
        program.ends_with("/sshd").then(|| options(rest))
    })
}

/// What `Environment=` and `EnvironmentFile=` say; files come last (systemd.exec(5)).
fn environment(root: &Root, unit: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut take = |assignment: &str| {
        if let Some((name, value)) = assignment.split_once('=') {
            found.insert(name.trim().to_owned(), value.to_owned());
        }
    };
    for setting in systemd::values(root, unit, "Service", "Environment") {
        for word in split(&setting.value) {
            take(&word);
        }
    }
    for setting in systemd::values(root, unit, "Service", "EnvironmentFile") {
        let path = setting.value.trim_start_matches('-');
        let text = root
            .read(path.as_bytes(), bounds::ENVIRONMENT_FILE)
            .ok()
            .flatten();
        for line in String::from_utf8_lossy(&text.unwrap_or_default()).lines() {
            let line = line.trim();
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some((name, value)) = line.split_once('=') {
                // A value may be quoted in whole or in part.
                take(&format!("{name}={}", split(value).join(" ")));
            }
        }
    }
    found
}

/// The words of a command line: `$NAME` alone stands for as many words as it holds, `${NAME}` for a part of one.
fn command(line: &str, environment: &HashMap<String, String>) -> Vec<String> {
    let value = |name: &str| environment.get(name).map_or("", String::as_str);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut words = Vec::new();
    for word in split(line) {
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            words.extend(split(value(name)));
            continue;
        }
        let mut out = String::new();
        let mut rest = word.as_str();
        while let Some(at) = rest.find(['$', '%']) {
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            let braced = tail.strip_prefix("${").and_then(|t| t.split_once('}'));
            rest = match braced.filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => {
                    out.push_str(value(name));
                    rest
                }
                None => {
                    // `$$` and `%%` stand for one; other specifiers are no matter of options.
                    out.push_str(&tail[..1]);
                    let twice = tail[1..].starts_with(&tail[..1]);
                    &tail[1 + usize::from(twice)..]
                }
            };
        }
        out.push_str(rest);
        words.push(out);
    }
    words
}

/// Words parted by blanks, quotes around them or parts of them taken off (systemd.syntax(7), "Quoting").
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) if quote != Some('\'') => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command() {
        let environment = HashMap::from([
            ("A".to_owned(), "-o \"Port 22\" -4".to_owned()),
            ("EMPTY".to_owned(), String::new()),
        ]);
        for (line, expected) in [
            ("/sshd -D $EMPTY", &["/sshd", "-D"][..]),
            ("/sshd $A $B", &["/sshd", "-o", "Port 22", "-4"]),
            ("/sshd -x${A}y", &["/sshd", "-x-o \"Port 22\" -4y"]),
            (
                "/sshd -o \"AuthorizedKeysCommand /x %%u\" $$A",
                &["/sshd", "-o", "AuthorizedKeysCommand /x %u", "$A"],
            ),
            ("'a b'c \"d\\\"e\" ''", &["a bc", "d\"e", ""]),
        ] {
            assert_eq!(command(line, &environment), expected, "{line}");
        }
    }
}
