//! A thread's work on a tree: batches of items looked at, large files side by side across batches, each batch judged
//! once all of it has been seen.

use super::belief::Belief;
use super::look::{Look, Looker};
use super::pipeline::Work;
use super::probe::{Target, Wanted};
use super::scan::Progress;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// A batch waits at most for so many later ones for company of its large files: fewer than may be under way in all.
const HELD: u64 = 24;

/// A looker, and the batches that it has under way.
pub(super) struct Worker<'a, I, W, J> {
    looker: Looker,
    held: VecDeque<(u64, Vec<I>)>,
    /// What is to be looked at for an item, if anything is.
    wanted: W,
    /// Makes results of a batch and its looks, one for each item that something is wanted of.
    judge: J,
    progress: &'a Progress,
    /// What need not be read.
    belief: Option<&'a Belief<'a>>,
}

impl<'a, I, O, W, J> Worker<'a, I, W, J>
where
    W: for<'i> Fn(&'i I) -> Option<(&'i Target, Wanted)>,
    J: Fn(Vec<I>, Vec<Look>) -> Vec<O>,
{
    pub(super) fn new(looker: Looker, progress: &'a Progress, wanted: W, judge: J) -> Self {
        Worker {
            looker,
            held: VecDeque::new(),
            wanted,
            judge,
            progress,
            belief: None,
        }
    }

    /// The same, but for what need not be read.
    pub(super) fn believing(self, belief: Option<&'a Belief<'a>>) -> Self {
        Worker { belief, ..self }
    }

    fn pass_on(&mut self, done: &mut dyn FnMut(u64, Vec<O>)) {
        while let Some((number, looks)) = self.looker.done() {
            let Some(at) = self.held.iter().position(|(held, _)| *held == number) else {
                continue;
            };
            let Some((number, batch)) = self.held.remove(at) else {
                continue;
            };
            let targets = batch.iter().filter_map(&self.wanted);
            let looks = self.looker.complete(targets, looks);
            done(number, (self.judge)(batch, looks));
        }
    }

    /// Counts what `work` digests.
    fn counting<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.looker.bytes();
        let result = work(self);
        let bytes = self.looker.bytes() - before;
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        result
    }
}

impl<I, O, W, J> Work<I, O> for Worker<'_, I, W, J>
where
    W: for<'i> Fn(&'i I) -> Option<(&'i Target, Wanted)>,
    J: Fn(Vec<I>, Vec<Look>) -> Vec<O>,
{
    fn take(&mut self, number: u64, batch: Vec<I>, done: &mut dyn FnMut(u64, Vec<O>)) -> bool {
        self.counting(|worker| {
            let targets = batch.iter().filter_map(&worker.wanted);
            worker.looker.take_on(number, targets, worker.belief);
            worker.held.push_back((number, batch));
            let first = worker.held.front().map_or(number, |(first, _)| *first);
            if number - first >= HELD {
                worker.looker.settle_to(number - HELD);
            }
            worker.pass_on(done);
        });
        self.looker.waited
    }

    fn owes(&self) -> bool {
        !self.held.is_empty()
    }

    fn settle(&mut self, done: &mut dyn FnMut(u64, Vec<O>)) {
        self.counting(|worker| {
            worker.looker.settle();
            worker.pass_on(done);
        });
    }
}
