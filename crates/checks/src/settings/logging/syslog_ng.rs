//! syslog-ng: a destination of a driver that sends, and a log path that leads to it (syslog-ng OSE, "log: Filter and
//! route log messages").

use super::targets::{Target, files, is_elsewhere};
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
    let mut tokens = Vec::new();
    let mut left = bounds::SHIPPER_FILES;
    if let Err(why) = read(context, MAIN, &mut left, &mut tokens) {
        return Target::Unknown(why);
    }
    match sent(&tokens) {
        Some((what, place)) => {
            let what = agent_core::escape::terminal_text(&what).into_owned();
            Target::At { what, place }
        }
        None => Target::None,
    }
}

/// A word, a text without its quotes, or a sign; with `FILE:LINE`.
type Token = (String, String);

fn read(
    context: &Context<'_>,
    pattern: &str,
    left: &mut usize,
    tokens: &mut Vec<Token>,
) -> Result<(), String> {
    for (path, text) in files(context, &[pattern])? {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| format!("{path}: includes without end"))?;
        // Lines that begin with @ are for the reader of files.
        let mut plain = String::new();
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
                    read(context, &whole, left, tokens)?;
                }
            }
            plain.push_str(if line.trim_start().starts_with('@') {
                ""
            } else {
                line
            });
            plain.push('\n');
        }
        split(&path, &plain, tokens);
    }
    Ok(())
}

fn is_directory(context: &Context<'_>, path: &str) -> bool {
    context
        .root
        .list(path.as_bytes())
        .is_ok_and(|names| names.is_some())
}

fn split(path: &str, text: &str, tokens: &mut Vec<Token>) {
    for (number, line) in (1_usize..).zip(text.lines()) {
        let place = format!("{path}:{number}");
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '#' => rest.len(),
                '"' | '\'' => {
                    let end = rest[1..].find(first);
                    let end = end.map_or(rest.len(), |end| end.saturating_add(2));
                    let inner = rest[..end].trim_matches(first);
                    tokens.push((inner.to_owned(), place.clone()));
                    end
                }
                '{' | '}' | '(' | ')' | ';' | ',' => {
                    tokens.push((first.to_string(), place.clone()));
                    1
                }
                _ => {
                    let end = rest.find(|c: char| c.is_whitespace() || "{}();,\"'#".contains(c));
                    let end = end.unwrap_or(rest.len());
                    tokens.push((rest[..end].to_owned(), place.clone()));
                    end
                }
            };
            rest = rest[length..].trim_start();
        }
    }
}

/// Where a log path sends to, and where the driver stands.
fn sent(tokens: &[Token]) -> Option<(String, String)> {
    let mut destinations: BTreeMap<&str, (String, String)> = BTreeMap::new();
    let mut used: Vec<&str> = Vec::new();
    let mut rest = tokens;
    while !rest.is_empty() {
        let (statement, behind) = statement(rest);
        rest = behind;
        match statement {
            [(word, _), inner @ ..] if word == "destination" => {
                if let Some(sends) = driver(inner) {
                    destinations.insert(first_word(inner), sends);
                }
            }
            [(word, _), inner @ ..] if word == "log" => {
                let mut inner = inner;
                while let [(word, _), behind @ ..] = inner {
                    inner = behind;
                    match (word.as_str(), first_word(behind)) {
                        ("destination", "(") => {
                            used.push(first_word(behind.get(1..).unwrap_or_default()));
                        }
                        ("destination", "{") => {
                            if let Some(sends) = driver(behind) {
                                return Some(sends);
                            }
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    used.iter().find_map(|name| destinations.get(name).cloned())
}

fn first_word(tokens: &[Token]) -> &str {
    tokens.first().map_or("", |(word, _)| word.as_str())
}

/// What stands before the `;` outside of all braces and parentheses, and what behind it.
fn statement(tokens: &[Token]) -> (&[Token], &[Token]) {
    let mut depth = 0_usize;
    let ends = |(word, _): &Token| {
        match word.as_str() {
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

/// The first driver that sends elsewhere.
fn driver(tokens: &[Token]) -> Option<(String, String)> {
    let mut depth = 0_usize;
    let mut rest = tokens;
    while let [(word, place), behind @ ..] = rest {
        rest = behind;
        match word.as_str() {
            "(" => depth = depth.saturating_add(1),
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && DRIVERS.contains(&word) => {
                let [open, host, after @ ..] = behind else {
                    return None;
                };
                // Options alone, as `url("…")`, name the host in their own way.
                let named = match after {
                    [(next, _), inner @ ..] if next == "(" => {
                        inner.first().map_or(word, |(host, _)| host)
                    }
                    _ => host.0.as_str(),
                };
                if open.0 == "(" && is_elsewhere(named) {
                    return Some((named.to_owned(), place.clone()));
                }
            }
            _ => {}
        }
    }
    None
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
}
