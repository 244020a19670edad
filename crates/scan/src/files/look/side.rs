//! What waits to be digested by one algorithm: small files whole in memory, large ones side by side, one a lane.

use super::hands::{Hands, drop_left};
use super::under_way::{BatchIndex, UnderWay};
use crate::files::digest::{self, DigestKind, Order, StreamOf};
use crate::files::probe::{OpenFile, Unseen};
use agent_core::attributes::Attributes;

/// Small files are digested when they fill this: it fits the second-level cache.
pub(super) const TOGETHER: usize = 256 * 1024;

/// The files of one algorithm.
#[derive(Debug)]
pub(super) struct Side<H: DigestKind> {
    pub(super) path: digest::Path,
    /// [`TOGETHER`] bytes once something was read.
    arena: Vec<u8>,
    /// How many of them are taken.
    used: usize,
    /// Read, and waiting in the arena.
    small: Vec<Small>,
    /// A buffer a lane.
    pub(super) chunks: Vec<Vec<u8>>,
    /// Large files not yet begun.
    pub(super) waiting: Vec<Large<H>>,
    /// How many of them were not cached.
    pub(super) cold: usize,
    /// Large files that have a lane.
    pub(super) active: Vec<Large<H>>,
    order: Order,
    digests: Vec<H::Digest>,
}

/// A small file in the arena.
#[derive(Debug)]
struct Small {
    place: BatchIndex,
    start: usize,
    attributes: Attributes,
}

/// A large file under way.
#[derive(Debug)]
pub(super) struct Large<H> {
    pub(super) place: BatchIndex,
    pub(super) opened: OpenFile,
    pub(super) stream: StreamOf<H>,
    pub(super) offset: u64,
    /// Up to where the disk was asked for it; `None` where it was cached when it was opened.
    pub(super) asked: Option<u64>,
    /// Where the first byte lies that this scan left in the page cache.
    pub(super) left_behind: Option<u64>,
}

impl<H: DigestKind> Side<H> {
    pub(super) fn new(path: digest::Path) -> Side<H> {
        Side {
            path,
            arena: Vec::new(),
            used: 0,
            small: Vec::new(),
            chunks: Vec::new(),
            waiting: Vec::new(),
            cold: 0,
            active: Vec::new(),
            order: Order::default(),
            digests: Vec::new(),
        }
    }

    /// Room for a small file in the arena, until [`Side::keep`] says whether it was read; digests what is there
    /// first if that takes all of it.
    pub(super) fn room(&mut self, size: usize, looks: &mut UnderWay) -> &mut [u8] {
        if self.used + size > TOGETHER {
            self.digest_small(looks);
        }
        self.arena.resize(TOGETHER, 0);
        &mut self.arena[self.used..self.used + size]
    }

    /// The small file that was read into the room asked for last waits to be digested.
    pub(super) fn keep(&mut self, place: BatchIndex, size: usize, attributes: Attributes) {
        self.small.push(Small {
            place,
            start: self.used,
            attributes,
        });
        self.used += size;
    }

    /// Whether [`Side::room`] digests before it gives so much.
    pub(super) fn is_full_for(&self, size: usize) -> bool {
        self.used + size > TOGETHER
    }

    /// Digests the small files that were read.
    pub(super) fn digest_small(&mut self, looks: &mut UnderWay) {
        if self.small.is_empty() {
            return;
        }
        let starts = self.small.iter().skip(1).map(|file| file.start);
        let ends = starts.chain([self.used]);
        let messages: Vec<&[u8]> = self
            .small
            .iter()
            .zip(ends)
            .map(|(file, end)| &self.arena[file.start..end])
            .collect();
        self.order
            .digest_many_as::<H>(self.path, &messages, &mut self.digests);
        for (file, digest) in self.small.drain(..).zip(&self.digests) {
            let mut attributes = file.attributes;
            attributes.digest = Some(H::value(*digest));
            looks.settle(file.place, Ok(attributes));
        }
        self.used = 0;
    }

    /// A large file waits for a lane.
    pub(super) fn wait(&mut self, file: Large<H>) {
        self.cold += usize::from(file.asked.is_some());
        self.waiting.push(file);
    }

    /// Digests large files as far as that fills the lanes. Of those that were not cached, up to `most` wait first: the
    /// disk fetches the beginnings of all.
    pub(super) fn digest_full(&mut self, most: usize, hands: &mut Hands, looks: &mut UnderWay) {
        let lanes = H::lanes(self.path);
        match self.cold {
            0 if self.waiting.len() + self.active.len() >= lanes.max(2) => {
                self.digest_large(lanes - 1, hands, looks);
            }
            0 => {}
            _ if self.waiting.len() >= most => self.digest_large(most / 2, hands, looks),
            _ => {}
        }
    }

    /// A large file is done, or came to nothing.
    pub(super) fn finish(file: Large<H>, read: Result<(), Unseen>, looks: &mut UnderWay) {
        drop_left(&file.opened, file.left_behind);
        let Large {
            place,
            opened,
            stream,
            ..
        } = file;
        let look = read.and_then(|()| opened.unchanged());
        let look = look.map(|mut attributes| {
            attributes.digest = Some(H::value(stream.finish()));
            attributes
        });
        looks.settle(place, look);
    }
}
