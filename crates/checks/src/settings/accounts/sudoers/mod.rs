//! sudoers(5): who may do what as whom, as sudo itself reads it (toke.l and gram.y of sudo 1.9).
//!
//! [`mod@read`] follows includes and keeps every line in its order, `lexer` and `grammar` take one file apart, and
//! [`grants`] says to whom sudo gives a command without asking for a password.

mod grammar;
pub(super) mod grants;
mod lexer;
mod read;

pub(super) use read::read;

use std::collections::HashMap;
use std::rc::Rc;

/// Whom or what an entry of a list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `ALL`
    All,
    /// The name of an alias.
    Alias(String),
    /// Anything else as it stands, quotes and escapes taken off: `ann`, `%wheel`, `#1000`, `+net`, `/bin/ls -l`.
    Word(String),
}

/// One entry of a list; of several that fit, the last decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) negated: bool,
    pub(super) name: Name,
}

/// `FILE:LINE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
}

impl Place {
    pub(super) fn text(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// One command that a line gives to some users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) users: Rc<[Member]>,
    pub(super) hosts: Rc<[Member]>,
    /// `None` where nothing is said: the user that `runas_default` names, mostly root.
    pub(super) runas: Option<Rc<[Member]>>,
    pub(super) command: Member,
    /// Whether it holds for a time, or for a file with a certain digest, alone.
    pub(super) limited: bool,
    /// Whether the tag says `NOPASSWD` or `PASSWD`, here or earlier in the same list.
    pub(super) nopasswd: Option<bool>,
    pub(super) place: Place,
}

/// For whom or what a `Defaults` line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    Users,
    Runas,
    Hosts,
    Commands,
}

/// One setting of a `Defaults` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) scope: Scope,
    pub(super) members: Vec<Member>,
    pub(super) name: String,
    pub(super) negated: bool,
    pub(super) value: Option<String>,
    pub(super) place: Place,
}

/// Which list an alias stands for; a name may be used once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    User,
    Host,
    Runas,
    Command,
}

/// A line that sudo does not understand, or a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) place: Place,
}

/// Everything that sudo reads, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) settings: Vec<Setting>,
    pub(super) aliases: HashMap<(Kind, String), Vec<Member>>,
    pub(super) troubles: Vec<Trouble>,
}

/// Aliases within aliases go no deeper in any real file.
const MAX_NESTING: usize = 32;
/// More members than any list has once its aliases are replaced.
const MAX_MEMBERS: usize = 100_000;

impl Policy {
    /// The list with its aliases replaced by what they stand for, a negated alias turned round.
    pub(super) fn flat(&self, kind: Kind, list: &[Member]) -> Vec<Member> {
        let (mut flat, mut steps) = (Vec::new(), 0);
        self.flatten(kind, list, false, MAX_NESTING, &mut flat, &mut steps);
        flat
    }

    fn flatten(
        &self,
        kind: Kind,
        list: &[Member],
        negated: bool,
        depth: usize,
        flat: &mut Vec<Member>,
        steps: &mut usize,
    ) {
        for member in list {
            // Counted by what is looked at: aliases that double may come to nothing in the end.
            *steps += 1;
            if *steps > MAX_MEMBERS {
                return;
            }
            let turned = Member {
                negated: member.negated != negated,
                name: member.name.clone(),
            };
            match &member.name {
                Name::Alias(name) => match self.aliases.get(&(kind, name.clone())) {
                    Some(inner) if depth > 0 => {
                        self.flatten(kind, inner, turned.negated, depth - 1, flat, steps);
                    }
                    // In circles: sudo takes such an alias for one that matches nobody.
                    Some(_) => {}
                    // A name in capitals that is no alias is a name.
                    None => flat.push(Member {
                        name: Name::Word(name.clone()),
                        ..turned
                    }),
                },
                _ => flat.push(turned),
            }
        }
    }
}
