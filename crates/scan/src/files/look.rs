//! A worker's look at many paths at once: small files are read whole and digested together, large ones side
//! by side, so that the lanes of the processor stay full.
//!
//! A digest is reported only if it covers exactly the bytes that the file had before and after it was read.
//! Otherwise the file is read again, alone; after three times nothing is said of its contents.

mod large;
mod tick;

use super::away::Away;
use super::digest::{self, Order, Stream};
use super::pace::Pace;
use super::probe::{First, Opened, Target, Unseen, Wanted, first_look, unread};
use super::remote::Pulse;
use agent_core::attributes::{Algorithm, Attributes, Digest};
use agent_core::os::limits;
use agent_core::os::read::{Piece, Reader};
use agent_core::task;
use large::Large;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tick::Tick;

/// How often a file that changes while it is read is read, in all.
const TRIES: usize = 3;
/// Files up to this size are read by one call and digested with others.
const SMALL: usize = 32 * 1024;
/// Small files are digested when they fill this: it fits the second-level cache.
const TOGETHER: usize = 256 * 1024;
/// What is read of a large file at a time.
const CHUNK: usize = 32 * 1024;
/// So many small files the disk is asked for before the first of them is waited for, and so many large files wait
/// before the longest of them are digested; fewer where few files may be open.
const MOST_OPEN: usize = 96;
/// A look in which one file in so many was not cached has waited for the disk.
const WAITS: usize = 8;
/// Times of files are those of the kernel's tick: two writes within one cannot be told apart.
const TICK: Duration = Duration::from_millis(10);

/// What a worker needs to look at files; one each.
#[derive(Debug)]
pub struct Looker {
    path: digest::Path,
    pace: Option<Pace>,
    /// What looks where a server or a program answers.
    away: Away,
    /// Told of each piece that was read, on a helper thread.
    pub(super) pulse: Option<Arc<Pulse>>,
    /// Files that may be open at once, of those that wait for the disk and of large ones each.
    open_files: usize,
    reader: Reader,
    /// [`TOGETHER`] bytes once something was read.
    arena: Vec<u8>,
    /// How many of them are taken.
    used: usize,
    chunks: Vec<Vec<u8>>,
    order: Order,
    digests: Vec<[u8; 32]>,
    /// Bytes digested so far.
    pub bytes: u64,
    /// Whether the last look waited for the disk.
    pub waited: bool,
    /// Whether each file is digested before the next is looked at, so that a fault is known to be its own.
    pub alone: bool,
}

/// The result for one target.
pub type Look = Result<Attributes, Unseen>;

/// A batch under way. What stays open in `looks` is looked at again, alone.
struct Batch {
    looks: Vec<Option<Look>>,
    /// Read, and waiting in the arena to be digested.
    small: Vec<Small>,
    /// Small files that the disk is asked for.
    cold: Vec<(usize, Opened)>,
    /// Large files not yet begun, the longest last.
    waiting: Vec<Large>,
    /// Large files that have a lane.
    active: Vec<Large>,
    /// Files whose contents are read.
    read: usize,
    /// Those of them that were not cached.
    fetched: usize,
}

/// A small file in the arena.
struct Small {
    index: usize,
    start: usize,
    attributes: Attributes,
}

impl Looker {
    /// One of so many lookers at once; it keeps to `pace`.
    pub fn new(pace: Option<&Pace>, lookers: usize) -> Looker {
        // Those that wait for the disk and large ones, and as many again for everybody else.
        let share = limits::open_files() / lookers.max(1) / 4;
        Looker {
            path: digest::Path::detected(),
            pace: pace.cloned(),
            away: Away::new(pace, lookers),
            pulse: None,
            open_files: share.clamp(2, MOST_OPEN),
            reader: Reader::default(),
            arena: Vec::new(),
            used: 0,
            chunks: Vec::new(),
            order: Order::default(),
            digests: Vec::new(),
            bytes: 0,
            waited: false,
            alone: false,
        }
    }

    /// Looks at all targets; the results stand in their order.
    pub fn look_all<'t>(
        &mut self,
        targets: impl IntoIterator<Item = (&'t Target, Wanted)>,
    ) -> Vec<Look> {
        let targets: Vec<(&Target, Wanted)> = targets.into_iter().collect();
        let mut batch = Batch {
            looks: Vec::new(),
            small: Vec::new(),
            cold: Vec::new(),
            waiting: Vec::new(),
            active: Vec::new(),
            read: 0,
            fetched: 0,
        };
        batch.looks.resize_with(targets.len(), || None);
        for (index, (target, wanted)) in targets.iter().enumerate() {
            target.is_at_hand();
            if self.pulse.is_none()
                && let Some(device) = target.remote()
            {
                let (look, bytes) = self.away.look(device, target, *wanted);
                self.bytes += bytes;
                batch.looks[index] = Some(look);
                continue;
            }
            match first_look(target, *wanted) {
                Ok(First::Whole(attributes)) => batch.looks[index] = Some(Ok(attributes)),
                // Written to just now: a further write might leave the same times. Looked at again, later.
                Ok(First::Contents(opened)) if Tick::now().holds(opened.before.ctime) => {}
                Ok(First::Contents(opened)) => match wanted.contents {
                    Some(Algorithm::Sha256) => self.take(index, opened, &mut batch),
                    _ => {
                        let (look, fetched) = self.alone(opened, Algorithm::Md5);
                        batch.read += 1;
                        batch.fetched += usize::from(fetched && self.reader.tells());
                        batch.looks[index] = settle(look);
                    }
                },
                Err(unseen) => batch.looks[index] = settle(Err(unseen)),
            }
            if self.alone {
                self.work_off(&mut batch);
            }
        }
        self.work_off(&mut batch);
        self.waited = batch.fetched * WAITS >= batch.read.max(1);
        batch
            .looks
            .into_iter()
            .zip(targets)
            .map(|(look, (target, wanted))| look.unwrap_or_else(|| self.again(target, wanted)))
            .collect()
    }

    /// Reads and digests what is left of a batch.
    fn work_off(&mut self, batch: &mut Batch) {
        self.fetch_cold(batch);
        self.digest_small(batch);
        self.digest_large(batch, 0);
    }

    /// What is done now is done for more than one file.
    fn many_are_at_hand(&self) {
        if !self.alone {
            task::at_batch();
        }
    }

    /// Takes in an open file whose contents are wanted.
    fn take(&mut self, index: usize, opened: Opened, batch: &mut Batch) {
        self.reader.on_device(opened.before.id.device);
        batch.read += 1;
        match usize::try_from(opened.before.size) {
            Ok(size) if size <= SMALL => {
                let start = self.room(size, batch);
                let buffer = &mut self.arena[start..start + size];
                match self.reader.cached_at(opened.file.as_fd(), buffer, 0) {
                    Ok(None) => {
                        batch.fetched += usize::from(self.reader.tells());
                        self.used = start;
                        batch.cold.push((index, opened));
                        if batch.cold.len() >= self.open_files {
                            self.fetch_cold(batch);
                        }
                    }
                    filled => {
                        let read = match filled {
                            Ok(filled) => self.fill(&opened, start, filled.unwrap_or(0)),
                            Err(errno) => Err(unread(&opened, errno)),
                        };
                        self.small(index, start, read.and_then(|()| opened.unchanged()), batch);
                    }
                }
            }
            _ => {
                // The kernel begins to fetch what is not cached; one byte of what is costs nothing.
                let probe = self.reader.cached_at(opened.file.as_fd(), &mut [0], 0);
                let cold = match probe {
                    Ok(cached) => cached.is_none(),
                    Err(errno) => {
                        batch.looks[index] = Some(Err(unread(&opened, errno)));
                        return;
                    }
                };
                batch.fetched += usize::from(cold && self.reader.tells());
                batch.waiting.push(Large {
                    index,
                    opened,
                    stream: Stream::new(),
                    offset: 0,
                    // What the kernel now fetches will look cached to those who read it.
                    left_behind: (cold && self.reader.leaves_behind()).then_some(0),
                });
                if batch.waiting.len() >= self.open_files {
                    self.digest_large(batch, self.open_files / 2);
                }
            }
        }
    }

    /// Makes room in the arena; returns where it starts.
    fn room(&mut self, size: usize, batch: &mut Batch) -> usize {
        if self.used + size > TOGETHER {
            self.digest_small(batch);
        }
        self.arena.resize(TOGETHER, 0);
        let start = self.used;
        self.used += size;
        start
    }

    /// Reads what is missing of a small file whose place in the arena begins at `start`.
    fn fill(&mut self, opened: &Opened, start: usize, mut filled: usize) -> Result<(), Unseen> {
        let size = self.used - start;
        let mut left_behind = None;
        let mut outcome = Ok(());
        while filled < size {
            let buffer = &mut self.arena[start + filled..self.used];
            match self
                .reader
                .read_at(opened.file.as_fd(), buffer, filled as u64)
            {
                Ok(Piece { length: 0, .. }) => outcome = Err(Unseen::Changing),
                Ok(piece) => {
                    if piece.left_behind && left_behind.is_none() {
                        left_behind = Some(filled as u64);
                    }
                    filled += piece.length;
                    continue;
                }
                Err(errno) => outcome = Err(unread(opened, errno)),
            }
            break;
        }
        if outcome.is_ok() {
            self.read(size);
        }
        drop_left(opened, left_behind);
        outcome
    }

    /// Puts a small file that has been read among those to be digested.
    fn small(&mut self, index: usize, start: usize, look: Look, batch: &mut Batch) {
        match look {
            Ok(attributes) => batch.small.push(Small {
                index,
                start,
                attributes,
            }),
            Err(unseen) => {
                self.used = start;
                batch.looks[index] = settle(Err(unseen));
            }
        }
    }

    /// Reads the small files that the disk was asked for.
    fn fetch_cold(&mut self, batch: &mut Batch) {
        self.many_are_at_hand();
        for (index, opened) in std::mem::take(&mut batch.cold) {
            self.reader.on_device(opened.before.id.device);
            let size = usize::try_from(opened.before.size).unwrap_or(0);
            let start = self.room(size, batch);
            let read = self.fetch(&opened, start);
            self.small(index, start, read.and_then(|()| opened.unchanged()), batch);
        }
    }

    /// Reads a small file that was not cached.
    fn fetch(&mut self, opened: &Opened, start: usize) -> Result<(), Unseen> {
        if self.used == start {
            return Ok(());
        }
        let piece = self
            .reader
            .fetch_at(opened.file.as_fd(), &mut self.arena[start..self.used], 0)
            .map_err(|errno| unread(opened, errno))?;
        let filled = self.fill(opened, start, piece.length);
        drop_left(opened, piece.left_behind.then_some(0));
        filled
    }

    /// Counts, and waits where the pace says so.
    fn read(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        match (&self.pulse, &self.pace) {
            (None, None) => {}
            (None, Some(pace)) => pace.pay(bytes),
            (Some(pulse), None) => pulse.beat(),
            (Some(pulse), Some(pace)) => pulse.pause(|| pace.pay(bytes)),
        }
    }

    fn digest_small(&mut self, batch: &mut Batch) {
        self.many_are_at_hand();
        let starts = batch.small.iter().skip(1).map(|file| file.start);
        let ends = starts.chain([self.used]);
        let messages: Vec<&[u8]> = batch
            .small
            .iter()
            .zip(ends)
            .map(|(file, end)| &self.arena[file.start..end])
            .collect();
        self.order
            .digest_many(self.path, &messages, &mut self.digests);
        for (file, digest) in batch.small.drain(..).zip(&self.digests) {
            let mut attributes = file.attributes;
            attributes.digest = Some(Digest::Sha256(*digest));
            batch.looks[file.index] = Some(Ok(attributes));
        }
        self.used = 0;
    }

    /// Looks at what changed while it was read, alone and with a pause, so that a writer may come to an end.
    fn again(&mut self, target: &Target, wanted: Wanted) -> Look {
        target.is_at_hand();
        for _ in 1..TRIES {
            std::thread::sleep(TICK);
            let look = match first_look(target, wanted) {
                Ok(First::Whole(attributes)) => Ok(attributes),
                Ok(First::Contents(opened)) if Tick::now().holds(opened.before.ctime) => {
                    Err(Unseen::Changing)
                }
                Ok(First::Contents(opened)) => {
                    self.alone(opened, wanted.contents.unwrap_or(Algorithm::Sha256))
                        .0
                }
                Err(unseen) => Err(unseen),
            };
            if look != Err(Unseen::Changing) {
                return look;
            }
        }
        Err(Unseen::Changing)
    }

    /// Digests one file from start to end; whether any of it was not cached.
    fn alone(&mut self, opened: Opened, algorithm: Algorithm) -> (Look, bool) {
        let mut chunk = self.chunks.pop().unwrap_or_else(|| vec![0; CHUNK]);
        let mut offset = 0;
        let mut fetched = None;
        self.reader.on_device(opened.before.id.device);
        let digested = digest::of_stream(algorithm, &mut chunk, |buffer| {
            let file = opened.file.as_fd();
            let length = match self.reader.cached_at(file, buffer, offset)? {
                Some(length) => length,
                None => {
                    fetched.get_or_insert(offset);
                    self.reader.fetch_at(file, buffer, offset)?.length
                }
            };
            offset += length as u64;
            self.read(length);
            Ok(length)
        });
        self.chunks.push(chunk);
        drop_left(&opened, fetched.filter(|_| self.reader.leaves_behind()));
        (whole(opened, digested), fetched.is_some())
    }
}

/// Drops from the page cache what a scan has left there of a file, from that byte on.
fn drop_left(opened: &Opened, from: Option<u64>) {
    if let Some(offset) = from {
        Reader::drop_from(opened.file.as_fd(), offset);
    }
}

/// The attributes with the digest, if that covers what the file was before and after.
fn whole(opened: Opened, digested: std::io::Result<(Digest, u64)>) -> Look {
    let (digest, length) = digested
        .map_err(|error| unread(&opened, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if length != opened.before.size {
        return Err(Unseen::Changing);
    }
    let mut attributes = opened.unchanged()?;
    attributes.digest = Some(digest);
    Ok(attributes)
}

/// What is to be looked at again stays open.
fn settle(look: Look) -> Option<Look> {
    Some(look).filter(|look| *look != Err(Unseen::Changing))
}
