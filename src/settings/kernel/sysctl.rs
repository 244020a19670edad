//! What systemd-sysctl(8) sets at boot: sysctl.d(5), read in its order, with the place of each value.

use crate::os::root::Root;
use std::collections::BTreeMap;
use std::io;

/// Of files of one name the first directory's counts.
const DIRECTORIES: [&str; 5] = [
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    // Where /lib is no link to /usr/lib.
    "lib/sysctl.d",
];
const LIMIT: u64 = 1 << 20;

/// A value in force, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) value: String,
    /// `FILE:LINE`
    pub(super) location: String,
}

/// Every assignment in the order in which systemd-sysctl makes them.
#[derive(Debug, Default)]
pub(super) struct Sysctl {
    /// Key as a path below /proc/sys; `None`: kept from patterns alone.
    options: Vec<(String, Option<Value>)>,
}

impl Sysctl {
    /// Reads the directories below the root.
    pub(super) fn read(root: &Root) -> io::Result<Sysctl> {
        let mut files: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for directory in DIRECTORIES {
            if directory.starts_with("run/") && !root.is_live() {
                continue;
            }
            let names = root.list(directory.as_bytes())?;
            for (name, _) in names.iter().flat_map(|names| names.iter()) {
                if name.ends_with(b".conf") && !name.starts_with(b".") {
                    let path = format!("{directory}/{}", String::from_utf8_lossy(name));
                    files.entry(name.to_vec()).or_insert(path);
                }
            }
        }
        let mut sysctl = Sysctl::default();
        for path in files.into_values() {
            match root.read(path.as_bytes(), LIMIT) {
                Ok(Some(text)) => sysctl.add(&String::from_utf8_lossy(&text), &path),
                Ok(None) => {}
                // A link to /dev/null hides the files of that name.
                Err(_) if is_null(root, &path) => {}
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("/{path}: {error}")));
                }
            }
        }
        Ok(sysctl)
    }

    fn add(&mut self, text: &str, path: &str) {
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.strip_prefix('-').unwrap_or(key), Some(value)),
                None => match line.strip_prefix('-') {
                    Some(key) => (key, None),
                    // systemd-sysctl complains and goes on.
                    None => continue,
                },
            };
            let key = normal(key.trim());
            let value = value.map(|value| Value {
                value: value.trim().to_owned(),
                location: format!("/{path}:{}", number + 1),
            });
            // A later line takes the earlier one's place, unless it says the same.
            let known = self.options.iter().position(|(known, _)| *known == key);
            if let Some(known) = known {
                let same = |a: &Option<Value>| a.as_ref().map(|value| value.value.clone());
                if same(&self.options[known].1) == same(&value) {
                    continue;
                }
                self.options.remove(known);
            }
            self.options.push((key, value));
        }
    }

    /// What the key, as `kernel.sysrq`, is set to.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let key = normal(key);
        // A key that is written out is none of the patterns' business.
        if let Some((_, value)) = self.options.iter().find(|(known, _)| *known == key) {
            return value.as_ref();
        }
        self.options
            .iter()
            .filter(|(pattern, _)| pattern.contains(['*', '?', '[']))
            .filter(|(pattern, _)| matches(pattern.as_bytes(), key.as_bytes()))
            .filter_map(|(_, value)| value.as_ref())
            .next_back()
    }
}

fn is_null(root: &Root, path: &str) -> bool {
    let found = root.resolve(path.as_bytes(), true);
    found.is_ok_and(|found| found.path == b"dev/null")
}

/// The key as a path: if its first separator is a dot, dots and slashes change places (sysctl.d(5)).
fn normal(key: &str) -> String {
    let dotted = key
        .find(['.', '/'])
        .is_some_and(|at| key[at..].starts_with('.'));
    let swapped: String = match dotted {
        true => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        false => key.to_owned(),
    };
    let parts = swapped
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// glob(7): `*`, `?` and `[…]`, none of which takes a slash.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        b'*' => {
            let most = text.iter().take_while(|c| **c != b'/').count();
            // Keys are short, and so are the patterns that match a part of them.
            (0..=most).any(|taken| matches(rest, &text[taken..]))
        }
        b'?' => text.first().is_some_and(|c| *c != b'/') && matches(rest, &text[1..]),
        b'[' => {
            let Some((in_class, rest)) = class(rest, text.first().copied()) else {
                return text.first() == Some(&b'[') && matches(rest, &text[1..]);
            };
            in_class && matches(rest, &text[1..])
        }
        c => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}

/// Whether the character is of the class that begins after `[`, and what follows the class.
fn class(pattern: &[u8], character: Option<u8>) -> Option<(bool, &[u8])> {
    let (negated, members) = match pattern {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // A bracket in the first place is a member.
    let end = 1 + members.get(1..)?.iter().position(|c| *c == b']')?;
    let (members, rest) = (&members[..end], &members[end + 1..]);
    let Some(character) = character.filter(|c| *c != b'/') else {
        return Some((false, rest));
    };
    let mut found = false;
    let mut at = 0;
    while let Some(first) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some(b'-'), Some(last)) => {
                found |= (*first..=*last).contains(&character);
                at += 3;
            }
            _ => {
                found |= *first == character;
                at += 1;
            }
        }
    }
    Some((found != negated, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_both_spellings() {
        for (key, expected) in [
            ("kernel.sysrq", "kernel/sysrq"),
            ("kernel/sysrq", "kernel/sysrq"),
            ("/kernel//sysrq", "kernel/sysrq"),
            (
                "net.ipv4.conf.eth0/1.rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
            (
                "net/ipv4/conf/eth0.1/rp_filter",
                "net/ipv4/conf/eth0.1/rp_filter",
            ),
        ] {
            assert_eq!(normal(key), expected);
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("kernel/*", "kernel/sysrq", true),
            ("*", "kernel/sysrq", false),
            ("kernel/sys?q", "kernel/sysrq", true),
            ("kernel/[r-t]ysrq", "kernel/sysrq", true),
            ("kernel/[!s]ysrq", "kernel/sysrq", false),
            ("kernel/[s", "kernel/sysrq", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern}"
            );
        }
    }
}
