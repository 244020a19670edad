//! `Match`: whom a block is for (match.c, addrmatch.c and `match_cfg_line` of OpenSSH).

use super::address;
use super::history::{MATCH_WORDS, Number};
use super::value::port;
use super::words::{delimited, split};
use crate::settings::users::Users;
use agent_core::glob::{self, Syntax};

/// One criterion of a `Match` line; all of a line must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    /// `all`
    All,
    /// A pattern list over the user's name.
    User(String),
    /// A pattern list over the names of the user's groups.
    Group(String),
    /// A pattern list over the client's host name.
    Host(String),
    /// Addresses, networks and patterns for the client's address.
    Address(String),
    /// The same for the address that was connected to.
    LocalAddress(String),
    /// The port that was connected to.
    LocalPort(u16),
    /// A pattern list over the routing domain.
    Rdomain(String),
    /// A user that does not exist (9.9).
    InvalidUser,
    /// A pattern list over the version, and whether it matches (10.0).
    Version(String, bool),
    /// What follows `Match`, which only a newer version than is known here may understand.
    NotUnderstood(String),
}

/// Who connects: the name, and the groups where they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    name: &'a str,
    groups: Option<Vec<String>>,
}

impl<'a> Account<'a> {
    /// Looks the groups up once.
    pub(super) fn of(name: &'a str, users: Option<&Users>) -> Account<'a> {
        Account {
            name,
            groups: users.map(|users| groups_of(users, name)),
        }
    }

    /// A negated match of any group fails the whole list (groupaccess.c).
    fn is_in(&self, list: &str) -> bool {
        let groups = self.groups.iter().flatten();
        groups
            .map(|group| in_list(group, list))
            .try_fold(false, |before, hit| Some(before | hit?))
            .unwrap_or(false)
    }
}

/// A connection, as `sshd -T -C` describes it; what is not given matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// `user`
    pub user: Option<String>,
    /// `host`
    pub host: Option<String>,
    /// `addr`
    pub address: Option<String>,
    /// `laddr`
    pub local_address: Option<String>,
    /// `lport`
    pub local_port: Option<u16>,
    /// `rdomain`
    pub rdomain: Option<String>,
    /// `invalid-user` (9.9): sshd does not look for the user itself here.
    pub invalid_user: bool,
}

impl Connection {
    /// Reads `key=value,…` as `-C` of that version takes it, over what is known already; an empty part ends it.
    pub fn specify(&mut self, spec: &str, version: Number) -> Result<(), String> {
        for part in spec.split(',').take_while(|part| !part.is_empty()) {
            if part == "invalid-user" && version >= (9, 9) {
                self.invalid_user = true;
                continue;
            }
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!("-C {spec}: \"{part}\" is no key=value"));
            };
            let slot = match key {
                "user" => &mut self.user,
                "host" => &mut self.host,
                "addr" => &mut self.address,
                "laddr" => &mut self.local_address,
                "rdomain" => &mut self.rdomain,
                "lport" => {
                    let bad = || format!("-C {spec}: bad port \"{value}\"");
                    // 0 stands for a port that is not given.
                    self.local_port = Some(port(value).ok_or_else(bad)?).filter(|port| *port > 0);
                    continue;
                }
                _ => {
                    return Err(format!(
                        "-C {spec}: unknown key \"{key}\", expected user, host, addr, laddr, lport, rdomain or invalid-user"
                    ));
                }
            };
            *slot = Some(value.to_owned());
        }
        Ok(())
    }
}

/// Reads what follows `Match`; the reason where sshd refuses it.
pub(super) fn parse(line: &str, version: Number) -> Result<Vec<Criterion>, String> {
    let mut words = Words::new(line, version).ok_or("invalid quotes")?;
    let mut found = Vec::new();
    while let Some(attribute) = words.next().filter(|word| !word.is_empty()) {
        if attribute.starts_with('#') {
            words.end();
            break;
        }
        let name = attribute.to_ascii_lowercase();
        if name == "all" {
            let argument = words
                .next()
                .filter(|word| !word.is_empty() && !word.starts_with('#'));
            if !found.is_empty() || argument.is_some() {
                return Err("'all' cannot be combined with other Match attributes".into());
            }
            return Ok(vec![Criterion::All]);
        }
        if name == "invalid-user" && version >= (9, 9) {
            found.push(Criterion::InvalidUser);
            continue;
        }
        let (attribute, name, argument) = match words.with_equals(&attribute) {
            Some((name, argument)) => (
                name.to_owned(),
                name.to_ascii_lowercase(),
                Some(argument.to_owned()),
            ),
            None => (attribute, name, words.next()),
        };
        let argument = argument.filter(|word| !word.is_empty() && !word.starts_with('#'));
        let Some(argument) = argument else {
            return Err(format!("Missing Match criteria for {attribute}"));
        };
        found.push(match name.as_str() {
            "user" => Criterion::User(argument),
            "group" => Criterion::Group(argument),
            "host" => Criterion::Host(argument),
            "address" | "localaddress" => {
                if address::in_list(None, &argument).is_none() {
                    return Err(format!("Invalid Match {name} argument '{argument}'"));
                }
                match name.as_str() {
                    "address" => Criterion::Address(argument),
                    _ => Criterion::LocalAddress(argument),
                }
            }
            "localport" => match port(&argument) {
                Some(port) => Criterion::LocalPort(port),
                None => return Err(format!("Invalid LocalPort '{argument}' on Match line")),
            },
            "rdomain" if version >= (7, 7) => Criterion::Rdomain(argument),
            "version" if version >= (10, 0) => {
                // The portable release is p1 or p2; no pattern that is meant tells them apart.
                let own = format!("OpenSSH_{}.{}p", version.0, version.1);
                let holds = ["1", "2"]
                    .iter()
                    .any(|release| in_list(&format!("{own}{release}"), &argument) == Some(true));
                Criterion::Version(argument, holds)
            }
            _ => return Err(format!("Unsupported Match attribute {attribute}")),
        });
    }
    if found.is_empty() {
        return Err("One or more attributes required for Match".into());
    }
    if words.is_left() {
        return Err("extra arguments at end of line".into());
    }
    Ok(found)
}

/// The words of a `Match` line: cut off one by one, since 9.9 split as a shell would.
enum Words {
    Cut(Option<String>),
    Split(std::vec::IntoIter<String>),
}

impl Words {
    fn new(line: &str, version: Number) -> Option<Words> {
        Some(match version < MATCH_WORDS {
            true => Words::Cut(Some(line.to_owned())),
            false => Words::Split(split(line)?.into_iter()),
        })
    }

    fn next(&mut self) -> Option<String> {
        match self {
            Words::Cut(rest) => delimited(rest),
            Words::Split(words) => words.next(),
        }
    }

    fn end(&mut self) {
        *self = Words::Cut(None);
    }

    fn is_left(&self) -> bool {
        match self {
            Words::Cut(rest) => rest.as_ref().is_some_and(|rest| !rest.is_empty()),
            Words::Split(words) => !words.as_slice().is_empty(),
        }
    }

    /// `NAME=ARGUMENT` in one word; cut off words end at the sign anyway.
    fn with_equals<'a>(&self, word: &'a str) -> Option<(&'a str, &'a str)> {
        match self {
            Words::Cut(_) => None,
            Words::Split(_) => word.split_once('='),
        }
    }
}

impl Criterion {
    /// Whether the connection fulfils it; without a connection only `all` does.
    pub(super) fn holds(
        &self,
        connection: Option<&Connection>,
        account: Option<&Account<'_>>,
    ) -> bool {
        let Some(connection) = connection else {
            return matches!(self, Criterion::All | Criterion::Version(_, true));
        };
        let listed = |value: &Option<String>, list: &str| {
            value
                .as_deref()
                .is_some_and(|value| in_list(value, list) == Some(true))
        };
        let address = |value: &Option<String>, list: &str| {
            value
                .as_deref()
                .is_some_and(|value| address::in_list(Some(value), list) == Some(true))
        };
        match self {
            Criterion::All => true,
            Criterion::User(list) => listed(&connection.user, list),
            Criterion::Group(list) => account.is_some_and(|account| account.is_in(list)),
            Criterion::Host(list) => {
                let host = connection
                    .host
                    .as_ref()
                    .map(|host| host.to_ascii_lowercase());
                listed(&host, &list.to_ascii_lowercase())
            }
            Criterion::Address(list) => address(&connection.address, list),
            Criterion::LocalAddress(list) => address(&connection.local_address, list),
            Criterion::LocalPort(port) => connection.local_port == Some(*port),
            Criterion::Rdomain(list) => listed(&connection.rdomain, list),
            Criterion::InvalidUser => connection.invalid_user,
            Criterion::NotUnderstood(_) => false,
            Criterion::Version(_, holds) => *holds,
        }
    }

    /// As a person wrote it: `User root`.
    pub(super) fn text(&self) -> String {
        match self {
            Criterion::All => "all".into(),
            Criterion::User(list) => format!("User {list}"),
            Criterion::Group(list) => format!("Group {list}"),
            Criterion::Host(list) => format!("Host {list}"),
            Criterion::Address(list) => format!("Address {list}"),
            Criterion::LocalAddress(list) => format!("LocalAddress {list}"),
            Criterion::LocalPort(port) => format!("LocalPort {port}"),
            Criterion::Rdomain(list) => format!("RDomain {list}"),
            Criterion::InvalidUser => "Invalid-User".into(),
            Criterion::Version(list, _) => format!("Version {list}"),
            Criterion::NotUnderstood(text) => text.clone(),
        }
    }

    /// Whether every connection of the account fulfils it.
    pub(super) fn must_hold_for(&self, account: &Account<'_>) -> bool {
        match self {
            Criterion::All => true,
            Criterion::Version(_, holds) => *holds,
            Criterion::User(list) => in_list(account.name, list) == Some(true),
            Criterion::Group(list) => account.is_in(list),
            _ => false,
        }
    }

    /// Whether a connection of the account can fulfil it, whatever else holds of the connection.
    pub(super) fn can_hold_for(&self, account: &Account<'_>) -> bool {
        match self {
            Criterion::InvalidUser => false,
            Criterion::Version(_, holds) => *holds,
            Criterion::User(list) => in_list(account.name, list) == Some(true),
            // Where groups are not known the block counts: a hole is not to be overlooked.
            Criterion::Group(list) => account.groups.is_none() || account.is_in(list),
            _ => true,
        }
    }
}

/// Names of the groups that the user is in, primary one included (getgrouplist(3)).
fn groups_of(users: &Users, user: &str) -> Vec<String> {
    let Some(account) = users.account(user.as_bytes()) else {
        return Vec::new();
    };
    let primary = account.number(3);
    users
        .group
        .iter()
        .flatten()
        .filter(|group| {
            group.number(2).is_some() && group.number(2) == primary
                || group
                    .field(3)
                    .split(|byte| *byte == b',')
                    .any(|member| member == user.as_bytes())
        })
        .map(|group| String::from_utf8_lossy(group.name()).into_owned())
        .collect()
}

/// `match_pattern`: `*` and `?` over the whole text.
pub(super) fn matches(text: &str, pattern: &str) -> bool {
    glob::matches(pattern.as_bytes(), Syntax::Stars, text.as_bytes())
}

/// `match_pattern_list`: whether one of the list matches; `None` where a negated one does.
pub(super) fn in_list(text: &str, list: &str) -> Option<bool> {
    /// Bytes of a pattern that match.c has room for; a longer one ends the list without a match.
    const PATTERN: usize = 1022;
    let mut hit = false;
    for pattern in list.split(',') {
        if pattern.len() > PATTERN {
            return Some(false);
        }
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text, pattern) => return None,
            Some(_) => {}
            None => hit |= matches(text, pattern),
        }
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_negation() {
        assert_eq!(in_list("root", "r*,!roo"), Some(true));
        assert_eq!(in_list("root", "*,!root"), None);
        assert_eq!(in_list("root", "!bob"), Some(false));
        assert!(matches("aXbXc", "a*b?c") && !matches("ab", "a?b"));
    }

    #[test]
    fn lines() {
        assert_eq!(parse("all", (9, 2)), Ok(vec![Criterion::All]));
        assert_eq!(
            parse("User=root Address 10.0.0.0/8 # why", (9, 2)),
            Ok(vec![
                Criterion::User("root".into()),
                Criterion::Address("10.0.0.0/8".into())
            ])
        );
        for bad in [
            "",
            "all user x",
            "user",
            "address 10.0.0.1/8",
            "localport 1,2",
            "os x",
        ] {
            assert!(parse(bad, (9, 2)).is_err(), "{bad}");
        }
    }
}
