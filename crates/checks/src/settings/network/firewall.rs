//! Whether input is filtered: what is loaded in the kernel, and what loads it at boot.

use super::checks::FIREWALL;
use super::ruleset;
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use agent_core::os::netlink::{self, attributes};
use rustix::io::Errno;
use serde_json::json;

/// linux/netfilter/nf_tables.h and linux/netfilter.h
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_USE: u16 = 6;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
const NFT_TABLE_F_DORMANT: u32 = 1;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_DEV: u16 = 3;
const NFTA_HOOK_DEVS: u16 = 4;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const NF_DROP: u32 = 0;
/// Hooks that input passes: before routing and on its way to a process.
const PREROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;

/// What the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    Yes,
    No,
    /// The caller may not ask, or the rules are where nobody can ask.
    Unknown(&'static str),
}

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let demanded = context.demanded_text(&FIREWALL, "security-groups");
    let configured = configured(context);
    let loaded = context.live().then(|| loaded(context));
    let outside = "security groups, which cannot be seen from a guest, may do the work";
    let (verdict, message) = match (loaded, &configured, demanded) {
        (Some(Loaded::Yes), Some(by), _) => (
            Verdict::Pass,
            format!("a ruleset that filters input is loaded, and {by} loads it at boot"),
        ),
        (Some(Loaded::Yes), None, "host") => (
            Verdict::Unknown,
            "a ruleset that filters input is loaded, and nothing that is known loads it at boot"
                .into(),
        ),
        (Some(Loaded::Yes), None, _) => (
            Verdict::Pass,
            "a ruleset that filters input is loaded; nothing that is known loads it at boot".into(),
        ),
        (Some(Loaded::No), Some(by), _) => (
            Verdict::Fail,
            format!("{by} is to load a ruleset at boot, and none that filters input is loaded"),
        ),
        (Some(Loaded::No), None, "host") => (
            Verdict::Fail,
            "no ruleset that filters input is loaded".into(),
        ),
        (Some(Loaded::No), None, _) => (
            Verdict::NotApplicable,
            format!("no ruleset that filters input is loaded; {outside}"),
        ),
        (Some(Loaded::Unknown(why)), None, "security-groups") => (
            Verdict::NotApplicable,
            format!("whether a ruleset is loaded cannot be told ({why}); {outside}"),
        ),
        (Some(Loaded::Unknown(why)), _, _) => (
            Verdict::Unknown,
            format!("whether a ruleset is loaded cannot be told: {why}"),
        ),
        (None, Some(by), _) => (Verdict::Pass, format!("{by} loads a ruleset at boot")),
        (None, None, "host") => (Verdict::Fail, "nothing loads a ruleset at boot".into()),
        (None, None, _) => (
            Verdict::NotApplicable,
            format!("nothing loads a ruleset at boot; {outside}"),
        ),
    };
    let filters = match loaded {
        Some(Loaded::Yes) => Some(true),
        Some(Loaded::No) => Some(false),
        _ => None,
    };
    let finding = context
        .finding(&FIREWALL, verdict, "firewall", message)
        .evidence(
            json!({ "demand": demanded }),
            json!({ "loaded": filters, "at_boot": configured }),
        );
    match (verdict, FIREWALL.remedy) {
        (Verdict::Fail, Some(remedy)) => finding.remediation(remedy),
        _ => finding,
    }
}

fn loaded(context: &Context<'_>) -> Loaded {
    let chains = netlink::nftables_chains().and_then(|chains| {
        let dormant: Vec<(u8, Vec<u8>)> = netlink::nftables_tables()?
            .into_iter()
            .filter(|(_, table)| is_dormant(table))
            .filter_map(|(family, table)| Some((family, text(&table, NFTA_TABLE_NAME)?)))
            .collect();
        Ok((chains, dormant))
    });
    match chains {
        Ok((chains, dormant)) => {
            let mut filtered = Filtered::default();
            for (family, chain) in &chains {
                let table = text(chain, NFTA_CHAIN_TABLE).unwrap_or_default();
                if !dormant.contains(&(*family, table)) && filters(*family, chain) {
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

/// Which protocols' input something filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filtered {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Filtered {
    /// Chains of bridges, of ARP and of single devices see none of what the others are asked for, or not all.
    fn add(&mut self, family: u8) {
        self.v4 |= matches!(family, NFPROTO_INET | NFPROTO_IPV4);
        self.v6 |= matches!(family, NFPROTO_INET | NFPROTO_IPV6);
    }

    /// Whether nothing comes in past it. A running host whose devices have no IPv6 address takes none of it in.
    fn all(self, context: &Context<'_>) -> bool {
        let speaks_v6 = || {
            let addresses = context
                .read("proc/net/if_inet6")
                .ok()
                .flatten()
                .unwrap_or_default();
            let addresses = String::from_utf8_lossy(&addresses).into_owned();
            let device = |line: &str| line.split_whitespace().last() != Some("lo");
            addresses.lines().any(device)
        };
        self.v4 && (self.v6 || (context.live() && !speaks_v6()))
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

/// Whether a chain of nftables drops something of the IP input: it hangs on a hook that all of it passes, and has rules
/// or drops what no rule takes. A chain that translates addresses filters nothing.
fn filters(family: u8, chain: &[u8]) -> bool {
    let number = |value: &[u8]| value.first_chunk().map(|raw| u32::from_be_bytes(*raw));
    let mut of_a_device = false;
    let (mut hook, mut policy, mut rules, mut kind) = (None, None, 0, &[][..]);
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
            // The rules in it: nothing jumps to a chain on a hook.
            NFTA_CHAIN_USE => rules = number(value).unwrap_or(0),
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
    on_the_way && kind == b"filter" && (policy == Some(NF_DROP) || rules > 0)
}

/// What loads rulesets at boot that filter the input, IPv4 and IPv6.
fn configured(context: &Context<'_>) -> Option<String> {
    let root = context.root;
    let holds = |file: &str, wanted: &dyn Fn(&str) -> bool| {
        let text = context.read(file).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'));
        lines.any(wanted)
    };
    let rule = |line: &str| line.starts_with("-A INPUT") || line.starts_with(":INPUT DROP");
    let both = Filtered { v4: true, v6: true };
    let only = |v4: bool, v6: bool| Filtered { v4, v6 };
    let enabled = |line: &str| line.eq_ignore_ascii_case("ENABLED=yes");
    type Covers<'a> = &'a dyn Fn() -> Filtered;
    let known: [(&[&str], Covers<'_>); 6] = [
        (&["nftables.service"], &|| {
            let files = ["etc/nftables.conf", "etc/sysconfig/nftables.conf"];
            ruleset::filtered(context, &files)
        }),
        (&["firewalld.service", "shorewall.service"], &|| both),
        (
            &["ufw.service"],
            &|| match holds("etc/ufw/ufw.conf", &enabled) {
                true => both,
                false => Filtered::default(),
            },
        ),
        (&["iptables.service"], &|| {
            only(holds("etc/sysconfig/iptables", &rule), false)
        }),
        (&["ip6tables.service"], &|| {
            only(false, holds("etc/sysconfig/ip6tables", &rule))
        }),
        (&["netfilter-persistent.service"], &|| {
            only(
                holds("etc/iptables/rules.v4", &rule),
                holds("etc/iptables/rules.v6", &rule),
            )
        }),
    ];
    let mut by = Vec::new();
    let mut all = Filtered::default();
    for (units, covers) in known {
        let Some((unit, _)) = context.units().first_started(root, units) else {
            continue;
        };
        let covered = covers();
        if covered != Filtered::default() {
            by.push(unit);
            all = only(all.v4 || covered.v4, all.v6 || covered.v6);
        }
    }
    // Whether a host speaks IPv6 shows when it runs; iptables.service alone is how the Red Hat family filters IPv4.
    let enough = all.v4 && (all.v6 || by.contains(&"iptables.service") || all.all(context));
    enough.then(|| by.join(", "))
}
