//! ListenAddress and IPQoS.

use super::numbers::{number, port};
use crate::settings::sshd::address;
use crate::settings::sshd::build::Build;
use crate::settings::sshd::history::{FRACTIONS, Number};
use std::net::IpAddr;

/// `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`: normalised, `*` for a port that is not given.
pub(super) fn listen(words: &[String]) -> Result<String, String> {
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
    if host.contains('/') || host.is_empty() {
        return Err("bad address:port usage".into());
    }
    match address::numeric(host) {
        Some(IpAddr::V4(address)) => Ok(format!("{address}:{port}")),
        Some(IpAddr::V6(address)) => Ok(format!("[{address}]:{port}")),
        // A name: where it leads is a matter of the resolver.
        None => Ok(format!("{host}:{port}")),
    }
}

/// Since then numbers of IPQoS are decimal.
const IPQOS_DECIMAL: Number = (9, 8);

/// `parse_ipqos` and `iptos2str`.
pub(super) fn class(word: &str, build: Build) -> Option<String> {
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
        ("va", 0xb0),
        ("lowdelay", 0x10),
        ("throughput", 0x08),
        ("reliability", 0x04),
    ];
    let version = build.number;
    if build.passes_over_tos()
        && ["lowdelay", "throughput", "reliability"]
            .iter()
            .any(|old| old.eq_ignore_ascii_case(word))
    {
        return Some("none".into());
    }
    // What a version does not name it does not print either.
    let known = |name: &str| match name {
        "va" => version >= FRACTIONS,
        "lowdelay" | "throughput" | "reliability" => !build.passes_over_tos(),
        name => !name.is_empty(),
    };
    let value = match NAMES
        .iter()
        .find(|(name, _)| known(name) && name.eq_ignore_ascii_case(word))
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
    match NAMES
        .iter()
        .find(|(name, own)| *own == value && known(name))
    {
        Some((name, _)) => Some((*name).to_owned()),
        _ => (value <= 255).then(|| format!("0x{value:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (word, version, expected) in [
            ("AF21", (9, 2), Some("af21")),
            ("0x10", (9, 2), Some("lowdelay")),
            ("256", (9, 2), None),
            ("0x10", (10, 0), None),
            ("lowdelay", (10, 0), Some("lowdelay")),
            ("lowdelay", (10, 1), Some("none")),
            ("16", (10, 1), Some("0x10")),
            ("va", (10, 2), None),
            ("va", (10, 3), Some("va")),
        ] {
            let build = Build::of(version, false, None);
            assert_eq!(class(word, build).as_deref(), expected, "{word}");
        }
    }
}
