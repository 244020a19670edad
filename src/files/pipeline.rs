//! Work done by several threads whose results come out in the order in which it was handed in.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// Handed over together, so that threads seldom meet and a worker has files to put side by side.
const BATCH: usize = 1024;
/// Batches that may be under way or wait for an earlier one: one slow file holds the others up only after so many.
const WINDOW: usize = 24;

/// Runs `feed` in a thread of its own, `work` on `threads` more, and `consume` here, in the order of feeding.
///
/// `feed` gets a function that takes one item and returns false when nobody wants more. `worker` makes the
/// function that each thread calls for each batch. `consume` may stop everything.
pub fn ordered<I, O, W>(
    threads: NonZeroUsize,
    feed: impl FnOnce(&mut dyn FnMut(I) -> bool) + Send,
    worker: impl Fn() -> W + Sync,
    mut consume: impl FnMut(O) -> ControlFlow<()>,
) where
    I: Send,
    O: Send,
    W: FnMut(Vec<I>) -> Vec<O>,
{
    let (jobs_in, jobs_out) = bounded::<(u64, Vec<I>)>(2 * threads.get());
    let (results_in, results_out) = bounded::<(u64, Vec<O>)>(WINDOW);
    let (tickets_in, tickets_out) = bounded::<()>(WINDOW);
    for _ in 0..WINDOW {
        // The channel has room for all of them.
        tickets_in.try_send(()).unwrap_or_default();
    }
    let worker = &worker;
    // Moved in, so that an early return closes every channel before the threads are joined.
    std::thread::scope(move |scope| {
        scope.spawn(move || feed_batches(feed, &jobs_in, &tickets_out));
        for _ in 0..threads.get() {
            let (jobs, results) = (jobs_out.clone(), results_in.clone());
            scope.spawn(move || {
                let mut work = worker();
                for (number, batch) in jobs {
                    if results.send((number, work(batch))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((jobs_out, results_in));
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (number, results) in results_out {
            waiting.insert(number, results);
            while let Some(results) = waiting.remove(&next) {
                next += 1;
                for result in results {
                    if consume(result).is_break() {
                        return;
                    }
                }
                tickets_in.try_send(()).unwrap_or_default();
            }
        }
    });
}

fn feed_batches<I>(
    feed: impl FnOnce(&mut dyn FnMut(I) -> bool),
    jobs: &Sender<(u64, Vec<I>)>,
    tickets: &Receiver<()>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut number = 0;
    let mut send = |batch: Vec<I>| {
        let sent = tickets.recv().is_ok() && jobs.send((number, batch)).is_ok();
        number += 1;
        sent
    };
    feed(&mut |item| {
        batch.push(item);
        if batch.len() < BATCH {
            return true;
        }
        send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))
    });
    if !batch.is_empty() {
        send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("not zero")
    }

    #[test]
    fn results_come_in_order() {
        let mut seen = Vec::new();
        ordered(
            threads(4),
            |emit| {
                for i in 0..10_000u64 {
                    assert!(emit(i));
                }
            },
            || {
                |batch: Vec<u64>| {
                    // Early batches take longest.
                    if batch[0] < 64 {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    batch.into_iter().map(|i| i * 2).collect()
                }
            },
            |result: u64| {
                seen.push(result);
                ControlFlow::Continue(())
            },
        );
        assert_eq!(seen, (0..10_000).map(|i| i * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_consumer_may_stop_an_endless_feed() {
        let mut seen = 0;
        ordered(
            threads(2),
            |emit| while emit(()) {},
            || |batch: Vec<()>| batch,
            |()| {
                seen += 1;
                match seen {
                    100 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        );
        assert_eq!(seen, 100);
    }
}
