//! As whom a command is to run: `sudo`, `sudo -u USER`, `sudo -g GROUP`, `sudo -u USER -g GROUP` (match.c,
//! `runaslist_matches`; mod.rs of sudo-rs, `check_permission`).

use super::Dialect;
use super::flat::Flat;
use std::rc::Rc;

/// Whom somebody asks to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The names that are true for the user; of the one who asks, where only a group is asked for.
    pub(super) user: Vec<Rc<str>>,
    /// The names of the group that is asked for, of which the user is no member.
    pub(super) group: Option<Vec<Rc<str>>>,
    /// Whether the user is the one who asks.
    pub(super) myself: bool,
    /// Whether the user is root.
    pub(super) root: bool,
    /// For a person: `root`, `alice`, `group adm`.
    pub(super) shown: String,
}

/// A Runas specification with its aliases replaced.
#[derive(Clone, Debug)]
pub(super) enum RunAs {
    /// None is given: `runas_default` alone.
    Default,
    Given {
        /// `None`: whoever asks.
        users: Option<Rc<Flat>>,
        groups: Option<Rc<Flat>>,
    },
}

impl RunAs {
    /// Whether it is the other, list by list: equal lists are one.
    pub(super) fn is_same(&self, other: &RunAs) -> bool {
        let same = |one: &Option<Rc<Flat>>, two: &Option<Rc<Flat>>| match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => Rc::ptr_eq(one, two),
            _ => false,
        };
        match (self, other) {
            (RunAs::Default, RunAs::Default) => true,
            (
                RunAs::Given { users, groups },
                RunAs::Given {
                    users: other_users,
                    groups: other_groups,
                },
            ) => same(users, other_users) && same(groups, other_groups),
            _ => false,
        }
    }

    /// Whether the rule is about that target. `default` are the names of the user that `runas_default` names.
    pub(super) fn fits(&self, target: &Target, default: &Rc<str>, dialect: Dialect) -> bool {
        match dialect {
            Dialect::SudoRs => self.fits_rs(target),
            Dialect::Sudo { before_1_9_14 } => {
                let is_default = target.user.contains(default);
                if before_1_9_14 && matches!(self, RunAs::Default) && !target.myself {
                    return is_default;
                }
                self.fits_sudo(target, is_default, before_1_9_14)
            }
        }
    }

    fn fits_sudo(&self, target: &Target, is_default: bool, before_1_9_14: bool) -> bool {
        let (mut user, groups) = match self {
            RunAs::Default => (is_default.then_some(true), &None),
            RunAs::Given { users, groups } => match users {
                _ if before_1_9_14 && target.myself => (Some(true), groups),
                None => (target.myself.then_some(true), groups),
                Some(users) => (users.allows(&target.user), groups),
            },
        };
        let Some(asked) = &target.group else {
            return user == Some(true);
        };
        // A group that is the user's own would fit as well; such a one is not asked for.
        let group = groups.as_ref().and_then(|groups| groups.allows(asked));
        if group == Some(true) && user.is_none() && target.myself {
            user = Some(true);
        }
        user == Some(true) && group == Some(true)
    }

    fn fits_rs(&self, target: &Target) -> bool {
        let RunAs::Given { users, groups } = self else {
            return target.root && target.group.is_none();
        };
        let lists = |list: &Option<Rc<Flat>>, names: &[Rc<str>]| {
            let list = list.as_ref();
            list.and_then(|list| list.allows(names)) == Some(true)
        };
        let user = target.myself || lists(users, &target.user);
        let group = target.group.as_ref();
        user && group.is_none_or(|group| lists(groups, group))
    }
}

#[cfg(test)]
mod tests {
    use super::super::flat::Hit;
    use super::*;

    fn list(names: &[&str]) -> Option<Rc<Flat>> {
        let mut flat = Flat::default();
        for (rank, name) in names.iter().rev().enumerate() {
            let (negated, name) = match name.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, *name),
            };
            let hit = Hit { rank, negated };
            match name {
                "ALL" => flat.all = Some(hit),
                name => {
                    flat.words.insert(name.into(), (hit, name.into()));
                }
            }
        }
        Some(Rc::new(flat))
    }

    /// As root, as root with the group, as oneself with the group.
    fn fits(run_as: &RunAs, before_1_9_14: bool) -> [bool; 3] {
        let root = Target {
            user: vec!["root".into(), "#0".into()],
            root: true,
            ..Target::default()
        };
        let group = Some(vec!["adm".into(), "#4".into()]);
        let with_group = Target {
            group: group.clone(),
            ..root.clone()
        };
        let myself = Target {
            user: vec!["ann".into()],
            group,
            myself: true,
            ..Target::default()
        };
        let dialect = Dialect::Sudo { before_1_9_14 };
        [root, with_group, myself].map(|target| run_as.fits(&target, &"root".into(), dialect))
    }

    #[test]
    fn users_and_groups() {
        let given = |users, groups| RunAs::Given { users, groups };
        for (run_as, expected) in [
            (RunAs::Default, [true, false, false]),
            (given(list(&["ALL"]), None), [true, false, false]),
            (given(list(&["ALL"]), list(&["ALL"])), [true, true, true]),
            (given(list(&["ALL"]), list(&["#4"])), [true, true, true]),
            (given(None, list(&["adm"])), [false, false, true]),
            (given(list(&["root"]), list(&["adm"])), [true, true, true]),
            (given(list(&["ALL", "!root"]), None), [false, false, false]),
            (
                given(list(&["ALL"]), list(&["ALL", "!adm"])),
                [true, false, false],
            ),
        ] {
            assert_eq!(fits(&run_as, false), expected, "{run_as:?}");
        }
        assert_eq!(fits(&RunAs::Default, true), [true, true, false]);
        let nobody = given(list(&["!ALL"]), list(&["adm"]));
        assert_eq!(fits(&nobody, false), [false, false, false]);
        assert_eq!(fits(&nobody, true), [false, false, true]);
    }
}
