//! Requests to file systems that a server or a program answers for (NFS, FUSE): made on a helper thread, and given up
//! at a deadline.
//!
//! A thread that waits for a server that is gone cannot be ended. It is left behind, and its file system is asked for
//! nothing more until it comes back. File systems of this host's own are asked directly, see [`agent_core::os::mounts`],
//! unless a look at one of them did not end ([`doubt_local`]).

use super::probe::Unseen;
use super::step::Blindness;
use agent_core::bounds;
pub use agent_core::os::mounts::Device;
use agent_core::task;
use rustix::io::Errno;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Builder;
use std::time::Duration;

/// A wait is made of steps of at most this length. Time in which the whole process stood still counts as one.
const STEP: Duration = Duration::from_secs(1);
/// Nothing is given up sooner, however much hangs.
const SHORTEST: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// None came in time, or an earlier one is still missing.
    Silent,
    /// No thread could be started to ask.
    NoThread(Errno),
}

impl Unanswered {
    /// The number for it.
    pub fn errno(self) -> Errno {
        match self {
            Unanswered::Silent => Errno::TIMEDOUT,
            Unanswered::NoThread(errno) => errno,
        }
    }
}

const NO_THREAD: &str = "start a thread to look at it";

impl From<Unanswered> for Unseen {
    fn from(unanswered: Unanswered) -> Unseen {
        match unanswered {
            Unanswered::Silent => Unseen::Silent,
            Unanswered::NoThread(errno) => Unseen::Refused(NO_THREAD, errno),
        }
    }
}

impl From<Unanswered> for Blindness {
    fn from(unanswered: Unanswered) -> Blindness {
        match unanswered {
            Unanswered::Silent => Blindness::Silent,
            Unanswered::NoThread(errno) => Blindness::Refused(NO_THREAD, errno),
        }
    }
}

/// How a request gets on, for whoever waits for its answer.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    pauses: AtomicBool,
}

impl Pulse {
    /// A part of the answer has come: the deadline begins anew.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Does what takes time of its own accord and waits for no server.
    pub fn pause<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.pauses.store(true, Ordering::Relaxed);
        let done = wait();
        self.pauses.store(false, Ordering::Relaxed);
        self.beat();
        done
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does the requests of another one.
struct Helper {
    jobs: Sender<Job>,
    pulse: Arc<Pulse>,
}

thread_local! {
    /// This thread's. It ends with it.
    static HELPER: RefCell<Option<Helper>> = const { RefCell::new(None) };
}

/// Requests that were given up and have not come back.
static HANGING: Mutex<Vec<(Device, Weak<Pulse>)>> = Mutex::new(Vec::new());

/// Asks the file system on that device; an answer may take that long, less where others are missing.
pub fn ask<T: Send + 'static>(
    patience: Duration,
    device: Device,
    request: impl FnOnce(&Arc<Pulse>) -> T + Send + 'static,
) -> Result<T, Unanswered> {
    ask_within(bounds::deadline(patience), device, request)
}

fn ask_within<T: Send + 'static>(
    patience: Duration,
    device: Device,
    request: impl FnOnce(&Arc<Pulse>) -> T + Send + 'static,
) -> Result<T, Unanswered> {
    let missing = missing(device).ok_or(Unanswered::Silent)?;
    let helper = match HELPER.take() {
        Some(helper) => helper,
        None => start().map_err(|error| {
            Unanswered::NoThread(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
        })?,
    };
    let (done, answer) = channel();
    let pulse = helper.pulse.clone();
    let job: Job = Box::new(move || {
        // Whoever gave it up hears nothing.
        done.send(request(&pulse)).unwrap_or_default();
    });
    let deadline = halved(patience, missing);
    let step = STEP.min(deadline);
    let (mut waited, mut beats) = (Duration::ZERO, helper.pulse.beats.load(Ordering::Relaxed));
    // A thread that has ended drops the job, so that no answer can come.
    helper.jobs.send(job).unwrap_or_default();
    loop {
        match answer.recv_timeout(step) {
            Ok(answer) => {
                HELPER.set(Some(helper));
                return Ok(answer);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = helper.pulse.beats.load(Ordering::Relaxed);
        if now != beats || helper.pulse.pauses.load(Ordering::Relaxed) {
            (beats, waited) = (now, Duration::ZERO);
            continue;
        }
        waited += step;
        if waited >= deadline {
            let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
            hanging.push((device, Arc::downgrade(&helper.pulse)));
            return Err(Unanswered::Silent);
        }
    }
    // What was to be looked at must not pass for silent.
    panic!("a look at a remote file system broke off");
}

/// Whether file systems of the host's own are asked like those that a server answers for.
static DOUBTED: AtomicBool = AtomicBool::new(false);

/// A look at a file system of this host's own did not end: from now on they are asked like those that a server answers
/// for, or no longer. Walks that have begun go on as before.
pub fn doubt_local(doubted: bool) {
    DOUBTED.store(doubted, Ordering::Relaxed);
}

/// Whether they are.
pub(super) fn doubts_local() -> bool {
    DOUBTED.load(Ordering::Relaxed)
}

/// How many requests hang; `None` if one to that device does, or too many.
fn missing(device: Device) -> Option<usize> {
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    hanging.retain(|(_, pulse)| pulse.strong_count() > 0);
    // What holds up a file of the host's own need not hold up the next one.
    let most_of_one = if doubts_local() { bounds::HELD } else { 1 };
    let of_one = hanging.iter().filter(|(at, _)| *at == device).count();
    let asks = hanging.len() < bounds::HANGING && of_one < most_of_one;
    asks.then_some(hanging.len())
}

/// Whoever makes many file systems hang must not stretch a scan by all of their deadlines.
fn halved(whole: Duration, times: usize) -> Duration {
    (whole / (1 << times.min(16))).max(SHORTEST.min(whole))
}

fn start() -> io::Result<Helper> {
    let (jobs, queue) = channel::<Job>();
    let pulse = Arc::new(Pulse::default());
    // For as long as the thread lives.
    let own = pulse.clone();
    let role = task::Role::of_this_thread();
    Builder::new().name("remote".into()).spawn(move || {
        let _own = own;
        role.take();
        for job in queue {
            job();
        }
    })?;
    Ok(Helper { jobs, pulse })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::Instant;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_millis(400);

    #[test]
    fn a_request_that_hangs_is_given_up_and_its_file_system_is_asked_again_when_it_comes_back() {
        let (one, other) = ((7, 1), (7, 2));
        assert_eq!(ask_within(SHORT, one, |_| 1), Ok(1));
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let hung = ask_within(SHORT, one, move |_| {
            reader.read(&mut [0]).unwrap_or_default()
        });
        assert_eq!(hung, Err(Unanswered::Silent));
        let begun = Instant::now();
        let again = ask_within(Duration::from_secs(60), one, |_| 2);
        assert_eq!(again, Err(Unanswered::Silent));
        assert!(begun.elapsed() < Duration::from_secs(30), "it was asked");
        assert_eq!(ask_within(SHORT, other, |_| 3), Ok(3));
        drop(writer);
        while missing(one).is_none() {
            std::thread::yield_now();
        }
        assert_eq!(ask_within(SHORT, one, |_| 4), Ok(4));
    }

    #[test]
    fn whoever_gets_on_or_pauses_is_waited_for() {
        let gets_on = ask_within(SHORT, (7, 3), |pulse| {
            let begun = Instant::now();
            while begun.elapsed() < LONG {
                pulse.beat();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let pauses = ask_within(SHORT, (7, 4), |pulse| {
            pulse.pause(|| std::thread::sleep(LONG));
        });
        assert_eq!((gets_on, pauses), (Ok(()), Ok(())));
    }

    #[test]
    fn the_more_hang_the_shorter_is_the_wait() {
        assert_eq!(halved(bounds::ANSWER, 0), bounds::ANSWER);
        assert_eq!(halved(bounds::ANSWER, 2), bounds::ANSWER / 4);
        assert_eq!(halved(bounds::ANSWER, bounds::HANGING), SHORTEST);
    }
}
