//! A disk in memory that loses power, fails and fills up.
//!
//! What was written since the last sync may be there after a loss of power or not, each write by itself, whole or in part.

use super::super::super::medium::Medium;
use super::super::super::open::{Refusal, from_database};
use fastrand::Rng;
use redb::{Builder, Database, StorageBackend};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A change that was not synced.
#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    match change {
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Write(at, data) => {
            let end = at + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(data);
        }
    }
}

#[derive(Debug, Default)]
struct Platter {
    /// As after a loss of power in which nothing since the last sync arrived.
    durable: Vec<u8>,
    /// As it reads.
    present: Vec<u8>,
    unsynced: Vec<Change>,
    /// Power is lost before the change, or the sync, with this number from now.
    dies_in: Option<u64>,
    dead: bool,
    /// The access with this number from now fails, and that one alone.
    fails_in: Option<u64>,
    /// Bytes that can still be written.
    room: Option<u64>,
    asides: u64,
    /// Whether memory may stand in for it: what a kill takes from there has no place in the model.
    stood_in_for: bool,
    /// Starts of the machine: what was opened before the last one reaches nothing.
    starts: u64,
}

/// See the module. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A disk that memory may stand in for.
    pub(super) fn stood_in_for() -> Disk {
        let disk = Disk::default();
        disk.platter().stood_in_for = true;
        disk
    }

    pub(super) fn lose_power_in(&self, changes: u64) {
        self.platter().dies_in = Some(changes);
    }

    pub(super) fn lose_power(&self) {
        self.platter().dead = true;
    }

    pub(super) fn fail_in(&self, accesses: u64) {
        self.platter().fails_in = Some(accesses);
    }

    /// Nothing fails any more.
    pub(super) fn mend(&self) {
        let mut platter = self.platter();
        (platter.dies_in, platter.fails_in, platter.room) = (None, None, None);
    }

    /// Whether power was lost between two writes, not between two operations.
    pub(super) fn died_in_a_write(&self) -> bool {
        self.platter().dies_in == Some(0)
    }

    pub(super) fn leave_room(&self, bytes: Option<u64>) {
        self.platter().room = bytes;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.platter().dead
    }

    /// How often what was there was set aside.
    pub(super) fn asides(&self) -> u64 {
        self.platter().asides
    }

    /// Power is back; what had not been synced may have arrived or not.
    pub(super) fn power_up(&self, random: &mut Rng) {
        let mut platter = self.platter();
        let mut bytes = std::mem::take(&mut platter.durable);
        let odds = [0, 10, 50, 90, 100][random.usize(0..5)];
        for change in std::mem::take(&mut platter.unsynced) {
            if random.u32(0..100) >= odds {
                continue;
            }
            match change {
                Change::Write(at, data) if random.u32(0..8) == 0 && !data.is_empty() => {
                    let from = random.usize(0..data.len());
                    let to = random.usize(from..=data.len());
                    apply(
                        &Change::Write(at + from, data[from..to].to_vec()),
                        &mut bytes,
                    );
                }
                change => apply(&change, &mut bytes),
            }
        }
        platter.present.clone_from(&bytes);
        platter.durable = bytes;
        platter.dead = false;
        platter.starts += 1;
        platter.dies_in = None;
        platter.fails_in = None;
    }
}

/// The disk as one start of the machine opened it.
#[derive(Debug)]
struct Handle(Disk, u64);

impl Handle {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.0.platter();
        match platter.starts == self.1 {
            true => Ok(platter),
            false => Err(io::Error::other("another start has it")),
        }
    }
}

impl Platter {
    fn alive(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("no power"));
        }
        if let Some(left) = &mut self.fails_in {
            if *left == 0 {
                self.fails_in = None;
                return Err(io::Error::other("the disk failed once"));
            }
            *left -= 1;
        }
        Ok(())
    }

    fn before_change(&mut self) -> io::Result<()> {
        self.alive()?;
        match &mut self.dies_in {
            Some(0) => {
                self.dead = true;
                Err(io::Error::other("power was lost"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn take_room(&mut self, bytes: u64) -> io::Result<()> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(bytes).ok_or(ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    fn change(&mut self, change: Change) {
        apply(&change, &mut self.present);
        self.unsynced.push(change);
    }
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        let mut platter = self.platter()?;
        platter.alive()?;
        Ok(platter.present.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.alive()?;
        let from = to_usize(offset)?;
        let bytes = platter.present.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.before_change()?;
        let grown = length.saturating_sub(platter.present.len() as u64);
        platter.take_room(grown.min(1))?;
        platter.change(Change::Length(to_usize(length)?));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.before_change()?;
        let mut bytes = std::mem::take(&mut platter.durable);
        for change in std::mem::take(&mut platter.unsynced) {
            apply(&change, &mut bytes);
        }
        platter.durable = bytes;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter()?;
        platter.before_change()?;
        platter.take_room(data.len() as u64)?;
        platter.change(Change::Write(to_usize(offset)?, data.to_vec()));
        Ok(())
    }
}

impl Medium for Disk {
    fn open(&self, builder: &Builder) -> Result<Database, Refusal> {
        let (new, starts) = {
            let platter = self.platter();
            (platter.present.is_empty(), platter.starts)
        };
        let made = builder.create_with_backend(Handle(self.clone(), starts));
        made.map_err(from_database).inspect_err(|refusal| {
            let mut platter = self.platter();
            if new && matches!(refusal, Refusal::Io(_)) && !platter.dead {
                platter.change(Change::Length(0));
            }
        })
    }

    fn length(&self) -> u64 {
        self.platter().present.len() as u64
    }

    fn identity(&self) -> Option<(u64, u64)> {
        Some((1, 1))
    }

    fn may_be_stood_in_for(&self) -> bool {
        self.platter().stood_in_for
    }

    fn set_aside(&self, _now: i64) -> io::Result<PathBuf> {
        let mut platter = self.platter();
        platter.asides += 1;
        platter.unsynced.clear();
        platter.present.clear();
        platter.durable.clear();
        Ok(PathBuf::from("aside"))
    }
}
