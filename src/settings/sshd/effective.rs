//! What is in force: for everyone, or for one connection; and how `sshd -T` prints it.

use super::criteria::Connection;
use super::keyword::{self, KEYWORDS, Kind};
use super::parse::{Config, Entry, Place};
use crate::settings::users::Users;
use std::io::{self, Write};

/// The values in force.
pub struct Effective<'a> {
    /// By keyword: the entries that made the value; none where the default holds.
    set: Vec<Vec<&'a Entry>>,
}

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
    )
}

/// Where sshd overwrites instead of keeping the first (no test for -1 in servconf.c).
fn last_wins(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Startups | Kind::PerSource | Kind::Blocks | Kind::Qos | Kind::Mask | Kind::Hash
    )
}

impl<'a> Effective<'a> {
    /// For everyone: no block but `Match all` applies.
    pub fn global(config: &'a Config) -> Effective<'a> {
        let mut set = vec![Vec::new(); KEYWORDS.len()];
        for entry in &config.entries {
            if config.applies(entry.block, None, None) {
                take(&mut set, entry);
            }
        }
        Effective { set }
    }

    /// For one connection: what blocks that apply say goes before what stands outside.
    pub fn of(config: &'a Config, connection: &Connection, users: Option<&Users>) -> Effective<'a> {
        Effective::global(config).overlaid(config.entries.iter().filter(|entry| {
            KEYWORDS[entry.keyword].in_match
                && entry.block.is_some()
                && config.applies(entry.block, Some(connection), users)
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
            take(&mut set, entry);
        }
        for (old, new) in self.set.iter_mut().zip(set) {
            if !new.is_empty() {
                *old = new;
            }
        }
        self
    }

    /// The values of the keyword, as `sshd -T` prints them.
    pub fn values(&self, name: &str) -> Vec<&'a str> {
        let Some(index) = keyword::index(name) else {
            return Vec::new();
        };
        match self.set[index].is_empty() {
            true => match KEYWORDS[index].default {
                "" => Vec::new(),
                default => vec![default],
            },
            false => self.set[index]
                .iter()
                .flat_map(|entry| entry.values.iter().map(String::as_str))
                .collect(),
        }
    }

    /// The single value of the keyword; empty where it has none.
    pub fn value(&self, name: &str) -> &'a str {
        self.values(name).first().copied().unwrap_or_default()
    }

    /// Where the value stands; `None` for a default.
    pub fn place(&self, name: &str) -> Option<&'a Place> {
        let index = keyword::index(name)?;
        self.set[index].first().map(|entry| &entry.place)
    }

    /// Whether the value of the keyword is the built-in one.
    pub fn is_default(&self, name: &str) -> bool {
        self.place(name).is_none()
    }

    /// Prints all values as `sshd -T` does.
    pub fn dump(&self, out: &mut dyn Write) -> io::Result<()> {
        for keyword in &KEYWORDS {
            match keyword.kind {
                Kind::Listen => self.dump_listen(out)?,
                Kind::Rdomain => {}
                _ => {
                    for value in self.values(keyword.name) {
                        writeln!(out, "{} {value}", keyword.name)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Addresses without a port listen on every port; later ones are printed first.
    fn dump_listen(&self, out: &mut dyn Write) -> io::Result<()> {
        let ports = self.values("port");
        let written = self.values("listenaddress");
        let mut shown: Vec<String> = Vec::new();
        if written.is_empty() {
            let family = self.value("addressfamily");
            for port in &ports {
                let mut both = Vec::new();
                if family != "inet" {
                    both.push(format!("[::]:{port}"));
                }
                if family != "inet6" {
                    both.push(format!("0.0.0.0:{port}"));
                }
                shown.splice(0..0, both);
            }
        }
        for address in written {
            match address.strip_suffix('*') {
                Some(host) => {
                    for port in &ports {
                        shown.insert(0, format!("{host}{port}"));
                    }
                }
                None => shown.insert(0, address.to_owned()),
            }
        }
        for address in shown {
            writeln!(out, "listenaddress {address}")?;
        }
        Ok(())
    }
}

fn take<'a>(set: &mut [Vec<&'a Entry>], entry: &'a Entry) {
    let kind = KEYWORDS[entry.keyword].kind;
    let slot = &mut set[entry.keyword];
    if adds(kind) {
        slot.push(entry);
    } else if slot.is_empty() || last_wins(kind) {
        *slot = vec![entry];
    }
}
