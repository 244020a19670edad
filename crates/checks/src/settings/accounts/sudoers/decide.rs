//! What one class of people gets without a password, by the rules that are theirs.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::commands::Query;
use super::compiled::{Bound, Compiled, Default, Rule};
use super::people::Directory;
use super::query::{Cause, Found};
use super::runas::{RunAs, Target};
use super::state::State;
use super::{Budget, Dialect};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// What is asked of a policy.
pub(super) struct Asked<'a> {
    /// The rules whose users and hosts fit, in their order.
    pub(super) rules: &'a [usize],
    /// The settings of this host.
    pub(super) defaults: &'a [&'a Default],
    /// Those that hold for the people.
    pub(super) state: &'a State,
    /// The names that are true for the people, as far as they can be asked for as targets.
    pub(super) own: &'a [Rc<str>],
}

/// A command that is given without a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Given {
    /// Index of the rule.
    pub(super) rule: usize,
    what: Rc<str>,
    target: Rc<str>,
    setting: Option<Cause>,
}

impl Given {
    /// As it is found for those whom `entry` of the rule's list names.
    pub(super) fn of(&self, entry: (Rc<str>, Rc<str>), rules: &[Rule]) -> Found {
        Found {
            rule: rules[self.rule].number,
            entry,
            what: Rc::clone(&self.what),
            target: Rc::clone(&self.target),
            setting: self.setting.clone(),
        }
    }
}

/// Asks for every command as every target.
pub(super) fn decide(
    compiled: &Compiled,
    dialect: Dialect,
    directory: &Directory<'_>,
    asked: &Asked<'_>,
    budget: &mut Budget,
) -> Vec<Given> {
    let mut queries = HashSet::from([Query::any()]);
    let mut by_path: HashMap<&Rc<str>, Vec<usize>> = HashMap::new();
    let mut open = Vec::new();
    for number in asked.rules {
        let commands = &compiled.rules[*number].commands;
        commands.queries(&mut queries);
        let (paths, is_open) = commands.paths();
        match is_open {
            true => open.push(*number),
            false => paths.for_each(|path| by_path.entry(path).or_default().push(*number)),
        }
    }
    for default in asked.defaults {
        if let Bound::Commands(commands) = &default.bound {
            commands.queries(&mut queries);
        }
    }
    let mut queries: Vec<Query> = queries.into_iter().collect();
    queries.sort_unstable();
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let any_by_default = dialect
        == Dialect::Sudo {
            before_1_9_14: true,
        };
    let mut targets = targets(compiled, directory, asked, any_by_default);
    let default = &asked.state.runas_default;
    if let Some(runas) = one_runas(compiled, asked) {
        // What one target gets, all get whom the rules are about.
        targets.retain(|target| runas.fits(target, default, dialect));
        targets.truncate(1);
    }
    for target in targets {
        let mut one = OneTarget {
            compiled,
            dialect,
            asked,
            state: asked.state.clone(),
            target: &target,
            fits: HashMap::new(),
        };
        one.settle();
        for query in &queries {
            let same = by_path.get(&query.path).map_or(&[][..], Vec::as_slice);
            one.ask(query, [same, &open], budget, &mut |given| {
                if known.insert(given.clone()) {
                    found.push(given);
                }
            });
            if budget.cut.is_some() {
                return found;
            }
        }
    }
    found
}

/// The Runas specification of all the rules, where it is the same and no setting depends on it.
fn one_runas<'a>(compiled: &'a Compiled, asked: &Asked<'_>) -> Option<&'a RunAs> {
    let mut rules = asked
        .rules
        .iter()
        .map(|number| &compiled.rules[*number].runas);
    let first = rules.next()?;
    let bound = |default: &&Default| matches!(default.bound, Bound::Runas(_));
    let is_one = !asked.defaults.iter().any(bound) && rules.all(|runas| runas.is_same(first));
    is_one.then_some(first)
}

/// Whom somebody can ask to be, as far as the rules can tell: root, each user and group that they name, and one of
/// each that they do not.
fn targets(
    compiled: &Compiled,
    directory: &Directory<'_>,
    asked: &Asked<'_>,
    any_by_default: bool,
) -> Vec<Target> {
    let (mut names, mut groups) = (BTreeSet::new(), BTreeSet::new());
    let mut any_group = false;
    for number in asked.rules {
        let runas = &compiled.rules[*number].runas;
        any_group |= any_by_default && matches!(runas, RunAs::Default);
        if let RunAs::Given { users, groups: gs } = runas {
            names.extend(users.iter().flat_map(|list| list.words.keys()));
            groups.extend(gs.iter().flat_map(|list| list.words.keys()));
            any_group |= gs.as_ref().is_some_and(|list| list.all.is_some());
        }
    }
    for default in asked.defaults {
        if let Bound::Runas(list) = &default.bound {
            names.extend(list.words.keys());
        }
    }
    names.insert(&asked.state.runas_default);
    let mut root = directory.of_name(&"root".into());
    root.extend([Rc::from("root"), Rc::from("#0")]);
    let mut users = vec![(root, "root".to_owned())];
    for name in names {
        let is_self = asked.own.contains(name) && !name.starts_with('%');
        if !matches!(&**name, "root" | "#0") && !is_self {
            users.push((directory.of_name(name), directory.shown(name)));
        }
    }
    users.push((Vec::new(), "any user".to_owned()));
    let mut wanted: Vec<(Vec<Rc<str>>, String)> = Vec::new();
    for group in groups {
        let atom: Rc<str> = format!("%{group}").into();
        if !asked.own.contains(&atom) {
            let names = directory.of_name(&atom);
            let bare = names.iter().filter_map(|name| name.strip_prefix('%'));
            let mut names: Vec<Rc<str>> = bare.map(Rc::from).collect();
            names.push(Rc::clone(group));
            let shown = directory.shown(&atom);
            wanted.push((names, shown.trim_start_matches('%').to_owned()));
        }
    }
    if any_group {
        wanted.push((Vec::new(), "any".to_owned()));
    }
    let mut targets = Vec::new();
    for (user, shown) in users {
        let root = shown == "root";
        let target = Target {
            user,
            root,
            shown,
            ..Target::default()
        };
        targets.push(target.clone());
        targets.extend(wanted.iter().map(|(names, _)| Target {
            group: Some(names.clone()),
            ..target.clone()
        }));
    }
    targets.extend(wanted.into_iter().map(|(names, shown)| Target {
        user: asked.own.to_vec(),
        group: Some(names),
        myself: true,
        root: false,
        shown: match shown.as_str() {
            "any" => "any group".to_owned(),
            shown => format!("group {shown}"),
        },
    }));
    targets
}

/// What can be asked for as one target.
struct OneTarget<'a> {
    compiled: &'a Compiled,
    dialect: Dialect,
    asked: &'a Asked<'a>,
    /// The settings, those for the target included.
    state: State,
    target: &'a Target,
    /// Which rules are about the target.
    fits: HashMap<usize, bool>,
}

impl OneTarget<'_> {
    /// Applies `Defaults>` of the target, which come after those that are known before it (sudoers.c).
    fn settle(&mut self) {
        for default in self.asked.defaults {
            let Bound::Runas(list) = &default.bound else {
                continue;
            };
            let hit = list.hit(&self.target.user);
            let hit = hit.filter(|(hit, _)| !hit.negated && self.target.group.is_none());
            if let Some((_, entry)) = hit {
                self.state
                    .apply(default, format!("Defaults>{entry}").into());
            }
        }
    }

    /// From the last rule to the first, until one decides. `numbers` are those by path, and those that have none.
    fn ask(
        &mut self,
        query: &Query,
        numbers: [&[usize]; 2],
        budget: &mut Budget,
        found: &mut dyn FnMut(Given),
    ) {
        let [mut same, mut open] = numbers;
        let first = self
            .asked
            .rules
            .first()
            .map(|number| &self.compiled.rules[*number]);
        if first.is_none_or(|rule| !budget.spend(1, &rule.place)) {
            return;
        }
        loop {
            // Of the two lists the later rule, each in its order.
            let list = match (same.last(), open.last()) {
                (None, None) => return,
                (Some(one), Some(two)) if one > two => &mut same,
                (Some(_), None) => &mut same,
                _ => &mut open,
            };
            let Some((number, rest)) = list.split_last() else {
                return;
            };
            (*list, _) = (rest, ());
            let rule = &self.compiled.rules[*number];
            if !budget.spend(1, &rule.place) {
                return;
            }
            let (target, state, dialect) = (self.target, &self.asked.state, self.dialect);
            let fits = self
                .fits
                .entry(*number)
                .or_insert_with(|| rule.runas.fits(target, &state.runas_default, dialect));
            if !*fits {
                continue;
            }
            let Some(allowed) = rule.commands.allows(query, &rule.place, budget) else {
                continue;
            };
            if let Some(given) = self.given(*number, query, allowed, budget) {
                found(given);
            }
            // For a time, or for a file with that digest alone: at another it is as if the rule were not there.
            if !rule.limited {
                return;
            }
        }
    }

    /// What a rule that decides gives without a password.
    fn given(
        &self,
        number: usize,
        query: &Query,
        allowed: bool,
        budget: &mut Budget,
    ) -> Option<Given> {
        let rule = &self.compiled.rules[number];
        if !allowed {
            return None;
        }
        let mut state = None;
        for default in self.asked.defaults {
            if let Bound::Commands(commands) = &default.bound
                && commands.allows(query, &default.place, budget) == Some(true)
            {
                let state = state.get_or_insert_with(|| self.state.clone());
                state.apply(default, format!("Defaults!{}", query.path).into());
            }
        }
        let is_narrow = state.is_some();
        let state = state.as_ref().unwrap_or(&self.state);
        let setting = state.open(rule.nopasswd)?.cloned();
        let named = is_narrow && setting.is_some() && !query.is_sample();
        Some(Given {
            rule: number,
            what: match named {
                true => Rc::clone(&query.path),
                false => Rc::clone(&rule.shown),
            },
            target: self.target.shown.as_str().into(),
            setting,
        })
    }
}
