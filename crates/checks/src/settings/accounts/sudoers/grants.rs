//! To whom sudo gives a command without asking for a password.
//!
//! Of the rules that fit, the last decides, whether it gives or refuses; `NOPASSWD` and `PASSWD` win over
//! `Defaults authenticate`. root is never asked, so rules for root say nothing.

use super::{Kind, Member, Name, Place, Policy, Rule, Scope, Setting};
use crate::settings::users::Users;
use agent_core::glob::{Glob, Syntax};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// More pairs of users and commands than any policy has.
const MAX_PAIRS: usize = 200_000;

/// What somebody gets without a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::settings::accounts) struct Grant {
    /// `ALL`, a path without its arguments, or the setting that does it; the last rule first.
    pub(in crate::settings::accounts) what: Vec<String>,
    /// Where the rules stand.
    pub(in crate::settings::accounts) places: Vec<String>,
}

/// Grants by user, `%group`, `+netgroup` or `ALL`; and whether there were too many to look at.
pub(in crate::settings::accounts) type Grants = (BTreeMap<String, Grant>, bool);

/// Everything that is given without a password. `host` is this host's name where that counts: rules for
/// others are then passed over.
pub(in crate::settings::accounts) fn without_password(
    policy: &Policy,
    users: &Users,
    host: Option<&str>,
) -> Grants {
    let judge = Judge {
        policy,
        users,
        host,
    };
    let mut grants = BTreeMap::new();
    let whole = judge.rules(&mut grants);
    judge.settings(&mut grants);
    (grants, !whole)
}

fn add(grants: &mut BTreeMap<String, Grant>, principal: String, what: &str, place: &Place) {
    let grant = grants.entry(principal).or_default();
    if !grant.what.iter().any(|known| known == what) {
        grant.what.push(what.to_owned());
    }
    let place = place.text();
    if !grant.places.contains(&place) {
        grant.places.push(place);
    }
}

struct Judge<'a> {
    policy: &'a Policy,
    users: &'a Users,
    host: Option<&'a str>,
}

impl Judge<'_> {
    /// From the last rule to the first, since a later one hides those before it; whether all were looked at.
    fn rules(&self, grants: &mut BTreeMap<String, Grant>) -> bool {
        let mut decided: HashSet<[String; 4]> = HashSet::new();
        // The commands of one line share their list of users.
        let mut last: Option<(Rc<[Member]>, Vec<String>)> = None;
        for rule in self.policy.rules.iter().rev() {
            if !self.is_here(&rule.hosts) {
                continue;
            }
            let principals = match &last {
                Some((list, names)) if Rc::ptr_eq(list, &rule.users) => names.clone(),
                _ => self.principals(&rule.users),
            };
            for principal in &principals {
                let key = self.key(principal, rule);
                if hidden(&decided, &key) {
                    continue;
                }
                if rule.nopasswd == Some(true) && self.gives(&rule.command) {
                    add(
                        grants,
                        principal.clone(),
                        &command_name(&rule.command),
                        &rule.place,
                    );
                }
                if !rule.limited {
                    decided.insert(key);
                }
            }
            last = Some((Rc::clone(&rule.users), principals));
            if decided.len() > MAX_PAIRS {
                return false;
            }
        }
        true
    }

    /// Whom a list names, in the order of the list, without those that it takes back and without root.
    fn principals(&self, list: &[Member]) -> Vec<String> {
        let mut named: Vec<String> = Vec::new();
        for member in self.policy.flat(Kind::User, list) {
            let name = self.principal(&member.name);
            named.retain(|known| *known != name);
            if !member.negated && name != "root" {
                named.push(name);
            }
        }
        named
    }

    /// A name for a number, where there is one.
    fn principal(&self, name: &Name) -> String {
        let word = match name {
            Name::All => return "ALL".into(),
            Name::Alias(word) | Name::Word(word) => word,
        };
        let of = |id: &str, group: bool| -> Option<String> {
            let id: i64 = id.parse().ok()?;
            let rows = if group {
                &self.users.group
            } else {
                &self.users.passwd
            };
            let row = rows
                .iter()
                .flatten()
                .find(|row| row.number(2) == Some(id))?;
            Some(String::from_utf8_lossy(row.name()).into_owned())
        };
        if let Some(id) = word.strip_prefix("%#") {
            return of(id, true).map_or_else(|| word.clone(), |name| format!("%{name}"));
        }
        if let Some(id) = word.strip_prefix('#') {
            return match id {
                "0" => "root".into(),
                _ => of(id, false).unwrap_or_else(|| word.clone()),
            };
        }
        word.clone()
    }

    /// What a later rule must be about to hide this one: user, command, target user, hosts.
    fn key(&self, principal: &str, rule: &Rule) -> [String; 4] {
        let command = match &rule.command.name {
            Name::All => "ALL".into(),
            Name::Alias(name) | Name::Word(name) => name.clone(),
        };
        let runas = match &rule.runas {
            None => "root".into(),
            Some(list) => self.whole(Kind::Runas, list),
        };
        [
            principal.to_owned(),
            command,
            runas,
            self.whole(Kind::Host, &rule.hosts),
        ]
    }

    /// `ALL` for a list that leaves nobody out, else the list.
    fn whole(&self, kind: Kind, list: &[Member]) -> String {
        let flat = self.policy.flat(kind, list);
        let all = flat
            .iter()
            .rposition(|member| member.name == Name::All && !member.negated);
        match all {
            Some(at) if flat[at..].iter().all(|member| !member.negated) => "ALL".into(),
            _ => format!("{flat:?}"),
        }
    }

    /// Whether the command, or one of its alias, is given and not refused.
    fn gives(&self, command: &Member) -> bool {
        self.policy
            .flat(Kind::Command, std::slice::from_ref(command))
            .iter()
            .any(|member| !member.negated)
    }

    /// Whether the list can mean this host. Addresses and netgroups can.
    fn is_here(&self, hosts: &[Member]) -> bool {
        let Some(host) = self.host.filter(|host| !host.is_empty()) else {
            return true;
        };
        let short = host.split('.').next().unwrap_or(host);
        let mut here = false;
        for member in self.policy.flat(Kind::Host, hosts) {
            let (fits, sure) = match &member.name {
                Name::All => (true, true),
                Name::Alias(word) | Name::Word(word) => {
                    let address = word.starts_with('+')
                        || word
                            .split('/')
                            .next()
                            .is_some_and(|address| address.parse::<std::net::IpAddr>().is_ok());
                    // fnmatch(3) with FNM_CASEFOLD.
                    let glob = Glob::new(word.to_ascii_lowercase().as_bytes(), Syntax::Fnmatch);
                    let named = |name: &str| glob.matches(name.to_ascii_lowercase().as_bytes());
                    (address || named(host) || named(short), !address)
                }
            };
            if fits && (sure || !member.negated) {
                here = !member.negated;
            }
        }
        here
    }

    /// `Defaults !authenticate` of any kind, unless a later line of the kind takes it back; `exempt_group`.
    fn settings(&self, grants: &mut BTreeMap<String, Grant>) {
        let settings = &self.policy.settings;
        let of = |name: &'static str| settings.iter().filter(move |s| s.name == name);
        let mut off: BTreeMap<String, (&Setting, String)> = BTreeMap::new();
        for setting in of("authenticate") {
            if setting.scope == Scope::Hosts && !self.is_here(&setting.members) {
                continue;
            }
            for (principal, what) in self.concerned(setting) {
                match (setting.negated, setting.scope) {
                    (true, _) => {
                        off.insert(principal, (setting, what));
                    }
                    // For everybody: what was said of single users before is taken back as well.
                    (false, Scope::Everything) => {
                        off.retain(|_, (old, _)| {
                            matches!(old.scope, Scope::Runas | Scope::Commands)
                        });
                    }
                    (false, _) => {
                        off.remove(&principal);
                    }
                }
            }
        }
        for (principal, (setting, what)) in off {
            add(grants, principal, &what, &setting.place);
        }
        if let Some(setting) = of("exempt_group").next_back()
            && let (Some(group), false) = (&setting.value, setting.negated)
        {
            add(grants, format!("%{group}"), "exempt_group", &setting.place);
        }
    }

    /// Whom a `Defaults` line is for, and what to call it.
    fn concerned(&self, setting: &Setting) -> Vec<(String, String)> {
        let what = "!authenticate".to_owned();
        match setting.scope {
            Scope::Everything | Scope::Hosts => vec![("ALL".into(), what)],
            Scope::Users => self
                .principals(&setting.members)
                .into_iter()
                .map(|principal| (principal, what.clone()))
                .collect(),
            Scope::Runas | Scope::Commands => {
                let (sign, kind) = match setting.scope {
                    Scope::Runas => ('>', Kind::Runas),
                    _ => ('!', Kind::Command),
                };
                self.policy
                    .flat(kind, &setting.members)
                    .into_iter()
                    .filter(|member| !member.negated)
                    .map(|member| {
                        (
                            format!("Defaults{sign}{}", command_name(&member)),
                            what.clone(),
                        )
                    })
                    .collect()
            }
        }
    }
}

/// Whether a later rule is about all of it.
fn hidden(decided: &HashSet<[String; 4]>, key: &[String; 4]) -> bool {
    // Each part is the same, or `ALL`.
    (0..16).any(|mask: usize| {
        let wider: [String; 4] = std::array::from_fn(|part| match mask >> part & 1 {
            0 => key[part].clone(),
            _ => "ALL".into(),
        });
        decided.contains(&wider)
    })
}

/// `ALL`, or a command without its arguments: those are nobody else's matter.
fn command_name(command: &Member) -> String {
    match &command.name {
        Name::All => "ALL".into(),
        Name::Alias(name) => name.clone(),
        Name::Word(word) => word.split(' ').next().unwrap_or_default().to_owned(),
    }
}
