//! Commands of a policy, and what somebody may ask for (match_command.c).
//!
//! A command is asked for by a path and arguments. Of patterns one path is asked for that fits them and nothing that is
//! spelled out: if a later rule takes back a part of a pattern, the rest of it stands.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::{Budget, Kind, List, Location, Member, Name, Policy, flat};
use agent_core::glob::{Glob, PathGlob, Syntax};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Stands in a sample for what no policy spells out.
const ANYTHING: &str = "\u{1}";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Query {
    pub(super) path: Rc<str>,
    arguments: Rc<str>,
}

impl Query {
    /// A command that no policy names.
    pub(super) fn any() -> Query {
        Query {
            path: ANYTHING.into(),
            arguments: "".into(),
        }
    }

    /// Whether the path is one that nobody spells out.
    pub(super) fn is_sample(&self) -> bool {
        self.path.contains(ANYTHING)
    }
}

#[derive(Debug)]
enum Path {
    /// One program, `sudoedit` or a regular expression, which fits what is asked for in its own words.
    Exact,
    /// A directory with `/` at its end: what lies right in it.
    Directory,
    Pattern(PathGlob),
}

/// One command of a list.
#[derive(Debug)]
struct Spec {
    text: Rc<str>,
    path: Path,
    /// `None`: any arguments.
    arguments: Option<Glob>,
    sample: Rc<str>,
}

impl Spec {
    fn new(word: &str, links: &Links) -> Spec {
        let (text, arguments) = match word.split_once(' ') {
            // Blanks may stand in a regular expression.
            _ if word.starts_with('^') => (word, None),
            Some((text, arguments)) => (text, Some(arguments)),
            None => (word, None),
        };
        let text: Rc<str> = links.real(text).into();
        let path = match &*text {
            regex if regex.starts_with('^') => Path::Exact,
            pattern if pattern.contains(['*', '?', '[']) => {
                let whole = match pattern.ends_with('/') {
                    true => format!("{pattern}*"),
                    false => pattern.to_owned(),
                };
                Path::Pattern(PathGlob::new(whole.as_bytes(), Syntax::Fnmatch))
            }
            directory if directory.ends_with('/') => Path::Directory,
            _ => Path::Exact,
        };
        let arguments = arguments.map(|text| match text {
            "\"\"" => "",
            text => text,
        });
        Spec {
            text,
            path,
            sample: arguments.map_or(ANYTHING.into(), |text| sample(text).into()),
            arguments: arguments.map(|text| Glob::new(text.as_bytes(), Syntax::Fnmatch)),
        }
    }

    fn fits(&self, query: &Query) -> bool {
        let path = match &self.path {
            Path::Exact => self.text == query.path,
            Path::Directory => query
                .path
                .strip_prefix(&*self.text)
                .is_some_and(|name| !name.is_empty() && !name.contains('/')),
            Path::Pattern(glob) => {
                glob.matches(query.path.as_bytes()) || sample(&self.text) == *query.path
            }
        };
        path && match &self.arguments {
            None => true,
            Some(glob) => {
                query.arguments == self.sample || glob.matches(query.arguments.as_bytes())
            }
        }
    }

    /// What somebody asks for who wants this command.
    fn queries(&self) -> Vec<Query> {
        let path: Rc<str> = match self.path {
            Path::Exact => Rc::clone(&self.text),
            Path::Directory => format!("{}{ANYTHING}", self.text).into(),
            Path::Pattern(_) => sample(&self.text).into(),
        };
        let query = |arguments: &Rc<str>| Query {
            path: Rc::clone(&path),
            arguments: Rc::clone(arguments),
        };
        match self.arguments {
            Some(_) => vec![query(&self.sample)],
            None => vec![query(&self.sample), query(&"".into())],
        }
    }
}

/// A text that fits the pattern, with something in place of its wildcards that nobody spells out.
fn sample(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' | '?' => text.push_str(ANYTHING),
            '\\' => text.extend(rest.next()),
            '[' => match rest.as_str().split_once(']') {
                Some((set, behind)) => {
                    match set.chars().next() {
                        None | Some('!' | '^' | '[') => text.push_str(ANYTHING),
                        Some(first) => text.push(first),
                    }
                    rest = behind.chars();
                }
                None => text.push('['),
            },
            c => text.push(c),
        }
    }
    text
}

/// Directories of programs that are links to others, as `/bin/` to `/usr/bin/`: a command is known by its inode.
#[derive(Clone, Debug, Default)]
pub(in crate::settings::accounts) struct Links(Vec<(String, String)>);

impl Links {
    /// Each directory with where it leads, both with `/` at both ends.
    pub(in crate::settings::accounts) fn new(pairs: Vec<(String, String)>) -> Links {
        Links(pairs)
    }

    fn real(&self, path: &str) -> String {
        for (from, to) in &self.0 {
            if let Some(name) = path.strip_prefix(from.as_str()) {
                return format!("{to}{name}");
            }
        }
        path.to_owned()
    }
}

/// A list of commands with its aliases replaced.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// The strongest first, and whether each is negated.
    specs: Vec<(Spec, bool)>,
    by_path: HashMap<Rc<str>, Vec<usize>>,
    /// Those that are not known by one path.
    open: Vec<usize>,
    /// The rank of `ALL`, which is the weakest that is kept.
    all: Option<bool>,
}

impl Commands {
    pub(super) fn new(
        policy: &Policy,
        list: &[Member],
        links: &Links,
        place: &Location,
        budget: &mut Budget,
    ) -> Commands {
        let mut commands = Commands::default();
        for (name, negated) in flat::strongest(policy, Kind::Command, list, place, budget) {
            let word = match name {
                Name::All => {
                    commands.all = Some(!negated);
                    break;
                }
                Name::Word(word) | Name::Alias(word) => word,
            };
            let (spec, at) = (Spec::new(&word, links), commands.specs.len());
            match spec.path {
                Path::Exact => {
                    let same = commands.by_path.entry(Rc::clone(&spec.text));
                    same.or_default().push(at);
                }
                Path::Directory | Path::Pattern(_) => commands.open.push(at),
            }
            commands.specs.push((spec, negated));
        }
        commands
    }

    /// Whether the list gives what is asked for or refuses it; `None` where it says nothing of it.
    pub(super) fn allows(
        &self,
        query: &Query,
        place: &Location,
        budget: &mut Budget,
    ) -> Option<bool> {
        let same = self.by_path.get(&query.path).map_or(&[][..], Vec::as_slice);
        let steps = same.len().saturating_add(self.open.len());
        if !budget.spend(steps.saturating_add(1), place) {
            return None;
        }
        let fits = |at: &&usize| self.specs[**at].0.fits(query);
        let first = same.iter().find(fits).into_iter();
        let strongest = first.chain(self.open.iter().find(fits)).min();
        strongest.map(|at| !self.specs[*at].1).or(self.all)
    }

    /// What somebody asks for who wants one of these commands.
    pub(super) fn queries(&self, found: &mut HashSet<Query>) {
        // `list` runs nothing.
        let commands = self.specs.iter().filter(|(spec, _)| &*spec.text != "list");
        found.extend(commands.flat_map(|(spec, _)| spec.queries()));
    }

    /// The paths that lead to the list without its patterns being looked at; whether it has such as have none.
    pub(super) fn paths(&self) -> (impl Iterator<Item = &Rc<str>>, bool) {
        (
            self.by_path.keys(),
            self.all.is_some() || !self.open.is_empty(),
        )
    }
}

/// The lists of commands of one policy, each once.
pub(super) struct Known<'a> {
    policy: &'a Policy,
    links: &'a Links,
    lists: HashMap<List, Rc<Commands>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(policy: &'a Policy, links: &'a Links) -> Known<'a> {
        Known {
            policy,
            links,
            lists: HashMap::new(),
        }
    }

    pub(super) fn commands(
        &mut self,
        list: &[Member],
        place: &Location,
        budget: &mut Budget,
    ) -> Rc<Commands> {
        if let Some(known) = self.lists.get(list) {
            return Rc::clone(known);
        }
        let commands = Rc::new(Commands::new(self.policy, list, self.links, place, budget));
        self.lists.insert(list.into(), Rc::clone(&commands));
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(spec: &str, path: &str, arguments: &str) -> bool {
        let links = Links(vec![("/bin/".into(), "/usr/bin/".into())]);
        Spec::new(spec, &links).fits(&Query {
            path: path.into(),
            arguments: arguments.into(),
        })
    }

    #[test]
    fn one_spec_one_command() {
        assert!(fits("/bin/ls", "/usr/bin/ls", "-l"));
        assert!(!fits("/bin/ls", "/usr/bin/lsof", ""));
        assert!(fits("/bin/ls \"\"", "/usr/bin/ls", ""));
        assert!(!fits("/bin/ls \"\"", "/usr/bin/ls", "-l"));
        assert!(fits("/bin/ls -*", "/usr/bin/ls", "-l /x"));
        assert!(fits("/opt/", "/opt/a", ""));
        assert!(!fits("/opt/", "/opt/a/b", ""));
        assert!(fits("/opt/*", "/opt/a", ""));
        assert!(!fits("/opt/*", "/opt/a/b", ""));
        assert!(!fits("/opt/a", "sudoedit", "/opt/a"));
    }

    #[test]
    fn a_sample_fits_its_own_spec() {
        for spec in [
            "/bin/ls",
            "/bin/l*",
            "/bin/l? -[a-z] *",
            "/opt/",
            "/o*/",
            "^/bin/.*$",
            "/bin/[!a-y]x",
            "sudoedit /etc/*",
        ] {
            let spec = Spec::new(spec, &Links::default());
            assert!(
                spec.queries().iter().all(|query| spec.fits(query)),
                "{spec:?}"
            );
        }
    }
}
