//! What iptables-save(8) wrote: whether its filter table drops something that comes in.

use std::collections::{BTreeMap, BTreeSet};

/// What a chain does.
#[derive(Default)]
struct Chain<'a> {
    drops: bool,
    leads: Vec<&'a str>,
}

/// Whether something that comes in is dropped: by the policy of INPUT, or by a rule of it or of a chain that it leads to;
/// or before routing, in the tables raw and mangle. A table without COMMIT is not loaded. Rules that stand alone are taken
/// for those of the filter table.
pub(super) fn filters(text: &str) -> bool {
    let stand_alone = !text.lines().any(|line| line.trim_start().starts_with('*'));
    let mut table = if stand_alone { "filter" } else { "" };
    let mut chains: BTreeMap<&str, Chain<'_>> = BTreeMap::new();
    let last = stand_alone.then_some("COMMIT");
    for line in text.lines().map(str::trim).chain(last) {
        if line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('*') {
            (table, chains) = (name, BTreeMap::new());
        } else if line == "COMMIT" {
            let starts: &[&str] = match table {
                "filter" => &["INPUT"],
                "raw" => &["PREROUTING"],
                "mangle" => &["PREROUTING", "INPUT"],
                _ => &[],
            };
            if starts.iter().any(|start| drops(&chains, start)) {
                return true;
            }
        } else if let Some(policy) = line.strip_prefix(':') {
            let mut words = policy.split_whitespace();
            let name = words.next().unwrap_or_default();
            chains.entry(name).or_default().drops |= words.next() == Some("DROP");
        } else {
            rule(line, &mut chains);
        }
    }
    false
}

fn rule<'a>(line: &'a str, chains: &mut BTreeMap<&'a str, Chain<'a>>) {
    let mut words = line.split_whitespace();
    let (mut chain, mut target) = (None, None);
    while let Some(word) = words.next() {
        match word {
            // Counters in front: [packets:bytes].
            "-A" | "--append" | "-I" | "--insert" => chain = words.next(),
            "-j" | "--jump" | "-g" | "--goto" => target = words.next(),
            "--comment" | "--log-prefix" => {
                // A text in quotes may have any words in it.
                let first = words.next().unwrap_or_default();
                let open = first.starts_with('"') && !(first.len() > 1 && first.ends_with('"'));
                if open {
                    words.by_ref().find(|word| word.ends_with('"'));
                }
            }
            _ => {}
        }
    }
    if let (Some(chain), Some(target)) = (chain, target) {
        let chain = chains.entry(chain).or_default();
        match target {
            "DROP" | "REJECT" | "NFQUEUE" | "TARPIT" => chain.drops = true,
            target => chain.leads.push(target),
        }
    }
}

fn drops(chains: &BTreeMap<&str, Chain<'_>>, start: &str) -> bool {
    let (mut pending, mut seen) = (vec![start], BTreeSet::new());
    while let Some(name) = pending.pop() {
        let Some(chain) = chains.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        if chain.drops {
            return true;
        }
        pending.extend(&chain.leads);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::filters;

    #[test]
    fn rulesets_that_filter() {
        for (text, expected) in [
            ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", true),
            ("*filter\n:INPUT DROP [0:0]\n", false),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n",
                false,
            ),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n",
                true,
            ),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n:FW - [0:0]\n-A INPUT -j FW\n-A FW -j DROP\nCOMMIT\n",
                true,
            ),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n:FW - [0:0]\n-A FW -j DROP\nCOMMIT\n",
                false,
            ),
            (
                "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD -j DROP\nCOMMIT\n",
                false,
            ),
            ("*nat\n:INPUT DROP [0:0]\n-A INPUT -j DROP\nCOMMIT\n", false),
            (
                "*raw\n:PREROUTING ACCEPT [0:0]\n[3:4] -A PREROUTING -s 10.0.0.0/8 -j DROP\nCOMMIT\n",
                true,
            ),
            (
                "*filter\n:INPUT ACCEPT\n-A INPUT -m comment --comment \"never -j DROP\" -j ACCEPT\nCOMMIT\n",
                false,
            ),
            (
                "*filter\n:INPUT ACCEPT\n# -A INPUT -j DROP\nCOMMIT\n",
                false,
            ),
            (
                "*filter\n:A - [0:0]\n-A INPUT -j A\n-A A -j INPUT\nCOMMIT\n",
                false,
            ),
            ("-A INPUT -j DROP\n", true),
            ("-A INPUT -j ACCEPT\n", false),
            ("", false),
        ] {
            assert_eq!(filters(text), expected, "{text}");
        }
    }
}
