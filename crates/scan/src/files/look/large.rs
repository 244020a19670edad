//! Large files: read in pieces and digested side by side, one a lane.

use super::hands::Hands;
use super::side::{Large, Side};
use super::under_way::UnderWay;
use crate::files::digest::{DigestKind, StreamOf, update_many};
use crate::files::probe::{Unseen, unreadable};
use agent_core::os::read::Piece;
use std::os::fd::AsFd;

/// What is read of a large file at a time.
pub(super) const CHUNK: usize = 32 * 1024;
/// So much of what the disk was asked for is left when it is asked for more.
const EARLY: u64 = 256 * 1024;
/// Lanes end a round together, so that each has a file in all of the next; for an end that is nearer they do not.
const LEAST: usize = 4096;
/// Every piece but the last ends with a page: what a read has touched of a page leaves the cache with it (`RWF_DONTCACHE`),
/// and the rest would be fetched once more.
const PAGE: usize = 4096;

impl<H: DigestKind> Side<H> {
    /// Digests large files side by side, the longest first, until no more than `leave` are left.
    pub(super) fn digest_large(&mut self, leave: usize, hands: &mut Hands, looks: &mut UnderWay) {
        self.waiting.sort_by_key(|file| file.opened.before.size);
        while self.waiting.len() + self.active.len() > leave {
            self.round(hands, looks);
        }
    }

    /// Digests large files until none is left of a batch up to that number: those of the oldest batches first, the longest
    /// of later ones beside them. These are not ended without company.
    pub(super) fn digest_large_to(&mut self, last: u64, hands: &mut Hands, looks: &mut UnderWay) {
        let is_owed = |file: &Large<H>| file.place.batch <= last;
        self.waiting
            .sort_by_key(|file| (is_owed(file), file.opened.before.size));
        while self.waiting.iter().chain(&self.active).any(is_owed) {
            self.round(hands, looks);
        }
    }

    /// A piece of each file that has a lane.
    fn round(&mut self, hands: &mut Hands, looks: &mut UnderWay) {
        while self.active.len() < H::lanes(self.path) {
            let Some(file) = self.waiting.pop() else {
                break;
            };
            self.cold -= usize::from(file.asked.is_some());
            self.active.push(file);
        }
        while self.chunks.len() < self.active.len() {
            self.chunks.push(vec![0; CHUNK]);
        }
        let lengths = self.read_round(hands);
        let mut work: Vec<(&mut StreamOf<H>, &[u8])> = self
            .active
            .iter_mut()
            .zip(&self.chunks)
            .zip(&lengths)
            .map(|((file, chunk), length)| {
                (&mut file.stream, &chunk[..*length.as_ref().unwrap_or(&0)])
            })
            .collect();
        update_many(self.path, &mut work);
        // From the back, so that what takes a finished file's place has been dealt with.
        for (lane, length) in lengths.into_iter().enumerate().rev() {
            let file = &self.active[lane];
            let read = match length {
                Ok(_) if file.offset < file.opened.before.size => continue,
                read => read.map(|_| ()),
            };
            Self::finish(self.active.swap_remove(lane), read, looks);
        }
    }

    /// Reads a piece of each active file: what is cached, and only if that is nothing, what the disk has.
    fn read_round(&mut self, hands: &mut Hands) -> Vec<Result<usize, Unseen>> {
        let left = |file: &Large<H>| {
            let left = file.opened.before.size.saturating_sub(file.offset);
            usize::try_from(left).unwrap_or(CHUNK)
        };
        let shortest = self.active.iter().map(left).min().unwrap_or(CHUNK);
        let most = piece(shortest);
        let mut lengths = Vec::with_capacity(self.active.len());
        for (file, chunk) in self.active.iter_mut().zip(&mut self.chunks) {
            lengths.push(read_chunk(&mut chunk[..most], file, hands, false));
        }
        if lengths.iter().all(|length| *length == Ok(0))
            && let Some(file) = self.active.first_mut()
            && let Some(chunk) = self.chunks.first_mut()
        {
            lengths[0] = read_chunk(&mut chunk[..most], file, hands, true);
        }
        lengths
    }
}

/// How much of each is read in a round, where so much is left of the one that ends first.
fn piece(shortest: usize) -> usize {
    match shortest {
        LEAST..CHUNK => shortest.next_multiple_of(PAGE),
        _ => CHUNK,
    }
}

/// Reads the next piece of a large file into the lane's buffer, never beyond the size that it had.
/// Unless `wait` is set, nothing comes of a piece that is not cached.
fn read_chunk<H: DigestKind>(
    buffer: &mut [u8],
    file: &mut Large<H>,
    hands: &mut Hands,
    wait: bool,
) -> Result<usize, Unseen> {
    hands.reader.on_device(file.opened.before.id.device);
    // Before the last of what was asked for is read: it comes while that is digested.
    if let Some(asked) = file.asked
        && asked < file.opened.before.size
        && file.offset + EARLY >= asked
    {
        file.asked = Some(hands.ask_ahead(&file.opened, asked));
    }
    let left = file.opened.before.size - file.offset;
    let want = usize::try_from(left).unwrap_or(CHUNK).min(buffer.len());
    let chunk = &mut buffer[..want];
    let fd = file.opened.file.as_fd();
    let piece = match wait {
        false => match hands
            .reader
            .cached_at(fd, chunk, file.offset)
            .map_err(|errno| unreadable(&file.opened, errno))?
        {
            Some(length) => Piece {
                length,
                left_behind: false,
            },
            None => {
                if hands.reader.leaves_behind() && file.left_behind.is_none() {
                    file.left_behind = Some(file.offset);
                }
                return Ok(0);
            }
        },
        true => hands
            .reader
            .fetch_at(fd, chunk, file.offset)
            .map_err(|errno| unreadable(&file.opened, errno))?,
    };
    if piece.length == 0 {
        return Err(Unseen::Changing);
    }
    if piece.left_behind && file.left_behind.is_none() {
        file.left_behind = Some(file.offset);
    }
    file.offset += piece.length as u64;
    hands.count(piece.length);
    Ok(piece.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_but_the_last_of_a_file_ends_with_a_page() {
        for left in (1..3 * CHUNK).step_by(61).chain([LEAST, CHUNK - 1, CHUNK]) {
            let piece = piece(left);
            assert_eq!(piece % PAGE, 0, "{left}");
            assert!(piece <= CHUNK && piece >= left.min(LEAST), "{left}");
        }
    }
}
