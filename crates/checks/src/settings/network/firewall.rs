//! Whether input is filtered: what is loaded in the kernel, and what loads it at boot.

use super::checks::FIREWALL;
use super::loaded::{Loaded, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, loaded};
use super::{iptables, ruleset};
use crate::settings::context::Context;
use agent_core::finding::{Finding, Verdict};
use serde_json::json;
use std::cell::RefCell;

/// Judges the check.
pub(super) fn judge(context: &Context<'_>) -> Finding {
    let demanded = context.demanded_text(&FIREWALL, "security-groups");
    let (configured, doubt) = configured(context);
    let perhaps = doubt.or_else(|| context.units().perhaps_started(context.root, &UNITS));
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
        (None, None, "host") => match perhaps {
            Some(why) => (Verdict::Unknown, why),
            None => (Verdict::Fail, "nothing loads a ruleset at boot".into()),
        },
        (None, None, _) if perhaps.is_some() => (
            Verdict::NotApplicable,
            format!("{}; {outside}", perhaps.unwrap_or_default()),
        ),
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

/// Which protocols' input something filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filtered {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Filtered {
    /// Chains of bridges, of ARP and of single devices see none of what the others are asked for, or not all.
    pub(super) fn add(&mut self, family: u8) {
        self.v4 |= matches!(family, NFPROTO_INET | NFPROTO_IPV4);
        self.v6 |= matches!(family, NFPROTO_INET | NFPROTO_IPV6);
    }

    /// Whether nothing comes in past it. A running host whose devices have no IPv6 address takes none of it in.
    pub(super) fn all(self, context: &Context<'_>) -> bool {
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

/// Units that load rulesets.
const UNITS: [&str; 7] = [
    "nftables.service",
    "firewalld.service",
    "shorewall.service",
    "ufw.service",
    "iptables.service",
    "ip6tables.service",
    "netfilter-persistent.service",
];

/// What loads rulesets at boot that filter the input, IPv4 and IPv6; and why that cannot be told of some.
fn configured(context: &Context<'_>) -> (Option<String>, Option<String>) {
    let doubt = RefCell::new(None);
    let root = context.root;
    let filters = |file: &str| iptables::filters(&text(context, file));
    let only = |v4: bool, v6: bool| Filtered { v4, v6 };
    type Covers<'a> = &'a dyn Fn() -> Filtered;
    let known: [(&[&str], Covers<'_>); 7] = [
        (&["nftables.service"], &|| {
            let files = ["etc/nftables.conf", "etc/sysconfig/nftables.conf"];
            let found = ruleset::filtered(context, &files);
            found.unwrap_or_else(|why| {
                doubt.replace(Some(why));
                Filtered::default()
            })
        }),
        (&["firewalld.service"], &|| {
            let takes_all = firewalld_takes_all(context);
            only(!takes_all, !takes_all)
        }),
        (&["shorewall.service"], &|| only(true, true)),
        (&["ufw.service"], &|| ufw(context)),
        (&["iptables.service"], &|| {
            only(filters("etc/sysconfig/iptables"), false)
        }),
        (&["ip6tables.service"], &|| {
            only(false, filters("etc/sysconfig/ip6tables"))
        }),
        (&["netfilter-persistent.service"], &|| {
            only(
                filters("etc/iptables/rules.v4"),
                filters("etc/iptables/rules.v6"),
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
    (enough.then(|| by.join(", ")), doubt.into_inner())
}

fn text(context: &Context<'_>, file: &str) -> String {
    let text = context.read(file).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The last `KEY=VALUE` of a file, quotes taken off.
fn last(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim);
    let mut values =
        lines.filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    let value = values.next_back()?.trim().trim_matches(['"', '\'']);
    Some(value.to_owned())
}

/// ufw(8): on by ufw.conf, with a policy that drops or a rule that does; IPv6 unless it is left alone.
fn ufw(context: &Context<'_>) -> Filtered {
    let on = last(&text(context, "etc/ufw/ufw.conf"), "ENABLED");
    if !on.is_some_and(|on| on.eq_ignore_ascii_case("yes")) {
        return Filtered::default();
    }
    let defaults = text(context, "etc/default/ufw");
    let policy = last(&defaults, "DEFAULT_INPUT_POLICY").unwrap_or_default();
    let accepts = policy.eq_ignore_ascii_case("ACCEPT");
    let drops = |file: &str| {
        let rules = text(context, file);
        rules.lines().map(str::trim).any(|line| {
            line.starts_with("-A ufw") && (line.contains("-j DROP") || line.contains("-j REJECT"))
        })
    };
    let left_alone = last(&defaults, "IPV6").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    Filtered {
        v4: !accepts || drops("etc/ufw/user.rules"),
        v6: !left_alone && (!accepts || drops("etc/ufw/user6.rules")),
    }
}

/// Whether the zone that interfaces fall in by default takes everything (firewalld.zone(5), `target`).
fn firewalld_takes_all(context: &Context<'_>) -> bool {
    let conf = text(context, "etc/firewalld/firewalld.conf");
    let zone = last(&conf, "DefaultZone").unwrap_or_else(|| "public".to_owned());
    let places = ["etc/firewalld/zones", "usr/lib/firewalld/zones"];
    let of_zone = places
        .iter()
        .map(|directory| text(context, &format!("{directory}/{zone}.xml")))
        .find(|text| !text.is_empty());
    match of_zone {
        Some(text) => zone_target(&text).is_some_and(|target| {
            // What an entity stands for is not looked up.
            target == "ACCEPT" || target.contains('&')
        }),
        // The one that firewalld brings under this name.
        None => zone == "trusted",
    }
}

/// The attribute `target` of the zone's element, as XML writes one: with blanks around its sign, in quotes of either kind.
fn zone_target(text: &str) -> Option<&str> {
    let mut rest = text;
    let mut attributes = loop {
        let (_, after) = rest.split_once('<')?;
        rest = match after.strip_prefix("!--") {
            Some(comment) => comment.split_once("-->")?.1,
            None => after,
        };
        let tag = after.strip_prefix("zone").unwrap_or_default();
        if tag.starts_with(|c: char| c.is_ascii_whitespace()) {
            break tag;
        }
    };
    loop {
        attributes = attributes.trim_ascii_start();
        let (name, after) = attributes.split_once('=')?;
        if name.contains(['<', '>']) {
            return None;
        }
        let after = after.trim_ascii_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, next) = after.strip_prefix(quote)?.split_once(quote)?;
        if name.trim_ascii_end() == "target" {
            return Some(value);
        }
        attributes = next;
    }
}

#[cfg(test)]
mod tests {
    use super::zone_target;

    #[test]
    fn targets_of_zones() {
        for (text, target) in [
            ("<zone target=\"ACCEPT\">", Some("ACCEPT")),
            (
                "<?xml version='1.0'?>\n<zone target = \"ACCEPT\">",
                Some("ACCEPT"),
            ),
            (
                "<zone\n  version='1' target\n=\n'ACCEPT'\n>",
                Some("ACCEPT"),
            ),
            (
                "<!-- <zone target=\"ACCEPT\"> --><zone target=\"DROP\">",
                Some("DROP"),
            ),
            ("<zone short='target=\"ACCEPT\"'/>", None),
            ("<zone><rule target=\"ACCEPT\"/></zone>", None),
            ("<zone>", None),
            ("<zones target=\"ACCEPT\">", None),
            ("<zone target=", None),
            ("", None),
        ] {
            assert_eq!(zone_target(text), target, "{text}");
        }
    }
}
