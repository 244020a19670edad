//! Numbers, times, masks and ports, as misc.c reads them.

use crate::settings::sshd::history::{FIRST_STARTUPS, FRACTIONS, Number};

/// The largest `int` of C: bounds every number and time of the configuration.
// Own bound: the language C's.
const MAX: i64 = 2_147_483_647;

/// `atoi_err`: strtonum(3) takes a sign and leading blanks.
pub(in crate::settings::sshd) fn number(word: &str) -> Option<i64> {
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

/// `convtime`: seconds. Since 10.3 they may have a fraction, which is cut off.
pub(super) fn time(word: &str, version: Number) -> Option<i64> {
    match version < FRACTIONS {
        true => whole_time(word, version),
        // Below the largest int, so that the cast is exact but for the fraction.
        #[allow(clippy::cast_possible_truncation)]
        false => fractional_time(word)
            .filter(|seconds| *seconds <= 2_147_483_647.0)
            .map(|seconds| seconds as i64),
    }
}

fn whole_time(word: &str, version: Number) -> Option<i64> {
    if word.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    let mut rest = word;
    while !rest.is_empty() {
        // Until 9.7 strtol(3) took a sign.
        let signed = rest.strip_prefix('+').filter(|_| version < (9, 8));
        let digits = signed.unwrap_or(rest);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let count: i64 = digits[..end].parse().ok()?;
        let mut tail = digits[end..].chars();
        let unit = seconds_of(tail.next())?;
        total = total.checked_add(count.checked_mul(unit).filter(|n| *n <= MAX)?)?;
        if total > MAX {
            return None;
        }
        rest = tail.as_str();
    }
    Some(total)
}

/// `convtime_double` of 10.3: only seconds have a fraction, and stand once.
pub(super) fn fractional_time(word: &str) -> Option<f64> {
    if word.is_empty() {
        return None;
    }
    let (mut total, mut rest, mut seconds) = (0.0, word, 0_u32);
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(end);
        let count: f64 = digits.parse().ok()?;
        let mut tail = tail.chars();
        let unit = tail.next();
        if matches!(unit, None | Some('s' | 'S')) {
            seconds = seconds.saturating_add(1);
        }
        let unit = seconds_of(unit)?;
        let fraction = digits.contains('.');
        if seconds > 1 || fraction && (unit > 1 || digits.ends_with('.')) {
            return None;
        }
        // At most 604,800: exact as a float.
        total += count * f64::from(u32::try_from(unit).ok()?);
        rest = tail.as_str();
    }
    Some(total)
}

fn seconds_of(unit: Option<char>) -> Option<i64> {
    Some(match unit.map(|unit| unit.to_ascii_lowercase()) {
        None | Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        Some(_) => return None,
    })
}

/// `strtol` in base 8: what follows the digits is passed over.
pub(super) fn mask(word: &str) -> Option<String> {
    let digits: String = word
        .chars()
        .take_while(|c| ('0'..='7').contains(c))
        .collect();
    let value = u32::from_str_radix(&digits, 8)
        .ok()
        .filter(|mask| *mask <= 0o777)?;
    Some(format!("0{value:o}"))
}

/// `a2port`: a number, or one of the names of services(5).
pub(in crate::settings::sshd) fn port(word: &str) -> Option<u16> {
    number(word)
        .and_then(|port| u16::try_from(port).ok())
        .or_else(|| service(word))
}

/// The few names of services(5) that anybody would write here.
fn service(word: &str) -> Option<u16> {
    match word {
        "ssh" => Some(22),
        "http" => Some(80),
        "https" => Some(443),
        "telnet" => Some(23),
        _ => None,
    }
}

/// What `sscanf("%d:%d:…")` takes: as many numbers as there are in front, blanks before each, anything behind.
fn scanned(word: &str, most: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut rest = word;
    while found.len() < most {
        let text = rest.trim_start();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let Ok(value) = digits[..end].parse::<i64>() else {
            break;
        };
        // What does not fit an int is cut off by C; no such number is in bounds here either.
        found.push(match text.starts_with('-') {
            true => value.saturating_neg(),
            false => value,
        });
        match digits[end..].strip_prefix(':') {
            Some(tail) => rest = tail,
            None => break,
        }
    }
    found
}

/// MaxStartups: three numbers or one. `rate` is that of the line before, which one number leaves in force until 10.0.
pub(super) fn startups(word: &str, version: Number, rate: Option<i64>) -> Option<[i64; 3]> {
    let (begin, rate, full) = match scanned(word, 3).as_slice() {
        [begin, rate, full] if begin <= full && (1..=100).contains(rate) => (*begin, *rate, *full),
        // In 10.1 and 10.2 one number is the last of three.
        [full] if version >= FIRST_STARTUPS && version < FRACTIONS && *full > 0 => (10, 30, *full),
        [begin] if version < FIRST_STARTUPS => (*begin, rate.unwrap_or(30), *begin),
        [begin] => (*begin, 30, *begin),
        _ => return None,
    };
    (begin > 0 && full > 0).then_some([begin, rate, full])
}

/// PerSourceNetBlockSize: one number leaves the second one at 0 until 10.0, later at its default.
pub(super) fn blocks(word: &str, version: Number) -> Option<String> {
    match scanned(word, 2).as_slice() {
        [v4] if (0..=32).contains(v4) => {
            let v6 = if version < FIRST_STARTUPS { 0 } else { 128 };
            Some(format!("{v4}:{v6}"))
        }
        [v4, v6] if (0..=32).contains(v4) && (0..=128).contains(v6) => Some(format!("{v4}:{v6}")),
        _ => None,
    }
}

/// Bytes with K, M or G, then a time, which `none` leaves to a later line.
pub(super) fn rekey(words: &[String], version: Number) -> Option<Vec<String>> {
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
                (at, 'p' | 'P') => (&text[..at], 1 << 50),
                (at, 'e' | 'E') => (&text[..at], 1 << 60),
                (at, 'b' | 'B') => (&text[..at], 1),
                _ => (text, 1),
            };
            scaled(digits, unit).filter(|bytes| *bytes == 0 || *bytes >= 16)?
        }
    };
    let seconds = match interval {
        "none" => "none".into(),
        text => time(text, version)?.to_string(),
    };
    Some(vec![bytes.to_string(), seconds])
}

/// `scan_scaled` of OpenBSD's libutil: a decimal fraction of the unit counts as far as it makes whole bytes.
fn scaled(digits: &str, unit: i64) -> Option<i64> {
    /// Digits behind the point that are looked at: with as many an i128 cannot overflow.
    const DIGITS: usize = 18;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let digit = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !digit(whole) || !digit(part) {
        return None;
    }
    let of = |text: &str| text.parse::<i64>().ok().or(text.is_empty().then_some(0));
    let part = &part[..part.len().min(DIGITS)];
    let power = 10_i128.pow(u32::try_from(part.len()).ok()?);
    let fraction = i128::from(of(part)?).checked_mul(i128::from(unit))?;
    let fraction = fraction.checked_div(power)?;
    of(whole)?
        .checked_mul(unit)?
        .checked_add(i64::try_from(fraction).ok()?)
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
        for (word, before, since) in [
            ("1h30m", Some(5400), Some(5400)),
            ("5m5", Some(305), Some(305)),
            ("1W", Some(604_800), Some(604_800)),
            ("none", None, None),
            ("1.5", None, Some(1)),
            ("0.5s", None, Some(0)),
            (".5", None, Some(0)),
            ("1.5m", None, None),
            ("1.", None, None),
            ("5s5", Some(10), None),
            ("+5", Some(5), None),
            ("1 m", None, None),
            ("2147483647s", Some(2_147_483_647), Some(2_147_483_647)),
            ("2147483647.9", None, None),
            ("3551w", None, None),
            ("", None, None),
        ] {
            assert_eq!(time(word, (9, 2)), before, "{word}");
            assert_eq!(time(word, (10, 3)), since, "{word}");
        }
    }

    #[test]
    fn composed_values() {
        for (word, expected) in [
            ("10", Some([10, 30, 10])),
            ("10:30:60", Some([10, 30, 60])),
            ("10:30:60:5", Some([10, 30, 60])),
            ("10: 30:60x", Some([10, 30, 60])),
            ("10:x", Some([10, 30, 10])),
            ("0", None),
            ("60:30:10", None),
            ("10:0:60", None),
            ("10:30", None),
            ("x", None),
        ] {
            assert_eq!(startups(word, (9, 2), None), expected, "{word}");
        }
        assert_eq!(startups("5", (10, 0), Some(50)), Some([5, 50, 5]));
        assert_eq!(startups("5", (10, 2), Some(50)), Some([10, 30, 5]));
        assert_eq!(startups("5", (10, 6), Some(50)), Some([5, 30, 5]));
        for (word, before, since) in [
            ("16", Some("16:0"), Some("16:128")),
            ("16:", Some("16:0"), Some("16:128")),
            ("16:64:3", Some("16:64"), Some("16:64")),
            ("40", None, None),
            ("-1", None, None),
        ] {
            assert_eq!(blocks(word, (10, 0)).as_deref(), before, "{word}");
            assert_eq!(blocks(word, (10, 1)).as_deref(), since, "{word}");
        }
        let words = ["1.5G".to_owned(), "1h".to_owned()];
        let expected = vec!["1610612736".to_owned(), "3600".to_owned()];
        assert_eq!(rekey(&words, (9, 2)), Some(expected));
    }
}
