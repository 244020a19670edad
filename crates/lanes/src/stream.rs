//! One computation under way.

use super::hash::{Hash, Sha256};
use super::kernel::constants::{Block, State};
use std::marker::PhantomData;

/// A message of which a part has been seen.
///
/// [`update_many`](super::update_many) feeds it.
#[derive(Clone)]
pub struct StreamOf<H> {
    pub(super) state: State,
    length: u64,
    tail: Block,
    hash: PhantomData<H>,
}

/// A SHA-256 computation under way.
pub type Stream = StreamOf<Sha256>;

impl<H: Hash> Default for StreamOf<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> std::fmt::Debug for StreamOf<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<H: Hash> StreamOf<H> {
    /// The empty message.
    pub fn new() -> Self {
        Self {
            state: H::INITIAL,
            length: 0,
            tail: [0; 64],
            hash: PhantomData,
        }
    }

    /// How many bytes have been fed.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of what has been fed.
    pub fn finish(self) -> H::Digest {
        let mut digest = [H::NOTHING];
        super::many::finish_into(
            super::Path::detected(),
            std::slice::from_ref(&self),
            &mut digest,
        );
        digest[0]
    }

    /// Takes `piece` in and returns the blocks that are now complete: the one that had begun
    /// before, then those that lie in `piece`. The state is the caller's to bring up to date.
    pub(super) fn take<'a>(&mut self, piece: &'a [u8]) -> (Option<Block>, &'a [Block]) {
        let kept = tail_length(self.length);
        self.length = self.length.wrapping_add(piece.len() as u64);
        let mut begun = None;
        let mut rest = piece;
        let mut at = kept;
        if kept > 0 {
            let Some((fill, after)) = piece.split_at_checked(64 - kept) else {
                self.tail[kept..kept + piece.len()].copy_from_slice(piece);
                return (None, &[]);
            };
            self.tail[kept..].copy_from_slice(fill);
            begun = Some(self.tail);
            rest = after;
            at = 0;
        }
        let (blocks, left) = rest.as_chunks();
        self.tail[at..at + left.len()].copy_from_slice(left);
        (begun, blocks)
    }

    /// The last one or two blocks.
    pub(super) fn padded(&self, into: &mut [Block]) -> usize {
        let kept = tail_length(self.length);
        let count = H::count(self.length.wrapping_mul(8));
        pad(&self.tail[..kept], count, into)
    }
}

/// The length, modulo the size of a block.
fn tail_length(length: u64) -> usize {
    // Under 64.
    (length & 63) as usize
}

/// How many blocks a message of `length` bytes has, its padding included.
pub(super) fn blocks(length: usize) -> usize {
    length / 64 + if length % 64 < 56 { 1 } else { 2 }
}

/// Writes the end of a message, of which `tail` is not yet in a block and `bits` is the number of bits, and returns how
/// many blocks it took (FIPS 180-4, section 5.1.1; RFC 1321, sections 3.1 and 3.2).
///
/// SHA-256 takes fewer than 2^64 bits; MD5 counts modulo 2^64.
pub(super) fn pad(tail: &[u8], bits: [u8; 8], into: &mut [Block]) -> usize {
    let blocks = blocks(tail.len());
    let into = &mut into[..blocks];
    // The last block in one go, then as much of the one before as the padding may reach: sizes
    // that are known are cheaper than the exact one.
    for block in &mut into[blocks.saturating_sub(2)..] {
        block.fill(0);
    }
    let end = into.as_flattened_mut();
    end[..tail.len()].copy_from_slice(tail);
    end[tail.len()] = 0x80;
    let count = end.len() - 8;
    end[count..].copy_from_slice(&bits);
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bit_count_does_not_stop_at_32_bits() {
        for length in [1 << 29, 1 << 32, (5 << 32) + 17, (1 << 61) - 1] {
            let stream = Stream {
                length,
                ..Stream::new()
            };
            let mut end = [[0xff; 64]; 2];
            let blocks = stream.padded(&mut end);
            let last = end[blocks - 1];
            assert_eq!(last[56..], (length * 8).to_be_bytes());
            assert_eq!(end[0][tail_length(length)], 0x80);
        }
    }

    #[test]
    fn the_length_counts_past_4_gib() {
        let mut stream = Stream {
            length: u64::from(u32::MAX) - 2,
            ..Stream::new()
        };
        let (begun, blocks) = stream.take(&[7; 64 + 10]);
        assert_eq!(stream.length(), u64::from(u32::MAX) + 72);
        assert!(begun.is_some());
        assert_eq!(blocks.len(), 1);
    }

    #[test]
    fn a_tail_of_56_bytes_needs_a_second_block() {
        let mut end = [[0xff; 64]; 2];
        assert_eq!(
            (
                blocks(55),
                pad(&[1; 55], (55_u64 * 8).to_be_bytes(), &mut end)
            ),
            (1, 1)
        );
        assert_eq!(
            (
                blocks(56),
                pad(&[1; 56], (56_u64 * 8).to_be_bytes(), &mut end)
            ),
            (2, 2)
        );
        assert_eq!(end[0][56..], [0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(end[1][..56], [0; 56]);
        assert_eq!(end[1][56..], (56_u64 * 8).to_be_bytes());
    }
}
