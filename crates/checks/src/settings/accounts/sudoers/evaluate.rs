//! To whom a command is given without a password: what `sudo -n` would do, asked for everybody who can be told apart, on
//! every host, as every user and group, and for every command that the policy can tell apart.
//!
//! Of the rules that fit, the last decides, whether it gives or refuses (parse.c, `sudoers_lookup`). Its tag, else
//! `Defaults authenticate`, says whether a password is asked for, and `exempt_group` exempts from either (check.c). root
//! is never asked, and neither is who becomes nobody else.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::commands::Links;
use super::compiled::{self, Bound, Compiled, Default};
use super::decide::{Asked, Given, decide};
use super::hosts::{self, Host};
use super::people::{Class, Directory};
use super::query::{Cause, Found, Grants};
use super::state::State;
use super::{Budget, Dialect, Policy, Trouble};
use crate::settings::users::Users;
use agent_core::bounds;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// What is found takes some 200 bytes, and is kept to the end: two hundred thousand of them at most.
const STEPS_A_FINDING: usize = 20;

/// Everything that is given without a password. `host` is this host's name where that counts.
pub(in crate::settings::accounts) fn without_password(
    policy: &Policy,
    dialect: Dialect,
    users: &Users,
    host: Option<&str>,
    links: &Links,
) -> Grants {
    let mut budget = Budget::new(bounds::SUDOERS_STEPS);
    let compiled = compiled::compile(policy, dialect, links, &mut budget);
    let directory = Directory::new(users, dialect, &compiled.mentioned);
    let classes = directory.classes(&compiled.unknowable, &compiled.circular);
    let mut judge = Judge {
        compiled: &compiled,
        dialect,
        directory: &directory,
        classes: &classes,
        lists_of: HashMap::new(),
        for_all: Vec::new(),
        found: HashMap::new(),
        grants: Grants::default(),
    };
    judge.index();
    for trouble in &policy.troubles {
        judge.grants.trouble(trouble);
    }
    let host = host.filter(|host| !host.is_empty());
    let mut seen = HashSet::new();
    for host in hosts::hosts(host, &compiled.hosts) {
        judge.host(&host, &mut seen, &mut budget);
    }
    judge.tell(&mut budget);
    if let Some(cut) = &budget.cut {
        judge.grants.trouble(cut);
    }
    judge.grants
}

struct Judge<'a> {
    compiled: &'a Compiled,
    dialect: Dialect,
    directory: &'a Directory<'a>,
    classes: &'a [Class],
    /// The lists of users in which a name stands.
    lists_of: HashMap<Rc<str>, Vec<usize>>,
    /// The lists of users with an `ALL` in them.
    for_all: Vec<usize>,
    /// What each class gets.
    found: HashMap<usize, Vec<Found>>,
    grants: Grants,
}

/// What is the same for everybody who gets the same rules under the same settings.
type Known = HashMap<(Vec<usize>, State, Vec<Rc<str>>), Rc<Vec<Given>>>;

impl Judge<'_> {
    fn index(&mut self) {
        for (number, list) in self.compiled.users.iter().enumerate() {
            for atom in list.words.keys() {
                let lists = self.lists_of.entry(Rc::clone(atom));
                lists.or_default().push(number);
            }
            if list.all.is_some() {
                self.for_all.push(number);
            }
        }
    }

    /// Judges everybody on one host, unless the policy is the same there as on one that was judged.
    fn host(&mut self, host: &Host, seen: &mut HashSet<Vec<bool>>, budget: &mut Budget) {
        let mut known_lists: HashMap<*const super::flat::Flat, bool> = HashMap::new();
        let mut is_here = |list: &Rc<super::flat::Flat>| {
            *known_lists
                .entry(Rc::as_ptr(list))
                .or_insert_with(|| host.in_list(list))
        };
        let Some(last) = self.compiled.rules.last() else {
            return;
        };
        let (rules, hosts) = (self.compiled.rules.len(), self.compiled.hosts.len());
        if !budget.spend(rules.saturating_add(hosts), &last.place) {
            return;
        }
        let rules: Vec<bool> = self
            .compiled
            .rules
            .iter()
            .map(|rule| is_here(&rule.hosts))
            .collect();
        let settings: Vec<bool> = self
            .compiled
            .defaults
            .iter()
            .map(|default| match &default.bound {
                Bound::Hosts(list) => is_here(list),
                _ => true,
            })
            .collect();
        let mut lists: HashMap<usize, Vec<usize>> = HashMap::new();
        for (number, rule) in self.compiled.rules.iter().enumerate() {
            if rules[number] {
                lists.entry(rule.users).or_default().push(number);
            }
        }
        let defaults = self.compiled.defaults.iter().zip(&settings);
        let defaults: Vec<&Default> = defaults
            .filter(|(_, here)| **here)
            .map(|(d, _)| d)
            .collect();
        if !seen.insert(rules.into_iter().chain(settings).collect()) {
            return;
        }
        let mut known = Known::new();
        for number in 0..self.classes.len() {
            self.class(number, &lists, &defaults, &mut known, budget);
        }
    }

    fn class(
        &mut self,
        number: usize,
        lists: &HashMap<usize, Vec<usize>>,
        defaults: &[&Default],
        known: &mut Known,
        budget: &mut Budget,
    ) {
        let class = &self.classes[number];
        let unknowable = &self.compiled.unknowable;
        let is_known = class.atoms.iter().all(|atom| !unknowable.contains(atom));
        let mut found = self.asks(&class.atoms, lists, defaults, known, budget);
        if is_known && !unknowable.is_empty() {
            // Were all that cannot be told true as well, would it be the same?
            let mut atoms = class.atoms.clone();
            atoms.extend(unknowable.iter().cloned());
            let mut other = self.asks(&atoms, lists, defaults, known, budget);
            other.retain(|found| !unknowable.contains(&found.entry.0));
            let differ = |one: &[Found], two: &[Found]| {
                let two: HashSet<_> = two.iter().map(Found::key).collect();
                one.iter()
                    .filter(|found| !two.contains(&found.key()))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let unsure = [differ(&found, &other), differ(&other, &found)].concat();
            for found in &unsure {
                let who = class.accounts.first().map_or("anybody", String::as_str);
                self.grants.trouble(&Trouble {
                    reason: format!("netgroups or other groups that the tree does not hold decide whether {who} is asked for a password"),
                    place: self.places(found)[0].clone(),
                });
            }
            let unsure: HashSet<_> = unsure.iter().map(Found::key).collect();
            found.retain(|found| !unsure.contains(&found.key()));
        }
        if !found.is_empty() {
            self.found.entry(number).or_default().extend(found);
        }
    }

    /// What people get of whom those names are true.
    fn asks(
        &self,
        atoms: &[Rc<str>],
        lists: &HashMap<usize, Vec<usize>>,
        defaults: &[&Default],
        known: &mut Known,
        budget: &mut Budget,
    ) -> Vec<Found> {
        let place = &self.compiled.rules[0].place;
        let steps = self.for_all.len().saturating_add(defaults.len());
        if !budget.spend(steps.saturating_add(atoms.len()), place) {
            return Vec::new();
        }
        let named = atoms
            .iter()
            .filter_map(|atom| self.lists_of.get(atom))
            .flatten();
        let mut theirs: Vec<usize> = named.chain(&self.for_all).copied().collect();
        theirs.sort_unstable();
        theirs.dedup();
        theirs.retain(|list| lists.contains_key(list));
        let mut entries = HashMap::new();
        theirs.retain(|list| {
            let given = self.compiled.users[*list].given_by(atoms);
            let is_in = !given.is_empty();
            entries.insert(*list, given);
            is_in
        });
        if theirs.is_empty() {
            return Vec::new();
        }
        let rules: Vec<usize> = theirs
            .iter()
            .flat_map(|list| &lists[list])
            .copied()
            .collect();
        let place = &self.compiled.rules[rules[0]].place;
        if !budget.spend(rules.len(), place) {
            return Vec::new();
        }
        let state = State::of(atoms, defaults);
        // Whoever can be asked for as a target is judged by their own names.
        let own: Vec<Rc<str>> = atoms
            .iter()
            .filter(|atom| !atom.starts_with('+'))
            .cloned()
            .collect();
        let own = if self.compiled.has_targets(&own) {
            own
        } else {
            Vec::new()
        };
        let key = (theirs, state, own);
        let given = match known.get(&key) {
            Some(given) => Rc::clone(given),
            None => {
                let mut rules = rules;
                rules.sort_unstable();
                let asked = Asked {
                    rules: &rules,
                    defaults,
                    state: &key.1,
                    own: &key.2,
                };
                let given = Rc::new(decide(
                    self.compiled,
                    self.dialect,
                    self.directory,
                    &asked,
                    budget,
                ));
                known.insert(key, Rc::clone(&given));
                given
            }
        };
        let mut found = Vec::new();
        for given in given.iter() {
            let rule = &self.compiled.rules[given.rule];
            let entries = &entries[&rule.users];
            if !budget.spend(entries.len().saturating_mul(STEPS_A_FINDING), &rule.place) {
                break;
            }
            for shown in entries {
                let entry = super::flat::canonical(shown, self.dialect);
                found.push(given.of((entry, Rc::clone(shown)), &self.compiled.rules));
            }
        }
        found
    }

    /// Where the rule stands, and before it the setting that takes the password away.
    fn places(&self, found: &Found) -> Vec<&super::Location> {
        let setting = found.setting.as_ref();
        let setting = setting.and_then(|cause| {
            let mut defaults = self.compiled.defaults.iter();
            defaults.find(|default| default.number == cause.number)
        });
        let rule = found.rule.map(|number| &self.compiled.rules[number].place);
        setting
            .map(|default| &default.place)
            .into_iter()
            .chain(rule)
            .collect()
    }

    /// Names those who get something: the entry of the rule where it is true for whoever is in it, else the accounts.
    fn tell(&mut self, budget: &mut Budget) {
        let found = std::mem::take(&mut self.found);
        let mut by_entry = HashSet::new();
        for (number, list) in &found {
            for found in list {
                if self.is_own(&found.entry.0, &self.classes[*number]) {
                    by_entry.insert((found.key(), Rc::clone(&found.entry.0)));
                }
            }
        }
        let mut told = HashSet::new();
        let mut order: Vec<_> = found.into_iter().collect();
        order.sort_by_key(|(number, _)| *number);
        for (number, mut list) in order {
            list.sort_by_key(|found| std::cmp::Reverse(found.rule));
            for found in list {
                let places: Vec<super::Location> =
                    self.places(&found).into_iter().cloned().collect();
                let Some(place) = places.first() else {
                    continue;
                };
                if !budget.spend(4, place) {
                    return;
                }
                let whole = by_entry.contains(&(found.key(), Rc::clone(&found.entry.0)));
                let accounts = &self.classes[number].accounts;
                let principals = match (&found.rule, &found.setting) {
                    (None, Some(Cause { label, .. })) => vec![self.directory.shown(label)],
                    _ if whole || accounts.is_empty() => vec![self.directory.shown(&found.entry.1)],
                    _ => accounts.clone(),
                };
                let places: Vec<&super::Location> = places.iter().collect();
                for principal in principals {
                    if told.insert((principal.clone(), found.clone())) {
                        self.grants.add(principal, &found, &places);
                    }
                }
            }
        }
    }

    /// Whether the class holds nobody but those whom the entry names.
    fn is_own(&self, entry: &Rc<str>, class: &Class) -> bool {
        match &**entry {
            "all" | "ALL" => class.atoms.is_empty(),
            word if word.starts_with(['%', '+']) => class.atoms == self.directory.of_name(entry),
            _ => true,
        }
    }
}
