//! Comparing versions of Debian packages (deb-version(7)), as `dpkg --compare-versions` does.

use agent_core::bytes;
use std::cmp::Ordering;

/// The order of two versions `[EPOCH:]UPSTREAM[-REVISION]`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_upstream, a_revision) = parts(a);
    let (b_epoch, b_upstream, b_revision) = parts(b);
    number(a_epoch.as_bytes())
        .cmp(&number(b_epoch.as_bytes()))
        .then_with(|| compare_part(a_upstream.as_bytes(), b_upstream.as_bytes()))
        .then_with(|| compare_part(a_revision.as_bytes(), b_revision.as_bytes()))
}

fn parts(version: &str) -> (&str, &str, &str) {
    let version = version.trim();
    let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// A run of digits as something to compare: without leading zeros, the longer is the larger.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = bytes::behind(digits, zeros);
    (digits.len(), digits)
}

/// Runs of other characters and runs of digits by turns (verrevcmp in lib/dpkg/version.c).
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let mut others: usize = 0;
        loop {
            let (x, y) = (weight(a.get(others)), weight(b.get(others)));
            if x != y {
                return x.cmp(&y);
            }
            if x == 0 {
                break;
            }
            others = others.saturating_add(1);
        }
        (a, b) = (bytes::behind(a, others), bytes::behind(b, others));
        let length = |text: &[u8]| text.iter().take_while(|c| c.is_ascii_digit()).count();
        let (x, y) = (length(a), length(b));
        let order = number(bytes::first(a, x)).cmp(&number(bytes::first(b, y)));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (bytes::behind(a, x), bytes::behind(b, y));
    }
    Ordering::Equal
}

/// `~` before the end, the end and digits before letters, letters before all else.
fn weight(character: Option<&u8>) -> i32 {
    match character {
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(b'~') => -1,
        Some(c) => i32::from(*c) | 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// deb-version(7)'s own example, and what each rule is for. tests/packages holds dpkg's word on thousands.
    #[test]
    fn the_rules() {
        for pair in [
            ["~~", "~~a"],
            ["~~a", "~"],
            ["~", ""],
            ["", "a"],
            ["1.0", "1:0"],
            ["1.9", "1.10"],
            ["1.0~rc1", "1.0"],
            ["1.0", "1.0-1"],
            ["1.0-1", "1.0-1+deb12u1"],
            ["1.0-1+deb12u1", "1.0-1.1"],
            ["1a", "1+"],
            ["0:1", "1:0"],
            ["99999999999999999998", "99999999999999999999"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for pair in [["0:1", "1"], ["1.01", "1.1"], ["1-0", "1"], ["1.", "1.0"]] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Equal, "{pair:?}");
        }
    }
}
