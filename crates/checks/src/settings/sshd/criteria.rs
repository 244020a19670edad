//! `Match`: whom a block is for (match.c, addrmatch.c and `match_cfg_line` of OpenSSH).

use super::history::{MATCH_WORDS, Number};
use super::words::{delimited, split};
use crate::settings::users::Users;
use agent_core::glob::{self, Syntax};
use std::net::IpAddr;

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
}

impl Connection {
    /// Reads `key=value,…` as `-C` takes it, over what is known already.
    pub fn specify(&mut self, spec: &str) -> Result<(), String> {
        for part in spec.split(',') {
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
                    let port = value.parse().ok().filter(|port| *port > 0);
                    let port = port.ok_or_else(|| format!("-C {spec}: bad port \"{value}\""))?;
                    self.local_port = Some(port);
                    continue;
                }
                _ => {
                    return Err(format!(
                        "-C {spec}: unknown key \"{key}\", expected user, host, addr, laddr, lport or rdomain"
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
                if address_in(None, &argument).is_none() {
                    return Err(format!("Invalid Match {name} argument '{argument}'"));
                }
                match name.as_str() {
                    "address" => Criterion::Address(argument),
                    _ => Criterion::LocalAddress(argument),
                }
            }
            "localport" => match argument.parse() {
                Ok(port) => Criterion::LocalPort(port),
                Err(_) => return Err(format!("Invalid LocalPort '{argument}' on Match line")),
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
    pub(super) fn holds(&self, connection: Option<&Connection>, users: Option<&Users>) -> bool {
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
                .is_some_and(|value| address_in(Some(value), list) == Some(true))
        };
        match self {
            Criterion::All => true,
            Criterion::User(list) => listed(&connection.user, list),
            Criterion::Group(list) => match (&connection.user, users) {
                (Some(user), Some(users)) => groups_of(users, user)
                    .iter()
                    // A negated match of any group fails the whole list (groupaccess.c).
                    .try_fold(false, |before, group| Some(before | in_list(group, list)?))
                    .unwrap_or(false),
                _ => false,
            },
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
            Criterion::InvalidUser => match (&connection.user, users) {
                (Some(user), Some(users)) => users.account(user.as_bytes()).is_none(),
                _ => false,
            },
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
        }
    }

    /// Whether a connection of `user` can fulfil it, whatever else holds of the connection.
    pub(super) fn can_hold_for(&self, user: &str, users: Option<&Users>) -> bool {
        match self {
            Criterion::InvalidUser => false,
            Criterion::Version(_, holds) => *holds,
            Criterion::User(_) | Criterion::Group(_) => {
                let connection = Connection {
                    user: Some(user.to_owned()),
                    ..Connection::default()
                };
                // Where groups are not known the block counts: a hole is not to be overlooked.
                matches!(self, Criterion::Group(_)) && users.is_none()
                    || self.holds(Some(&connection), users)
            }
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
    let mut hit = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text, pattern) => return None,
            Some(_) => {}
            None => hit |= matches(text, pattern),
        }
    }
    Some(hit)
}

/// `addr_match_list`: whether the address is in the list; without an address whether the list is good.
///
/// `None` for a bad list; for a match of a negated entry `Some(false)`.
fn address_in(address: Option<&str>, list: &str) -> Option<bool> {
    let wanted: Option<IpAddr> = match address {
        Some(text) => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => return Some(false),
        },
        None => None,
    };
    let mut hit = address.is_none();
    for entry in list.split(',') {
        let (negated, entry) = match entry.strip_prefix('!') {
            Some(entry) => (true, entry),
            None => (false, entry),
        };
        if entry.is_empty() {
            return None;
        }
        let found = match network(entry) {
            Network::Bad => return None,
            Network::Of(base, bits) => wanted.is_some_and(|address| contains(base, bits, address)),
            Network::Pattern => address.is_some_and(|address| matches(address, entry)),
        };
        if found && negated {
            return Some(false);
        }
        hit |= found;
    }
    Some(hit)
}

enum Network {
    Of(IpAddr, u32),
    Pattern,
    Bad,
}

/// `addr_pton_cidr`: an address with or without a length; host bits that are set are refused.
fn network(text: &str) -> Network {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Network::Pattern;
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits.map(str::parse::<u32>) {
        None => width,
        Some(Ok(bits)) if bits <= width => bits,
        Some(Ok(_)) => return Network::Bad,
        Some(Err(_)) => return Network::Pattern,
    };
    match contains(address, width, masked(address, bits)) {
        true => Network::Of(address, bits),
        false => Network::Bad,
    }
}

fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

fn contains(base: IpAddr, bits: u32, address: IpAddr) -> bool {
    base.is_ipv4() == address.is_ipv4() && masked(base, bits) == masked(address, bits)
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
    fn addresses() {
        assert_eq!(address_in(Some("10.1.2.3"), "10.0.0.0/8"), Some(true));
        assert_eq!(
            address_in(Some("10.1.2.3"), "10.0.0.0/8,!10.1.0.0/16"),
            Some(false)
        );
        assert_eq!(address_in(Some("10.1.2.3"), "10.1.*"), Some(true));
        assert_eq!(address_in(Some("::1"), "::1/128"), Some(true));
        assert_eq!(address_in(None, "10.0.0.1/8"), None);
        assert_eq!(address_in(None, "0.0.0.0/0,::/0"), Some(true));
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
