//! Files of nft(8): whether the rulesets in them filter input.

use super::firewall::Filtered;
use crate::settings::context::Context;
use agent_core::bounds;
use agent_core::glob::{Glob, Syntax};

/// Files that a ruleset includes, all together.
const FILES: usize = bounds::SHIPPER_FILES;

/// Which input the tables in these files filter, with what they include.
pub(super) fn filtered(context: &Context<'_>, files: &[&str]) -> Filtered {
    let mut pending: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    let mut seen = Vec::new();
    let mut text = String::new();
    while let Some(path) = pending.pop() {
        if seen.contains(&path) || seen.len() >= FILES {
            continue;
        }
        let read = context.read(&path).ok().flatten().unwrap_or_default();
        let read = String::from_utf8_lossy(&read);
        for pattern in read.lines().filter_map(included) {
            pending.extend(expanded(context, pattern));
        }
        text.push_str(&read);
        text.push('\n');
        seen.push(path);
    }
    of_text(&text)
}

/// `include "PATTERN"`
fn included(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("include")?.trim();
    rest.strip_prefix('"')?.split('"').next()
}

fn expanded(context: &Context<'_>, pattern: &str) -> Vec<String> {
    // What is not absolute lies where nft was built to look.
    let path = match pattern.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("etc/{}", pattern.trim_start_matches("./")),
    };
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if !name.contains(['*', '?', '[']) {
        return vec![path];
    }
    let glob = Glob::new(name.as_bytes(), Syntax::Fnmatch);
    let names = context.root.list(directory.as_bytes()).ok().flatten();
    let all = names.iter().flat_map(|names| names.iter());
    all.filter(|(name, _)| glob.matches(name))
        .map(|(name, _)| format!("{directory}/{}", String::from_utf8_lossy(name)))
        .collect()
}

/// One table while its block is read.
#[derive(Default)]
struct Table {
    v4: bool,
    v6: bool,
    dormant: bool,
    /// A chain on the way of input drops by itself.
    drops: bool,
    /// One leads to other chains.
    jumps: bool,
    /// A chain that others lead to drops.
    elsewhere: bool,
}

/// One chain while its block is read.
#[derive(Default)]
struct Chain {
    on_input: bool,
    drops: bool,
    jumps: bool,
}

fn of_text(text: &str) -> Filtered {
    let mut all = Filtered::default();
    let (mut table, mut chain): (Option<Table>, Option<Chain>) = (None, None);
    let mut depth = 0_usize;
    let text = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let text = text.collect::<Vec<_>>().join("\n");
    let text = text
        .replace('{', " {\n")
        .replace('}', "\n}\n")
        .replace(';', "\n");
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let drops = words.iter().any(|word| matches!(*word, "drop" | "reject"));
        match words.as_slice() {
            [.., "{"] if depth == 0 && words.contains(&"table") => {
                let family = words.iter().skip_while(|word| **word != "table").nth(1);
                let family = family.copied().unwrap_or_default();
                table = Some(Table {
                    v4: !matches!(family, "ip6" | "arp" | "bridge" | "netdev"),
                    v6: matches!(family, "ip6" | "inet"),
                    ..Table::default()
                });
            }
            ["chain", _, "{"] if depth == 1 => chain = Some(Chain::default()),
            ["flags", flags @ ..] if depth == 1 => {
                let dormant = flags
                    .iter()
                    .flat_map(|flag| flag.split(','))
                    .any(|flag| flag == "dormant");
                if let Some(table) = &mut table {
                    table.dormant |= dormant;
                }
            }
            ["type", "filter", "hook", hook, rest @ ..] => {
                if let Some(chain) = &mut chain {
                    chain.on_input = matches!(*hook, "input" | "prerouting")
                        && !rest.iter().any(|word| word.starts_with("device"));
                }
            }
            // A command of its own, or a piece of a ruleset that stands alone.
            _ if depth == 0 && drops => {
                let one = words
                    .iter()
                    .find(|word| ["ip6", "arp", "bridge", "netdev", "ip", "inet"].contains(*word));
                let stated = words.contains(&"rule");
                let family = one.filter(|_| stated).copied().unwrap_or("inet");
                all.v4 |= matches!(family, "ip" | "inet");
                all.v6 |= matches!(family, "ip6" | "inet");
            }
            _ => {
                if let Some(chain) = &mut chain {
                    chain.drops |= drops;
                    chain.jumps |= words.iter().any(|word| matches!(*word, "jump" | "goto"));
                }
            }
        }
        depth += usize::from(words.last() == Some(&"{"));
        if words.as_slice() != ["}"] {
            continue;
        }
        depth = depth.saturating_sub(1);
        if depth == 1
            && let (Some(table), Some(chain)) = (&mut table, chain.take())
        {
            table.drops |= chain.on_input && chain.drops;
            table.jumps |= chain.on_input && chain.jumps;
            table.elsewhere |= !chain.on_input && chain.drops;
        }
        if depth == 0
            && let Some(table) = table.take()
        {
            let filters = !table.dormant && (table.drops || (table.jumps && table.elsewhere));
            all.v4 |= filters && table.v4;
            all.v6 |= filters && table.v6;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_filter() {
        let input = "type filter hook input priority 0;";
        for (text, v4, v6) in [
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("table ip t {{ chain c {{ {input} policy drop; }} }}"), true, false),
            (format!("table t {{ chain c {{ {input} policy drop; }} }}"), true, false),
            (format!("table ip6 t {{ chain c {{ {input} policy drop; }} }}"), false, true),
            (format!("table bridge t {{ chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table arp t {{\n chain c {{\n {input} policy drop;\n }}\n}}"), false, false),
            (format!("table inet t {{ flags dormant; chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input}\n tcp dport {{ 22, 23 }} drop\n }} }}"), true, true),
            (format!("table inet t {{ chain c {{ {input} # drop\n }} }}"), false, false),
            ("table inet t { chain c { type filter hook output priority 0; policy drop; } }".into(), false, false),
            ("table netdev t { chain c { type filter hook ingress device eth0 priority 0; policy drop; } }".into(), false, false),
            (format!("table inet t {{ chain d {{ drop; }} chain c {{ {input} jump d; }} }}"), true, true),
            ("table inet t { chain d { drop; } }".into(), false, false),
            ("add rule ip6 t in tcp dport 23 drop".into(), false, true),
            ("add rule inet t in tcp dport 23 drop".into(), true, true),
        ] {
            assert_eq!(of_text(&text), Filtered { v4, v6 }, "{text}");
        }
    }
}
