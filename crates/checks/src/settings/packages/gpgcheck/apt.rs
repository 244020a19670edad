//! Sources of apt (sources.list(5)), and its settings that let go of signatures (apt.conf(5)).

use super::{Culprit, apt_conf, text, texts};
use crate::settings::context::Context;

/// sources.list(5), and the settings of apt.conf(5) that let go of signatures.
pub(super) fn look(context: &Context<'_>) -> Result<(usize, Vec<Culprit>), String> {
    let mut looked_at: usize = 0;
    let mut culprits = Vec::new();
    let mut lists = Vec::new();
    let settings = apt_conf::settings(context)?;
    let parts = settings.place("sourceparts", "sources.list.d");
    lists.extend(text(
        context,
        &settings.place("sourcelist", "sources.list"),
    )?);
    lists.extend(texts(context, &parts, &[".list"])?);
    for (path, text) in &lists {
        for (number, line) in (1_usize..).zip(text.lines()) {
            let Some((uri, options)) = source_line(line) else {
                continue;
            };
            looked_at = looked_at.saturating_add(1);
            unsigned(&uri, &options, format!("{path}:{number}"), &mut culprits);
        }
    }
    for (path, text) in texts(context, &parts, &[".sources"])? {
        for stanza in stanzas(&text) {
            let field = |name: &str| {
                // Of fields of one name the last counts.
                let found = stanza
                    .iter()
                    .rfind(|(field, ..)| field.eq_ignore_ascii_case(name));
                found.map(|(_, value, line)| (value.as_str(), *line))
            };
            if field("Enabled").is_some_and(|(value, _)| is_no(value)) {
                continue;
            }
            let Some((uris, _)) = field("URIs") else {
                continue;
            };
            let uri = uris.split_whitespace().next().unwrap_or_default();
            looked_at = looked_at.saturating_add(1);
            for name in ["trusted", "allow-insecure"] {
                if let Some((value, line)) = field(name) {
                    let option = format!("{name}={value}");
                    unsigned(uri, &[option], format!("{path}:{line}"), &mut culprits);
                }
            }
        }
    }
    for (key, value, location) in settings.all {
        let lets_go = [
            "apt::get::allowunauthenticated",
            "acquire::allowinsecurerepositories",
            "acquire::allowdowngradetoinsecurerepositories",
        ];
        let name = key.to_ascii_lowercase();
        // What counts for one program alone (apt.conf(5), "Binary").
        let name = match name.strip_prefix("binary::") {
            Some(rest) => rest.split_once("::").map_or("", |(_, name)| name),
            None => &name,
        };
        if lets_go.contains(&name) && is_yes(&value) {
            culprits.push(Culprit {
                message: format!("apt takes what is not signed: {key} \"{value}\""),
                remedy: format!("remove the line {location}"),
                subject: key,
                location,
            });
        }
    }
    Ok((looked_at, culprits))
}

/// StringToBool of apt-pkg/contrib/strutl.cc, which takes numbers of any base that strtol(3) takes.
fn is_yes(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let word = matches!(value.as_str(), "yes" | "true" | "with" | "on" | "enable");
    word || number(&value).is_some_and(|number| number != 0)
}

fn is_no(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let word = matches!(
        value.as_str(),
        "no" | "false" | "without" | "off" | "disable"
    );
    word || number(&value) == Some(0)
}

fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(digits), _) => i64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => i64::from_str_radix(digits, 8).ok(),
        _ => digits.parse().ok(),
    }
}

/// The URI and the options of a line `deb [OPTIONS] URI SUITE COMPONENT…`.
fn source_line(line: &str) -> Option<(String, Vec<String>)> {
    let line = without_comment(line).trim();
    let rest = line
        .strip_prefix("deb-src")
        .or_else(|| line.strip_prefix("deb"))?;
    let mut rest = rest
        .strip_prefix([' ', '\t'])
        .or(rest.strip_prefix('[').map(|_| rest))?;
    let mut options = Vec::new();
    if let Some(inner) = rest.trim_start().strip_prefix('[') {
        rest = inner.trim_start();
        while !rest.starts_with(']') {
            let (option, more) = quoted_word(rest)?;
            options.push(option);
            rest = more.trim_start();
        }
        rest = rest.strip_prefix(']')?;
    }
    Some((quoted_word(rest.trim_start())?.0, options))
}

/// Up to a `#` that stands in no brackets.
fn without_comment(line: &str) -> &str {
    let mut from: usize = 0;
    loop {
        let rest = line.get(from..).unwrap_or_default();
        let Some(at) = rest.find(['#', '[']).and_then(|at| at.checked_add(from)) else {
            return line;
        };
        let behind = line.get(at..).unwrap_or_default();
        let closed = match behind.starts_with('[') {
            true => behind.find(']').unwrap_or(0),
            false => return line.get(..at).unwrap_or(line),
        };
        from = at.saturating_add(closed).saturating_add(1);
    }
}

/// A word as ParseQuoteWord of apt-pkg/contrib/strutl.cc takes it, without its quotes and with `%HH` decoded, and what
/// follows. A bracket ends a word, as far as it does not stand in quotes.
fn quoted_word(text: &str) -> Option<(String, &str)> {
    let (mut word, mut quoted) = (Vec::new(), false);
    let mut bytes = text.bytes().enumerate();
    let mut end = text.len();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b']' if !quoted => {
                end = at;
                break;
            }
            byte if byte.is_ascii_whitespace() && !quoted => {
                end = at;
                break;
            }
            b'%' => {
                let digits = text.get(at.saturating_add(1)..at.saturating_add(3));
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(decoded) => {
                        word.push(decoded);
                        bytes.nth(1);
                    }
                    None => word.push(byte),
                }
            }
            byte => word.push(byte),
        }
    }
    let word = String::from_utf8_lossy(&word).into_owned();
    (!quoted && end > 0).then(|| (word, text.get(end..).unwrap_or_default()))
}

fn unsigned(uri: &str, options: &[String], location: String, culprits: &mut Vec<Culprit>) {
    let bad = options.iter().find(|option| {
        option.split_once('=').is_some_and(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            matches!(name.as_str(), "trusted" | "allow-insecure") && is_yes(value)
        })
    });
    if let Some(option) = bad {
        let uri = agent_core::escape::terminal_text(uri).into_owned();
        culprits.push(Culprit {
            message: format!("packages of {uri} are taken unsigned: {option}"),
            remedy: format!("remove {option} at {location}, and name the key with signed-by"),
            subject: uri,
            location,
        });
    }
}

/// Stanzas of fields (deb822(5)): name, value and line.
fn stanzas(text: &str) -> Vec<Vec<(String, String, usize)>> {
    let mut found = vec![Vec::new()];
    for (number, line) in (1..).zip(text.lines()) {
        // A line of blanks goes on with the field above.
        if line.trim_end_matches('\r').is_empty() {
            found.push(Vec::new());
        } else if line.starts_with('#') {
            continue;
        } else if let Some(stanza) = found.last_mut() {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value, _)) = stanza.last_mut() {
                    let value: &mut String = value;
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((field, value)) = line.split_once(':') {
                stanza.push((field.trim().to_owned(), value.trim().to_owned(), number));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sources() {
        for (line, expected) in [
            ("deb http://h/d bookworm main", Some(("http://h/d", ""))),
            (
                "deb [trusted=yes arch=amd64] http://h x y",
                Some(("http://h", "trusted=yes arch=amd64")),
            ),
            (
                "deb [ trusted=yes ] http://h x",
                Some(("http://h", "trusted=yes")),
            ),
            ("deb-src\thttp://h x", Some(("http://h", ""))),
            ("# deb http://h x", None),
            ("debug http://h x", None),
            ("", None),
            (
                "deb [arch=amd64 signed-by=/k/a#b.gpg trusted=yes] http://h x # [c]",
                Some(("http://h", "arch=amd64 signed-by=/k/a#b.gpg trusted=yes")),
            ),
            (
                "deb [%74rusted=%79es] http://h x",
                Some(("http://h", "trusted=yes")),
            ),
            (
                "deb [\"trusted=yes\" arch=\"a b\"]http://h x",
                Some(("http://h", "trusted=yes arch=a b")),
            ),
            ("deb [trusted=yes http://h x", None),
        ] {
            let found = source_line(line);
            let found = found
                .as_ref()
                .map(|(uri, options)| (uri.as_str(), options.join(" ")));
            assert_eq!(
                found,
                expected.map(|(uri, o)| (uri, o.to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn switches_and_stanzas() {
        for (text, yes, no) in [
            ("yes", true, false),
            ("0x1", true, false),
            ("01", true, false),
            ("0x0", false, true),
            ("Without", false, true),
            ("maybe", false, false),
        ] {
            assert_eq!((is_yes(text), is_no(text)), (yes, no), "{text}");
        }
        let of = |text: &str| stanzas(text).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(of("A: 1\n \nTrusted: yes\n\nB: 2\r\n\r\nC: 3"), [2, 1, 1]);
    }
}
