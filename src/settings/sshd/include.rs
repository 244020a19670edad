//! The files that an `Include` names: glob(3) without flags, below the root.

use crate::os::root::Root;
use std::io;

/// Where relative names are looked for, whichever file includes them.
const SSHDIR: &str = "/etc/ssh";
/// More matches than any configuration has.
const MAX_MATCHES: usize = 4096;

/// Paths that match, in the order of their bytes.
pub(in crate::settings) fn matches(root: &Root, pattern: &str) -> io::Result<Vec<String>> {
    let pattern = match pattern.starts_with(['/', '~']) {
        true => pattern.to_owned(),
        false => format!("{SSHDIR}/{pattern}"),
    };
    if !pattern.starts_with('/') {
        // `~` is left as it stands: a name relative to where sshd happens to run.
        return Ok(Vec::new());
    }
    let mut found = vec![String::new()];
    for component in pattern.split('/').filter(|name| !name.is_empty()) {
        let mut next = Vec::new();
        for base in &found {
            if !component.contains(['*', '?', '[', '\\']) {
                let path = format!("{base}/{component}");
                if exists(root, &path) {
                    next.push(path);
                }
                continue;
            }
            // What cannot be listed matches nothing, as in glob(3) without GLOB_ERR.
            let Ok(Some(names)) = root.list(base.as_bytes()) else {
                continue;
            };
            for (name, _) in names.iter() {
                let name = String::from_utf8_lossy(name);
                if matches_name(&name, component) {
                    next.push(format!("{base}/{name}"));
                }
            }
            if next.len() > MAX_MATCHES {
                return Err(io::Error::other(format!(
                    "more than {MAX_MATCHES} files match {pattern}"
                )));
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

fn exists(root: &Root, path: &str) -> bool {
    // A dangling link is there for glob(3), and is an error when it is opened.
    root.resolve(path.as_bytes(), false)
        .is_ok_and(|found| found.handle.is_some())
}

/// fnmatch(3) with FNM_PERIOD over one name.
fn matches_name(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let mut states = vec![0];
    // One step of a nondeterministic automaton a character: time is bounded however many stars there are.
    let close = |states: &mut Vec<usize>| {
        let mut i = 0;
        while i < states.len() {
            let state = states[i];
            if pattern.get(state) == Some(&'*') && !states.contains(&(state + 1)) {
                states.push(state + 1);
            }
            i += 1;
        }
    };
    close(&mut states);
    for c in name {
        let mut next = Vec::new();
        for state in states {
            let to = match pattern.get(state) {
                Some('*') => Some(state),
                Some('?') => Some(state + 1),
                Some('[') => match bracket(&pattern, state, c) {
                    Some((true, end)) => Some(end),
                    Some((false, _)) => None,
                    None => (c == '[').then_some(state + 1),
                },
                Some('\\') if pattern.len() > state + 1 => {
                    (pattern[state + 1] == c).then_some(state + 2)
                }
                Some(literal) => (*literal == c).then_some(state + 1),
                None => None,
            };
            if let Some(to) = to.filter(|to| !next.contains(to)) {
                next.push(to);
            }
        }
        close(&mut next);
        states = next;
    }
    states.contains(&pattern.len())
}

/// Whether `c` is in the bracket expression at `start`, and where that ends; `None` if it has no end.
fn bracket(pattern: &[char], start: usize, c: char) -> Option<(bool, usize)> {
    let mut at = start + 1;
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    if negated {
        at += 1;
    }
    let first = at;
    let mut hit = false;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > first {
            return Some((hit != negated, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(high)) if *high != ']' => {
                hit |= (low..=*high).contains(&c);
                at += 3;
            }
            _ => {
                hit |= low == c;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, pattern, expected) in [
            ("a.conf", "*.conf", true),
            (".a.conf", "*.conf", false),
            (".a.conf", ".*.conf", true),
            ("a.conf", "?.conf", true),
            ("b1", "[ab][0-9]", true),
            ("b1", "[!ab][0-9]", false),
            ("a]", "a[]]", true),
            ("a*", "a\\*", true),
            ("ab", "a\\*", false),
            ("[", "[", true),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                "*a*a*a*a*a*a*a*a*a*c",
                false,
            ),
        ] {
            assert_eq!(matches_name(name, pattern), expected, "{name} {pattern}");
        }
    }
}
