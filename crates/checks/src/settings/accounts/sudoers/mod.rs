//! sudoers(5): who may do what as whom, as the program that would run reads it and as it decides.
//!
//! [`mod@read`] follows includes and keeps every line in its order; `lexer` and `grammar` take one file apart (toke.l
//! and gram.y of sudo 1.9), and `rs` says which lines sudo-rs drops. [`evaluate`] then asks, for everybody who can be
//! told apart, what would run without a password: `flat` are lists with their aliases replaced, `people` those who
//! ask, `hosts` where, `runas` as whom, `commands` what, and `decide` answers.

mod commands;
mod compiled;
mod decide;
mod evaluate;
mod flat;
mod grammar;
mod hosts;
mod lexer;
mod people;
mod query;
mod read;
mod rs;
mod runas;
mod state;

pub(super) use commands::Links;
pub(super) use evaluate::without_password;
pub(super) use query::{Grant, Grants};
pub(super) use read::{Source, read};

use std::collections::HashMap;
use std::rc::Rc;

/// Whose rules of reading and deciding are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Todd Miller's sudo.
    Sudo {
        /// Before 1.9.14 a rule without a Runas list fits `-u root -g GROUP` whatever the group, and for `-g GROUP`
        /// alone the users of a Runas list do not count (match.c of 1.9.13).
        before_1_9_14: bool,
    },
    /// sudo-rs.
    SudoRs,
}

/// Whom or what an entry of a list names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// `ALL`
    All,
    /// The name of an alias.
    Alias(Rc<str>),
    /// Anything else as it stands, quotes and escapes taken off: `ann`, `%wheel`, `#1000`, `+net`, `/bin/ls -l`.
    Word(Rc<str>),
}

/// One entry of a list; of several that fit, the last decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) negated: bool,
    pub(super) name: Name,
}

/// A list as it stands, shared by the rules of a line.
pub(super) type List = Rc<[Member]>;

/// `FILE:LINE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) file: Rc<str>,
    pub(super) line: usize,
}

impl Location {
    pub(super) fn text(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// What stands in parentheses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RunAs {
    /// `None` where no user is named, as in `(:adm)`: the invoking user.
    pub(super) users: Option<List>,
    /// `None` where there is no colon with something behind it.
    pub(super) groups: Option<List>,
}

/// One command that a line gives to some users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) users: List,
    pub(super) hosts: List,
    /// `None` where nothing is said: the user that `runas_default` names, mostly root.
    pub(super) runas: Option<Rc<RunAs>>,
    pub(super) command: Member,
    /// Whether it holds for a time, or for a file with a certain digest, alone.
    pub(super) limited: bool,
    /// Whether the tag says `NOPASSWD` or `PASSWD`, here or earlier in the same list.
    pub(super) nopasswd: Option<bool>,
    pub(super) place: Location,
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
    pub(super) members: List,
    pub(super) name: String,
    pub(super) negated: bool,
    pub(super) value: Option<String>,
    pub(super) place: Location,
}

/// Which list an alias stands for; a name may be used once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    User,
    Host,
    Runas,
    Command,
}

/// A line that the program does not understand, a file that cannot be read, or a bound of the agent's: what keeps the
/// verdict from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) reason: String,
    pub(super) place: Location,
}

/// Everything that is read, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) settings: Vec<Setting>,
    pub(super) aliases: HashMap<(Kind, Rc<str>), List>,
    pub(super) troubles: Vec<Trouble>,
    /// Files and directories that the program passes over by itself, with its reason.
    pub(super) ignored: Vec<String>,
}

/// Steps that an evaluation may take: comparisons of a list, a rule or a pattern with what is asked. Real policies take
/// some thousands; a million take a fraction of a second.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// Where the steps ended.
    pub(super) cut: Option<Trouble>,
}

impl Budget {
    pub(super) fn new(steps: usize) -> Budget {
        Budget {
            left: steps,
            cut: None,
        }
    }

    /// Whether `steps` more may be taken for what stands at `place`.
    pub(super) fn spend(&mut self, steps: usize, place: &Location) -> bool {
        if let Some(left) = self.left.checked_sub(steps) {
            self.left = left;
            return true;
        }
        self.left = 0;
        self.cut.get_or_insert_with(|| Trouble {
            reason: "the policy takes more steps to evaluate than any real one: what stands here is not judged".into(),
            place: place.clone(),
        });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::bounds;

    #[test]
    fn what_takes_more_steps_than_any_policy_is_named() {
        let mut budget = Budget::new(bounds::SUDOERS_STEPS);
        let place = |line| Location {
            file: "/etc/sudoers".into(),
            line,
        };
        assert!(budget.spend(bounds::SUDOERS_STEPS, &place(1)));
        assert!(budget.cut.is_none());
        assert!(!budget.spend(1, &place(2)) && !budget.spend(1, &place(3)));
        assert_eq!(budget.cut.map(|cut| cut.place.line), Some(2));
    }
}
