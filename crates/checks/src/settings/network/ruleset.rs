//! Files of nft(8): whether the rulesets in them filter input.

mod tokens;
mod vocabulary;

use super::firewall::Filtered;
use super::included;
use crate::settings::context::Context;
use std::collections::{BTreeMap, BTreeSet};
use tokens::{Error, tokens};
use vocabulary::{beyond, unknown};

const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

/// Which input the tables in these files filter, with what they include. nft loads a file whole or nothing of it, so one that
/// it would refuse counts for nothing; an error says why that cannot be told.
pub(super) fn filtered(context: &Context<'_>, files: &[&str]) -> Result<Filtered, String> {
    let mut tables = Tables::new();
    let mut doubt = None;
    for (path, text) in included::texts(context, files)? {
        match load(&text, &tables) {
            Load::Loaded(loaded) => tables = loaded,
            Load::Refused => {}
            Load::Unknown(loaded, why) => {
                tables = loaded;
                doubt = Some(format!("whether nft loads {path} cannot be told: {why}"));
            }
        }
    }
    let found = of_tables(&tables);
    match doubt {
        // What filters nothing does not do so if it is refused either.
        Some(why) if found != Filtered::default() => Err(why),
        _ => Ok(found),
    }
}

/// What becomes of a file.
enum Load {
    /// The tables after it.
    Loaded(Tables),
    Refused,
    /// The tables if nft takes it, and why it may not.
    Unknown(Tables, String),
}

/// One table: its chains by name.
#[derive(Clone, Default)]
struct Table {
    dormant: bool,
    chains: BTreeMap<String, Chain>,
    /// Sets, maps and flow tables that are declared in it.
    sets: BTreeSet<String>,
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
    /// Sets that its rules ask, each with its `@`.
    asks: BTreeSet<String>,
}

impl Table {
    /// Whether its rules name what is not there.
    fn lacks(&self) -> bool {
        self.chains.values().any(|chain| {
            let led = |name: &String| {
                let declared = name
                    .strip_prefix('@')
                    .is_some_and(|set| self.sets.contains(set));
                declared || self.chains.contains_key(name)
            };
            let asked = |name: &String| {
                let set = name.trim_start_matches('@');
                self.sets.contains(set) || self.chains.contains_key(name)
            };
            !chain.leads.iter().all(led) || !chain.asks.iter().all(asked)
        })
    }

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

/// The tables after a file is loaded over those before.
fn load(text: &str, before: &Tables) -> Load {
    let text = text.replace("\\\n", " ");
    let tokens = match tokens(&text) {
        Ok(tokens) => tokens,
        Err(Error::Refused) => return Load::Refused,
        Err(Error::TooMany) => {
            return Load::Unknown(before.clone(), "it has more words than any".to_owned());
        }
    };
    let mut parser = Parser {
        tokens,
        at: 0,
        tables: before.clone(),
        refused: false,
        strange: None,
    };
    while parser.at < parser.tokens.len() && !parser.refused {
        parser.command();
    }
    match (
        parser.refused || parser.tables.values().any(Table::lacks),
        parser.strange,
    ) {
        (true, _) => Load::Refused,
        (false, None) => Load::Loaded(parser.tables),
        (false, Some(word)) => {
            let word = agent_core::escape::terminal_text(word);
            Load::Unknown(parser.tables, format!("the word {word} is not known"))
        }
    }
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

struct Parser<'t> {
    tokens: Vec<&'t str>,
    at: usize,
    tables: Tables,
    /// There is a command that nft does not know, or a rule for what is not there.
    refused: bool,
    /// The first word of a rule that is not known.
    strange: Option<&'t str>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'t str {
        let token = self.peek();
        self.pass();
        token
    }

    /// Behind a block its line ends, or a `;` stands.
    fn separated(&mut self) {
        self.refused |= !matches!(self.peek(), ";" | "");
    }

    /// Looks at the words of a rule.
    fn rule(&mut self, words: &[&'t str]) {
        self.refused |= beyond(words);
        self.strange = self.strange.or_else(|| unknown(words));
    }

    fn pass(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// The words up to the end of the statement; sets in it are passed over but for what they say.
    fn statement(&mut self) -> Vec<&'t str> {
        self.words(false)
    }

    /// The same; what stands in braces ends it, as a set does among chains.
    fn words(&mut self, ends_with_block: bool) -> Vec<&'t str> {
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
            false => "ip",
        };
        (family.to_owned(), self.next().to_owned())
    }

    /// A command of its own.
    fn command(&mut self) {
        let mut word = self.next();
        let verb = match word {
            "add" | "create" | "insert" | "replace" | "delete" | "destroy" | "flush" | "reset" => {
                std::mem::replace(&mut word, self.next())
            }
            _ => "",
        };
        let takes = matches!(verb, "delete" | "destroy" | "flush");
        match (word, takes) {
            ("ruleset", true) => match FAMILIES.contains(&self.peek()) {
                true => {
                    let family = self.next();
                    self.tables.retain(|(known, _), _| known != family);
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
                    match verb {
                        "flush" => table
                            .chains
                            .get_mut(chain)
                            .into_iter()
                            .for_each(Chain::flush),
                        _ => drop(table.chains.remove(chain)),
                    }
                }
            }
            ("table", false) => {
                let name = self.table_name();
                self.tables.entry(name.clone()).or_default();
                if self.peek() == "{" {
                    self.pass();
                    self.table(&name);
                    self.separated();
                }
            }
            ("set" | "map" | "flowtable", false) if verb != "reset" => {
                let table = self.table_name();
                let name = self.next().to_owned();
                let known = self.tables.get_mut(&table);
                self.refused |= known.map(|table| table.sets.insert(name)).is_none();
                drop(self.statement());
            }
            ("chain", false) => {
                let name = self.table_name();
                self.chain(&name, "");
            }
            ("rule", false) if verb != "reset" => {
                let name = self.table_name();
                let chain = self.next();
                let words = self.statement();
                self.rule(&words);
                let table = self.tables.get_mut(&name);
                match table.and_then(|table| table.chains.get_mut(chain)) {
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
            match self.next() {
                "}" => return,
                ";" => {}
                "chain" => self.chain(name, ""),
                // What a named map says of packets is a rule of whoever asks it.
                "map" => self.chain(name, "@"),
                "set" | "flowtable" => {
                    let set = self.peek().to_owned();
                    if let Some(table) = self.tables.get_mut(name) {
                        table.sets.insert(set);
                    }
                    drop(self.words(true));
                    self.separated();
                }
                "flags" => {
                    let words = self.statement();
                    let dormant = words.contains(&"dormant");
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
                    _ => {
                        lines.push(self.statement());
                        self.refused |= self.peek() == "}";
                    }
                }
            }
            self.pass();
            self.separated();
        }
        let defines = ["define", "redefine", "undefine"];
        lines.retain(|line: &Vec<&str>| line.first().is_none_or(|word| !defines.contains(word)));
        let of_chain = |line: &&Vec<&str>| {
            let first = line.first().copied().unwrap_or_default();
            !matches!(first, "type" | "policy" | "comment" | "devices" | "flags")
        };
        if mark.is_empty() {
            // A policy that cannot be read is no reason to hold that nothing is dropped.
            let mut policies = lines.iter().filter_map(|line| match line[..] {
                ["policy", policy, ..] => Some(policy),
                _ => None,
            });
            let unread = |policy: &&str| !matches!(of_variable(policy), "drop" | "accept");
            self.strange = self.strange.or_else(|| policies.find(unread));
            lines
                .iter()
                .filter(of_chain)
                .for_each(|line| self.rule(line));
        }
        let table = self.tables.entry(table.clone()).or_default();
        let chain = table.chains.entry(name).or_default();
        for line in &lines {
            chain.line(line);
        }
    }
}

/// The text of a variable stands behind a quote.
fn of_variable(word: &str) -> &str {
    word.strip_prefix('"').unwrap_or(word)
}

impl Chain {
    fn flush(&mut self) {
        self.drops = false;
        self.leads.clear();
        self.asks.clear();
    }

    /// A line of the block of a chain.
    fn line(&mut self, words: &[&str]) {
        match words {
            ["type", kind, "hook", hook, rest @ ..] => {
                let of_a_device = rest
                    .iter()
                    .any(|word| matches!(*word, "device" | "devices"));
                self.on_input =
                    *kind == "filter" && matches!(*hook, "input" | "prerouting") && !of_a_device;
            }
            // One that cannot be read may be drop: whether nft takes it is unknown then.
            ["policy", policy, ..] => self.policy = of_variable(policy) != "accept",
            ["comment", ..] => {}
            _ => self.rule(words),
        }
    }

    fn rule(&mut self, words: &[&str]) {
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            match word {
                "drop" | "reject" => self.drops = true,
                "jump" | "goto" | "vmap" => {
                    let to = words.next().filter(|to| *to != "{");
                    self.leads.extend(to.map(|to| of_variable(to).to_owned()));
                }
                // What lies so far behind the beginning of a header is no set.
                "@ll" | "@nh" | "@th" | "@ih" => {}
                word if word.starts_with('@') => {
                    self.asks.insert(word.to_owned());
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
