//! Several files read at once, and taken in one after the other in their order, so that the same files always give the
//! same answer.

use super::index::Index;
use super::read::{messages, text};
use super::record::{Record, Recorder};
use agent_core::error::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Records that go from a reader to the index together: each hand-over costs a lock.
const TOGETHER: usize = 256;
/// Such batches that a reader may be ahead of the index with: some megabytes.
const AHEAD: usize = 64;
/// Records of one transaction of the index: what they change is in memory until it ends.
const A_TRANSACTION: usize = 200_000;

type Batch = Result<Vec<Record>>;

/// Opens a file.
pub type Open<'a> = &'a (dyn Fn(&Path) -> Result<Box<dyn Read + Send>> + Sync);

/// Takes in all files, read by as many threads.
pub(super) fn take(
    index: &mut Index,
    files: &[PathBuf],
    readers: usize,
    open: Open<'_>,
) -> Result<()> {
    let readers = readers.clamp(1, files.len().max(1));
    // In the order of the files: who takes one announces it before anybody takes the next.
    let (announce, announced) = sync_channel(readers);
    let next = Mutex::new(files.iter());
    std::thread::scope(|scope| {
        for _ in 0..readers {
            let announce = announce.clone();
            scope.spawn(|| read_files(&next, announce, open));
        }
        drop(announce);
        // What is left in the channels when this ends makes the readers end.
        let announced = announced;
        for batches in &announced {
            take_file(index, &batches)?;
        }
        Ok(())
    })
}

/// Reads file after file until there is none, or nobody listens any more.
fn read_files(
    next: &Mutex<std::slice::Iter<'_, PathBuf>>,
    announce: SyncSender<Receiver<Batch>>,
    open: Open<'_>,
) {
    loop {
        let (send, batches) = sync_channel(AHEAD);
        let path = {
            let Ok(mut next) = next.lock() else { return };
            let Some(path) = next.next() else { return };
            if announce.send(batches).is_err() {
                return;
            }
            path
        };
        let mut batch = Vec::with_capacity(TOGETHER);
        let read = read_file(path, &mut batch, &send, open);
        let last = match read {
            Ok(()) => Ok(batch),
            Err(error) => Err(Error {
                file: error.file.or_else(|| Some(path.clone())),
                ..error
            }),
        };
        if send.send(last).is_err() {
            return;
        }
    }
}

fn read_file(
    path: &Path,
    batch: &mut Vec<Record>,
    send: &SyncSender<Batch>,
    open: Open<'_>,
) -> Result<()> {
    let file = open(path)?;
    let mut recorder = Recorder::default();
    messages(text(file)?, &mut |message| {
        batch.push(recorder.record(&message));
        if batch.len() == TOGETHER {
            let full = std::mem::replace(batch, Vec::with_capacity(TOGETHER));
            send.send(Ok(full))
                .map_err(|_| Error::new("reading was given up"))?;
        }
        Ok(())
    })
}

/// Takes in the records of one file.
fn take_file(index: &mut Index, batches: &Receiver<Batch>) -> Result<()> {
    let mut more = true;
    while more {
        more = index.take(|open| {
            let mut count = 0;
            for batch in batches {
                let batch = batch?;
                count += batch.len();
                for record in batch {
                    open.take(record)?;
                }
                if count >= A_TRANSACTION {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
    }
    Ok(())
}
