//! What is in force: for everyone, or for one connection; and how `sshd -T` prints it.
#![expect(
    clippy::indexing_slicing,
    reason = "by numbers of its own tables, each given out where its row is made"
)]

use super::build::Build;
use super::config::{Config, Directive, Location};
use super::criteria::{Account, Connection};
use super::history::{FIRST_STARTUPS, FRACTIONS, Number, ONE_KBDINT};
use super::keyword::{self, KEYWORDS, Keyword, Kind};
use crate::settings::users::Users;
use std::io::{self, Write};

/// The values in force.
#[derive(Clone)]
pub struct Effective<'a> {
    /// By keyword: the lines that made the value; none where the default holds.
    set: Vec<Vec<&'a Directive>>,
    build: Build,
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
        Kind::Startups | Kind::Blocks => version < FIRST_STARTUPS,
        Kind::Qos => version < FRACTIONS,
        Kind::Mask => version < (10, 6),
        // Each line of PerSourcePenalties holds what those before it said.
        kind => matches!(kind, Kind::Hash | Kind::Penalties),
    }
}

impl<'a> Effective<'a> {
    /// For everyone: no block but `Match all` applies.
    pub fn global(config: &'a Config) -> Effective<'a> {
        Effective::applied(config, None, None)
    }

    /// For one connection.
    pub fn of(config: &'a Config, connection: &Connection, users: Option<&Users>) -> Effective<'a> {
        let user = connection.user.as_deref();
        let account = user.map(|user| Account::of(user, users));
        Effective::applied(config, Some(connection), account.as_ref())
    }

    /// sshd reads twice: first for everyone, blocks that are for all included; then, for a connection, the
    /// blocks that apply, and what these say takes the place of the rest (`parse_server_match_config`).
    fn applied(
        config: &'a Config,
        connection: Option<&Connection>,
        account: Option<&Account<'_>>,
    ) -> Effective<'a> {
        let nothing = Effective {
            set: vec![Vec::new(); KEYWORDS.len()],
            build: config.build,
        };
        let for_all = config.applying(None, None);
        let everyone = config
            .directives
            .iter()
            .filter(|entry| entry.block.is_none_or(|block| for_all[block]));
        let applying = config.applying(connection, account);
        nothing
            .overlaid(everyone)
            .overlaid(config.directives.iter().filter(|entry| {
                KEYWORDS[entry.keyword].in_match(config.build.number)
                    && entry.block.is_some_and(|block| applying[block])
            }))
    }

    /// What holds beyond these for those whom the block, and the blocks around it, are for; no other block applies.
    pub(super) fn under(&self, config: &'a Config, block: usize) -> Effective<'a> {
        let around = config.around(block);
        let mut lines: Vec<usize> = around
            .flat_map(|block| config.of_block[block].iter().copied())
            .collect();
        // In the order in which they were read.
        lines.sort_unstable();
        let lines = lines.into_iter().map(|line| &config.directives[line]);
        self.clone().overlaid(lines)
    }

    /// The same, with what these lines say in place of what holds.
    pub(super) fn overlaid(
        mut self,
        entries: impl Iterator<Item = &'a Directive>,
    ) -> Effective<'a> {
        let mut set = vec![Vec::new(); KEYWORDS.len()];
        for entry in entries {
            take(&mut set, entry, self.build.number);
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
        match self.build.number < ONE_KBDINT && name == KBDINT && !in_block && stands_in {
            true => CHALLENGE,
            false => name,
        }
    }

    /// The values of the keyword: each word of a list, as sshd parted them, what else is there as `sshd -T` prints it.
    pub fn values(&self, name: &'a str) -> Vec<&'a str> {
        let name = self.decides(name);
        let Some(index) = keyword::index(name) else {
            return Vec::new();
        };
        match self.set[index].is_empty() {
            // What the build left out is off, whatever stands there.
            true if self.build.ignores(KEYWORDS[index].name) => vec!["no"],
            true if !KEYWORDS[index].is_in(self.build) => Vec::new(),
            true => match self.default(index) {
                "" => Vec::new(),
                default => default.split('\n').collect(),
            },
            // A list that leaves nothing is the default, but in a Match block (`kex_assemble_names` is called again).
            false
                if matches!(KEYWORDS[index].kind, Kind::Algorithms(_))
                    && self.set[index][0].values[0].is_empty()
                    && !(self.set[index][0].block.is_some()
                        && KEYWORDS[index].in_match(self.build.number)) =>
            {
                vec![self.default(index)]
            }
            false if KEYWORDS[index].kind == Kind::IdleTime => {
                let value = self.set[index][0].values[0].as_str();
                vec![if value == "0" { "none" } else { value }]
            }
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

    fn default(&self, index: usize) -> &'static str {
        let keyword = &KEYWORDS[index];
        self.build
            .default(keyword.name, keyword.default(self.build.number))
    }

    /// The single value of the keyword; empty where it has none.
    pub fn value(&self, name: &'a str) -> &'a str {
        self.values(name).first().copied().unwrap_or_default()
    }

    /// Where the value stands; `None` for a default.
    pub fn location(&self, name: &'a str) -> Option<&'a Location> {
        let index = keyword::index(self.decides(name))?;
        self.set[index].first().map(|entry| &entry.location)
    }

    /// Whether DisableForwarding switches off X11 and agent forwarding too.
    pub(super) fn disables_all(&self) -> bool {
        self.build.disables_all
    }

    /// Whether the value of the keyword is the built-in one.
    pub fn is_default(&self, name: &'a str) -> bool {
        self.location(name).is_none()
    }

    /// Whether the value of the keyword stands in a Match block.
    fn in_block(&self, name: &str) -> bool {
        let set = keyword::index(name).and_then(|index| self.set[index].first());
        set.is_some_and(|entry| entry.block.is_some())
    }

    /// Prints all values as `sshd -T` does.
    pub fn dump(&self, out: &mut dyn Write) -> io::Result<()> {
        let revoked = keyword::index("revokedkeys").map(|index| &KEYWORDS[index]);
        for keyword in KEYWORDS.iter().filter(|k| k.is_in(self.build)) {
            match keyword.name {
                "revokedkeys" if self.build.number >= FRACTIONS => {}
                // Since it takes several files it stands there.
                "authorizedkeysfile" if self.build.number >= FRACTIONS => {
                    self.dump_keyword(keyword, out)?;
                    if let Some(revoked) = revoked {
                        self.dump_keyword(revoked, out)?;
                    }
                }
                _ => self.dump_keyword(keyword, out)?,
            }
        }
        Ok(())
    }

    fn dump_keyword(&self, keyword: &'static Keyword, out: &mut dyn Write) -> io::Result<()> {
        let version = self.build.number;
        let name = keyword.printed(version);
        let values = self.values(keyword.name);
        // Said outside of Match blocks, `none` clears the list (servconf.c, CLEAR_ON_NONE_ARRAY).
        let cleared = values == ["none"] && !self.in_block(keyword.name);
        match keyword.kind {
            Kind::Listen => self.dump_listen(name, out),
            Kind::Rdomain => Ok(()),
            // An empty list was not printed before 9.3.
            Kind::ChannelTimes if version < (9, 3) && cleared => Ok(()),
            Kind::FileList if version >= FRACTIONS && cleared => Ok(()),
            Kind::FileList | Kind::Methods if values.is_empty() => Ok(()),
            Kind::Rekey | Kind::FileList | Kind::Methods => {
                writeln!(out, "{name} {}", values.join(" "))
            }
            _ => values.iter().try_for_each(|value| match *value {
                "without-password" if version >= FIRST_STARTUPS => {
                    writeln!(out, "{name} prohibit-password")
                }
                value => writeln!(out, "{name} {value}"),
            }),
        }
    }

    /// Addresses without a port listen on every port.
    fn dump_listen(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
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
            writeln!(out, "{name} {address}")?;
        }
        Ok(())
    }
}

fn take<'a>(set: &mut [Vec<&'a Directive>], entry: &'a Directive, version: Number) {
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
