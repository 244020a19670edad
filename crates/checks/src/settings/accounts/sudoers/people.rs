//! Who may ask: the accounts of the tree, and those whom a policy names though the tree does not know them.
//!
//! A policy tells people apart only by the names that stand in it. Accounts for which the same names are true are one
//! class, and a class of its own are: anybody else, each name that is no account, and a member of each group that is
//! in no other.

use super::Dialect;
use super::flat::canonical;
use crate::settings::users::{Row, Users};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// People whom a policy cannot tell apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    /// The names in the policy that are true for them: `ann`, `#1000`, `%wheel`, `%#10`, `+net`.
    pub(super) atoms: Vec<Rc<str>>,
    /// The accounts of the tree; empty for those whom it does not know.
    pub(super) accounts: Vec<String>,
}

/// Names and numbers of the tree, as far as a policy names them.
pub(super) struct Directory<'a> {
    users: &'a Users,
    dialect: Dialect,
    mentioned: &'a HashSet<Rc<str>>,
    /// Canonical group name to gid.
    gids: HashMap<Rc<str>, i64>,
    /// Gid to the names that are true for a member.
    groups: HashMap<i64, Vec<Rc<str>>>,
    /// Account to the gids of the groups that list it.
    listed: HashMap<&'a [u8], Vec<i64>>,
    /// Names and numbers of the policy to the accounts that they name.
    rows: HashMap<Rc<str>, &'a Row>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'a> Directory<'a> {
    pub(super) fn new(
        users: &'a Users,
        dialect: Dialect,
        mentioned: &'a HashSet<Rc<str>>,
    ) -> Directory<'a> {
        let mut directory = Directory {
            users,
            dialect,
            mentioned,
            gids: HashMap::new(),
            groups: HashMap::new(),
            listed: HashMap::new(),
            rows: HashMap::new(),
        };
        for row in directory.accounts() {
            let number = row.number(2).map(|uid| format!("#{uid}").into());
            let name = Some(canonical(&text(row.name()), dialect));
            let named = [name, number].into_iter().flatten();
            for atom in named.filter(|atom| mentioned.contains(atom)) {
                directory.rows.entry(atom).or_insert(row);
            }
        }
        let rows = || users.group.iter().flatten().filter(|row| !row.is_nis());
        for row in rows() {
            let Some(gid) = row.number(2) else { continue };
            let name = canonical(&format!("%{}", text(row.name())), dialect);
            directory.gids.entry(Rc::clone(&name)).or_insert(gid);
            let number: Rc<str> = format!("%#{gid}").into();
            let named = [name, number].into_iter();
            let known = directory.groups.entry(gid).or_default();
            for atom in named.filter(|atom| mentioned.contains(atom)) {
                if !known.contains(&atom) {
                    known.push(atom);
                }
            }
        }
        directory.groups.retain(|_, atoms| !atoms.is_empty());
        for row in rows() {
            let gid = row
                .number(2)
                .filter(|gid| directory.groups.contains_key(gid));
            let Some(gid) = gid else { continue };
            let members = row.field(3).split(|byte| *byte == b',');
            for member in members.filter(|member| !member.is_empty()) {
                directory
                    .listed
                    .entry(member.trim_ascii())
                    .or_default()
                    .push(gid);
            }
        }
        directory
    }

    fn accounts(&self) -> impl Iterator<Item = &'a Row> + use<'a> {
        let rows = self.users.passwd.iter().flatten();
        rows.filter(|row| !row.is_nis())
    }

    /// What is true for an account, of what the policy names.
    fn atoms(&self, row: &Row) -> BTreeSet<Rc<str>> {
        let name = canonical(&text(row.name()), self.dialect);
        let number = row.number(2).map(|uid| format!("#{uid}").into());
        let own = row.number(3).map(|gid| Rc::<str>::from(format!("%#{gid}")));
        let mut atoms: BTreeSet<Rc<str>> =
            [Some(name), number, own].into_iter().flatten().collect();
        atoms.retain(|atom| self.mentioned.contains(atom));
        let listed = self.listed.get(row.name()).into_iter().flatten().copied();
        for gid in listed.chain(row.number(3)) {
            atoms.extend(self.groups.get(&gid).into_iter().flatten().cloned());
        }
        atoms
    }

    /// What is true for the account of that name or number, or for somebody of that name whom the tree does not know.
    pub(super) fn of_name(&self, atom: &Rc<str>) -> Vec<Rc<str>> {
        if let Some(group) = atom.strip_prefix('%') {
            return self.of_group(group, atom);
        }
        match self.rows.get(atom) {
            Some(row) => self.atoms(row).into_iter().collect(),
            None => self.stranger(atom),
        }
    }

    fn of_group(&self, group: &str, atom: &Rc<str>) -> Vec<Rc<str>> {
        let gid = match group.strip_prefix('#') {
            Some(gid) => gid.parse().ok(),
            None => self.gids.get(atom).copied(),
        };
        let known = gid.and_then(|gid| self.groups.get(&gid));
        known.cloned().unwrap_or_else(|| vec![Rc::clone(atom)])
    }

    /// Somebody whom passwd does not know may still be listed in groups.
    fn stranger(&self, atom: &Rc<str>) -> Vec<Rc<str>> {
        let mut atoms: BTreeSet<Rc<str>> = [Rc::clone(atom)].into();
        for gid in self.listed.get(atom.as_bytes()).into_iter().flatten() {
            atoms.extend(self.groups.get(gid).into_iter().flatten().cloned());
        }
        atoms.into_iter().collect()
    }

    /// Everybody who can be told apart, root excepted: root is never asked. `unknowable` are names of which nothing
    /// in the tree says for whom they are true, as netgroups, and `nobodies` such as only an account would make true.
    pub(super) fn classes(
        &self,
        unknowable: &HashSet<Rc<str>>,
        nobodies: &HashSet<Rc<str>>,
    ) -> Vec<Class> {
        let mut known: HashMap<Vec<Rc<str>>, usize> = HashMap::new();
        let mut classes: Vec<Class> = Vec::new();
        let mut add = |atoms: Vec<Rc<str>>, account: Option<String>| {
            let next = classes.len();
            let at = *known.entry(atoms.clone()).or_insert(next);
            if at == next {
                classes.push(Class {
                    atoms,
                    accounts: Vec::new(),
                });
            }
            if let Some(class) = classes.get_mut(at) {
                class.accounts.extend(account);
            }
        };
        add(Vec::new(), None);
        let mut met: HashSet<Rc<str>> = ["root".into(), "#0".into()].into();
        for row in self.accounts() {
            let atoms = self.atoms(row);
            let people = atoms.iter().filter(|atom| !atom.starts_with('%'));
            met.extend(people.cloned());
            if row.number(2) != Some(0) {
                add(atoms.into_iter().collect(), Some(text(row.name())));
            }
        }
        let mut strangers: Vec<&Rc<str>> = self.mentioned.iter().collect();
        strangers.sort();
        for atom in strangers {
            match atom.strip_prefix('%') {
                Some(_) if atom.starts_with("%:") && !unknowable.contains(atom) => {}
                Some(group) => add(self.of_group(group, atom), None),
                None if met.contains(atom) || nobodies.contains(atom) => {}
                None => add(self.stranger(atom), None),
            }
        }
        classes
    }

    /// A name in place of a number, where the tree has one.
    pub(super) fn shown(&self, entry: &str) -> String {
        let of = |id: &str, sign: &str, rows: &Option<Vec<Row>>| {
            let id: i64 = id.parse().ok()?;
            let row = rows
                .iter()
                .flatten()
                .find(|row| row.number(2) == Some(id))?;
            Some(format!("{sign}{}", text(row.name())))
        };
        let name = match (entry.strip_prefix("%#"), entry.strip_prefix('#')) {
            (Some(gid), _) => of(gid, "%", &self.users.group),
            (_, Some(uid)) => of(uid, "", &self.users.passwd),
            _ => None,
        };
        name.unwrap_or_else(|| entry.to_owned())
    }
}
