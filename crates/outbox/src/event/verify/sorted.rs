//! More rows than memory holds, put in order: sorted runs of them go into a temporary file that has no name, and are
//! merged when they are read.
//!
//! A row is an array of bytes that sorts as its bytes do: keys first, numbers big-endian. Equal rows count once.

use agent_core::bytes;
use agent_core::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What is read of a run at a time.
const PIECE: usize = 32 * 1024;
/// Runs that are merged at once; with more of them all become one first.
const RUNS: usize = 1024;

/// Takes in rows in any order.
#[derive(Debug)]
pub(super) struct Sorter<const N: usize> {
    rows: Vec<[u8; N]>,
    /// So many rows are held before they become a run.
    held: usize,
    runs: Vec<Run>,
    /// Runs before they become one.
    most: usize,
    file: Option<(Arc<File>, u64)>,
}

/// Rows of a file that are in order.
#[derive(Clone, Debug)]
struct Run {
    file: Arc<File>,
    start: u64,
    end: u64,
}

impl<const N: usize> Sorter<N> {
    /// Holds at most so many bytes of rows.
    pub(super) fn new(bytes: usize) -> Sorter<N> {
        Sorter::with(bytes.checked_div(N).unwrap_or(0), RUNS)
    }

    fn with(held: usize, most: usize) -> Sorter<N> {
        Sorter {
            rows: Vec::new(),
            held: held.max(1),
            runs: Vec::new(),
            most: most.max(2),
            file: None,
        }
    }

    /// Takes in a row.
    pub(super) fn push(&mut self, row: [u8; N]) -> Result<()> {
        if self.rows.len() >= self.held {
            self.spill()?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// Puts what is in memory in order: for a thread of its own to do.
    pub(super) fn sort(&mut self) {
        // Rows come as they stand in logs, mostly in order; this sort makes use of that.
        self.rows.sort();
        self.rows.dedup();
    }

    /// Makes a run of what is in memory.
    fn spill(&mut self) -> Result<()> {
        self.sort();
        if self.runs.len() >= self.most {
            self.merge_runs()?;
        }
        let (file, start) = match self.file.take() {
            Some(there) => there,
            None => (Arc::new(nameless()?), 0),
        };
        let bytes = self.rows.as_flattened();
        (&*file).write_all(bytes).map_err(|e| trouble(&e))?;
        let end = start.saturating_add(bytes.len() as u64);
        self.runs.push(Run {
            file: Arc::clone(&file),
            start,
            end,
        });
        self.file = Some((file, end));
        self.rows.clear();
        Ok(())
    }

    /// Makes one run of all.
    fn merge_runs(&mut self) -> Result<()> {
        let mut merge = Merge::<N>::new(&std::mem::take(&mut self.runs))?;
        let file = Arc::new(nameless()?);
        let mut out = BufWriter::with_capacity(1 << 20, &*file);
        let mut end: u64 = 0;
        while let Some(row) = merge.next()? {
            out.write_all(&row).map_err(|e| trouble(&e))?;
            end = end.saturating_add(N as u64);
        }
        out.flush().map_err(|e| trouble(&e))?;
        drop(out);
        self.runs = vec![Run {
            file: Arc::clone(&file),
            start: 0,
            end,
        }];
        self.file = Some((file, end));
        Ok(())
    }

    /// The rows of all sorters in order, each once.
    pub(super) fn merged(sorters: Vec<Sorter<N>>) -> Result<Sorted<N>> {
        if sorters.iter().all(|sorter| sorter.runs.is_empty()) {
            let mut all: Vec<[u8; N]> = Vec::new();
            for sorter in sorters {
                match all.is_empty() {
                    true => all = sorter.rows,
                    false => all.extend(sorter.rows),
                }
            }
            all.sort();
            all.dedup();
            return Ok(Sorted::Memory(all.into_iter()));
        }
        let mut runs = Vec::new();
        for mut sorter in sorters {
            if !sorter.rows.is_empty() {
                sorter.spill()?;
            }
            runs.append(&mut sorter.runs);
        }
        Ok(Sorted::Runs(Merge::new(&runs)?))
    }
}

/// Rows in order.
#[derive(Debug)]
pub(super) enum Sorted<const N: usize> {
    Memory(std::vec::IntoIter<[u8; N]>),
    Runs(Merge<N>),
}

impl<const N: usize> Sorted<N> {
    pub(super) fn next(&mut self) -> Result<Option<[u8; N]>> {
        match self {
            Sorted::Memory(rows) => Ok(rows.next()),
            Sorted::Runs(merge) => merge.next(),
        }
    }
}

/// Runs that are merged.
#[derive(Debug)]
pub(super) struct Merge<const N: usize> {
    sources: Vec<Source>,
    /// The next row of each run.
    next: BinaryHeap<Reverse<([u8; N], usize)>>,
    last: Option<[u8; N]>,
}

/// A run that is being read.
#[derive(Debug)]
struct Source {
    run: Run,
    piece: Vec<u8>,
    at: usize,
}

impl<const N: usize> Merge<N> {
    fn new(runs: &[Run]) -> Result<Merge<N>> {
        let mut merge = Merge {
            sources: Vec::with_capacity(runs.len()),
            next: BinaryHeap::with_capacity(runs.len()),
            last: None,
        };
        for (number, run) in runs.iter().enumerate() {
            let mut source = Source {
                run: run.clone(),
                piece: Vec::new(),
                at: 0,
            };
            if let Some(row) = source.row()? {
                merge.next.push(Reverse((row, number)));
            }
            merge.sources.push(source);
        }
        Ok(merge)
    }

    fn next(&mut self) -> Result<Option<[u8; N]>> {
        loop {
            let Some(mut first) = self.next.peek_mut() else {
                return Ok(None);
            };
            let Reverse((row, number)) = *first;
            let source = self.sources.get_mut(number);
            match source.map(Source::row).transpose()?.flatten() {
                Some(after) => *first = Reverse((after, number)),
                None => {
                    std::collections::binary_heap::PeekMut::pop(first);
                }
            }
            if self.last != Some(row) {
                self.last = Some(row);
                return Ok(Some(row));
            }
        }
    }
}

impl Source {
    fn row<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        if self.at == self.piece.len() {
            let left = self.run.end.saturating_sub(self.run.start);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.piece.resize(left.min(const { PIECE / N * N }), 0);
            self.at = 0;
            let read = self.run.file.read_exact_at(&mut self.piece, self.run.start);
            read.map_err(|e| trouble(&e))?;
            self.run.start = self.run.start.saturating_add(self.piece.len() as u64);
        }
        let rest = bytes::behind(&self.piece, self.at);
        let Some((row, _)) = rest.split_first_chunk::<N>() else {
            return Ok(None);
        };
        self.at = self.at.saturating_add(N);
        Ok(Some(*row))
    }
}

fn trouble(error: &io::Error) -> Error {
    Error::new(format!("the temporary file: {error}")).help("TMPDIR names a directory with room")
}

/// A file that goes when it is closed.
fn nameless() -> Result<File> {
    let directory = std::env::temp_dir();
    nameless_in(&directory).map_err(|error| {
        Error::in_file(
            &directory,
            format!("no temporary file can be made: {error}"),
        )
        .help("TMPDIR names another directory")
    })
}

fn nameless_in(directory: &std::path::Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Not every file system can.
        Err(_) => {
            let path = directory.join(format!("agent-log-{}", crate::event::chain::uuid(0)));
            let file = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn read<const N: usize>(mut sorted: Sorted<N>) -> Vec<[u8; N]> {
        let mut all = Vec::new();
        while let Some(row) = sorted.next().expect("readable") {
            all.push(row);
        }
        all
    }

    #[test]
    fn rows_come_in_order_and_once_however_many_runs_they_were_in() {
        let mut random = fastrand::Rng::with_seed(7);
        for (held, most) in [(1, 2), (3, 2), (7, 3), (40, 1024), (100_000, 1024)] {
            let mut expected = BTreeSet::new();
            let mut sorters = vec![Sorter::<5>::with(held, most), Sorter::with(held, most)];
            for _ in 0..3000 {
                let row = random.u64(0..2000).to_be_bytes();
                let row = [row[4], row[5], row[6], row[7], 9];
                expected.insert(row);
                let one = random.usize(0..2);
                sorters[one].push(row).expect("room");
            }
            let spilled = sorters.iter().any(|sorter| !sorter.runs.is_empty());
            assert_eq!(spilled, held < 3000);
            assert!(sorters.iter().all(|sorter| sorter.runs.len() <= most));
            let found = read(Sorter::merged(sorters).expect("merged"));
            assert!(found.into_iter().eq(expected), "{held} {most}");
        }
        assert!(read(Sorter::<5>::merged(Vec::new()).expect("merged")).is_empty());
    }

    #[test]
    fn a_run_longer_than_a_piece_is_read_whole() {
        let rows = 3 * PIECE / 8 + 1;
        let mut sorter = Sorter::<8>::with(rows, 2);
        let number = |n: usize| (n as u64).to_be_bytes();
        for n in (0..rows).rev() {
            sorter.push(number(n)).expect("room");
        }
        sorter.push(number(rows)).expect("room");
        let found = read(Sorter::merged(vec![sorter]).expect("merged"));
        assert!(found.into_iter().eq((0..=rows).map(number)));
    }
}
