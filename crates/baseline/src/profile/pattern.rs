//! Path patterns: `*` and `?` within one component, `**` for any number of whole ones. Bytes, not text.

use agent_core::glob::{Glob, Syntax};

/// One component of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`
    AnyDepth,
    /// Has `*` or `?` in it: as written, and compiled.
    Glob(Box<[u8]>, Glob),
    /// Stands for itself.
    Literal(Box<[u8]>),
}

/// A whole path in which components may be patterns. `/` has no component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    components: Vec<Component>,
    text: String,
}

/// Bytes of a pattern: no path that a system call takes is longer (PATH_MAX of limits.h).
// Own bound: the kernel's.
const LONGEST: usize = 4096;

/// What an entry's name is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Head<'a> {
    /// That name.
    Literal(&'a [u8]),
    /// Wildcards, as written.
    Glob(&'a [u8]),
}

/// How far a pattern has matched below some directory: the index of the component to match next.
pub type ComponentIndex = u16;

impl Pattern {
    /// Parses an absolute path; `any_depth` says whether `**` may stand for whole components.
    ///
    /// The error is one clause that says what is wrong.
    pub fn parse(text: &str, any_depth: bool) -> Result<Pattern, &'static str> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("is not absolute: it must start with `/`");
        };
        if text.bytes().any(|b| b == 0) {
            return Err("holds a NUL byte, which no path does");
        }
        let mut components = Vec::new();
        if !rest.is_empty() {
            for name in rest.split('/') {
                components.push(match name {
                    "" => return Err("has an empty component (`//`, or `/` at the end)"),
                    "." | ".." => return Err("has `.` or `..` in it"),
                    "**" if any_depth && components.last() == Some(&Component::AnyDepth) => {
                        return Err("has `**` twice in a row: once says the same");
                    }
                    "**" if any_depth => Component::AnyDepth,
                    "**" => return Err("has `**`, which only an exclude may have"),
                    _ if name.contains("**") => {
                        return Err(
                            "has `**` beside other characters: it stands for whole components",
                        );
                    }
                    _ if name.contains(['*', '?']) => {
                        let glob = Glob::new(name.as_bytes(), Syntax::Stars);
                        Component::Glob(name.as_bytes().into(), glob)
                    }
                    _ => Component::Literal(name.as_bytes().into()),
                });
            }
        }
        if components.len() > 100 || text.len() > LONGEST {
            return Err("is too long");
        }
        Ok(Pattern {
            components,
            text: text.to_owned(),
        })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is `/`.
    pub fn is_root(&self) -> bool {
        self.components.is_empty()
    }

    /// The more components, and the fewer of them patterns, the more specific.
    pub fn specificity(&self) -> (usize, usize) {
        let literal = |c: &&Component| matches!(c, Component::Literal(_));
        let literals = self.components.iter().filter(literal).count();
        (self.components.len(), literals)
    }

    /// What names are compared with from `place`: nothing where every name matches.
    pub fn heads<'a>(&'a self, place: ComponentIndex, take: &mut dyn FnMut(Head<'a>)) {
        match self.components.get(usize::from(place)) {
            None => {}
            Some(Component::AnyDepth) => self.heads(place.saturating_add(1), take),
            Some(Component::Glob(text, _)) => take(Head::Glob(text)),
            Some(Component::Literal(name)) => take(Head::Literal(name)),
        }
    }

    /// Matches `name` from `place`: calls `next` with each place from which the entries of `name` go on,
    /// and returns whether the pattern ends at `name`.
    pub fn step(
        &self,
        place: ComponentIndex,
        name: &[u8],
        next: &mut dyn FnMut(ComponentIndex),
    ) -> bool {
        let after = place.saturating_add(1);
        let last = usize::from(after) == self.components.len();
        let matches = match self.components.get(usize::from(place)) {
            None => return false,
            Some(Component::AnyDepth) => {
                next(place);
                // At the end it stands for everything below, at least one component.
                return last || self.step(after, name, next);
            }
            Some(Component::Glob(_, glob)) => glob.matches(name),
            Some(Component::Literal(literal)) => **literal == *name,
        };
        if matches && !last {
            next(after);
        }
        matches && last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the pattern ends at exactly that path.
    fn matches(pattern: &str, path: &str) -> bool {
        let pattern = Pattern::parse(pattern, true).expect("a good pattern");
        let names: Vec<&str> = path.split('/').skip(1).collect();
        let mut places = vec![0];
        for (i, name) in names.iter().enumerate() {
            let mut next = Vec::new();
            let mut ended = false;
            for place in places {
                ended |= pattern.step(place, name.as_bytes(), &mut |p| {
                    if !next.contains(&p) {
                        next.push(p);
                    }
                });
            }
            if i + 1 == names.len() {
                return ended;
            }
            places = next;
        }
        false
    }

    #[test]
    fn stars_stay_within_a_component() {
        assert!(matches("/usr/*/x", "/usr/lib/x"));
        assert!(!matches("/usr/*/x", "/usr/lib/y/x"));
        assert!(matches("/usr/l?b*", "/usr/lib64"));
        assert!(matches("/usr/*", "/usr/.hidden"));
        assert!(!matches("/usr/*", "/usr"));
    }

    #[test]
    fn two_stars_span_components() {
        assert!(matches("/a/**", "/a/b"));
        assert!(matches("/a/**", "/a/b/c"));
        assert!(!matches("/a/**", "/a"));
        assert!(matches("/a/**/z", "/a/z"));
        assert!(matches("/a/**/z", "/a/b/c/z"));
        assert!(matches("/**/*.pyc", "/x.pyc"));
        assert!(matches("/**/*.pyc", "/u/v/x.pyc"));
        assert!(!matches("/**/*.pyc", "/u/v/x.py"));
        assert!(matches("/a/**/b/**/c", "/a/b/b/x/c"));
    }

    #[test]
    fn brackets_stand_for_themselves() {
        assert!(matches("/usr/bin/[", "/usr/bin/["));
        assert!(!matches("/usr/bin/[ab]", "/usr/bin/a"));
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in [
            "", "usr", "/usr/", "//usr", "/a/../b", "/a**", "/***", "/./a",
        ] {
            assert!(Pattern::parse(bad, true).is_err(), "{bad}");
        }
        assert!(Pattern::parse("/a/**", false).is_err());
    }

    #[test]
    fn many_stars_end_at_once() {
        let name = "a".repeat(255);
        assert!(!matches(
            &format!("/{}b", "*a".repeat(48)),
            &format!("/{name}")
        ));
        assert!(matches(
            &format!("/{}", "*a".repeat(48)),
            &format!("/{name}")
        ));
        let deep = "/a".repeat(48);
        assert!(!matches(&format!("{}/b", "/**/a".repeat(24)), &deep));
        assert!(matches(&"/**/a".repeat(24), &deep));
    }
}
