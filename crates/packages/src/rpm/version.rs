//! Comparing versions of rpm packages, as rpm itself does (rpmvercmp in rpmio/rpmver.c).

use agent_core::bytes;
use std::cmp::Ordering;

/// The order of two versions `[EPOCH:]VERSION[-RELEASE]`; a release that only one of them has does not count.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_version, a_release) = parts(a);
    let (b_epoch, b_version, b_release) = parts(b);
    compare_part(a_epoch, b_epoch)
        .then_with(|| compare_part(a_version, b_version))
        .then_with(|| match (a_release, b_release) {
            (Some(a), Some(b)) => compare_part(a, b),
            _ => Ordering::Equal,
        })
}

fn parts(version: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

/// Segments of digits and of letters by turns; `~` sorts before everything, `^` after the end alone.
fn compare_part(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let passed = |c: &u8| !c.is_ascii_alphanumeric() && !matches!(c, b'~' | b'^');
        let skip = |text: &[u8]| text.iter().take_while(|c| passed(c)).count();
        (a, b) = (bytes::behind(a, skip(a)), bytes::behind(b, skip(b)));
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (a, b) = (bytes::behind(a, 1), bytes::behind(b, 1));
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (Some(_), Some(_)) => {}
            _ => break,
        }
        let numeric = a.first().is_some_and(u8::is_ascii_digit);
        let of_kind = |c: &u8| match numeric {
            true => c.is_ascii_digit(),
            false => c.is_ascii_alphabetic(),
        };
        let length = |text: &[u8]| text.iter().take_while(|c| of_kind(c)).count();
        let (a_length, b_length) = (length(a), length(b));
        let (mut x, mut y) = (bytes::first(a, a_length), bytes::first(b, b_length));
        // Segments of different kinds: numbers are newer.
        if y.is_empty() {
            return match numeric {
                true => Ordering::Greater,
                false => Ordering::Less,
            };
        }
        if numeric {
            let zeros = |text: &[u8]| text.iter().take_while(|c| **c == b'0').count();
            (x, y) = (bytes::behind(x, zeros(x)), bytes::behind(y, zeros(y)));
            let longer = x.len().cmp(&y.len());
            if longer != Ordering::Equal {
                return longer;
            }
        }
        let order = x.cmp(y);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (bytes::behind(a, a_length), bytes::behind(b, b_length));
    }
    a.len().min(1).cmp(&b.len().min(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each rule is for. tests/rpm holds rpm's word on thousands.
    #[test]
    fn the_rules() {
        for pair in [
            ["1.0", "1.1"],
            ["1.9", "1.10"],
            ["1.0~rc1", "1.0"],
            ["1.0", "1.0^git1"],
            ["1.0^git1", "1.0.1"],
            ["1.a", "1.1"],
            ["1.0-1", "1.0-2"],
            ["5-1", "1:1-1"],
            ["1.0a", "1.0b"],
            ["1.0", "1.0a"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for pair in [
            ["1.0", "1_0"],
            ["1.01", "1.1"],
            ["1-1", "0:1-1"],
            ["1", "1-5"],
        ] {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Equal, "{pair:?}");
        }
    }
}
