//! A policy ready to be asked: lists flat, each rule with its own, and of the settings those that decide whether a
//! password is asked for.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::commands::{Commands, Known, Links};
use super::flat::{Flat, Lists, canonical};
use super::runas::RunAs;
use super::{Budget, Dialect, Kind, List, Location, Member, Name, Policy, Scope, Setting};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// A rule with its lists.
#[derive(Clone)]
pub(super) struct Rule {
    /// Number in the policy; `None` for the one that stands in for none at all.
    pub(super) number: Option<usize>,
    /// Number of its list of users.
    pub(super) users: usize,
    pub(super) hosts: Rc<Flat>,
    pub(super) runas: RunAs,
    pub(super) commands: Rc<Commands>,
    pub(super) limited: bool,
    pub(super) nopasswd: Option<bool>,
    /// `ALL`, an alias, or a path without its arguments: those are nobody else's matter.
    pub(super) shown: Rc<str>,
    pub(super) place: Location,
}

/// What a setting does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Authenticate(bool),
    /// The canonical name of the group, as `%ops`.
    Exempt(Option<Rc<str>>),
    RunasDefault(Rc<str>),
}

/// For what a setting is.
#[derive(Clone)]
pub(super) enum Bound {
    Everything,
    Users(Rc<Flat>),
    Hosts(Rc<Flat>),
    Runas(Rc<Flat>),
    Commands(Rc<Commands>),
}

/// A setting that decides whether a password is asked for.
#[derive(Clone)]
pub(super) struct Default {
    pub(super) number: usize,
    pub(super) effect: Effect,
    pub(super) bound: Bound,
    pub(super) place: Location,
}

/// See the module.
pub(super) struct Compiled {
    pub(super) rules: Vec<Rule>,
    pub(super) users: Vec<Rc<Flat>>,
    pub(super) defaults: Vec<Default>,
    /// Every name in the lists of users and of Runas.
    pub(super) mentioned: HashSet<Rc<str>>,
    /// Names in lists of Runas: users, and groups as `%adm`.
    targets: HashSet<Rc<str>>,
    /// Names of aliases that are defined by themselves: true for an account of that name, if there is one.
    pub(super) circular: HashSet<Rc<str>>,
    /// Names of which nothing in a tree says for whom they are true.
    pub(super) unknowable: HashSet<Rc<str>>,
    /// Entries of lists of hosts.
    pub(super) hosts: BTreeSet<Rc<str>>,
}

struct Compiler<'a> {
    lists: Lists<'a>,
    known: Known<'a>,
    dialect: Dialect,
    numbers: HashMap<List, usize>,
    users: Vec<Rc<Flat>>,
    mentioned: HashSet<Rc<str>>,
    targets: HashSet<Rc<str>>,
    hosts: BTreeSet<Rc<str>>,
}

/// Takes a policy apart.
pub(super) fn compile(
    policy: &Policy,
    dialect: Dialect,
    links: &Links,
    budget: &mut Budget,
) -> Compiled {
    let mut compiler = Compiler {
        lists: Lists::new(policy, dialect),
        known: Known::new(policy, links),
        dialect,
        numbers: HashMap::new(),
        users: Vec::new(),
        mentioned: HashSet::new(),
        targets: HashSet::new(),
        hosts: BTreeSet::new(),
    };
    let defaults: Vec<Default> = match dialect {
        // It has neither of the settings.
        Dialect::SudoRs => Vec::new(),
        Dialect::Sudo { .. } => {
            let settings = policy.settings.iter().enumerate();
            settings
                .filter_map(|(number, setting)| compiler.default(number, setting, budget))
                .collect()
        }
    };
    let mut rules = Vec::with_capacity(policy.rules.len());
    for (number, rule) in policy.rules.iter().enumerate() {
        rules.push(compiler.rule(number, rule, budget));
    }
    if rules.is_empty() && !defaults.is_empty() {
        rules.push(compiler.stand_in(&defaults[0].place, budget));
    }
    // Without a plugin that knows of them, such groups have no members.
    let plugin = policy
        .settings
        .iter()
        .any(|setting| setting.name == "group_plugin");
    let unknowable = |atom: &&Rc<str>| atom.starts_with('+') || (plugin && atom.starts_with("%:"));
    Compiled {
        rules,
        defaults,
        unknowable: compiler
            .mentioned
            .iter()
            .filter(unknowable)
            .cloned()
            .collect(),
        users: compiler.users,
        mentioned: compiler.mentioned,
        targets: compiler.targets,
        circular: compiler.lists.circular,
        hosts: compiler.hosts,
    }
}

impl Compiled {
    /// Whether one of the names is one that somebody may ask to become.
    pub(super) fn has_targets(&self, atoms: &[Rc<str>]) -> bool {
        atoms.iter().any(|atom| self.targets.contains(atom))
    }
}

impl Compiler<'_> {
    fn list(&mut self, kind: Kind, list: &List, place: &Location, budget: &mut Budget) -> Rc<Flat> {
        let flat = self.lists.flat(kind, list, place, budget);
        match kind {
            Kind::Host => self.hosts.extend(flat.words.keys().cloned()),
            Kind::Runas => {
                self.targets.extend(flat.words.keys().cloned());
                self.mentioned.extend(flat.words.keys().cloned());
            }
            _ => self.mentioned.extend(flat.words.keys().cloned()),
        }
        flat
    }

    fn users(&mut self, list: &List, place: &Location, budget: &mut Budget) -> usize {
        if let Some(number) = self.numbers.get(list) {
            return *number;
        }
        let flat = self.list(Kind::User, list, place, budget);
        let number = self.users.len();
        self.users.push(flat);
        self.numbers.insert(Rc::clone(list), number);
        number
    }

    fn rule(&mut self, number: usize, rule: &super::Rule, budget: &mut Budget) -> Rule {
        let place = &rule.place;
        let runas = match &rule.runas {
            None => RunAs::Default,
            Some(given) => {
                let mut list = |list: &Option<List>| {
                    list.as_ref()
                        .map(|list| self.list(Kind::Runas, list, place, budget))
                };
                let (users, groups) = (list(&given.users), list(&given.groups));
                for group in groups.iter().flat_map(|groups| groups.words.keys()) {
                    let group = Rc::<str>::from(format!("%{group}"));
                    self.mentioned.insert(Rc::clone(&group));
                    self.targets.insert(group);
                }
                RunAs::Given { users, groups }
            }
        };
        let command = std::slice::from_ref(&rule.command);
        Rule {
            number: Some(number),
            users: self.users(&rule.users, place, budget),
            hosts: self.list(Kind::Host, &rule.hosts, place, budget),
            runas,
            commands: self.known.commands(command, place, budget),
            limited: rule.limited,
            nopasswd: rule.nopasswd,
            shown: shown(&rule.command),
            place: place.clone(),
        }
    }

    /// Where a policy has settings and no rules, those come from a directory: anybody may then do anything, as far as
    /// can be told.
    fn stand_in(&mut self, place: &Location, budget: &mut Budget) -> Rule {
        let all: List = [Member {
            negated: false,
            name: Name::All,
        }]
        .into();
        let anybody = Some(self.list(Kind::Runas, &all, place, budget));
        Rule {
            number: None,
            users: self.users(&all, place, budget),
            hosts: self.list(Kind::Host, &all, place, budget),
            runas: RunAs::Given {
                users: anybody.clone(),
                groups: anybody,
            },
            commands: self.known.commands(&all, place, budget),
            limited: false,
            nopasswd: None,
            shown: "ALL".into(),
            place: place.clone(),
        }
    }

    fn default(
        &mut self,
        number: usize,
        setting: &Setting,
        budget: &mut Budget,
    ) -> Option<Default> {
        let effect = match (setting.name.as_str(), setting.negated, &setting.value) {
            ("authenticate", negated, None) => Effect::Authenticate(!negated),
            ("exempt_group", true, None) => Effect::Exempt(None),
            ("exempt_group", false, Some(group)) => {
                let atom = canonical(&format!("%{group}"), self.dialect);
                self.mentioned.insert(Rc::clone(&atom));
                Effect::Exempt(Some(atom))
            }
            ("runas_default", false, Some(user)) => {
                let atom = canonical(user, self.dialect);
                self.mentioned.insert(Rc::clone(&atom));
                Effect::RunasDefault(atom)
            }
            _ => return None,
        };
        let (members, place) = (&setting.members, &setting.place);
        let bound = match setting.scope {
            Scope::Everything => Bound::Everything,
            Scope::Users => Bound::Users(self.list(Kind::User, members, place, budget)),
            Scope::Hosts => Bound::Hosts(self.list(Kind::Host, members, place, budget)),
            Scope::Runas => Bound::Runas(self.list(Kind::Runas, members, place, budget)),
            Scope::Commands => Bound::Commands(self.known.commands(members, place, budget)),
        };
        Some(Default {
            number,
            effect,
            bound,
            place: place.clone(),
        })
    }
}

fn shown(command: &Member) -> Rc<str> {
    match &command.name {
        Name::All => "ALL".into(),
        Name::Alias(name) => Rc::clone(name),
        Name::Word(word) => word.split(' ').next().unwrap_or_default().into(),
    }
}
