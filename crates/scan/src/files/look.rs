//! A worker's look at many paths: small files are read whole and digested together, large ones side by side, so that
//! the lanes of the processor stay full. What does not fill them is put off until more of its kind has come.
//!
//! A digest is reported only if it covers exactly the bytes that the file had before and after it was read.
//! Otherwise the file is read again, alone; after three times nothing is said of its contents.

mod hands;
mod lanes;
mod large;
mod side;
mod tick;
mod under_way;

use super::away::Away;
use super::belief::Belief;
use super::digest;
use super::pace::Pace;
use super::probe::{First, OpenFile, Target, Unseen, Wanted, first_look, unreadable};
use super::remote::Pulse;
use agent_core::attributes::{Algorithm, Attributes, Digest};
use agent_core::os::limits;
use agent_core::task;
use digest::{DigestKind, Md5, Sha256, StreamOf};
use hands::{Hands, drop_left};
use lanes::Lanes;
use large::CHUNK;
use rustix::io::Errno;
use side::{Large, Side};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tick::Tick;
use under_way::{BatchIndex, UnderWay};

/// How often a file that changes while it is read is read, in all.
const TRIES: usize = 3;
/// Files up to this size are read by one call and digested with others.
const SMALL: usize = 32 * 1024;
/// What the kernel fetches at least for the first byte of a file (get_init_ra_size in mm/readahead.c: four pages).
const FIRST_PAGES: u64 = 16 * 1024;
/// So many small files the disk is asked for before the first of them is waited for, and so many large files wait
/// before the longest of them are digested; fewer where few files may be open.
// Own bound: of work at a time; nothing is left out.
const MOST_OPEN: usize = 96;
/// A look in which one file in so many was not cached has waited for the disk.
const WAITS: usize = 8;
/// Times of files are those of the kernel's tick: two writes within one cannot be told apart.
const TICK: Duration = Duration::from_millis(10);

/// What a worker needs to look at files; one each.
#[derive(Debug)]
pub struct Looker {
    /// What looks where a server or a program answers.
    away: Away,
    /// Files that may be open at once, of those that wait for the disk and of large ones each.
    open_files: usize,
    hands: Hands,
    looks: UnderWay,
    /// Small files that the disk is asked for.
    cold: Vec<(BatchIndex, OpenFile, Lanes)>,
    sha256: Side<Sha256>,
    md5: Side<Md5>,
    /// Whether the last batch that was taken on waited for the disk.
    pub waited: bool,
    /// Whether each file is digested before the next is looked at, so that a fault is known to be its own.
    pub alone: bool,
}

/// The result for one target.
pub type Look = Result<Attributes, Unseen>;

/// Files of a batch whose contents are read, and those of them that were not cached.
#[derive(Default)]
struct Met {
    read: usize,
    fetched: usize,
}

impl Looker {
    /// One of so many lookers at once; it keeps to `pace`.
    pub fn new(pace: Option<&Pace>, lookers: usize) -> Looker {
        // Those that wait for the disk and large ones, and as many again for everybody else.
        let share = limits::open_files() / lookers.max(1) / 4;
        let path = digest::Path::detected();
        Looker {
            away: Away::new(pace, lookers),
            open_files: share.clamp(2, MOST_OPEN),
            hands: Hands::new(pace),
            looks: UnderWay::default(),
            cold: Vec::new(),
            sha256: Side::new(path),
            md5: Side::new(path),
            waited: false,
            alone: false,
        }
    }

    /// Tells `pulse` of each piece that is read: this looker works on a helper thread.
    pub(super) fn with_pulse(&mut self, pulse: &Arc<Pulse>) {
        self.hands.pulse = Some(pulse.clone());
    }

    /// Bytes digested so far.
    pub fn bytes(&self) -> u64 {
        self.hands.bytes
    }

    /// Looks at all targets; the results stand in their order.
    pub fn look_all<'t>(
        &mut self,
        targets: impl IntoIterator<Item = (&'t Target, Wanted)>,
    ) -> Vec<Look> {
        let targets: Vec<(&Target, Wanted)> = targets.into_iter().collect();
        self.take_on(0, targets.iter().copied(), None);
        self.settle();
        let looks = self.done().map(|(_, looks)| looks).unwrap_or_default();
        self.complete(targets.into_iter(), looks)
    }

    /// Looks at a batch of targets. The contents of some may be read with those of later batches; numbers rise. What
    /// `belief` says is not read.
    pub(super) fn take_on<'t>(
        &mut self,
        number: u64,
        targets: impl Iterator<Item = (&'t Target, Wanted)>,
        belief: Option<&Belief<'_>>,
    ) {
        self.looks.begin(number);
        let mut met = Met::default();
        for (target, wanted) in targets {
            let place = self.looks.next();
            target.is_at_hand();
            if self.hands.pulse.is_none()
                && let Some(device) = target.remote()
            {
                let (look, bytes) = self.away.look(device, target, wanted);
                self.hands.bytes += bytes;
                // One look is all that such a file has.
                self.looks.tell(place, look);
                continue;
            }
            match first_look(target, wanted) {
                Ok(First::Whole(attributes)) => self.looks.tell(place, Ok(attributes)),
                // Written to just now: a further write might leave the same times. Looked at again, later.
                Ok(First::Contents(opened)) if Tick::now().holds(opened.before.ctime) => {}
                Ok(First::Contents(opened)) => match believed(belief, target, wanted, &opened) {
                    Some(digest) => self.looks.tell(place, unread(opened, digest)),
                    None => {
                        let algorithm = wanted.contents.unwrap_or(Algorithm::Sha256);
                        self.take(place, opened, algorithm, &mut met);
                    }
                },
                Err(unseen) => self.looks.tell(place, Err(unseen)),
            }
            if self.alone {
                self.settle();
            }
        }
        self.waited = met.fetched * WAITS >= met.read.max(1);
    }

    /// Reads and digests whatever was put off.
    pub(super) fn settle(&mut self) {
        self.settle_to(u64::MAX);
    }

    /// Reads and digests what was put off of batches up to that number. Large files of later ones go on with company.
    pub(super) fn settle_to(&mut self, last: u64) {
        self.fetch_cold();
        self.many_are_at_hand();
        let (hands, looks) = (&mut self.hands, &mut self.looks);
        self.sha256.digest_small(looks);
        self.md5.digest_small(looks);
        self.sha256.digest_large_to(last, hands, looks);
        self.md5.digest_large_to(last, hands, looks);
    }

    /// A batch of which nothing is put off, with its looks as far as [`Looker::complete`] need not look again.
    pub(super) fn done(&mut self) -> Option<(u64, Vec<Option<Look>>)> {
        self.looks.done()
    }

    /// The looks at a batch: what changed while it was read is looked at again.
    pub(super) fn complete<'t>(
        &mut self,
        targets: impl Iterator<Item = (&'t Target, Wanted)>,
        looks: Vec<Option<Look>>,
    ) -> Vec<Look> {
        looks
            .into_iter()
            .zip(targets)
            .map(|(look, (target, wanted))| look.unwrap_or_else(|| self.again(target, wanted)))
            .collect()
    }

    /// What is done now is done for more than one file.
    fn many_are_at_hand(&self) {
        if !self.alone {
            task::at_batch();
        }
    }

    /// Takes in an open file whose contents are wanted.
    fn take(&mut self, place: BatchIndex, opened: OpenFile, algorithm: Algorithm, met: &mut Met) {
        match Lanes::of(algorithm) {
            Some(lanes) => self.take_in_lanes(place, opened, lanes, met),
            None => {
                met.read += 1;
                match self.alone(opened, algorithm) {
                    // Not told: looked at again, later.
                    Err(Unseen::Changing) => {}
                    look => self.looks.tell(place, look),
                }
            }
        }
    }

    fn take_in_lanes(&mut self, place: BatchIndex, opened: OpenFile, lanes: Lanes, met: &mut Met) {
        self.hands.reader.on_device(opened.before.id.device);
        met.read += 1;
        let digests = match usize::try_from(opened.before.size) {
            Ok(size) if size <= SMALL => match lanes {
                Lanes::Sha256 => self.sha256.is_full_for(size),
                Lanes::Md5 => self.md5.is_full_for(size),
            },
            _ => true,
        };
        if digests {
            self.many_are_at_hand();
        }
        let fetched = match usize::try_from(opened.before.size) {
            Ok(size) if size <= SMALL => match lanes {
                Lanes::Sha256 => {
                    let side = &mut self.sha256;
                    take_small(side, &mut self.hands, &mut self.looks, (place, opened))
                }
                Lanes::Md5 => {
                    let side = &mut self.md5;
                    take_small(side, &mut self.hands, &mut self.looks, (place, opened))
                }
            }
            .map(|cold| self.cold.push((place, cold, lanes)))
            .is_some(),
            _ => self.take_large(place, opened, lanes),
        };
        met.fetched += usize::from(fetched && self.hands.reader.tells());
        if self.cold.len() >= self.open_files {
            self.fetch_cold();
        }
    }

    /// Takes in a large file; whether it was not cached.
    fn take_large(&mut self, place: BatchIndex, opened: OpenFile, lanes: Lanes) -> bool {
        // The kernel begins to fetch what is not cached; one byte of what is costs nothing.
        let file = opened.file.as_fd();
        let cold = match self.hands.reader.cached_at(file, &mut [0], 0) {
            Ok(cached) => cached.is_none(),
            Err(errno) => {
                self.looks.tell(place, Err(unreadable(&opened, errno)));
                return false;
            }
        };
        self.looks.put_off(place);
        let (hands, looks, most) = (&mut self.hands, &mut self.looks, self.open_files);
        let large = (place, opened, cold);
        match lanes {
            Lanes::Sha256 => take_large(&mut self.sha256, hands, looks, large, most),
            Lanes::Md5 => take_large(&mut self.md5, hands, looks, large, most),
        }
        cold
    }

    /// Reads the small files that the disk was asked for.
    fn fetch_cold(&mut self) {
        if self.cold.is_empty() {
            return;
        }
        self.many_are_at_hand();
        for (place, opened, lanes) in std::mem::take(&mut self.cold) {
            self.hands.reader.on_device(opened.before.id.device);
            let (hands, looks) = (&mut self.hands, &mut self.looks);
            match lanes {
                Lanes::Sha256 => fetch_small(&mut self.sha256, hands, looks, (place, opened)),
                Lanes::Md5 => fetch_small(&mut self.md5, hands, looks, (place, opened)),
            }
        }
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
                }
                Err(unseen) => Err(unseen),
            };
            if look != Err(Unseen::Changing) {
                return look;
            }
        }
        Err(Unseen::Changing)
    }

    /// Digests one file from start to end.
    fn alone(&mut self, opened: OpenFile, algorithm: Algorithm) -> Look {
        let mut chunk = vec![0; CHUNK];
        let mut offset = 0;
        let mut fetched = None;
        let hands = &mut self.hands;
        hands.reader.on_device(opened.before.id.device);
        let digested = digest::of_stream(algorithm, &mut chunk, |buffer| {
            let file = opened.file.as_fd();
            let length = match hands.reader.cached_at(file, buffer, offset)? {
                Some(length) => length,
                None => {
                    fetched.get_or_insert(offset);
                    hands.reader.fetch_at(file, buffer, offset)?.length
                }
            };
            offset += length as u64;
            hands.count(length);
            Ok(length)
        });
        drop_left(&opened, fetched.filter(|_| hands.reader.leaves_behind()));
        whole(opened, digested)
    }
}

/// The digest of a file that need not be read, if it is believed.
fn believed(
    belief: Option<&Belief<'_>>,
    target: &Target,
    wanted: Wanted,
    opened: &OpenFile,
) -> Option<Digest> {
    let (belief, recorded) = belief.zip(wanted.recorded)?;
    belief
        .believes(&target.path(), opened, recorded)
        .then_some(recorded.digest)
}

/// The attributes of a file that is believed to have that digest.
fn unread(opened: OpenFile, digest: Digest) -> Look {
    let mut attributes = opened.unchanged()?;
    attributes.digest = Some(digest);
    Ok(attributes)
}

/// Takes in a small file; gives it back if the disk has to be waited for.
fn take_small<H: DigestKind>(
    side: &mut Side<H>,
    hands: &mut Hands,
    looks: &mut UnderWay,
    (place, opened): (BatchIndex, OpenFile),
) -> Option<OpenFile> {
    let size = usize::try_from(opened.before.size).unwrap_or(0);
    let buffer = side.room(size, looks);
    let read = match hands.reader.cached_at(opened.file.as_fd(), buffer, 0) {
        Ok(None) => {
            looks.put_off(place);
            return Some(opened);
        }
        Ok(Some(filled)) => hands.fill(&opened, buffer, filled),
        Err(errno) => Err(unreadable(&opened, errno)),
    };
    looks.put_off(place);
    keep(
        side,
        looks,
        (place, size),
        read.and_then(|()| opened.unchanged()),
    );
    None
}

/// Reads a small file that the disk was asked for.
fn fetch_small<H: DigestKind>(
    side: &mut Side<H>,
    hands: &mut Hands,
    looks: &mut UnderWay,
    (place, opened): (BatchIndex, OpenFile),
) {
    let size = usize::try_from(opened.before.size).unwrap_or(0);
    let read = hands.fetch(&opened, side.room(size, looks));
    keep(
        side,
        looks,
        (place, size),
        read.and_then(|()| opened.unchanged()),
    );
}

/// Puts a small file that has been read among those to be digested.
fn keep<H: DigestKind>(
    side: &mut Side<H>,
    looks: &mut UnderWay,
    (place, size): (BatchIndex, usize),
    look: Look,
) {
    match look {
        Ok(attributes) => side.keep(place, size, attributes),
        Err(unseen) => looks.settle(place, Err(unseen)),
    }
}

fn take_large<H: DigestKind>(
    side: &mut Side<H>,
    hands: &mut Hands,
    looks: &mut UnderWay,
    (place, opened, cold): (BatchIndex, OpenFile, bool),
    most: usize,
) {
    side.wait(Large {
        // The byte at the start has brought the first pages along.
        asked: cold.then(|| hands.ask_ahead(&opened, FIRST_PAGES)),
        place,
        opened,
        stream: StreamOf::new(),
        offset: 0,
        // What the kernel now fetches will look cached to those who read it.
        left_behind: (cold && hands.reader.leaves_behind()).then_some(0),
    });
    side.digest_full(most, hands, looks);
}

/// The attributes with the digest, if that covers what the file was before and after.
fn whole(opened: OpenFile, digested: std::io::Result<(Digest, u64)>) -> Look {
    let (digest, length) = digested
        .map_err(|error| unreadable(&opened, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    if length != opened.before.size {
        return Err(Unseen::Changing);
    }
    let mut attributes = opened.unchanged()?;
    attributes.digest = Some(digest);
    Ok(attributes)
}
