//! Keys by which events wait and are given up: by severity, then as a walk of directories. Pure.
//!
//! `[sink] class | ledger key | place`, the place in eight bytes, big-endian. What all keys of a directory begin with
//! ends in a zero byte, so the entries of one directory lie together and can be jumped over ([`super::round_robin`]).

use super::tables::OWN;
use crate::ledger::key;

/// Classes of delivery, first to last.
pub(super) const CLASSES: u8 = 5;
/// The agent's own steps: they say how what follows is to be read.
pub(super) const OWN_CLASS: u8 = 1;
/// Bytes of a place at the end of a key.
const PLACE: usize = 8;

/// When events of a rank are delivered: critical ones first, then the agent's own steps, then the others, worst first.
fn class(rank: u8) -> u8 {
    match rank {
        3 => 0,
        OWN => OWN_CLASS,
        2 => 2,
        1 => 3,
        _ => 4,
    }
}

/// Key of an event that waits for a sink.
pub(super) fn waiting(sink: u8, rank: u8, ledger_key: &[u8], place: u64) -> Vec<u8> {
    with_place(&[sink, class(rank)], ledger_key, place)
}

/// What the keys of a class begin with.
pub(super) fn waiting_in(sink: u8, class: u8) -> [u8; 2] {
    [sink, class]
}

/// Key by which an event is given up.
pub(super) fn eviction(rank: u8, ledger_key: &[u8], place: u64) -> Vec<u8> {
    with_place(&[rank], ledger_key, place)
}

fn with_place(head: &[u8], ledger_key: &[u8], place: u64) -> Vec<u8> {
    [head, ledger_key, &place.to_be_bytes()].concat()
}

/// The place at the end of a key.
pub(super) fn place(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|place| u64::from_be_bytes(*place))
}

/// The ledger's key in a key of eviction.
pub(super) fn ledger_key(key: &[u8]) -> Option<&[u8]> {
    key.get(1..key.len().checked_sub(PLACE)?)
}

/// The part of a key, with the `head` bytes before it and without its place, that names what lies directly in `head`;
/// `None` for what belongs to `head` itself.
pub(super) fn child(key: &[u8], head: usize) -> Option<&[u8]> {
    let end = key.len().checked_sub(PLACE)?;
    component(key.get(..end)?, head)
}

/// The same of a ledger's key.
pub(super) fn component(key: &[u8], head: usize) -> Option<&[u8]> {
    let rest = key.get(head..)?;
    let length = rest.iter().position(|byte| *byte == key::SEPARATOR)?;
    let end = head.checked_add(length)?;
    key.get(..=end).filter(|_| length > 0)
}

/// From what the keys below something begin with to what comes after all of them: no name holds what ends a name.
pub(super) fn after(mut prefix: Vec<u8>) -> Vec<u8> {
    if let Some(last) = prefix.last_mut() {
        *last = last.saturating_add(1);
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_apart_as_it_was_made() {
        let ledger_key = key::of("files.added", b"/home/u/x");
        let waiting = waiting(1, 2, &ledger_key, 7);
        assert_eq!(place(&waiting), Some(7));
        let mut at = 2;
        let mut parts = Vec::new();
        while let Some(prefix) = child(&waiting, at) {
            parts.push(prefix[at..].to_vec());
            at = prefix.len();
        }
        assert_eq!(parts, [&b"f\0"[..], b"home\0", b"u\0", b"x\0"]);
        assert_eq!(child(&super::waiting(1, OWN, b"", 1), 2), None);
    }

    #[test]
    fn classes_are_in_the_order_of_delivery() {
        let mut ranks = [0, 1, 2, 3, OWN];
        ranks.sort_by_key(|rank| class(*rank));
        assert_eq!(ranks, [3, OWN, 2, 1, 0]);
        assert!(ranks.iter().all(|rank| class(*rank) < CLASSES));
    }
}
