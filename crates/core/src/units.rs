//! Sizes and times as people write them: `50M`, `200ms`, `6h`.

use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Bytes; takes `K`, `M` and `G` of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30)];
    let mut units = units.into_iter();
    let (digits, factor) = units
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .unwrap_or((text, 1));
    number(digits)
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| {
            format!(
                "found \"{text}\", expected bytes as a number, with K, M or G (1024) if need be"
            )
        })
}

/// A time; takes `ms`, `s`, `m` and `h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    number(text.strip_suffix(unit).unwrap_or_default())
        .filter(|_| milliseconds > 0)
        .and_then(|n| n.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("found \"{text}\", expected a time: a number with ms, s, m or h"))
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// For serde: a size as text.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_size(&text).map_err(serde::de::Error::custom)
}

/// For serde: a time as text.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("20M"), Ok(20 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        for bad in [
            "",
            "M",
            "-1",
            "+1",
            "1.5M",
            "1m",
            "99999999999999999999",
            "18446744073709551615K",
            "1 M",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("6h"), Ok(Duration::from_secs(21_600)));
        for bad in ["", "6", "h", "6d", "1.5h", "6 h", "99999999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
