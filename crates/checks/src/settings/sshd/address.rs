//! Addresses and networks, as addr.c and addrmatch.c read them.

use super::criteria::matches;
use super::value::number;
use std::net::{IpAddr, Ipv4Addr};

/// Bytes of a network that `addr_pton_cidr` has room for: what is longer is a pattern.
const CIDR: usize = 63;

/// getaddrinfo(3) with AI_NUMERICHOST: IPv6, or IPv4 in any form of inet_aton(3), as `10.1` for 10.0.0.1.
pub(super) fn numeric(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        return address.parse().ok();
    }
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    // The last part fills the bytes that are left.
    let largest = match leading.len() {
        0 => u32::MAX,
        1 => 0xff_ffff,
        2 => 0xffff,
        _ => 0xff,
    };
    if *last > largest {
        return None;
    }
    let high = leading
        .iter()
        .zip([24, 16, 8])
        .fold(0, |sum, (part, shift)| sum | part << shift);
    Some(IpAddr::V4(Ipv4Addr::from(high | last)))
}

/// Decimal, octal behind a 0, hexadecimal behind 0x.
fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// `addr_match_list`: whether the address is in the list; without an address whether the list is good.
///
/// `None` for a bad list; for a match of a negated entry `Some(false)`.
pub(super) fn in_list(address: Option<&str>, list: &str) -> Option<bool> {
    let wanted: Option<IpAddr> = match address {
        Some(text) => match numeric(text) {
            Some(address) => Some(address),
            None => return Some(false),
        },
        None => None,
    };
    let mut hit = address.is_none();
    for entry in list.split(',') {
        let (negated, entry) = match entry.strip_prefix('!') {
            Some(entry) => (true, entry),
            None => (false, entry),
        };
        if entry.is_empty() {
            return None;
        }
        let found = match network(entry) {
            Network::Bad => return None,
            Network::Of(base, bits) => wanted.is_some_and(|address| contains(base, bits, address)),
            Network::Pattern => address.is_some_and(|address| matches(address, entry)),
        };
        if found && negated {
            return Some(false);
        }
        hit |= found;
    }
    Some(hit)
}

enum Network {
    Of(IpAddr, u32),
    Pattern,
    Bad,
}

/// `addr_pton_cidr`: an address with or without a length; host bits that are set are refused.
fn network(text: &str) -> Network {
    if text.len() > CIDR {
        return Network::Pattern;
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let bits = bits.map(|bits| number(bits).and_then(|bits| u32::try_from(bits).ok()));
    let (Some(address), None | Some(Some(_))) = (numeric(address), bits) else {
        return Network::Pattern;
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.flatten().unwrap_or(width);
    if bits > width {
        return Network::Bad;
    }
    match contains(address, width, masked(address, bits)) {
        true => Network::Of(address, bits),
        false => Network::Bad,
    }
}

fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(bits))
                .unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(bits))
                .unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

fn contains(base: IpAddr, bits: u32, address: IpAddr) -> bool {
    base.is_ipv4() == address.is_ipv4() && masked(base, bits) == masked(address, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_addresses() {
        for (text, expected) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.2", Some("10.1.0.2")),
            ("127.1", Some("127.0.0.1")),
            ("10", Some("0.0.0.10")),
            ("0x0a000000", Some("10.0.0.0")),
            ("012.0.0.0", Some("10.0.0.0")),
            ("fe80::1%lo", Some("fe80::1")),
            ("10.1.2.3.4", None),
            ("256.1", None),
            ("10.1.", None),
            ("host", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(numeric(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_list_may_hold() {
        for (list, good) in [
            ("", false),
            ("x,", false),
            ("!", false),
            ("10.1.2/24", false),
            ("10.1.2.0/24", true),
            ("10/8", false),
            ("1.2.3.4/x", true),
            ("1.2.3.4/+8", false),
            ("10/99", false),
            ("h/99", true),
            ("10.1.0.0/-1", true),
        ] {
            assert_eq!(in_list(None, list).is_some(), good, "{list}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(in_list(Some("10.1.2.3"), "10.0.0.0/8"), Some(true));
        assert_eq!(
            in_list(Some("10.1.2.3"), "10.0.0.0/8,!10.1.0.0/16"),
            Some(false)
        );
        assert_eq!(in_list(Some("10.1.2.3"), "10.1.*"), Some(true));
        assert_eq!(in_list(Some("::1"), "::1/128"), Some(true));
        assert_eq!(in_list(None, "10.0.0.1/8"), None);
        assert_eq!(in_list(None, "0.0.0.0/0,::/0"), Some(true));
    }
}
