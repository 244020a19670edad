//! What is in force: for everyone, or for one connection; and how `sshd -T` prints it.

use super::criteria::Connection;
use super::history::{Number, ONE_KBDINT};
use super::keyword::{self, KEYWORDS, Kind};
use super::parse::{Config, Entry, Place};
use crate::settings::users::Users;
use std::io::{self, Write};

/// The values in force.
pub struct Effective<'a> {
    /// By keyword: the entries that made the value; none where the default holds.
    set: Vec<Vec<&'a Entry>>,
    version: Number,
}

const KBDINT: &str = "kbdinteractiveauthentication";
const CHALLENGE: &str = "challengeresponseauthentication";

/// Whether lines add up.
fn adds(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Users
            | Kind::Groups
            | Kind::Variables
            | Kind::Port
            | Kind::Listen
            | Kind::Files
            | Kind::Subsystem
            | Kind::Rekey
    )
}

/// Where sshd overwrites instead of keeping the first (no test for -1 in servconf.c). Of UnusedConnectionTimeout
/// this is so for `none` alone.
fn last_wins(kind: Kind, version: Number) -> bool {
    match kind {
        Kind::PerSource => version < (9, 5),
        kind => matches!(
            kind,
            Kind::Startups | Kind::Blocks | Kind::Qos | Kind::Mask | Kind::Hash
        ),
    }
}

impl<'a> Effective<'a> {
    /// For everyone: no block but `Match all` applies.
    pub fn global(config: &'a Config) -> Effective<'a> {
        Effective::applied(config, None, None)
    }

    /// For one connection.
    pub fn of(config: &'a Config, connection: &Connection, users: Option<&Users>) -> Effective<'a> {
        Effective::applied(config, Some(connection), users)
    }

    /// sshd reads twice: first for everyone, blocks that are for all included; then, for a connection, the
    /// blocks that apply, and what these say takes the place of the rest (`parse_server_match_config`).
    fn applied(
        config: &'a Config,
        connection: Option<&Connection>,
        users: Option<&Users>,
    ) -> Effective<'a> {
        let everyone = Effective {
            set: vec![Vec::new(); KEYWORDS.len()],
            version: config.version,
        };
        everyone
            .overlaid(
                config
                    .entries
                    .iter()
                    .filter(|entry| config.applies(entry.block, None, None)),
            )
            .overlaid(config.entries.iter().filter(|entry| {
                KEYWORDS[entry.keyword].in_match(config.version)
                    && entry.block.is_some()
                    && config.applies(entry.block, connection, users)
            }))
    }

    /// For those whom the block, and the blocks around it, are for; no other block applies.
    pub(super) fn under(config: &'a Config, block: usize) -> Effective<'a> {
        let mut chain = vec![block];
        while let Some(parent) = chain.last().and_then(|last| config.blocks[*last].parent) {
            chain.push(parent);
        }
        Effective::global(config).overlaid(
            config
                .entries
                .iter()
                .filter(|entry| entry.block.is_some_and(|block| chain.contains(&block))),
        )
    }

    /// The same, with what these entries say in place of what holds.
    pub(super) fn overlaid(mut self, entries: impl Iterator<Item = &'a Entry>) -> Effective<'a> {
        let mut set = vec![Vec::new(); KEYWORDS.len()];
        for entry in entries {
            take(&mut set, entry, self.version);
        }
        for (old, new) in self.set.iter_mut().zip(set) {
            if !new.is_empty() {
                *old = new;
            }
        }
        self
    }

    /// Before 8.7 the older keyword switches the newer one on, and stands in for it where it is not said
    /// (`main` in sshd.c).
    fn decides(&self, name: &'a str) -> &'a str {
        let older = || {
            keyword::index(CHALLENGE).is_none_or(|index| {
                self.set[index]
                    .first()
                    .is_none_or(|entry| entry.values[0] == "yes")
            })
        };
        let own = keyword::index(KBDINT).and_then(|index| self.set[index].first());
        // What a Match block says comes after that.
        let in_block = own.is_some_and(|entry| entry.block.is_some());
        let stands_in = own.is_none() || older();
        match self.version < ONE_KBDINT && name == KBDINT && !in_block && stands_in {
            true => CHALLENGE,
            false => name,
        }
    }

    /// The values of the keyword, as `sshd -T` prints them.
    pub fn values(&self, name: &'a str) -> Vec<&'a str> {
        let name = self.decides(name);
        let Some(index) = keyword::index(name) else {
            return Vec::new();
        };
        match self.set[index].is_empty() {
            true if !KEYWORDS[index].is_in(self.version) => Vec::new(),
            true => match KEYWORDS[index].default(self.version) {
                "" => Vec::new(),
                default => vec![default],
            },
            false if KEYWORDS[index].kind == Kind::Rekey => {
                let of = |n: usize| {
                    let said = self.set[index]
                        .iter()
                        .filter_map(move |entry| entry.values.get(n));
                    said.map(String::as_str).find(|value| *value != "none")
                };
                vec![of(0).unwrap_or("0"), of(1).unwrap_or("0")]
            }
            false => self.set[index]
                .iter()
                .flat_map(|entry| entry.values.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The single value of the keyword; empty where it has none.
    pub fn value(&self, name: &'a str) -> &'a str {
        self.values(name).first().copied().unwrap_or_default()
    }

    /// Where the value stands; `None` for a default.
    pub fn place(&self, name: &'a str) -> Option<&'a Place> {
        let index = keyword::index(self.decides(name))?;
        self.set[index].first().map(|entry| &entry.place)
    }

    /// Whether the value of the keyword is the built-in one.
    pub fn is_default(&self, name: &'a str) -> bool {
        self.place(name).is_none()
    }

    /// Whether the value of the keyword stands in a Match block.
    fn in_block(&self, name: &str) -> bool {
        let set = keyword::index(name).and_then(|index| self.set[index].first());
        set.is_some_and(|entry| entry.block.is_some())
    }

    /// Prints all values as `sshd -T` does.
    pub fn dump(&self, out: &mut dyn Write) -> io::Result<()> {
        for keyword in KEYWORDS.iter().filter(|k| k.is_in(self.version)) {
            match keyword.kind {
                Kind::Listen => self.dump_listen(out)?,
                Kind::Rdomain => {}
                Kind::Rekey => writeln!(
                    out,
                    "{} {}",
                    keyword.name,
                    self.values(keyword.name).join(" ")
                )?,
                // Said outside of Match blocks, `none` clears the list (servconf.c, CLEAR_ON_NONE_ARRAY), and an
                // empty list was not printed before 9.3.
                Kind::ChannelTimes
                    if self.version < (9, 3)
                        && self.value(keyword.name) == "none"
                        && !self.in_block(keyword.name) => {}
                _ => {
                    for value in self.values(keyword.name) {
                        writeln!(out, "{} {value}", keyword.printed(self.version))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Addresses without a port listen on every port.
    fn dump_listen(&self, out: &mut dyn Write) -> io::Result<()> {
        let ports = self.values("port");
        let written = self.values("listenaddress");
        let mut shown: Vec<String> = Vec::new();
        if written.is_empty() {
            let family = self.value("addressfamily");
            for port in &ports {
                if family != "inet" {
                    shown.push(format!("[::]:{port}"));
                }
                if family != "inet6" {
                    shown.push(format!("0.0.0.0:{port}"));
                }
            }
        }
        for address in written {
            match address.strip_suffix('*') {
                Some(host) => shown.extend(ports.iter().map(|port| format!("{host}{port}"))),
                None => shown.push(address.to_owned()),
            }
        }
        for address in shown {
            writeln!(out, "listenaddress {address}")?;
        }
        Ok(())
    }
}

fn take<'a>(set: &mut [Vec<&'a Entry>], entry: &'a Entry, version: Number) {
    let kind = KEYWORDS[entry.keyword].kind;
    let slot = &mut set[entry.keyword];
    if adds(kind) {
        slot.push(entry);
    } else if slot.is_empty()
        || last_wins(kind, version)
        || (kind == Kind::IdleTime && entry.values == ["none"])
    {
        *slot = vec![entry];
    }
}
