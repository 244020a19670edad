//! Requests to file systems made by a thread of their own: one that gets no answer is given up.
//!
//! A thread that waits for a file system without its server (NFS, FUSE) cannot be ended. It is left behind with the
//! path that it hangs on, which is not asked for again until the thread comes back.

use crate::bounds;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Builder;
use std::time::Duration;

/// How often it is looked whether a thread gets on.
const GLANCE: Duration = Duration::from_secs(1);
/// No thread is given up sooner, however many hang.
const SHORTEST: Duration = Duration::from_secs(3);

/// Where a thread has got to with its job, for whoever waits for it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// What it is at, by the number that the job gives it.
    at: AtomicUsize,
    /// Counts what it was at so far.
    beats: AtomicU64,
    /// Whether it waits of its own accord, for nobody's answer.
    pauses: AtomicBool,
    /// Its number for the kernel; 0 before it runs.
    thread: AtomicU32,
    given_up: AtomicBool,
}

impl Watch {
    /// The job goes on with that.
    pub(super) fn at(&self, number: usize) {
        self.at.store(number, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// What is done here takes time and waits for no file system.
    pub(super) fn pause<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.pauses.store(true, Ordering::Relaxed);
        let done = wait();
        self.pauses.store(false, Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
        done
    }

    /// Whether the thread waits in the kernel: one that waits for a processor gets on in time.
    fn waits(&self) -> bool {
        if self.pauses.load(Ordering::Relaxed) {
            return false;
        }
        let thread = self.thread.load(Ordering::Relaxed);
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"));
        // The state is the first field behind the name (proc_pid_stat(5)); without /proc time alone decides.
        stat.ok()
            .and_then(|stat| stat.rsplit(") ").next()?.chars().next())
            .is_none_or(|state| state != 'R')
    }
}

/// A job that was given up: no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silent {
    /// What the job was at; `None` where no thread could be had for it.
    pub(super) at: Option<usize>,
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after the other; a new one where one was given up.
pub(super) struct Hand {
    jobs: Option<(Sender<Job>, Arc<Watch>)>,
    /// How long one answer may take.
    patience: Duration,
}

impl Default for Hand {
    fn default() -> Hand {
        Hand {
            jobs: None,
            patience: test_deadline().unwrap_or(bounds::FILE),
        }
    }
}

impl Hand {
    /// Does the job, which tells the watch what it is at. `hangs_on` says what that is, relative to the root, when the
    /// job is about to be given up; `None` where it waits for no answer.
    pub(super) fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&Arc<Watch>) -> T + Send + 'static,
        mut hangs_on: impl FnMut(usize) -> Option<Vec<u8>>,
    ) -> Result<T, Silent> {
        let gone = Silent { at: None };
        let (jobs, watch) = match self.jobs.take() {
            Some(thread) => thread,
            None => start().map_err(|_| gone)?,
        };
        watch.at(0);
        let (done, outcome) = channel();
        let own = watch.clone();
        let job: Job = Box::new(move || {
            // Who was given up is not heard.
            done.send(job(&own)).unwrap_or_default();
        });
        jobs.send(job).map_err(|_| gone)?;
        let mut waited = Duration::ZERO;
        let mut beats = watch.beats.load(Ordering::Relaxed);
        loop {
            match outcome.recv_timeout(GLANCE.min(self.patience)) {
                Ok(done) => {
                    self.jobs = Some((jobs, watch));
                    return Ok(done);
                }
                // A fault of the agent's own; no thread is left.
                Err(RecvTimeoutError::Disconnected) => return Err(gone),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = watch.beats.load(Ordering::Relaxed);
            if now != beats || !watch.waits() {
                (beats, waited) = (now, Duration::ZERO);
                continue;
            }
            // Time in which the agent itself was stopped does not count.
            waited += GLANCE.min(self.patience);
            if waited >= deadline(self.patience) {
                waited = Duration::ZERO;
                let at = watch.at.load(Ordering::Relaxed);
                if let Some(path) = hangs_on(at) {
                    leave(&watch, path);
                    return Err(Silent { at: Some(at) });
                }
            }
        }
    }
}

/// Threads that were given up and hang still, with what they hang on.
static HANGING: Mutex<Vec<(Vec<u8>, Weak<Watch>)>> = Mutex::new(Vec::new());
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread hangs on that path, relative to the root.
pub(super) fn hangs(path: impl FnOnce() -> Vec<u8>) -> bool {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let path = path();
    let hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    hanging
        .iter()
        .any(|(at, watch)| *at == path && watch.strong_count() > 0)
}

/// The more threads hang, the sooner the next one is given up: whoever makes many hang must not stretch a scan.
fn deadline(whole: Duration) -> Duration {
    halved(whole, COUNT.load(Ordering::Relaxed))
}

fn halved(whole: Duration, times: usize) -> Duration {
    (whole / (1 << times.min(16))).max(SHORTEST.min(whole))
}

fn leave(watch: &Arc<Watch>, path: Vec<u8>) {
    watch.given_up.store(true, Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    hanging.retain(|(_, watch)| watch.strong_count() > 0);
    hanging.push((path, Arc::downgrade(watch)));
}

fn start() -> io::Result<(Sender<Job>, Arc<Watch>)> {
    if COUNT.load(Ordering::Relaxed) >= bounds::HANGING {
        return Err(io::Error::other("too many requests hang"));
    }
    let (jobs, queue) = channel::<Job>();
    let watch = Arc::new(Watch::default());
    let own = watch.clone();
    Builder::new().name("files".into()).spawn(move || {
        own.thread.store(own_number(), Ordering::Relaxed);
        for job in queue {
            job();
        }
        if own.given_up.load(Ordering::Relaxed) {
            COUNT.fetch_sub(1, Ordering::Relaxed);
        }
    })?;
    Ok((jobs, watch))
}

/// The number of this thread; 0 without /proc.
fn own_number() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let number = link
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok());
    number.unwrap_or(0)
}

/// `HIA_TEST_DEADLINE`, in milliseconds, of a test build.
fn test_deadline() -> Option<Duration> {
    if !cfg!(debug_assertions) {
        return None;
    }
    let text = std::env::var("HIA_TEST_DEADLINE").ok()?;
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that nobody writes to until the returned end is dropped.
    fn silent() -> (io::PipeReader, io::PipeWriter) {
        io::pipe().expect("a pipe")
    }

    #[test]
    fn a_job_that_hangs_is_given_up_and_its_path_is_free_when_it_comes_back() {
        let mut hand = Hand {
            jobs: None,
            patience: Duration::from_millis(100),
        };
        let path = |at: usize| Some(format!("hand-test/{at}").into_bytes());
        assert_eq!(hand.run(|_| 7, path), Ok(7));
        let (mut reader, writer) = silent();
        let hung = hand.run(
            move |watch| {
                watch.at(3);
                io::Read::read(&mut reader, &mut [0]).unwrap_or_default()
            },
            path,
        );
        assert_eq!(hung, Err(Silent { at: Some(3) }));
        let hang = |at| hangs(|| path(at).unwrap_or_default());
        assert!(hang(3) && !hang(4));
        // The next job has a thread of its own.
        assert_eq!(hand.run(|_| 8, path), Ok(8));
        drop(writer);
        while hang(3) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn whoever_gets_on_or_pauses_or_computes_is_waited_for() {
        let mut hand = Hand {
            jobs: None,
            patience: Duration::from_millis(100),
        };
        let long = Duration::from_millis(400);
        let gets_on = hand.run(
            move |watch| {
                let begun = std::time::Instant::now();
                while begun.elapsed() < long {
                    watch.at(1);
                    std::thread::sleep(Duration::from_millis(1));
                }
            },
            |_| Some(Vec::new()),
        );
        let pauses = hand.run(
            move |watch| watch.pause(|| std::thread::sleep(long)),
            |_| Some(Vec::new()),
        );
        let computes = hand.run(
            move |_| {
                let begun = std::time::Instant::now();
                while begun.elapsed() < long {
                    std::hint::spin_loop();
                }
            },
            |_| Some(Vec::new()),
        );
        assert_eq!((gets_on, pauses, computes), (Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn the_more_hang_the_shorter_is_the_wait() {
        let whole = Duration::from_secs(60);
        assert_eq!(halved(whole, 0), whole);
        assert_eq!(halved(whole, 2), Duration::from_secs(15));
        assert_eq!(halved(whole, 1000), SHORTEST);
    }
}
