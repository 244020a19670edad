//! Work done by several threads whose results come out in the order in which it was handed in.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope};
use std::time::Duration;

/// Handed over together: enough that threads seldom meet, so few that all have work from the first moment to the last.
const BATCH: usize = 128;
/// Batches that may be under way or wait for an earlier one: one slow file holds the others up only after so many.
const WINDOW: usize = 64;
/// Where one thread does all of them, none waits for another's: what is ready early is memory for nothing.
const WINDOW_OF_ONE: usize = 8;
/// Who has put work off waits so long for more of it, to do it side by side.
const PATIENCE: Duration = Duration::from_millis(5);

/// How many threads work.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// So many all the time.
    pub steady: NonZeroUsize,
    /// At least so many while work waits for the disk: it answers several at once.
    pub waiting: usize,
}

impl From<NonZeroUsize> for Workers {
    /// No more than that, whatever they wait for.
    fn from(steady: NonZeroUsize) -> Workers {
        Workers { steady, waiting: 0 }
    }
}

impl Workers {
    /// The most that work at once.
    pub fn most(self) -> usize {
        self.waiting.max(self.steady.get())
    }

    /// Batches that may be under way, or be done and wait.
    fn window(self) -> usize {
        match self.most() {
            1 => WINDOW_OF_ONE,
            _ => WINDOW,
        }
    }
}

/// What a thread makes of batches. It may put parts of them off, to do them side by side with parts of the next.
pub trait Work<I, O> {
    /// Takes a batch on; whether it waited for the disk. Batches that are done, this one or earlier ones, go to `done`,
    /// results in the order of the items.
    fn take(&mut self, number: u64, batch: Vec<I>, done: &mut dyn FnMut(u64, Vec<O>)) -> bool;

    /// Whether a batch is not done.
    fn owes(&self) -> bool;

    /// Ends what was put off.
    fn settle(&mut self, done: &mut dyn FnMut(u64, Vec<O>));
}

/// Work of which nothing is put off.
impl<I, O, F: FnMut(Vec<I>) -> Done<O>> Work<I, O> for F {
    fn take(&mut self, number: u64, batch: Vec<I>, done: &mut dyn FnMut(u64, Vec<O>)) -> bool {
        let Done { results, waited } = self(batch);
        done(number, results);
        waited
    }

    fn owes(&self) -> bool {
        false
    }

    fn settle(&mut self, _done: &mut dyn FnMut(u64, Vec<O>)) {}
}

/// What became of a batch.
#[derive(Debug)]
pub struct Done<O> {
    /// In the order of the items.
    pub results: Vec<O>,
    /// Whether it waited for the disk.
    pub waited: bool,
}

/// What the threads of one run share.
struct Crew<F> {
    worker: F,
    /// Threads that help because work waits for the disk.
    helpers: AtomicUsize,
    /// So many may.
    most_helpers: usize,
}

/// Runs `feed` in a thread of its own, what `worker` makes on as many more as `workers` says, and `consume` here, in the
/// order of feeding.
///
/// `feed` gets a function that takes one item and returns false when nobody wants more. What `worker` makes for a
/// thread is called for each batch. `consume` may stop everything.
pub fn ordered<I, O, W>(
    workers: Workers,
    feed: impl FnOnce(&mut dyn FnMut(I) -> bool) + Send,
    worker: impl Fn() -> W + Sync,
    mut consume: impl FnMut(O) -> ControlFlow<()>,
) where
    I: Send,
    O: Send,
    W: Work<I, O>,
{
    let (jobs_in, jobs_out) = bounded::<(u64, Vec<I>)>(2 * workers.steady.get());
    let window = workers.window();
    let (results_in, results_out) = bounded::<(u64, Vec<O>)>(window);
    let (tickets_in, tickets_out) = bounded::<()>(window);
    for _ in 0..window {
        // The channel has room for all of them.
        tickets_in.try_send(()).unwrap_or_default();
    }
    let crew = &Crew {
        worker,
        helpers: AtomicUsize::new(0),
        most_helpers: workers.most() - workers.steady.get(),
    };
    // Moved in, so that an early return closes every channel before the threads are joined.
    std::thread::scope(move |scope| {
        scope.spawn(move || feed_batches(feed, &jobs_in, &tickets_out));
        for _ in 0..workers.steady.get() {
            let (jobs, results) = (jobs_out.clone(), results_in.clone());
            scope.spawn(move || {
                crew.work_off(scope, &jobs, &results, false);
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

impl<F> Crew<F> {
    /// Does batch after batch. Each that waited for the disk calls one more thread to help; who helps leaves after
    /// the first batch that did not wait.
    fn work_off<'scope, I, O, W>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        jobs: &Receiver<(u64, Vec<I>)>,
        results: &Sender<(u64, Vec<O>)>,
        helps: bool,
    ) where
        F: Fn() -> W + Sync,
        W: Work<I, O>,
        I: Send + 'scope,
        O: Send + 'scope,
    {
        let mut work = (self.worker)();
        let mut wanted = true;
        loop {
            let job = match work.owes() {
                true => jobs.recv_timeout(PATIENCE).ok(),
                false => jobs.recv().ok(),
            };
            let Some((number, batch)) = job else {
                if work.owes() {
                    work.settle(&mut |number, outcome| {
                        wanted &= results.send((number, outcome)).is_ok();
                    });
                    continue;
                }
                return;
            };
            let waited = work.take(number, batch, &mut |number, outcome| {
                wanted &= results.send((number, outcome)).is_ok();
            });
            if !wanted {
                return;
            }
            if helps && !waited {
                work.settle(&mut |number, outcome| {
                    wanted &= results.send((number, outcome)).is_ok()
                });
                return;
            }
            if waited && self.one_more() {
                let (jobs, results) = (jobs.clone(), results.clone());
                let helper = Builder::new().spawn_scoped(scope, move || {
                    self.work_off(scope, &jobs, &results, true);
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                });
                // No thread to be had: it goes on as it is.
                if helper.is_err() {
                    self.helpers.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Counts one more helper, unless there are as many as may be.
    fn one_more(&self) -> bool {
        self.helpers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < self.most_helpers).then_some(now + 1)
            })
            .is_ok()
    }
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

    fn threads(n: usize) -> Workers {
        NonZeroUsize::new(n).expect("not zero").into()
    }

    fn done<O>(results: Vec<O>, waited: bool) -> Done<O> {
        Done { results, waited }
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
                    done(batch.into_iter().map(|i| i * 2).collect(), false)
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
        let workers = Workers {
            waiting: 6,
            ..threads(2)
        };
        let batches = AtomicUsize::new(0);
        ordered(
            workers,
            |emit| while emit(()) {},
            || {
                |batch: Vec<()>| {
                    batches.fetch_add(1, Ordering::Relaxed);
                    done(batch, true)
                }
            },
            |()| {
                seen += 1;
                match seen {
                    100 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        );
        assert_eq!(seen, 100);
        // Those that were handed out or under way.
        assert!(batches.into_inner() <= WINDOW);
    }

    #[test]
    fn helpers_come_while_work_waits_and_leave_after() {
        const WAITS: u64 = 10_000;
        let workers = Workers {
            steady: NonZeroUsize::MIN,
            waiting: 4,
        };
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut after = BTreeMap::<String, u64>::new();
        ordered(
            workers,
            |emit| {
                for i in 0..5 * WAITS {
                    assert!(emit(i));
                }
            },
            || {
                |batch: Vec<u64>| {
                    let waits = batch[0] < WAITS;
                    most.fetch_max(1 + inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    let begin = std::time::Instant::now();
                    while waits
                        && most.load(Ordering::SeqCst) < workers.most()
                        && begin.elapsed().as_millis() < 200
                    {
                        std::thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    let thread = format!("{:?}", std::thread::current().id());
                    done(vec![(waits, thread)], waits)
                }
            },
            |(waited, thread)| {
                if !waited {
                    *after.entry(thread).or_default() += 1;
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!(most.into_inner(), 4);
        // One batch is all that a helper does without waiting.
        assert_eq!(after.values().filter(|batches| **batches > 1).count(), 1);
    }

    /// Puts every batch off until it has three, and then gives them back newest first.
    #[derive(Default)]
    struct Slow(Vec<(u64, Vec<u64>)>);

    impl Work<u64, u64> for Slow {
        fn take(
            &mut self,
            number: u64,
            batch: Vec<u64>,
            done: &mut dyn FnMut(u64, Vec<u64>),
        ) -> bool {
            self.0.push((number, batch));
            if self.0.len() == 3 {
                self.settle(done);
            }
            false
        }

        fn owes(&self) -> bool {
            !self.0.is_empty()
        }

        fn settle(&mut self, done: &mut dyn FnMut(u64, Vec<u64>)) {
            while let Some((number, batch)) = self.0.pop() {
                done(number, batch);
            }
        }
    }

    #[test]
    fn what_is_put_off_comes_out_in_order_and_whole() {
        for workers in [1, 2, 5] {
            for items in [1, 127, 128, 129, 10_000, 40_000] {
                let mut seen = Vec::new();
                ordered(
                    threads(workers),
                    |emit| {
                        for i in 0..items {
                            assert!(emit(i));
                        }
                    },
                    Slow::default,
                    |result: u64| {
                        seen.push(result);
                        ControlFlow::Continue(())
                    },
                );
                assert_eq!(seen, (0..items).collect::<Vec<_>>(), "{workers} {items}");
            }
        }
    }

    /// Gives nothing back before it is asked to: more batches than may be under way.
    struct Never(Vec<(u64, Vec<u64>)>);

    impl Work<u64, u64> for Never {
        fn take(&mut self, number: u64, batch: Vec<u64>, _: &mut dyn FnMut(u64, Vec<u64>)) -> bool {
            self.0.push((number, batch));
            false
        }

        fn owes(&self) -> bool {
            !self.0.is_empty()
        }

        fn settle(&mut self, done: &mut dyn FnMut(u64, Vec<u64>)) {
            for (number, batch) in self.0.drain(..) {
                done(number, batch);
            }
        }
    }

    #[test]
    fn who_puts_everything_off_stops_nobody() {
        let items = (3 * WINDOW * BATCH) as u64;
        let mut seen = 0;
        ordered(
            threads(3),
            |emit| {
                for i in 0..items {
                    assert!(emit(i));
                }
            },
            || Never(Vec::new()),
            |_: u64| {
                seen += 1;
                ControlFlow::Continue(())
            },
        );
        assert_eq!(seen, items);
    }
}
