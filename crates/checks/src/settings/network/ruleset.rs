//! Files of nft(8): whether the rulesets in them filter input.

use super::firewall::Filtered;
use super::included;
use crate::settings::context::Context;
use std::collections::{BTreeMap, BTreeSet};

const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// Which input the tables in these files filter, with what they include. nft loads a file whole or nothing of it, so one that
/// it would refuse counts for nothing.
pub(super) fn filtered(context: &Context<'_>, files: &[&str]) -> Filtered {
    let mut tables = Tables::new();
    for text in included::texts(context, files) {
        if let Some(loaded) = load(&text, &tables) {
            tables = loaded;
        }
    }
    of_tables(&tables)
}

/// One table: its chains by name.
#[derive(Clone, Default)]
struct Table {
    dormant: bool,
    chains: BTreeMap<String, Chain>,
}

#[derive(Clone, Default)]
struct Chain {
    on_input: bool,
    /// It drops what no rule takes.
    policy: bool,
    /// A rule in it drops something.
    drops: bool,
    /// Chains that its rules lead to.
    leads: BTreeSet<String>,
}

impl Table {
    /// Whether something that comes in is dropped: on a chain that input passes, or on one that it leads to.
    fn filters(&self) -> bool {
        let mut pending: Vec<&Chain> = self
            .chains
            .values()
            .filter(|chain| chain.on_input)
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(chain) = pending.pop() {
            if chain.drops || (chain.policy && chain.on_input) {
                return true;
            }
            for name in &chain.leads {
                if seen.insert(name) {
                    pending.extend(self.chains.get(name));
                }
            }
        }
        false
    }
}

/// Family and name to what is in it.
type Tables = BTreeMap<(String, String), Table>;

/// The tables after a file is loaded; `None` where nft refuses it.
fn load(text: &str, before: &Tables) -> Option<Tables> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
        tables: before.clone(),
        refused: false,
    };
    while parser.at < parser.tokens.len() && !parser.refused {
        parser.command();
    }
    (!parser.refused).then_some(parser.tables)
}

fn of_tables(tables: &Tables) -> Filtered {
    let mut all = Filtered::default();
    for ((family, _), table) in tables {
        if !table.dormant && table.filters() {
            all.v4 |= matches!(family.as_str(), "ip" | "inet");
            all.v6 |= matches!(family.as_str(), "ip6" | "inet");
        }
    }
    all
}

/// Words, braces, and `;` for the end of a statement. Comments are left out; a text in quotes is one word that is none
/// of the language's.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = text.replace("\\\n", " ");
    for line in text.lines() {
        let mut own = Vec::new();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => rest.len(),
                '"' => {
                    own.push("\"".to_owned());
                    let end = rest[1..].find('"');
                    end.map_or(rest.len(), |end| end.saturating_add(2))
                }
                '{' | '}' | ';' | ',' => {
                    own.push(first.to_string());
                    1
                }
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || "{};,\"".contains(c));
                    let word = &rest[..end.unwrap_or(rest.len())];
                    match word.strip_prefix('$').and_then(|name| variables.get(name)) {
                        Some(words) => own.extend(words.iter().cloned()),
                        None => own.push(word.to_owned()),
                    }
                    word.len()
                }
            };
            rest = rest[length..].trim_start();
        }
        if let [word, name, equals, value @ ..] = own.as_slice()
            && matches!(word.as_str(), "define" | "redefine")
            && equals == "="
        {
            variables.insert(name.clone(), value.to_vec());
        }
        found.extend(own);
        found.push(";".to_owned());
    }
    found
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
    tables: Tables,
    /// There is a command that nft does not know, or a rule for what is not there.
    refused: bool,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.pass();
        token
    }

    fn pass(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The words up to the end of the statement; sets in it are passed over but for what they say.
    fn statement(&mut self) -> Vec<String> {
        self.words(false)
    }

    /// The same; what stands in braces ends it, as a set does among chains.
    fn words(&mut self, ends_with_block: bool) -> Vec<String> {
        let (mut words, mut depth) = (Vec::new(), 0_usize);
        while self.at < self.tokens.len() {
            match self.peek() {
                ";" | "}" if depth == 0 => break,
                "{" => depth = depth.saturating_add(1),
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let word = self.next();
            let closes = word == "}" && depth == 0;
            if word != ";" {
                words.push(word);
            }
            if closes && ends_with_block {
                break;
            }
        }
        words
    }

    /// `[FAMILY] TABLE`
    fn table_name(&mut self) -> (String, String) {
        let family = match FAMILIES.contains(&self.peek()) {
            true => self.next(),
            false => "ip".to_owned(),
        };
        (family, self.next())
    }

    /// A command of its own.
    fn command(&mut self) {
        let mut word = self.next();
        let verb = match word.as_str() {
            "add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush" | "reset" => {
                std::mem::replace(&mut word, self.next())
            }
            _ => String::new(),
        };
        let takes = matches!(verb.as_str(), "delete" | "destroy" | "flush");
        match (word.as_str(), takes) {
            ("ruleset", true) => match FAMILIES.contains(&self.peek()) {
                true => {
                    let family = self.next();
                    self.tables.retain(|(known, _), _| *known != family);
                }
                false => self.tables.clear(),
            },
            ("table", true) => {
                let name = self.table_name();
                self.refused |= verb != "destroy" && !self.tables.contains_key(&name);
                if verb == "flush" {
                    let chains = self
                        .tables
                        .get_mut(&name)
                        .map(|table| table.chains.values_mut());
                    chains.into_iter().flatten().for_each(Chain::flush);
                } else {
                    self.tables.remove(&name);
                }
            }
            ("chain", true) => {
                let name = self.table_name();
                let chain = self.next();
                if let Some(table) = self.tables.get_mut(&name) {
                    match verb.as_str() {
                        "flush" => table
                            .chains
                            .get_mut(&chain)
                            .into_iter()
                            .for_each(Chain::flush),
                        _ => drop(table.chains.remove(&chain)),
                    }
                }
            }
            ("table", false) => {
                let name = self.table_name();
                self.tables.entry(name.clone()).or_default();
                if self.peek() == "{" {
                    self.pass();
                    self.table(&name);
                }
            }
            ("chain", false) => {
                let name = self.table_name();
                self.chain(&name, "");
            }
            ("rule", false) if verb != "reset" => {
                let name = self.table_name();
                let chain = self.next();
                let words = self.statement();
                let table = self.tables.get_mut(&name);
                match table.and_then(|table| table.chains.get_mut(&chain)) {
                    Some(chain) => chain.rule(&words),
                    None => self.refused = true,
                }
            }
            ("{" | "}" | ";", _) => {}
            ("define" | "redefine" | "undefine" | "list" | "describe", _) => drop(self.statement()),
            _ if !verb.is_empty() => drop(self.statement()),
            _ => self.refused = true,
        }
    }

    /// What stands in the block of a table.
    fn table(&mut self, name: &(String, String)) {
        while self.at < self.tokens.len() {
            match self.next().as_str() {
                "}" => return,
                ";" => {}
                "chain" => self.chain(name, ""),
                // What a named map says of packets is a rule of whoever asks it.
                "map" => self.chain(name, "@"),
                "flags" => {
                    let words = self.statement();
                    let dormant = words.iter().any(|word| word == "dormant");
                    if let Some(table) = self.tables.get_mut(name) {
                        table.dormant |= dormant;
                    }
                }
                _ => drop(self.words(true)),
            }
        }
    }

    /// `NAME { … }`
    fn chain(&mut self, table: &(String, String), mark: &str) {
        let name = format!("{mark}{}", self.next());
        let mut lines = Vec::new();
        if self.peek() == "{" {
            self.pass();
            while self.at < self.tokens.len() && self.peek() != "}" {
                match self.peek() {
                    ";" => self.pass(),
                    _ => lines.push(self.statement()),
                }
            }
            self.pass();
        }
        let table = self.tables.entry(table.clone()).or_default();
        let chain = table.chains.entry(name).or_default();
        for line in &lines {
            chain.line(line);
        }
    }
}

impl Chain {
    fn flush(&mut self) {
        self.drops = false;
        self.leads.clear();
    }

    /// A line of the block of a chain.
    fn line(&mut self, words: &[String]) {
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        match plain.as_slice() {
            ["type", kind, "hook", hook, rest @ ..] => {
                let of_a_device = rest
                    .iter()
                    .any(|word| matches!(*word, "device" | "devices"));
                self.on_input =
                    *kind == "filter" && matches!(*hook, "input" | "prerouting") && !of_a_device;
            }
            ["policy", policy, ..] => self.policy = *policy == "drop",
            ["comment", ..] => {}
            _ => self.rule(words),
        }
    }

    fn rule(&mut self, words: &[String]) {
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "drop" | "reject" => self.drops = true,
                "jump" | "goto" | "vmap" => self.leads.extend(words.next().map(str::to_owned)),
                _ => {}
            }
        }
    }
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
            ("add rule inet t in tcp dport 23 drop".into(), false, false),
            ("tcp dport 23 drop".into(), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\ngarbage here"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nadd rule inet other c accept"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nadd rule inet t d accept"), false, false),
            (format!("delete table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), false, false),
            (format!("table inet u\ndelete table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("destroy table inet u\ntable inet t {{ chain c {{ {input} policy drop; }} }}"), true, true),
            (format!("add table ip6 t\nadd chain ip6 t in {{ {input} }}\nadd rule ip6 t in tcp dport 23 drop"), false, true),
            (format!("add table inet t\nadd chain inet t in {{ {input} policy drop; }}"), true, true),
            (format!("table inet t {{}}\ntable inet t {{ chain in {{ {input} }} }}\nadd rule inet t in tcp dport {{ 22, 23 }} counter drop"), true, true),
            (format!("table ip t {{ chain c {{ {input} }} }}\nadd rule ip t c tcp dport {{ 22, 23 }} drop"), true, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nflush ruleset"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\ndelete table inet t"), false, false),
            (format!("table inet t {{ chain c {{ {input} tcp dport 1 drop; }} }}\nflush chain inet t c"), false, false),
            (format!("table inet t {{ chain c {{ {input} policy drop; }} }}\nflush table inet t"), true, true),
            (format!("table inet t {{ chain c {{ {input} tcp dport 22 accept comment \"no drop here\" }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} log prefix \"in drop \" accept; }} }}"), false, false),
            (format!("table inet t {{ chain c {{ {input} ct state vmap {{ invalid : drop, new : accept }} }} }}"), true, true),
            (format!("table inet t {{ set s {{ type ipv4_addr; }} chain c {{ {input} ip saddr @s drop }} }}"), true, true),
            (format!("table inet t {{ chain d {{ drop }} chain e {{ accept }} chain c {{ {input} jump e }} }}"), false, false),
            (format!("table inet t {{ chain d {{ drop }} chain e {{ goto d }} chain c {{ {input} ct state vmap {{ new : jump e }} }} }}"), true, true),
            (format!("table inet t {{ map m {{ type inet_service : verdict; elements = {{ 22 : drop }} }} chain c {{ {input} tcp dport vmap @m }} }}"), true, true),
            (format!("define p = drop\ntable inet t {{ chain c {{ {input} policy $p; }} }}"), true, true),
            (format!("table inet t {{ chain c {{ {input} policy \\\n drop; }} }}"), true, true),
            ("table inet t { chain c { type nat hook prerouting priority 0; policy drop; } }".into(), false, false),
            ("table inet t { chain c { type filter hook prerouting priority raw; ip saddr 10.0.0.0/8 drop } }".into(), true, true),
        ] {
            let loaded = load(&text, &Tables::new()).unwrap_or_default();
            assert_eq!(of_tables(&loaded), Filtered { v4, v6 }, "{text}");
        }
    }
}
