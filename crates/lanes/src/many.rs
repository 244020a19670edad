//! Digests of many messages at once.

use super::hash::{Hash, Sha256};
use super::kernel::Path;
use super::kernel::constants::{Block, State};
use super::lockstep::{EDGE, Jobs, Slot};
use super::stream::{StreamOf, blocks, pad};
use std::marker::PhantomData;

/// Feeds each stream its piece.
///
/// Any number of streams, pieces of any length. The more streams with whole blocks, the better
/// the lanes are filled ([`Hash::lanes`]). Nothing is allocated.
pub fn update_many<H: Hash>(path: Path, work: &mut [(&mut StreamOf<H>, &[u8])]) {
    H::run(path, &mut Updates { work, next: 0 });
}

struct Updates<'w, 's, 'a, H> {
    work: &'w mut [(&'s mut StreamOf<H>, &'a [u8])],
    next: usize,
}

impl<'a, H: Hash> Jobs<'a> for Updates<'_, '_, 'a, H> {
    fn count(&self) -> usize {
        self.work.len()
    }

    fn start(&mut self, slot: &mut Slot<'a>) -> Option<State> {
        while let Some((stream, piece)) = self.work.get_mut(self.next) {
            let id = self.next;
            self.next += 1;
            let (begun, blocks) = stream.take(piece);
            if begun.is_some() || !blocks.is_empty() {
                slot.begin(id, begun, blocks);
                return Some(stream.state);
            }
        }
        None
    }

    fn end(&mut self, id: usize, state: &State) {
        self.work[id].0.state = *state;
    }
}

/// Ends every stream; `digests` receives as many digests, in the same order.
pub fn finish_many<H: Hash>(path: Path, streams: &[StreamOf<H>], digests: &mut Vec<H::Digest>) {
    digests.clear();
    digests.resize(streams.len(), H::NOTHING);
    finish_into(path, streams, digests);
}

/// As [`finish_many`], into a place of the right size.
pub(super) fn finish_into<H: Hash>(path: Path, streams: &[StreamOf<H>], digests: &mut [H::Digest]) {
    H::run(
        path,
        &mut Ends {
            streams,
            digests,
            next: 0,
        },
    );
}

struct Ends<'w, H: Hash> {
    streams: &'w [StreamOf<H>],
    digests: &'w mut [H::Digest],
    next: usize,
}

impl<'a, H: Hash> Jobs<'a> for Ends<'_, H> {
    fn count(&self) -> usize {
        self.streams.len()
    }

    fn start(&mut self, slot: &mut Slot<'a>) -> Option<State> {
        let stream = self.streams.get(self.next)?;
        slot.conclude(self.next, &[], |end| stream.padded(end));
        self.next += 1;
        Some(stream.state)
    }

    fn end(&mut self, id: usize, state: &State) {
        self.digests[id] = H::of(state);
    }
}

/// The SHA-256 of whole messages, in the order given; they replace what `digests` held.
///
/// Allocates an order of work with each call: [`Order::digest_many`] keeps it.
pub fn digest_many(path: Path, messages: &[&[u8]], digests: &mut Vec<[u8; 32]>) {
    Order::default().digest_many(path, messages, digests);
}

/// Slices fill an address space of 48 bits before their index needs more.
const INDEX_BITS: u32 = 44;
/// All messages from about 64 MiB on count as equally long.
// Own bound: of an order of work; nothing is left out.
const LONGEST: u64 = (1 << (64 - INDEX_BITS)) - 1;

/// The order in which messages are taken up: memory to use again from call to call.
#[derive(Debug, Default)]
pub struct Order {
    /// Each the number of blocks above [`INDEX_BITS`] bits of the message's index: one number
    /// sorts much faster than two.
    longest_first: Vec<u64>,
}

impl Order {
    /// The SHA-256 of whole messages, in the order given; they replace what `digests` held.
    pub fn digest_many(&mut self, path: Path, messages: &[&[u8]], digests: &mut Vec<[u8; 32]>) {
        self.digest_many_as::<Sha256>(path, messages, digests);
    }

    /// The same for either digest.
    pub fn digest_many_as<H: Hash>(
        &mut self,
        path: Path,
        messages: &[&[u8]],
        digests: &mut Vec<H::Digest>,
    ) {
        digests.clear();
        digests.resize(messages.len(), H::NOTHING);
        self.longest_first.clear();
        self.longest_first
            .extend(messages.iter().zip(0_u64..).map(|(message, index)| {
                let blocks = (blocks(message.len()) as u64).min(LONGEST);
                (blocks << INDEX_BITS) | index
            }));
        // Lanes then end together: neighbours have about the same number of blocks, and no long
        // message is left to run alone.
        if H::lanes(path) > 1 {
            self.longest_first.sort_unstable();
            self.longest_first.reverse();
        }
        H::run(
            path,
            &mut Messages::<H> {
                messages,
                order: self.longest_first.iter(),
                digests,
                hash: PhantomData,
            },
        );
    }
}

struct Messages<'w, 'a, H: Hash> {
    messages: &'w [&'a [u8]],
    order: std::slice::Iter<'w, u64>,
    digests: &'w mut [H::Digest],
    hash: PhantomData<H>,
}

impl<'a, H: Hash> Jobs<'a> for Messages<'_, 'a, H> {
    fn count(&self) -> usize {
        self.messages.len()
    }

    fn start(&mut self, slot: &mut Slot<'a>) -> Option<State> {
        let index = self.order.next()? & ((1 << INDEX_BITS) - 1);
        let id = usize::try_from(index).ok()?;
        let message = self.messages[id];
        let count = H::count((message.len() as u64).wrapping_mul(8));
        if blocks(message.len()) <= EDGE {
            slot.conclude(id, &[], |end| pad(message, count, end));
        } else {
            let (body, tail): (&'a [Block], _) = message.as_chunks();
            slot.conclude(id, body, |end| pad(tail, count, end));
        }
        Some(H::INITIAL)
    }

    fn end(&mut self, id: usize, state: &State) {
        self.digests[id] = H::of(state);
    }
}
