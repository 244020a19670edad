//! Looks under way: what has been seen of each target of a batch, and how many are still to come.

use super::Look;
use crate::files::probe::Unseen;
use std::collections::VecDeque;

/// A target's place: the number of its batch, and how many of its targets come before.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchIndex {
    pub(super) batch: u64,
    pub(super) index: usize,
}

/// Batches in the order in which they were taken on.
#[derive(Debug, Default)]
pub(super) struct UnderWay(VecDeque<Batch>);

#[derive(Debug)]
struct Batch {
    number: u64,
    looks: Vec<Option<Look>>,
    /// Of how many the contents are still to be read.
    open: usize,
}

impl UnderWay {
    /// A batch that comes after all others. A target that nothing is said of is looked at again, alone.
    pub(super) fn begin(&mut self, number: u64) {
        self.0.push_back(Batch {
            number,
            looks: Vec::new(),
            open: 0,
        });
    }

    /// The place of the next target of the batch that was begun last.
    pub(super) fn next(&mut self) -> BatchIndex {
        let Some(batch) = self.0.back_mut() else {
            return BatchIndex { batch: 0, index: 0 };
        };
        batch.looks.push(None);
        BatchIndex {
            batch: batch.number,
            index: batch.looks.len() - 1,
        }
    }

    /// The look at that target comes later: see [`UnderWay::settle`].
    pub(super) fn put_off(&mut self, place: BatchIndex) {
        if let Some(batch) = self.batch(place.batch) {
            batch.open += 1;
        }
    }

    /// The look at a target that was put off.
    pub(super) fn settle(&mut self, place: BatchIndex, look: Look) {
        if let Some(batch) = self.batch(place.batch) {
            batch.open -= 1;
        }
        self.tell(place, look);
    }

    /// The look at a target. What changed meanwhile stays open and is looked at again.
    pub(super) fn tell(&mut self, place: BatchIndex, look: Look) {
        if look != Err(Unseen::Changing)
            && let Some(batch) = self.batch(place.batch)
            && let Some(slot) = batch.looks.get_mut(place.index)
        {
            *slot = Some(look);
        }
    }

    /// A batch of which nothing is put off any more.
    pub(super) fn done(&mut self) -> Option<(u64, Vec<Option<Look>>)> {
        let at = self.0.iter().position(|batch| batch.open == 0)?;
        self.0.remove(at).map(|batch| (batch.number, batch.looks))
    }

    fn batch(&mut self, number: u64) -> Option<&mut Batch> {
        let at = self.0.partition_point(|batch| batch.number < number);
        self.0.get_mut(at).filter(|batch| batch.number == number)
    }
}
