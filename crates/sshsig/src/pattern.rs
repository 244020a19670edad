//! Pattern lists (ssh_config(5), PATTERNS): `*` for any characters, `?` for
//! one, a list separated by commas, `!` in front for an exception.

use agent_core::glob::{self, Syntax};

/// The longest pattern in a list that ssh-keygen takes; it matches nothing
/// with a list that has a longer one.
// Own bound: OpenSSH's.
const LONGEST: usize = 1022;

/// Whether the list matches: at least one pattern does, and no exception does.
pub(super) fn list_matches(list: &str, text: &str) -> bool {
    let mut matched = false;
    for entry in list.split(',') {
        let (pattern, exception) = match entry.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (entry, false),
        };
        if pattern.len() > LONGEST {
            return false;
        }
        if glob::matches(pattern.as_bytes(), Syntax::Stars, text.as_bytes()) {
            if exception {
                return false;
            }
            matched = true;
        }
    }
    matched
}

/// Whether the list can match anything at all.
pub(super) fn list_names_something(list: &str) -> bool {
    list.split(',')
        .any(|entry| !entry.is_empty() && !entry.starts_with('!'))
}

#[cfg(test)]
mod tests {
    use super::list_matches;

    #[test]
    fn matches_as_ssh_config_says() {
        for (list, text, expected) in [
            ("git", "git", true),
            ("git", "gi", false),
            ("git", "gitt", false),
            ("*", "", true),
            ("", "a", false),
            ("?", "", false),
            ("h*t-*agent", "host-integrity-agent", true),
            ("h*t-*agent?", "host-integrity-agent", false),
            ("**a*b**", "xaxb", true),
            ("a,b", "b", true),
            ("*,!b", "b", false),
            ("!b,*", "b", false),
            ("!b", "a", false),
            ("!a,!b", "c", false),
            ("A", "a", false),
        ] {
            assert_eq!(list_matches(list, text), expected, "{list:?} on {text:?}");
        }
        let long = "x".repeat(2000);
        assert!(!list_matches(&format!("*,{long}"), "a"));
    }
}
