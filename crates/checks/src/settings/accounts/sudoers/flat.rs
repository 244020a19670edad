//! Lists with their aliases replaced, ready to be asked.
//!
//! Of the entries of a list that fit, the last decides, and an alias stands for its own list, turned round where it is
//! negated (match.c). Walked from the end, the first entry for a name is the one that counts: later ones of the same
//! name, and everything before an `ALL`, need not be kept. So each alias is walked once for a list, however deep they
//! are nested and however often they are named.

use super::{Budget, Dialect, Kind, List, Location, Member, Name, Policy};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// An entry's rank, 0 for the strongest, and whether it is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rank: usize,
    pub(super) negated: bool,
}

/// A list of users, groups or hosts.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// By canonical name, with the name as it stands.
    pub(super) words: HashMap<Rc<str>, (Hit, Rc<str>)>,
    pub(super) all: Option<Hit>,
}

impl Flat {
    /// The entries that fit one of the names, and how they are called.
    fn hits(&self, atoms: &[Rc<str>]) -> impl Iterator<Item = (Hit, Rc<str>)> {
        let named = atoms.iter().filter_map(|atom| self.words.get(atom));
        let named = named.map(|(hit, shown)| (*hit, Rc::clone(shown)));
        named.chain(self.all.map(|hit| (hit, Rc::from("ALL"))))
    }

    /// The strongest entry that fits one of the names, and how the entry is called.
    pub(super) fn hit(&self, atoms: &[Rc<str>]) -> Option<(Hit, Rc<str>)> {
        self.hits(atoms).min_by_key(|(hit, _)| hit.rank)
    }

    /// The entries by which somebody is in the list, each of which would be enough: those before the first that is
    /// negated. Empty where the list does not hold them.
    pub(super) fn given_by(&self, atoms: &[Rc<str>]) -> Vec<Rc<str>> {
        let mut hits: Vec<_> = self.hits(atoms).collect();
        hits.sort_by_key(|(hit, _)| hit.rank);
        let given = hits.into_iter().take_while(|(hit, _)| !hit.negated);
        given.map(|(_, shown)| shown).collect()
    }

    /// As [`Flat::hit`], whether it allows or refuses; `None` where nothing fits.
    pub(super) fn allows(&self, atoms: &[Rc<str>]) -> Option<bool> {
        self.hit(atoms).map(|(hit, _)| !hit.negated)
    }
}

/// The name by which two entries are known to mean the same. sudo compares users and groups without regard to case
/// (`case_insensitive_user`, `case_insensitive_group`), and hosts as well.
pub(super) fn canonical(word: &str, dialect: Dialect) -> Rc<str> {
    for sign in ["%#", "#"] {
        if let Some(number) = word
            .strip_prefix(sign)
            .and_then(|id| id.parse::<u32>().ok())
        {
            return format!("{sign}{number}").into();
        }
    }
    match dialect {
        Dialect::SudoRs => word.into(),
        Dialect::Sudo { .. } => word.to_ascii_lowercase().into(),
    }
}

/// Flattens the lists of one policy, each once.
pub(super) struct Lists<'a> {
    policy: &'a Policy,
    dialect: Dialect,
    known: HashMap<(Kind, List), Rc<Flat>>,
    /// Names of aliases that are defined by themselves.
    pub(super) circular: HashSet<Rc<str>>,
}

impl<'a> Lists<'a> {
    pub(super) fn new(policy: &'a Policy, dialect: Dialect) -> Lists<'a> {
        Lists {
            policy,
            dialect,
            known: HashMap::new(),
            circular: HashSet::new(),
        }
    }

    pub(super) fn flat(
        &mut self,
        kind: Kind,
        list: &List,
        place: &Location,
        budget: &mut Budget,
    ) -> Rc<Flat> {
        let key = (kind, Rc::clone(list));
        if let Some(flat) = self.known.get(&key) {
            return Rc::clone(flat);
        }
        let mut flat = Flat::default();
        for (rank, (name, negated)) in strongest(self.policy, kind, list, place, budget)
            .into_iter()
            .enumerate()
        {
            let hit = Hit { rank, negated };
            let is_circular = matches!(name, Name::Alias(_));
            match name {
                Name::All => flat.all = Some(hit),
                Name::Word(word) | Name::Alias(word) => {
                    let atom = canonical(&word, self.dialect);
                    if is_circular {
                        self.circular.insert(Rc::clone(&atom));
                    }
                    flat.words.entry(atom).or_insert((hit, word));
                }
            }
        }
        let flat = Rc::new(flat);
        self.known.insert(key, Rc::clone(&flat));
        flat
    }
}

/// A list that is being walked from its end.
struct Frame<'a> {
    list: &'a [Member],
    negated: bool,
    /// The alias that it stands for.
    alias: Option<&'a Rc<str>>,
}

/// The entries that can decide, the strongest first, and whether each is negated in the end. An alias among them is one
/// that is defined by itself.
pub(super) fn strongest(
    policy: &Policy,
    kind: Kind,
    list: &[Member],
    place: &Location,
    budget: &mut Budget,
) -> Vec<(Name, bool)> {
    let mut found = Vec::new();
    let mut seen: HashSet<Name> = HashSet::new();
    // Aliases that are being walked, and such as were walked to their end.
    let (mut open, mut done) = (HashSet::new(), HashSet::new());
    let mut frames = vec![Frame {
        list,
        negated: false,
        alias: None,
    }];
    while let Some(frame) = frames.last_mut() {
        let Some((member, before)) = frame.list.split_last() else {
            if let Some(alias) = frame.alias {
                open.remove(alias);
                done.insert(Rc::clone(alias));
            }
            frames.pop();
            continue;
        };
        frame.list = before;
        if !budget.spend(1, place) {
            break;
        }
        let negated = member.negated != frame.negated;
        let name = match &member.name {
            Name::Alias(name) => match policy.aliases.get_key_value(&(kind, Rc::clone(name))) {
                // In a circle the name stands for itself (alias_get of alias.c).
                Some(_) if open.contains(name) => Name::Alias(Rc::clone(name)),
                Some(_) if done.contains(name) => continue,
                Some(((_, alias), inner)) => {
                    open.insert(Rc::clone(alias));
                    frames.push(Frame {
                        list: inner,
                        negated,
                        alias: Some(alias),
                    });
                    continue;
                }
                None if kind == Kind::Command => continue,
                None => Name::Word(Rc::clone(name)),
            },
            name => name.clone(),
        };
        if seen.insert(name.clone()) {
            let all = name == Name::All;
            found.push((name, negated));
            if all {
                break;
            }
        }
    }
    found
}
