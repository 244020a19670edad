//! On which host a policy is read (match.c, `hostname_matches`).
//!
//! A running system knows its name. A tree may come to run on any host: then every host that a policy can tell apart is
//! asked for, which are those that it names and one that it does not.

use super::flat::Flat;
use agent_core::glob::{Glob, Syntax};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

/// One host, as far as a policy can know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    long: String,
    short: String,
    /// An entry that is taken to be true for it: an address, a netgroup or a pattern.
    entry: Option<Rc<str>>,
}

impl Host {
    fn named(name: &str) -> Host {
        let long = name.to_ascii_lowercase();
        let short = long.split('.').next().unwrap_or_default().to_owned();
        Host {
            long,
            short,
            entry: None,
        }
    }

    /// Whether the entry of a list means this host.
    fn is(&self, entry: &str) -> bool {
        if self.entry.as_deref() == Some(entry) {
            return true;
        }
        let own = match entry.contains('.') {
            true => &self.long,
            false => &self.short,
        };
        match is_pattern(entry) {
            true => Glob::new(entry.as_bytes(), Syntax::Fnmatch).matches(own.as_bytes()),
            false => entry == own,
        }
    }

    /// Whether the list means this host.
    pub(super) fn in_list(&self, list: &Flat) -> bool {
        let named = list.words.iter().filter(|(entry, _)| self.is(entry));
        let hits = named.map(|(_, (hit, _))| *hit).chain(list.all);
        hits.min_by_key(|hit| hit.rank)
            .is_some_and(|hit| !hit.negated)
    }
}

fn is_pattern(entry: &str) -> bool {
    entry.contains(['*', '?', '[', '\\'])
}

/// Addresses, networks and netgroups: nothing in a tree says whether they are this host's.
fn is_unknowable(entry: &str) -> bool {
    let address = entry.split('/').next().unwrap_or_default();
    entry.starts_with('+') || address.parse::<IpAddr>().is_ok()
}

/// The hosts to ask for; `name` is that of the running system, `entries` what stands in the lists of the policy.
pub(super) fn hosts(name: Option<&str>, entries: &BTreeSet<Rc<str>>) -> Vec<Host> {
    let base = match name {
        Some(name) => Host::named(name),
        // A name that nobody spells out.
        None => Host::named("\u{1}"),
    };
    let mut hosts = vec![base.clone()];
    for entry in entries {
        if is_unknowable(entry) || (name.is_none() && is_pattern(entry)) {
            hosts.push(Host {
                entry: Some(Rc::clone(entry)),
                ..base.clone()
            });
        } else if name.is_none() {
            hosts.push(Host::named(entry));
        }
    }
    hosts
}
