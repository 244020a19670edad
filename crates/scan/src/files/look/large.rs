//! Large files: read in pieces and digested side by side, one a lane.

use super::{Batch, CHUNK, Look, Looker, drop_left, settle};
use crate::files::digest::{Stream, update_many};
use crate::files::probe::{Opened, Unseen, unread};
use agent_core::attributes::Digest;
use agent_core::os::read::Piece;
use std::os::fd::AsFd;

/// A large file under way.
pub(super) struct Large {
    pub(super) index: usize,
    pub(super) opened: Opened,
    pub(super) stream: Stream,
    pub(super) offset: u64,
    /// Where the first byte lies that this scan left in the page cache.
    pub(super) left_behind: Option<u64>,
}

impl Looker {
    /// Digests large files side by side, the longest first, until no more than `leave` are left.
    pub(super) fn digest_large(&mut self, batch: &mut Batch, leave: usize) {
        self.many_are_at_hand();
        batch.waiting.sort_by_key(|file| file.opened.before.size);
        while batch.waiting.len() + batch.active.len() > leave {
            while batch.active.len() < self.path.lanes() {
                match batch.waiting.pop() {
                    Some(file) => batch.active.push(file),
                    None => break,
                }
            }
            while self.chunks.len() < batch.active.len() {
                self.chunks.push(vec![0; CHUNK]);
            }
            let lengths = self.read_round(&mut batch.active);
            let mut work: Vec<(&mut Stream, &[u8])> = batch
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
                let file = &batch.active[lane];
                let look = match length {
                    Ok(_) if file.offset < file.opened.before.size => continue,
                    Ok(_) => finish(batch.active.swap_remove(lane)),
                    Err(unseen) => {
                        let file = batch.active.swap_remove(lane);
                        drop_left(&file.opened, file.left_behind);
                        (file.index, Err(unseen))
                    }
                };
                batch.looks[look.0] = settle(look.1);
            }
        }
    }

    /// Reads a piece of each active file: what is cached, and only if that is nothing, what the disk has.
    fn read_round(&mut self, active: &mut [Large]) -> Vec<Result<usize, Unseen>> {
        let mut lengths = Vec::with_capacity(active.len());
        for (lane, file) in active.iter_mut().enumerate() {
            lengths.push(self.read_chunk(lane, file, false));
        }
        if lengths.iter().all(|length| *length == Ok(0))
            && let Some(file) = active.first_mut()
        {
            lengths[0] = self.read_chunk(0, file, true);
        }
        lengths
    }

    /// Reads the next piece of a large file into the lane's buffer, never beyond the size that it had.
    /// Unless `wait` is set, nothing comes of a piece that is not cached.
    fn read_chunk(&mut self, lane: usize, file: &mut Large, wait: bool) -> Result<usize, Unseen> {
        self.reader.on_device(file.opened.before.id.device);
        let left = file.opened.before.size - file.offset;
        let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let chunk = &mut self.chunks[lane][..want];
        let fd = file.opened.file.as_fd();
        let piece = match wait {
            false => match self
                .reader
                .cached_at(fd, chunk, file.offset)
                .map_err(|errno| unread(&file.opened, errno))?
            {
                Some(length) => Piece {
                    length,
                    left_behind: false,
                },
                None => {
                    if self.reader.leaves_behind() && file.left_behind.is_none() {
                        file.left_behind = Some(file.offset);
                    }
                    return Ok(0);
                }
            },
            true => self
                .reader
                .fetch_at(fd, chunk, file.offset)
                .map_err(|errno| unread(&file.opened, errno))?,
        };
        if piece.length == 0 {
            return Err(Unseen::Changing);
        }
        if piece.left_behind && file.left_behind.is_none() {
            file.left_behind = Some(file.offset);
        }
        file.offset += piece.length as u64;
        self.read(piece.length);
        Ok(piece.length)
    }
}

fn finish(file: Large) -> (usize, Look) {
    drop_left(&file.opened, file.left_behind);
    let stream = file.stream;
    let look = file.opened.unchanged().map(|mut attributes| {
        attributes.digest = Some(Digest::Sha256(stream.finish()));
        attributes
    });
    (file.index, look)
}
