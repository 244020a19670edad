//! The words after a keyword, read as sshd reads them, and put as `sshd -T` prints them (servconf.c, misc.c).

use super::algorithms::assemble;
use super::history::{Number, SHELL_WORDS};
use super::keyword::{Keyword, Kind};
use std::net::{IpAddr, Ipv6Addr};

const MAX: i64 = 2_147_483_647;

/// The value in words; a reason where sshd refuses it.
///
/// `words` are those that follow the keyword, `rest` the text that they were split from.
pub(super) fn read(
    keyword: &Keyword,
    words: &[String],
    rest: &str,
    version: Number,
) -> Result<Vec<String>, String> {
    let name = keyword.name;
    let one = || -> Result<&str, String> {
        match words {
            [] => Err(format!("{name} missing argument")),
            [word] if word.is_empty() => Err(format!("{name} missing argument")),
            [word] => Ok(word),
            _ => Err(format!("keyword {name} extra arguments at end of line")),
        }
    };
    let invalid = |value: &str| format!("{name}: invalid value \"{value}\"");
    let value = match keyword.kind {
        Kind::State(states) => {
            let word = one()?;
            states
                .iter()
                .find(|(written, _)| written.eq_ignore_ascii_case(word))
                .map(|(_, printed)| (*printed).to_owned())
                .ok_or_else(|| format!("{name}: unsupported option \"{word}\""))?
        }
        Kind::Number => number(one()?)
            .ok_or_else(|| invalid(&words[0]))?
            .to_string(),
        Kind::Time => time(one()?).ok_or_else(|| invalid(&words[0]))?.to_string(),
        Kind::IdleTime => match one()? {
            none if none.eq_ignore_ascii_case("none") => "none".into(),
            word => match time(word).ok_or_else(|| invalid(word))? {
                0 => "none".into(),
                seconds => seconds.to_string(),
            },
        },
        Kind::Mask => mask(one()?).ok_or_else(|| invalid(&words[0]))?,
        Kind::File => file(name, one()?),
        Kind::Word => none_folded(one()?),
        Kind::Rest => {
            let text = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if text.is_empty() {
                return Err(format!("{name} missing argument"));
            }
            none_folded(text)
        }
        Kind::Command => {
            let text = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !text.starts_with('/') && !text.eq_ignore_ascii_case("none") {
                return Err(format!("{name} must be an absolute path"));
            }
            none_folded(text)
        }
        Kind::Algorithms(family) => {
            let word = one()?;
            assemble(family, word, keyword.default(version), version)
                .ok_or_else(|| invalid(word))?
        }
        // Before words were split as a shell would, the loop over them ended at an empty one.
        Kind::Users | Kind::Groups | Kind::Variables
            if version < SHELL_WORDS && words.first().is_some_and(String::is_empty) =>
        {
            return Ok(Vec::new());
        }
        Kind::Users => return some(words, name, |word| !word.is_empty() && good_user(word)),
        Kind::Groups => return some(words, name, |word| !word.is_empty()),
        Kind::Variables => {
            return some(words, name, |word| !word.is_empty() && !word.contains('='));
        }
        Kind::Assignments => {
            let all = some(words, name, |word| word.contains('='))?;
            let mut kept: Vec<String> = Vec::new();
            for word in all {
                let variable = word.split('=').next();
                // Of a name that stands twice the first counts; before 9.1 both were kept.
                if version < (9, 1)
                    || !kept
                        .iter()
                        .any(|before| before.split('=').next() == variable)
                {
                    kept.push(word);
                }
            }
            return Ok(kept);
        }
        Kind::FirstLine => {
            return some(words, name, |word| !word.is_empty()).map(|words| joined(&words));
        }
        Kind::Verbose => {
            let none = |word: &String| word.eq_ignore_ascii_case("none");
            if words.len() > 1 && words.iter().any(none) {
                return Err(format!(
                    "keyword {name} \"none\" argument must appear alone"
                ));
            }
            return some(words, name, |word| !word.is_empty()).map(|words| joined(&words));
        }
        Kind::ChannelTimes => {
            let none = |word: &String| word.eq_ignore_ascii_case("none");
            if words.len() > 1 && words.iter().any(none) {
                return Err(format!(
                    "keyword {name} \"none\" argument must appear alone"
                ));
            }
            let good = |word: &str| {
                word.eq_ignore_ascii_case("none")
                    || word
                        .split_once('=')
                        .is_some_and(|(kind, value)| !kind.is_empty() && time(value).is_some())
            };
            return some(words, name, good).map(|words| joined(&words));
        }
        Kind::Methods => {
            if words.is_empty() {
                return Err(format!("no {name} specified"));
            }
            return some(words, name, good_methods).map(|words| joined(&words));
        }
        Kind::Port => match port(one()?) {
            Some(port) if port > 0 => port.to_string(),
            _ => return Err("Badly formatted port number".into()),
        },
        Kind::Listen => listen(words)?,
        Kind::Files => absolute(one()?),
        Kind::Subsystem => match words {
            [subsystem, command, ..] if !subsystem.is_empty() && !command.is_empty() => {
                words.join(" ")
            }
            _ => return Err(format!("{name} missing argument")),
        },
        Kind::Startups => startups(one()?).ok_or_else(|| format!("Invalid {name} spec"))?,
        Kind::PerSource => match one()? {
            "none" => "none".into(),
            word => number(word).ok_or_else(|| invalid(word))?.to_string(),
        },
        Kind::Blocks => blocks(one()?).ok_or_else(|| format!("Invalid {name} spec"))?,
        Kind::Tunnel => match one()? {
            word @ ("point-to-point" | "ethernet" | "yes" | "no") => word.to_owned(),
            word => return Err(format!("bad {name} argument {word}")),
        },
        Kind::Qos => match words {
            [one] | [one, _] if one.is_empty() => return Err(format!("{name} missing argument")),
            [one] => {
                let class = class(one, version).ok_or_else(|| invalid(one))?;
                format!("{class} {class}")
            }
            [interactive, bulk] => format!(
                "{} {}",
                class(interactive, version).ok_or_else(|| invalid(interactive))?,
                class(bulk, version).ok_or_else(|| invalid(bulk))?
            ),
            _ => one()?.to_owned(),
        },
        Kind::Rekey => return rekey(words).ok_or_else(|| invalid(&words.join(" "))),
        Kind::Open | Kind::Bind => return permits(keyword.kind, words, name),
        Kind::Environment => one()?.to_owned(),
        Kind::KeyOptions => {
            let has = |option: &str| words.iter().any(|word| word.eq_ignore_ascii_case(option));
            let known = ["none", "touch-required", "verify-required"];
            if let Some(odd) = words
                .iter()
                .find(|word| !known.iter().any(|known| known.eq_ignore_ascii_case(word)))
            {
                return Err(format!("unsupported {name} option {odd}"));
            }
            let set: Vec<&str> = known[1..]
                .iter()
                .copied()
                .filter(|option| has(option))
                .collect();
            match set.is_empty() {
                true => "none".into(),
                false => set.join(" "),
            }
        }
        Kind::Facility => listed(one()?, &FACILITIES).ok_or_else(|| invalid(&words[0]))?,
        Kind::Level => match one()?.to_ascii_uppercase().as_str() {
            "DEBUG1" => "DEBUG".into(),
            upper => listed(upper, &LEVELS).ok_or_else(|| invalid(&words[0]))?,
        },
        Kind::Hash => listed(one()?, &["MD5", "SHA1", "SHA256", "SHA384", "SHA512"])
            .ok_or_else(|| invalid(&words[0]))?,
        Kind::Penalties => penalties(words, keyword.default(version))
            .map_err(|reason| format!("{name}: {reason}"))?,
        Kind::Rdomain => return Err("setting RDomain not supported on this platform".into()),
    };
    Ok(vec![value])
}

const FACILITIES: [&str; 12] = [
    "DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4",
    "LOCAL5", "LOCAL6", "LOCAL7",
];
const LEVELS: [&str; 8] = [
    "QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3",
];

fn listed(word: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .find(|known| known.eq_ignore_ascii_case(word))
        .map(|known| (*known).to_owned())
}

fn joined(words: &[String]) -> Vec<String> {
    match words.is_empty() {
        true => Vec::new(),
        false => vec![words.join(" ")],
    }
}

fn some(words: &[String], name: &str, good: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    match words.iter().find(|word| !good(word)) {
        Some(bad) => Err(format!("invalid {name} value: \"{bad}\"")),
        None => Ok(words.to_vec()),
    }
}

/// `none`, in whatever case, is printed in lower case.
fn none_folded(text: &str) -> String {
    match text.eq_ignore_ascii_case("none") {
        true => "none".into(),
        false => text.to_owned(),
    }
}

fn file(name: &str, word: &str) -> String {
    match (name, word) {
        ("hostkeyagent", "SSH_AUTH_SOCK") => word.to_owned(),
        ("securitykeyprovider", word) if word.eq_ignore_ascii_case("internal") => word.to_owned(),
        _ => absolute(word),
    }
}

/// Names are taken below `/`, where the daemon runs.
fn absolute(word: &str) -> String {
    match word.starts_with(['/', '%', '~']) || word.eq_ignore_ascii_case("none") {
        true => none_folded(word),
        false => format!("/{word}"),
    }
}

/// `atoi_err`: strtonum(3) takes a sign and leading blanks.
pub(super) fn number(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    let digits = match digits {
        "-0" => "0",
        digits => digits,
    };
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|number| *number <= MAX)
}

/// `convtime`: seconds.
pub(super) fn time(word: &str) -> Option<i64> {
    if word.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    let mut rest = word;
    while !rest.is_empty() {
        let signed = rest.strip_prefix('+').unwrap_or(rest);
        let end = signed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(signed.len());
        let count: i64 = signed[..end].parse().ok()?;
        let mut tail = signed[end..].chars();
        let unit = match tail.next().map(|unit| unit.to_ascii_lowercase()) {
            None | Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some(_) => return None,
        };
        total = total.checked_add(count.checked_mul(unit).filter(|n| *n <= MAX)?)?;
        if total > MAX {
            return None;
        }
        rest = tail.as_str();
    }
    Some(total)
}

/// `strtol` in base 8: what follows the digits is passed over.
fn mask(word: &str) -> Option<String> {
    let digits: String = word
        .chars()
        .take_while(|c| ('0'..='7').contains(c))
        .collect();
    let value = u32::from_str_radix(&digits, 8)
        .ok()
        .filter(|mask| *mask <= 0o777)?;
    Some(format!("0{value:o}"))
}

fn port(word: &str) -> Option<i64> {
    number(word)
        .filter(|port| *port <= 65_535)
        .or_else(|| service(word))
}

/// The few names of services(5) that anybody would write here.
fn service(word: &str) -> Option<i64> {
    match word {
        "ssh" => Some(22),
        "http" => Some(80),
        "https" => Some(443),
        "telnet" => Some(23),
        _ => None,
    }
}

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`: normalised, `*` for a port that is not given.
fn listen(words: &[String]) -> Result<String, String> {
    let [text] = words else {
        return Err(match words.first() {
            None => "missing address".into(),
            Some(_) => "bad ListenAddress syntax".to_owned(),
        });
    };
    let (host, port_text) = if let Some(inner) = text.strip_prefix('[') {
        let (host, tail) = inner.split_once(']').ok_or("bad address:port usage")?;
        match tail.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if tail.is_empty() => (host, None),
            None => return Err("bad address:port usage".into()),
        }
    } else if text.matches(':').count() >= 2 {
        (text.as_str(), None)
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text.as_str(), None),
        }
    };
    let port = match port_text {
        Some(word) => match port(word) {
            Some(port) if port > 0 => port.to_string(),
            _ => return Err("bad port number".into()),
        },
        None => "*".into(),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(format!("{address}:{port}")),
        Ok(IpAddr::V6(address)) => Ok(format!("[{}]:{port}", plain(address))),
        // A name: where it leads is a matter of the resolver.
        Err(_) if !host.is_empty() => Ok(format!("{host}:{port}")),
        Err(_) => Err("missing address".into()),
    }
}

fn plain(address: Ipv6Addr) -> String {
    address.to_string()
}

/// sscanf("%d:%d:%d"): three numbers, or one.
fn startups(word: &str) -> Option<String> {
    let numbers: Vec<Option<i64>> = word.split(':').map(number).collect();
    let (begin, rate, full) = match numbers.as_slice() {
        [Some(begin), Some(rate), Some(full)] if begin <= full && (1..=100).contains(rate) => {
            (*begin, *rate, *full)
        }
        [Some(begin)] => (*begin, 30, *begin),
        _ => return None,
    };
    (begin > 0 && full > 0).then(|| format!("{begin}:{rate}:{full}"))
}

fn blocks(word: &str) -> Option<String> {
    let numbers: Vec<Option<i64>> = word.split(':').map(number).collect();
    match numbers.as_slice() {
        [Some(v4)] if *v4 <= 32 => Some(format!("{v4}:128")),
        [Some(v4), Some(v6)] if *v4 <= 32 && *v6 <= 128 => Some(format!("{v4}:{v6}")),
        _ => None,
    }
}

/// Since then numbers of IPQoS are decimal.
const IPQOS_DECIMAL: Number = (9, 8);

/// `parse_ipqos` and `iptos2str`.
fn class(word: &str, version: Number) -> Option<String> {
    const NAMES: [(&str, u32); 27] = [
        ("none", u32::MAX),
        ("af11", 0x28),
        ("af12", 0x30),
        ("af13", 0x38),
        ("af21", 0x48),
        ("af22", 0x50),
        ("af23", 0x58),
        ("af31", 0x68),
        ("af32", 0x70),
        ("af33", 0x78),
        ("af41", 0x88),
        ("af42", 0x90),
        ("af43", 0x98),
        ("cs0", 0x00),
        ("cs1", 0x20),
        ("cs2", 0x40),
        ("cs3", 0x60),
        ("cs4", 0x80),
        ("cs5", 0xa0),
        ("cs6", 0xc0),
        ("cs7", 0xe0),
        ("ef", 0xb8),
        ("le", 0x04),
        ("lowdelay", 0x10),
        ("throughput", 0x08),
        ("reliability", 0x04),
        ("", 0x100),
    ];
    let value = match NAMES
        .iter()
        .find(|(name, _)| !name.is_empty() && name.eq_ignore_ascii_case(word))
    {
        Some((_, value)) => *value,
        // Numbers are decimal since 9.8.
        None if version >= IPQOS_DECIMAL => u32::try_from(number(word)?).ok()?,
        None => match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None if word.len() > 1 && word.starts_with('0') => u32::from_str_radix(word, 8).ok()?,
            None => word.parse().ok()?,
        },
    };
    match NAMES.iter().find(|(_, known)| *known == value) {
        Some((name, _)) if !name.is_empty() => Some((*name).to_owned()),
        _ => (value <= 255).then(|| format!("0x{value:02x}")),
    }
}

/// Bytes with K, M or G, then a time, which `none` leaves to a later line.
fn rekey(words: &[String]) -> Option<Vec<String>> {
    let (size, interval) = match words {
        [size] => (size, "none"),
        [size, interval] => (size, interval.as_str()),
        _ => return None,
    };
    let bytes = match size.as_str() {
        "default" => 0,
        text => {
            let (digits, unit) = match text.char_indices().next_back()? {
                (at, 'k' | 'K') => (&text[..at], 1 << 10),
                (at, 'm' | 'M') => (&text[..at], 1 << 20),
                (at, 'g' | 'G') => (&text[..at], 1 << 30),
                (at, 't' | 'T') => (&text[..at], 1 << 40),
                (at, 'b' | 'B') => (&text[..at], 1),
                _ => (text, 1),
            };
            let count: i64 = digits.parse().ok()?;
            count
                .checked_mul(unit)
                .filter(|bytes| *bytes == 0 || *bytes >= 16)?
        }
    };
    let seconds = match interval {
        "none" => "none".into(),
        text => time(text)?.to_string(),
    };
    Some(vec![bytes.to_string(), seconds])
}

/// `NAME:VALUE` words in place of those of the default, or `yes` or `no` alone.
fn penalties(words: &[String], default: &str) -> Result<String, String> {
    let mut shown: Vec<String> = default.split(' ').map(str::to_owned).collect();
    match words {
        [] => return Err("missing argument".into()),
        [one] if one.eq_ignore_ascii_case("no") => return Ok("no".into()),
        [one] if one.eq_ignore_ascii_case("yes") => return Ok(default.to_owned()),
        _ => {}
    }
    let mut said: Vec<&str> = Vec::new();
    for word in words {
        let invalid = || format!("unsupported keyword {word}");
        let (key, text) = word.split_once(':').ok_or_else(invalid)?;
        let place = shown
            .iter_mut()
            .find(|known| known.split(':').next() == Some(key))
            .ok_or_else(invalid)?;
        let value = match key {
            "overflow" | "overflow6" => matches!(text, "permissive" | "deny-all")
                .then(|| text.to_owned())
                .ok_or_else(invalid)?,
            "max-sources4" | "max-sources6" => number(text).ok_or_else(invalid)?.to_string(),
            _ => time(text).ok_or_else(invalid)?.to_string(),
        };
        // The first value of each wins.
        if !said.contains(&key) {
            *place = format!("{key}:{value}");
            said.push(key);
        }
    }
    Ok(shown.join(" "))
}

fn permits(kind: Kind, words: &[String], name: &str) -> Result<Vec<String>, String> {
    match words {
        [] => Err(format!("{name} missing argument")),
        [first, ..] if first.is_empty() => Err(format!("{name} missing argument")),
        [only] if only == "any" || only == "none" => Ok(vec![only.clone()]),
        [first, ..] if first == "any" || first == "none" => {
            Err(format!("keyword {name} extra arguments at end of line"))
        }
        words => {
            let mut shown = Vec::new();
            for word in words {
                let full = match kind == Kind::Bind && !word.contains(':') {
                    true => format!("*:{word}"),
                    false => word.clone(),
                };
                let port_text = match full.strip_prefix('[') {
                    Some(inner) => inner.split_once("]:").map(|(_, port)| port),
                    None => full.split_once(':').map(|(_, port)| port),
                };
                let good = port_text.is_some_and(|text| text == "*" || port(text).is_some());
                if !good {
                    return Err(format!("{name} bad port number"));
                }
                shown.push(full);
            }
            Ok(vec![shown.join(" ")])
        }
    }
}

/// `match_user` on a pattern: what follows `@` must be a good host or address list.
fn good_user(pattern: &str) -> bool {
    match pattern.rsplit_once('@') {
        Some((_, host)) if host.contains('/') => {
            super::criteria::parse(&format!("Address {host}"), (9, 2)).is_ok()
        }
        _ => true,
    }
}

/// `auth2_methods_valid`: names of methods, each with an optional sub-method.
fn good_methods(list: &str) -> bool {
    const METHODS: [&str; 7] = [
        "none",
        "publickey",
        "gssapi-with-mic",
        "gssapi-keyex",
        "password",
        "keyboard-interactive",
        "hostbased",
    ];
    list == "any"
        || list.split(',').all(|method| {
            let (name, sub) = match method.split_once(':') {
                Some((name, sub)) => (name, Some(sub)),
                None => (method, None),
            };
            METHODS.contains(&name) && name != "none" && sub != Some("")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        for (word, expected) in [
            ("010", Some(10)),
            ("+4", Some(4)),
            ("0x4", None),
            ("4x", None),
            ("1k", None),
            ("-1", None),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("", None),
        ] {
            assert_eq!(number(word), expected, "{word}");
        }
        for (word, expected) in [
            ("1h30m", Some(5400)),
            ("5m5", Some(305)),
            ("1W", Some(604_800)),
            ("none", None),
            ("1.5", None),
            ("1 m", None),
            ("2147483647s", Some(2_147_483_647)),
            ("3551w", None),
            ("", None),
        ] {
            assert_eq!(time(word), expected, "{word}");
        }
    }

    #[test]
    fn composed_values() {
        assert_eq!(startups("10").as_deref(), Some("10:30:10"));
        assert_eq!(startups("10:30:60").as_deref(), Some("10:30:60"));
        for bad in ["0", "60:30:10", "10:0:60", "10:30", "x"] {
            assert_eq!(startups(bad), None, "{bad}");
        }
        assert_eq!(class("AF21", (9, 2)).as_deref(), Some("af21"));
        assert_eq!(class("0x10", (9, 2)).as_deref(), Some("lowdelay"));
        assert_eq!(class("256", (9, 2)), None);
        assert_eq!(
            rekey(&["1G".into(), "1h".into()]),
            Some(vec!["1073741824".into(), "3600".into()])
        );
    }
}
