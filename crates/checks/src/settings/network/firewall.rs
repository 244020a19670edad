//! Whether input is filtered: what is loaded in the kernel, and what loads it at boot.

use super::checks::FIREWALL;
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
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFPROTO_NETDEV: u8 = 5;
const NF_DROP: u32 = 0;
/// Hooks that input passes: before routing and on its way to a process; ingress of a device.
const PREROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;
const INGRESS: u32 = 0;

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
    match netlink::nftables_chains() {
        Ok(chains) if chains.iter().any(|(family, chain)| filters(*family, chain)) => Loaded::Yes,
        Ok(_) => legacy(context),
        Err(Errno::PERM | Errno::ACCESS) => Loaded::Unknown("it takes CAP_NET_ADMIN"),
        // Without nftables in the kernel there are at most rules of the old kind.
        Err(_) => legacy(context),
    }
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

/// Whether a chain of nftables drops something of the input: it hangs on a hook that input passes, and has rules
/// or drops what no rule takes. A chain that translates addresses filters nothing.
fn filters(family: u8, chain: &[u8]) -> bool {
    let number = |value: &[u8]| value.first_chunk().map(|raw| u32::from_be_bytes(*raw));
    let (mut hook, mut policy, mut rules, mut kind) = (None, None, 0, &[][..]);
    for (attribute, value) in attributes(chain) {
        match attribute {
            NFTA_CHAIN_HOOK => {
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
    let on_the_way = match (family, hook) {
        (_, None) => false,
        (NFPROTO_NETDEV, Some(hook)) => hook == INGRESS,
        (_, Some(hook)) => hook == PREROUTING || hook == LOCAL_IN,
    };
    on_the_way && kind == b"filter" && (policy == Some(NF_DROP) || rules > 0)
}

/// What loads a ruleset at boot.
fn configured(context: &Context<'_>) -> Option<String> {
    let root = context.root;
    let holds = |files: &[&str], wanted: &dyn Fn(&str) -> bool| {
        files.iter().any(|file| {
            let text = context.read(file).ok().flatten().unwrap_or_default();
            String::from_utf8_lossy(&text)
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with('#'))
                .any(wanted)
        })
    };
    let rule = |line: &str| line.starts_with("-A INPUT") || line.starts_with(":INPUT DROP");
    // A chain on the input hook alone is what Debian ships, and filters nothing.
    let nft = |line: &str| {
        ["drop", "reject", "include"]
            .iter()
            .any(|word| line.split([' ', ';', '\t']).any(|part| part == *word))
    };
    type Holds<'a> = &'a dyn Fn() -> bool;
    let known: [(&[&str], Holds<'_>); 6] = [
        (&["nftables.service"], &|| {
            holds(&["etc/nftables.conf", "etc/sysconfig/nftables.conf"], &nft)
        }),
        (&["firewalld.service", "shorewall.service"], &|| true),
        (&["ufw.service"], &|| {
            holds(&["etc/ufw/ufw.conf"], &|line| {
                line.eq_ignore_ascii_case("ENABLED=yes")
            })
        }),
        (&["iptables.service"], &|| {
            holds(&["etc/sysconfig/iptables"], &rule)
        }),
        (&["ip6tables.service"], &|| {
            holds(&["etc/sysconfig/ip6tables"], &rule)
        }),
        (&["netfilter-persistent.service"], &|| {
            holds(&["etc/iptables/rules.v4", "etc/iptables/rules.v6"], &rule)
        }),
    ];
    known.iter().find_map(|(units, has_rules)| {
        let (unit, _) = context.units().first_started(root, units)?;
        has_rules().then(|| unit.to_owned())
    })
}
