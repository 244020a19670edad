//! `Match`: whom a block is for (match.c, addrmatch.c and `match_cfg_line` of OpenSSH 9.2).

use super::words::delimited;
use crate::settings::users::Users;
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
pub(super) fn parse(line: &str) -> Result<Vec<Criterion>, String> {
    let mut rest = Some(line.to_owned());
    let mut found = Vec::new();
    while let Some(attribute) = delimited(&mut rest).filter(|word| !word.is_empty()) {
        if attribute.starts_with('#') {
            rest = None;
            break;
        }
        let name = attribute.to_ascii_lowercase();
        let argument =
            delimited(&mut rest).filter(|word| !word.is_empty() && !word.starts_with('#'));
        if name == "all" {
            if !found.is_empty() || argument.is_some() {
                return Err("'all' cannot be combined with other Match attributes".into());
            }
            return Ok(vec![Criterion::All]);
        }
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
            "rdomain" => Criterion::Rdomain(argument),
            _ => return Err(format!("Unsupported Match attribute {attribute}")),
        });
    }
    if found.is_empty() {
        return Err("One or more attributes required for Match".into());
    }
    if rest.is_some_and(|rest| !rest.is_empty()) {
        return Err("extra arguments at end of line".into());
    }
    Ok(found)
}

impl Criterion {
    /// Whether the connection fulfils it; without a connection only `all` does.
    pub(super) fn holds(&self, connection: Option<&Connection>, users: Option<&Users>) -> bool {
        let Some(connection) = connection else {
            return *self == Criterion::All;
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
        }
    }

    /// Whether a connection of `user` can fulfil it, whatever else holds of the connection.
    pub(super) fn can_hold_for(&self, user: &str, users: Option<&Users>) -> bool {
        match self {
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

/// `match_pattern`: `*` and `?` over the whole text. Time is bounded by the product of the lengths.
pub(in crate::settings) fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
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
        assert_eq!(parse("all"), Ok(vec![Criterion::All]));
        assert_eq!(
            parse("User=root Address 10.0.0.0/8 # why"),
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
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
