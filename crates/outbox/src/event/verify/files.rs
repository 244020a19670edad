//! Several files read at once, each by one thread: order within a file means something, that of files means nothing.

use super::read::{messages, text};
use super::taken::Taken;
use agent_core::error::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens a file.
pub type Open<'a> = &'a (dyn Fn(&Path) -> Result<Box<dyn Read + Send>> + Sync);

/// Takes in all files, read by as many threads, which together hold so many bytes of rows of each kind. The error is that
/// of the first file that has one.
pub(super) fn take(
    files: &[PathBuf],
    readers: usize,
    rows: usize,
    open: Open<'_>,
) -> Result<Vec<Taken>> {
    let readers = readers.clamp(1, files.len().max(1));
    let next = Mutex::new(files.iter().enumerate());
    let stop = AtomicBool::new(false);
    let read = || -> (Taken, Option<(usize, Error)>) {
        let mut taken = Taken::new(rows.checked_div(readers).unwrap_or(rows));
        loop {
            let file = next.lock().map(|mut next| next.next());
            let Ok(Some((number, path))) = file else {
                break;
            };
            // Files are handed out in their order: all before this one will have been read.
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = read_file(&mut taken, number, path, open) {
                stop.store(true, Ordering::Relaxed);
                return (taken, Some((number, error)));
            }
        }
        taken.sort();
        (taken, None)
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(read)).collect();
        let mine = read();
        let theirs = others.into_iter().map(|other| match other.join() {
            Ok(taken) => taken,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(mine).chain(theirs).collect()
    });
    let (parts, errors): (Vec<Taken>, Vec<_>) = all.into_iter().unzip();
    let first = errors.into_iter().flatten().min_by_key(|error| error.0);
    match first {
        Some((_, error)) => Err(error),
        None => Ok(parts),
    }
}

fn read_file(taken: &mut Taken, number: usize, path: &Path, open: Open<'_>) -> Result<()> {
    taken.begin(number);
    let mut read = || {
        let file = open(path)?;
        messages(text(file)?, &mut |messages, document| {
            taken.take(messages, document)
        })
    };
    read().map_err(|error| Error {
        file: error.file.or_else(|| Some(path.to_owned())),
        ..error
    })
}
