//! What is kept of events, as rows that sort by what is asked of them.

use super::record::Head;
use crate::event::gap::Range;

/// A digest.
pub(super) type Sha = [u8; 32];
/// A chain, as [`super::record::number`] of its id.
pub(super) type ChainKey = u128;

/// An event of a chain: by chain, sequence, digest; then flags, what it names before it, the later one it stands after.
pub(super) const LINK: usize = 16 + 8 + 32 + 1 + 32 + 8;
/// What is said of the end of a chain: by chain and sequence; then whether it is no digest, and the digest.
pub(super) const HEAD: usize = 16 + 8 + 1 + 32;
/// A uid: with half of the event's digest, whether it is a heartbeat, chain and sequence.
pub(super) const UID: usize = 16 + 16 + 1 + 16 + 8;
/// A declared range: by chain, first and last; then whether something is before it, and the two digests.
pub(super) const GAP: usize = 16 + 8 + 8 + 1 + 32 + 32;

const HAS_PREV: u8 = 1;
const BAD_PREV: u8 = 2;
const BAD_RANGE: u8 = 4;

/// Puts one part after another.
struct RowWriter<const N: usize> {
    row: [u8; N],
    at: usize,
}

impl<const N: usize> RowWriter<N> {
    fn new() -> RowWriter<N> {
        RowWriter { row: [0; N], at: 0 }
    }

    fn put(mut self, part: &[u8]) -> RowWriter<N> {
        let room = self.row.get_mut(self.at..).unwrap_or_default();
        if let Some((room, _)) = room.split_at_mut_checked(part.len()) {
            room.copy_from_slice(part);
        }
        self.at = self.at.saturating_add(part.len());
        self
    }

    fn end(self) -> [u8; N] {
        debug_assert_eq!(self.at, N);
        self.row
    }
}

/// Takes one part after another.
struct RowReader<'a>(&'a [u8]);

impl RowReader<'_> {
    /// The next bytes; a row always has them, as its length is part of its type.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((part, rest)) = self.0.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.0 = rest;
        *part
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

/// The chain of a row that begins with it.
pub(super) fn chain_of(row: &[u8]) -> ChainKey {
    u128::from_be_bytes(RowReader(row).take())
}

/// An event of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) chain: ChainKey,
    pub(super) sequence: u64,
    pub(super) digest: Sha,
    /// What it names before it.
    pub(super) prev: Option<Sha>,
    /// It names something before it that is no digest.
    pub(super) bad_prev: bool,
    /// It declares something that is no range.
    pub(super) bad_range: bool,
    /// The highest sequence of its chain before it in the same document, if that is higher than its own; else 0.
    pub(super) after: u64,
}

impl Link {
    pub(super) fn to_row(&self) -> [u8; LINK] {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.prev.is_some(), HAS_PREV)
            | flag(self.bad_prev, BAD_PREV)
            | flag(self.bad_range, BAD_RANGE);
        RowWriter::new()
            .put(&self.chain.to_be_bytes())
            .put(&self.sequence.to_be_bytes())
            .put(&self.digest)
            .put(&[flags])
            .put(&self.prev.unwrap_or_default())
            .put(&self.after.to_be_bytes())
            .end()
    }

    /// Puts the event's digest into its row.
    pub(super) fn put_digest(row: &mut [u8; LINK], digest: &Sha) {
        row[24..56].copy_from_slice(digest);
    }

    pub(super) fn of_row(row: &[u8; LINK]) -> Link {
        let mut row = RowReader(row);
        let chain = u128::from_be_bytes(row.take());
        let (sequence, digest) = (row.number(), row.take());
        let [flags] = row.take();
        let prev = row.take();
        Link {
            chain,
            sequence,
            digest,
            prev: (flags & HAS_PREV != 0).then_some(prev),
            bad_prev: flags & BAD_PREV != 0,
            bad_range: flags & BAD_RANGE != 0,
            after: row.number(),
        }
    }
}

/// What is said of the end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) sequence: u64,
    /// `None`: what it names is no digest.
    pub(super) digest: Option<Sha>,
}

impl Claim {
    pub(super) fn to_row(self, chain: ChainKey) -> [u8; HEAD] {
        RowWriter::new()
            .put(&chain.to_be_bytes())
            .put(&self.sequence.to_be_bytes())
            .put(&[u8::from(self.digest.is_none())])
            .put(&self.digest.unwrap_or_default())
            .end()
    }

    pub(super) fn of_row(row: &[u8; HEAD]) -> Claim {
        let mut row = RowReader(row);
        let _chain: [u8; 16] = row.take();
        let sequence = row.number();
        let [bad] = row.take();
        let digest = row.take();
        Claim {
            sequence,
            digest: (bad == 0).then_some(digest),
        }
    }

    /// What a head says; `None` if it names no digest at all, as that of a chain without events.
    pub(super) fn of(head: &Head<'_>) -> Option<Claim> {
        head.digest.as_ref().map(|hex| Claim {
            sequence: head.sequence,
            digest: agent_core::escape::from_hex(hex.as_bytes()),
        })
    }
}

/// A uid, and what it stands on. Half of a digest tells two events apart: who finds two with one half has only hidden
/// that his own two share a uid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uid {
    pub(super) uid: u128,
    pub(super) is_heartbeat: bool,
    pub(super) chain: ChainKey,
    pub(super) sequence: u64,
}

impl Uid {
    /// Without the digest.
    pub(super) fn to_row(self) -> [u8; UID] {
        RowWriter::new()
            .put(&self.uid.to_be_bytes())
            .put(&[0; 16])
            .put(&[u8::from(self.is_heartbeat)])
            .put(&self.chain.to_be_bytes())
            .put(&self.sequence.to_be_bytes())
            .end()
    }

    /// Puts the event's digest into its row.
    pub(super) fn put_digest(row: &mut [u8; UID], digest: &Sha) {
        row[16..32].copy_from_slice(&digest[..16]);
    }

    pub(super) fn of_row(row: &[u8; UID]) -> Uid {
        let mut row = RowReader(row);
        let uid = u128::from_be_bytes(row.take());
        let _half: [u8; 16] = row.take();
        let [is_heartbeat] = row.take();
        Uid {
            uid,
            is_heartbeat: is_heartbeat != 0,
            chain: u128::from_be_bytes(row.take()),
            sequence: row.number(),
        }
    }
}

pub(super) fn gap_row(chain: ChainKey, range: &Range) -> [u8; GAP] {
    RowWriter::new()
        .put(&chain.to_be_bytes())
        .put(&range.first.to_be_bytes())
        .put(&range.last.to_be_bytes())
        .put(&[u8::from(range.prev.is_some())])
        .put(&range.prev.unwrap_or_default())
        .put(&range.digest)
        .end()
}

pub(super) fn range_of_row(row: &[u8; GAP]) -> Range {
    let mut row = RowReader(row);
    let _chain: [u8; 16] = row.take();
    let (first, last) = (row.number(), row.number());
    let [has_prev] = row.take();
    let prev = row.take();
    Range {
        first,
        last,
        prev: (has_prev != 0).then_some(prev),
        digest: row.take(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_everything_and_sort_by_chain_and_sequence() {
        let link = Link {
            chain: 3,
            sequence: 260,
            digest: [1; 32],
            prev: Some([2; 32]),
            bad_prev: true,
            bad_range: true,
            after: 9,
        };
        assert_eq!(Link::of_row(&link.to_row()), link);
        let plain = Link {
            chain: 3,
            sequence: 2,
            ..Link::default()
        };
        assert_eq!(Link::of_row(&plain.to_row()), plain);
        assert!(plain.to_row() < link.to_row());
        let mut row = plain.to_row();
        Link::put_digest(&mut row, &[6; 32]);
        assert_eq!(Link::of_row(&row).digest, [6; 32]);
        assert_eq!(Link::of_row(&row).sequence, 2);
        assert_eq!(chain_of(&link.to_row()), 3);
        for digest in [None, Some([4; 32])] {
            let claim = Claim {
                sequence: 8,
                digest,
            };
            assert_eq!(Claim::of_row(&claim.to_row(5)), claim);
        }
        let uid = Uid {
            uid: 1 << 90,
            is_heartbeat: true,
            chain: 77,
            sequence: 6,
        };
        let mut row = uid.to_row();
        Uid::put_digest(&mut row, &[255; 32]);
        assert_eq!(Uid::of_row(&row), uid);
        assert!(row > uid.to_row());
        for prev in [None, Some([7; 32])] {
            let range = Range {
                first: 5,
                last: 9,
                prev,
                digest: [1; 32],
            };
            assert_eq!(range_of_row(&gap_row(1, &range)), range);
        }
    }
}
