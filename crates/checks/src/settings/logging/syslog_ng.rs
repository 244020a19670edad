//! syslog-ng: a destination of a driver that sends, and a log path that leads to it (syslog-ng OSE, "log: Filter and
//! route log messages").

use super::targets::{Target, is_elsewhere};
use crate::settings::budget::Budget;
use crate::settings::context::Context;
use agent_core::bounds;
use std::collections::BTreeMap;

const MAIN: &str = "/etc/syslog-ng/syslog-ng.conf";
const DIRECTORY: &str = "/etc/syslog-ng";
/// Drivers that send, each with its host in front.
const DRIVERS: [&str; 13] = [
    "network",
    "syslog",
    "tcp",
    "tcp6",
    "udp",
    "udp6",
    "http",
    "kafka-c",
    "kafka",
    "relp",
    "loggly",
    "elasticsearch-http",
    "opentelemetry",
];

pub(super) fn target(context: &Context<'_>) -> Target {
    let mut texts = Vec::new();
    if let Err(why) = read(context, MAIN, &mut Budget::default(), 0, &mut texts) {
        return Target::Unknown(why);
    }
    let mut tokens = Vec::new();
    for (path, text) in &texts {
        split(path, text, &mut tokens);
        if tokens.len() > bounds::SHIPPER_WORDS {
            return Target::Unknown(format!("{path}: {TOO_MANY}"));
        }
    }
    match sent(&tokens) {
        Some((what, place)) => {
            let what = agent_core::escape::terminal_text(&what).into_owned();
            Target::At { what, place }
        }
        None => Target::None,
    }
}

const TOO_MANY: &str = "with it the configuration has more words than any";
/// Includes in includes (MAX_INCLUDE_DEPTH of its cfg-lexer.h).
// Own bound: syslog-ng's own.
const DEPTH: usize = 256;

/// A word, a text without its quotes, or a sign; with its file and line.
#[derive(Clone, Copy)]
struct Token<'t> {
    word: &'t str,
    path: &'t str,
    line: u32,
}

impl Token<'_> {
    fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}

/// Reads the files that a pattern names, with what they include.
fn read(
    context: &Context<'_>,
    pattern: &str,
    budget: &mut Budget,
    depth: usize,
    texts: &mut Vec<(String, String)>,
) -> Result<(), String> {
    for (path, text) in budget.files(context, &[pattern])? {
        if depth > DEPTH {
            return Err(format!("{path}: includes without end"));
        }
        for line in text.lines() {
            let include = line
                .trim()
                .strip_prefix("@include")
                .map(|rest| rest.trim().trim_matches(['"', '\'']));
            if let Some(name) = include {
                let name = match name.starts_with('/') {
                    true => name.to_owned(),
                    false => format!("{DIRECTORY}/{name}"),
                };
                // Its own library has no destinations that are used.
                if !name.ends_with("/scl.conf") {
                    let whole = match is_directory(context, &name) {
                        true => format!("{}/*", name.trim_end_matches('/')),
                        false => name,
                    };
                    read(context, &whole, budget, depth.saturating_add(1), texts)?;
                }
            }
        }
        texts.push((path, text));
    }
    Ok(())
}

fn is_directory(context: &Context<'_>, path: &str) -> bool {
    context
        .root
        .list(path.as_bytes())
        .is_ok_and(|names| names.is_some())
}

/// Adds the words of a file, as long as they are not more than any.
fn split<'t>(path: &'t str, text: &'t str, tokens: &mut Vec<Token<'t>>) {
    // Lines that begin with @ are for the reader of files.
    let lines = (1..).zip(text.lines());
    for (line, text) in lines.filter(|(_, line)| !line.trim_start().starts_with('@')) {
        if tokens.len() > bounds::SHIPPER_WORDS {
            return;
        }
        let mut rest = text.trim_start();
        let mut add = |word| tokens.push(Token { word, path, line });
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => rest.len(),
                '"' | '\'' => {
                    let end = rest[1..].find(first);
                    let end = end.map_or(rest.len(), |end| end.saturating_add(2));
                    add(rest[..end].trim_matches(first));
                    end
                }
                '{' | '}' | '(' | ')' | ';' | ',' => {
                    add(&rest[..1]);
                    1
                }
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || "{}();,\"'#".contains(c));
                    let end = end.unwrap_or(rest.len());
                    add(&rest[..end]);
                    end
                }
            };
            rest = rest[length..].trim_start();
        }
    }
}

/// Where a log path sends to, and where the driver stands.
fn sent(tokens: &[Token<'_>]) -> Option<(String, String)> {
    let mut destinations: BTreeMap<&str, (String, String)> = BTreeMap::new();
    let mut used: Vec<&str> = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let (statement, behind) = statement(rest);
        rest = behind;
        let Some((first, inner)) = statement.split_first() else {
            continue;
        };
        if first.word == "destination" {
            if let (Some(sends), _) = driver(inner) {
                destinations.insert(first_word(inner), sends);
            }
        } else if first.word == "log" {
            let mut inner = inner;
            while let Some((token, behind)) = inner.split_first() {
                inner = behind;
                match (token.word, first_word(behind)) {
                    ("destination", "(") => {
                        used.push(first_word(behind.get(1..).unwrap_or_default()));
                    }
                    ("destination", "{") => {
                        let (sends, further) = driver(behind);
                        if sends.is_some() {
                            return sends;
                        }
                        inner = further;
                    }
                    _ => {}
                }
            }
        }
    }
    used.iter().find_map(|name| destinations.get(name).cloned())
}

fn first_word<'t>(tokens: &[Token<'t>]) -> &'t str {
    tokens.first().map_or("", |token| token.word)
}

/// What stands before the `;` outside of all braces and parentheses, and what behind it.
fn statement<'a, 't>(tokens: &'a [Token<'t>]) -> (&'a [Token<'t>], &'a [Token<'t>]) {
    let mut depth = 0_usize;
    let ends = |token: &Token<'_>| {
        match token.word {
            "{" | "(" => depth = depth.saturating_add(1),
            "}" | ")" => depth = depth.saturating_sub(1),
            ";" => return depth == 0,
            _ => {}
        }
        false
    };
    let mut parts = tokens.splitn(2, ends);
    let statement = parts.next().unwrap_or_default();
    (statement, parts.next().unwrap_or_default())
}

/// The first driver in the next block that sends elsewhere, and what stands behind that or the block.
fn driver<'a, 't>(tokens: &'a [Token<'t>]) -> (Option<(String, String)>, &'a [Token<'t>]) {
    let (mut depth, mut braces) = (0_usize, 0_usize);
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        rest = behind;
        match token.word {
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            "{" => braces = braces.saturating_add(1),
            "}" => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    break;
                }
            }
            word if depth == 0 && DRIVERS.contains(&word) => {
                let [open, host, after @ ..] = behind else {
                    break;
                };
                // Options alone, as `url("…")`, name the host in their own way.
                let named = match after {
                    [next, inner @ ..] if next.word == "(" => {
                        inner.first().map_or(word, |host| host.word)
                    }
                    _ => host.word,
                };
                if open.word == "(" && is_elsewhere(named) {
                    return (Some((named.to_owned(), token.place())), rest);
                }
            }
            _ => {}
        }
    }
    (None, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_host() {
        let net = "destination d { network(\"logs.example.org\" port(514)); };\n";
        for (text, expected) in [
            (format!("{net}log {{ source(s); destination(d); }};"), "logs.example.org f:1"),
            (net.to_owned(), ""),
            (format!("{net}# log {{ source(s); destination(d); }};"), ""),
            (format!("{net}log {{ source(s); destination(other); }};"), ""),
            ("log { source(s); destination { tcp(\"10.0.0.1\"); }; };".into(), "10.0.0.1 f:1"),
            ("destination d { network(\"127.0.0.1\"); };\nlog { destination(d); };".into(), ""),
            ("destination d { file(\"/x\" template(\"network(h)\")); };\nlog { destination(d); };".into(), ""),
            ("log { destination(d); };\ndestination d {\n  http(url(\"https://h/x\"));\n};".into(), "https://h/x f:3"),
            ("destination d { network(\"h\" ".into(), ""),
        ] {
            let mut tokens = Vec::new();
            split("f", &text, &mut tokens);
            let found = sent(&tokens).map(|(what, place)| format!("{what} {place}"));
            assert_eq!(found.unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn more_words_than_any_are_not_held() {
        let mut tokens = Vec::new();
        let text = format!("{}\n", ";".repeat(bounds::SHIPPER_WORDS)).repeat(3);
        split("f", &text, &mut tokens);
        assert_eq!(tokens.len(), 2 * bounds::SHIPPER_WORDS);
    }

    #[test]
    fn blocks_without_an_end_are_gone_through_once() {
        let text = format!("log {}", "destination { ".repeat(300_000));
        let mut tokens = Vec::new();
        split("f", &text, &mut tokens);
        assert_eq!(sent(&tokens), None);
    }
}
