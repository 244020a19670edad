//! What filters input in the running kernel: chains and rules of nftables, and whether iptables of the old kind has any.

use super::firewall::Filtered;
use crate::settings::context::Context;
use agent_core::os::netlink::{self, attributes};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};

/// linux/netfilter/nf_tables.h and linux/netfilter.h
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NFTA_LOOKUP_DREG: u16 = 3;
const NFT_REG_VERDICT: u32 = 0;
const NFTA_TARGET_NAME: u16 = 1;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
const NFT_TABLE_F_DORMANT: u32 = 1;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_HOOK_DEVS: u16 = 4;
pub(super) const NFPROTO_INET: u8 = 1;
pub(super) const NFPROTO_IPV4: u8 = 2;
pub(super) const NFPROTO_IPV6: u8 = 10;
const NF_DROP: u32 = 0;
/// Hooks that input passes: before routing and on its way to a process.
const PREROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;

/// What the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    Yes,
    No,
    /// The caller may not ask, or the rules are where nobody can ask.
    Unknown(&'static str),
}

pub(super) fn loaded(context: &Context<'_>) -> Loaded {
    let chains = netlink::nftables_chains().and_then(|chains| {
        let dormant: Vec<(u8, Vec<u8>)> = netlink::nftables_tables()?
            .into_iter()
            .filter(|(_, table)| is_dormant(table))
            .filter_map(|(family, table)| Some((family, text(&table, NFTA_TABLE_NAME)?)))
            .collect();
        Ok((chains, dormant, rules()?))
    });
    match chains {
        Ok((chains, dormant, rules)) => {
            let mut filtered = Filtered::default();
            for (family, chain) in &chains {
                let table = text(chain, NFTA_CHAIN_TABLE).unwrap_or_default();
                if !dormant.contains(&(*family, table)) && filters(*family, chain, &rules) {
                    filtered.add(*family);
                }
            }
            match filtered.all(context) {
                true => Loaded::Yes,
                false => legacy(context),
            }
        }
        Err(Errno::PERM | Errno::ACCESS) => Loaded::Unknown("it takes CAP_NET_ADMIN"),
        // Without nftables in the kernel there are at most rules of the old kind.
        Err(_) => legacy(context),
    }
}

fn text(attributes_of: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let (_, value) = attributes(attributes_of).find(|(attribute, _)| *attribute == wanted)?;
    Some(value.strip_suffix(b"\0").unwrap_or(value).to_vec())
}

fn is_dormant(table: &[u8]) -> bool {
    attributes(table)
        .filter(|(attribute, _)| *attribute == NFTA_TABLE_FLAGS)
        .filter_map(|(_, value)| value.first_chunk())
        .any(|raw| u32::from_be_bytes(*raw) & NFT_TABLE_F_DORMANT != 0)
}

/// iptables of the old kind: its tables have names in /proc, their rules cannot be read without its own calls.
fn legacy(context: &Context<'_>) -> Loaded {
    for file in ["proc/net/ip_tables_names", "proc/net/ip6_tables_names"] {
        match context.read(file) {
            Ok(Some(names)) if names.split(|b| *b == b'\n').any(|name| name == b"filter") => {
                return Loaded::Unknown(
                    "iptables-legacy has a filter table, whose rules only iptables-legacy -S shows",
                );
            }
            Ok(_) => {}
            Err(_) => return Loaded::Unknown("it takes root to see the tables of iptables-legacy"),
        }
    }
    Loaded::No
}

/// Whether a chain of nftables drops something of the IP input: it hangs on a hook that all of it passes, and drops what
/// no rule takes, or a rule of its own does, or one of a chain that it leads to. A chain that translates addresses
/// filters nothing.
fn filters(family: u8, chain: &[u8], rules: &Rules) -> bool {
    let number = |value: &[u8]| value.first_chunk().map(|raw| u32::from_be_bytes(*raw));
    let mut of_a_device = false;
    let (mut hook, mut policy, mut kind) = (None, None, &[][..]);
    for (attribute, value) in attributes(chain) {
        match attribute {
            NFTA_CHAIN_HOOK => {
                of_a_device = attributes(value)
                    .any(|(inner, _)| matches!(inner, NFTA_HOOK_DEV | NFTA_HOOK_DEVS));
                hook = attributes(value)
                    .find(|(inner, _)| *inner == NFTA_HOOK_HOOKNUM)
                    .and_then(|(_, value)| number(value));
            }
            NFTA_CHAIN_POLICY => policy = number(value),
            NFTA_CHAIN_TYPE => kind = value.strip_suffix(b"\0").unwrap_or(value),
            _ => {}
        }
    }
    // The ingress hook of the inet family has the number of prerouting, and sees one device alone.
    let on_the_way = match (family, hook) {
        (NFPROTO_INET | NFPROTO_IPV4 | NFPROTO_IPV6, Some(hook)) => {
            !of_a_device && (hook == PREROUTING || hook == LOCAL_IN)
        }
        _ => false,
    };
    let name = text(chain, NFTA_CHAIN_NAME).unwrap_or_default();
    let table = text(chain, NFTA_CHAIN_TABLE).unwrap_or_default();
    on_the_way
        && kind == b"filter"
        && (policy == Some(NF_DROP) || drops(rules, family, &table, name))
}

/// Whether a rule of the chain drops something, or one of those that it leads to.
fn drops(rules: &Rules, family: u8, table: &[u8], chain: Vec<u8>) -> bool {
    let (mut pending, mut seen) = (vec![chain], BTreeSet::new());
    while let Some(chain) = pending.pop() {
        let Some(does) = rules.get(&(family, table.to_vec(), chain.clone())) else {
            continue;
        };
        if does.drops {
            return true;
        }
        if seen.insert(chain) {
            pending.extend(does.leads.iter().cloned());
        }
    }
    false
}

/// What the rules of a chain do.
#[derive(Default)]
struct Does {
    drops: bool,
    leads: Vec<Vec<u8>>,
}

/// Family, table and chain to what its rules do.
type Rules = BTreeMap<(u8, Vec<u8>, Vec<u8>), Does>;

fn rules() -> Result<Rules, Errno> {
    let mut found = Rules::new();
    for (family, rule) in netlink::nftables_rules()? {
        let (Some(table), Some(chain)) =
            (text(&rule, NFTA_RULE_TABLE), text(&rule, NFTA_RULE_CHAIN))
        else {
            continue;
        };
        let does = found.entry((family, table, chain)).or_default();
        let lists = attributes(&rule).filter(|(attribute, _)| *attribute == NFTA_RULE_EXPRESSIONS);
        for (_, expression) in lists.flat_map(|(_, list)| attributes(list)) {
            take(expression, does);
        }
    }
    Ok(found)
}

/// What an expression of a rule adds: a verdict, `reject`, a map of verdicts, or a target of iptables.
fn take(expression: &[u8], does: &mut Does) {
    let name = text(expression, NFTA_EXPR_NAME).unwrap_or_default();
    let inner = |bytes: &'_ [u8], wanted: u16| {
        let found = attributes(bytes).find(|(attribute, _)| *attribute == wanted);
        found.map(|(_, value)| value.to_vec())
    };
    let data = inner(expression, NFTA_EXPR_DATA).unwrap_or_default();
    let number = |value: Vec<u8>| value.first_chunk().map(|raw| u32::from_be_bytes(*raw));
    match name.as_slice() {
        b"reject" | b"queue" => does.drops = true,
        // What is in the map is not asked for.
        b"lookup" => {
            let register = inner(&data, NFTA_LOOKUP_DREG).and_then(number);
            does.drops |= register == Some(NFT_REG_VERDICT);
        }
        b"immediate" => {
            let verdict =
                inner(&data, NFTA_IMMEDIATE_DATA).and_then(|data| inner(&data, NFTA_DATA_VERDICT));
            let Some(verdict) = verdict else {
                return;
            };
            does.drops |= inner(&verdict, NFTA_VERDICT_CODE).and_then(number) == Some(NF_DROP);
            does.leads.extend(text(&verdict, NFTA_VERDICT_CHAIN));
        }
        b"target" => {
            let target = text(&data, NFTA_TARGET_NAME).unwrap_or_default();
            does.drops |= matches!(target.as_slice(), b"REJECT" | b"DROP" | b"NFQUEUE");
        }
        _ => {}
    }
}
