//! Wildcard patterns, of every program whose files the agent reads: compiled once, matched without recursion.
//!
//! Time is bounded by pattern length × text length whatever the pattern is: whoever may write a
//! configuration file must not be able to keep a look from its end. Bytes are compared, as in the C locale, in which
//! the programs concerned run.

mod cases;
mod set;

pub use cases::cases;
use set::Set;

/// The rules by which a pattern is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `*` and `?` alone; everything else stands for itself. Profiles, check ids, and OpenSSH's `match_pattern`
    /// (PATTERNS in ssh_config(5)).
    Stars,
    /// fnmatch(3) of glibc without flags: `[…]` with `!` or `^`, classes as `[:digit:]`, `[.x.]` and `[=x=]`, and `\`.
    Fnmatch,
    /// The glob(3) of OpenBSD that OpenSSH brings along (openbsd-compat/glob.c): as fnmatch(3), but `!` alone
    /// negates, `[.x.]` and `[=x=]` mean nothing, and `\` in the last place stands for itself.
    OpenBsd,
}

/// A pattern over one text, in which `*` takes any bytes. For paths whose `*` must not take `/`, see [`PathGlob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    tokens: Box<[Token]>,
    /// Whether a leading dot is matched by a dot alone (`FNM_PERIOD`).
    period: bool,
}

/// What one part of a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Any bytes, or none. Never two in a row.
    Star,
    /// One byte, whichever.
    Any,
    /// That byte.
    Byte(u8),
    /// One byte of the set; an empty set matches nothing.
    Set(Box<Set>),
}

impl Glob {
    /// Compiles a pattern. There is no bad one: what a program finds wrong in its pattern matches nothing there
    /// either, or stands for itself.
    pub fn new(pattern: &[u8], syntax: Syntax) -> Glob {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some((first, behind)) = rest.split_first() {
            let (token, behind) = match (first, syntax) {
                (b'*', _) => (Token::Star, behind),
                (b'?', _) => (Token::Any, behind),
                (b'[', Syntax::Fnmatch | Syntax::OpenBsd) => match set::parse(behind, syntax) {
                    Some((set, behind)) => (Token::Set(Box::new(set)), behind),
                    // Without an end it stands for itself.
                    None => (Token::Byte(b'['), behind),
                },
                (b'\\', Syntax::Fnmatch | Syntax::OpenBsd) => match behind.split_first() {
                    Some((escaped, behind)) => (Token::Byte(*escaped), behind),
                    None if syntax == Syntax::OpenBsd => (Token::Byte(b'\\'), behind),
                    None => (Token::Set(Box::default()), behind),
                },
                (plain, _) => (Token::Byte(*plain), behind),
            };
            if token != Token::Star || tokens.last() != Some(&Token::Star) {
                tokens.push(token);
            }
            rest = behind;
        }
        Glob {
            tokens: tokens.into(),
            period: false,
        }
    }

    /// Compiles a pattern over names in a directory, as glob(3) expands it: wildcards pass hidden names over.
    pub fn of_names(pattern: &[u8], syntax: Syntax) -> Glob {
        Glob {
            period: true,
            ..Glob::new(pattern, syntax)
        }
    }

    /// Whether the pattern matches the whole text.
    pub fn matches(&self, text: &[u8]) -> bool {
        if self.period && text.first() == Some(&b'.') && self.tokens.first() != Some(&DOT) {
            return false;
        }
        let tokens = &*self.tokens;
        let (mut at, mut seen) = (0_usize, 0_usize);
        // The token behind the last star, and how much of the text that star has not taken. An earlier star need not
        // be tried again: what the last one can reach includes all that the earlier could.
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = text.get(seen) {
            match tokens.get(at) {
                Some(Token::Star) => {
                    at = at.saturating_add(1);
                    star = Some((at, seen));
                }
                Some(token) if token.takes(*byte) => {
                    at = at.saturating_add(1);
                    seen = seen.saturating_add(1);
                }
                _ => match star {
                    Some((behind, from)) => {
                        star = Some((behind, from.saturating_add(1)));
                        (at, seen) = (behind, from.saturating_add(1));
                    }
                    None => return false,
                },
            }
        }
        let mut rest = tokens.iter().skip(at);
        rest.all(|token| *token == Token::Star)
    }
}

const DOT: Token = Token::Byte(b'.');

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Token::Star => false,
            Token::Any => true,
            Token::Byte(own) => *own == byte,
            Token::Set(set) => set.has(byte),
        }
    }
}

/// Whether the pattern matches the whole text, for one that is used once.
pub fn matches(pattern: &[u8], syntax: Syntax, text: &[u8]) -> bool {
    Glob::new(pattern, syntax).matches(text)
}

/// A pattern over paths, matched name by name as glob(3) does: no wildcard takes a `/` or a leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathGlob {
    names: Box<[Glob]>,
}

impl PathGlob {
    /// Compiles the pattern.
    pub fn new(pattern: &[u8], syntax: Syntax) -> PathGlob {
        let names = pattern.split(|byte| *byte == b'/');
        PathGlob {
            names: names.map(|name| Glob::of_names(name, syntax)).collect(),
        }
    }

    /// Whether the pattern matches the whole path.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut names = path.split(|byte| *byte == b'/');
        let fit = |glob: &Glob| names.next().is_some_and(|name| glob.matches(name));
        self.names.iter().all(fit) && names.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Syntax; 3] = [Syntax::Stars, Syntax::Fnmatch, Syntax::OpenBsd];

    #[track_caller]
    fn check(syntax: Syntax, cases: &[(&str, &str, bool)]) {
        for (pattern, text, expected) in cases {
            let got = matches(pattern.as_bytes(), syntax, text.as_bytes());
            assert_eq!(got, *expected, "{pattern} on {text} as {syntax:?}");
        }
    }

    #[test]
    fn what_all_have_in_common() {
        for syntax in ALL {
            check(
                syntax,
                &[
                    ("", "", true),
                    ("", "a", false),
                    ("*", "", true),
                    ("**", "x", true),
                    ("?", "", false),
                    ("git", "gi", false),
                    ("git", "gitt", false),
                    ("h*t-*agent", "host-integrity-agent", true),
                    ("h*t-*agent?", "host-integrity-agent", false),
                    ("**a*b**", "xaxb", true),
                    ("*a*b*c", "xaxbxbxc", true),
                    ("*a*b*c", "xaxbxbx", false),
                    ("/a/*", "/a/b/c", true),
                    ("/a?b", "/a/b", true),
                    ("/*.mo", "/x/.y.mo", true),
                    ("A", "a", false),
                ],
            );
        }
        // A byte, not a character.
        check(Syntax::Stars, &[("?", "é", false), ("??", "é", true)]);
    }

    #[test]
    fn stars_know_no_brackets_and_no_escapes() {
        check(
            Syntax::Stars,
            &[
                ("[ab]", "a", false),
                ("[ab]", "[ab]", true),
                ("\\*", "\\x", true),
                ("\\", "\\", true),
            ],
        );
    }

    /// Each was asked of glibc's fnmatch with flags 0 in the C locale.
    #[test]
    fn fnmatch() {
        check(
            Syntax::Fnmatch,
            &[
                ("/a[/]b", "/a/b", true),
                ("a[bc]d", "abd", true),
                ("a[!bc]d", "abd", false),
                ("a[^bc]d", "axd", true),
                ("a[b-d]e", "ace", true),
                ("a[]]b", "a]b", true),
                ("a[!]]b", "a]b", false),
                ("a[-x]b", "a-b", true),
                ("a[x-]b", "a-b", true),
                ("a[bc", "a[bc", true),
                ("a[bc", "ab", false),
                ("a[", "a[", true),
                ("[[", "[[", true),
                ("[[:alpha:]", "[a", true),
                ("[[:foo:]", "[[:foo:]", false),
                ("[\\", "[\\", false),
                ("[[:alpha:]]", "x", true),
                ("[[:alpha:]]", "1", false),
                ("[[:digit:]x]", "x", true),
                ("[[.a.]]", "a", true),
                ("[[=a=]]", "a", true),
                ("a\\*b", "a*b", true),
                ("a\\*b", "axb", false),
                ("a\\", "a\\", false),
                ("[\\]]", "]", true),
                ("[a\\-c]", "b", false),
                ("[a\\-c]", "-", true),
                ("\\a", "a", true),
            ],
        );
    }

    #[test]
    fn openbsd() {
        check(
            Syntax::OpenBsd,
            &[
                ("[ab][0-9]", "b1", true),
                ("[!ab][0-9]", "b1", false),
                ("[^ab]", "c", false),
                ("[^ab]", "^", true),
                ("a[]]", "a]", true),
                ("a\\*", "a*", true),
                ("a\\*", "ab", false),
                ("a\\", "a\\", true),
                ("[", "[", true),
                ("[a", "[a", true),
                ("[[:digit:]]", "7", true),
                ("[[:digits:]]", "7", false),
                ("[a\\]]", "]", true),
            ],
        );
    }

    #[test]
    fn names_and_paths() {
        for (name, pattern, expected) in [
            ("a.conf", "*.conf", true),
            (".a.conf", "*.conf", false),
            (".a.conf", "?a.conf", false),
            (".a.conf", "[.]a.conf", false),
            (".a.conf", ".*.conf", true),
        ] {
            for syntax in ALL {
                let glob = Glob::of_names(pattern.as_bytes(), syntax);
                assert_eq!(
                    glob.matches(name.as_bytes()),
                    expected,
                    "{name} {pattern} {syntax:?}"
                );
            }
        }
        for (pattern, path, expected) in [
            ("kernel/*", "kernel/sysrq", true),
            ("kernel/*", "kernel/a/b", false),
            ("kernel/*", "kernel", false),
            ("*", "kernel/sysrq", false),
            ("*/*", "kernel/sysrq", true),
            ("kernel/sys?q", "kernel/sysrq", true),
            ("kernel?sysrq", "kernel/sysrq", false),
            ("kernel/[r-t]ysrq", "kernel/sysrq", true),
            ("kernel/[!s]ysrq", "kernel/sysrq", false),
            ("kernel/[s", "kernel/sysrq", false),
            ("kernel/\\sysrq", "kernel/sysrq", true),
            ("kernel/*", "kernel/.x", false),
        ] {
            let glob = PathGlob::new(pattern.as_bytes(), Syntax::Fnmatch);
            assert_eq!(
                glob.matches(path.as_bytes()),
                expected,
                "{pattern} on {path}"
            );
        }
    }

    #[test]
    fn stars_cost_no_more_than_length_times_length() {
        // A matcher that tries every way would still be at it when the machine is scrapped.
        let text = "a".repeat(4096);
        for syntax in ALL {
            for part in ["*", "*a", "*a?", "**a", "*[ab]", "*\\a"] {
                let pattern = part.repeat(48);
                let never = format!("{pattern}b");
                assert!(!matches(never.as_bytes(), syntax, text.as_bytes()));
                let glob = Glob::of_names(never.as_bytes(), syntax);
                assert!(!glob.matches(text.as_bytes()));
                let path = PathGlob::new(format!("a/{never}").as_bytes(), syntax);
                assert!(!path.matches(format!("a/{text}").as_bytes()));
            }
            let pattern = "*a".repeat(500);
            assert!(!matches(pattern.as_bytes(), syntax, &[b'a'; 499]));
            assert!(matches(pattern.as_bytes(), syntax, &[b'a'; 500]));
        }
    }
}
