//! What each thread is at: the job and the smallest subject at hand, for the last word of a process that panics.
//!
//! Kept in a buffer of the thread's own: naming a subject copies its path and allocates nothing, so that it may be
//! done for every file. Whoever waits for the threads of a job sees by [`Steps`] whether it moves, and where it stands.

mod steps;

pub use steps::Steps;

use crate::bytes;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Bytes of a path that are kept; of a longer one, the nearest directory above that fits. As long as Linux takes one
/// (`PATH_MAX`, limits.h).
// Own bound: the kernel's.
const LONGEST: usize = 4096;

/// What a thread is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A thread that never said what it does, as that of a command.
    Other,
    /// The event loop of `agent run`.
    Loop,
    /// Ledger, chain and spool.
    Store,
    /// Opening what verdicts rest on.
    Ground,
    /// Looking at files, whatever the look is called.
    Files,
    /// Judging settings.
    Settings,
    /// Asking the metadata service and judging the instance.
    Instance,
    /// Writing the launch record.
    Launch,
    /// Watching for changes.
    Watch,
}

impl Job {
    /// All of them.
    pub const ALL: [Job; 9] = [
        Job::Other,
        Job::Loop,
        Job::Store,
        Job::Ground,
        Job::Files,
        Job::Settings,
        Job::Instance,
        Job::Launch,
        Job::Watch,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Job::Other => "other",
            Job::Loop => "loop",
            Job::Store => "store",
            Job::Ground => "ground",
            Job::Files => "files",
            Job::Settings => "settings",
            Job::Instance => "instance",
            Job::Launch => "launch",
            Job::Watch => "watch",
        }
    }

    /// The job of that name.
    pub fn from_name(name: &str) -> Option<Job> {
        Job::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// What kind of thing is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskKind {
    /// Nothing smaller than the job itself.
    Whole,
    /// Contents of several files that are digested side by side.
    Batch,
    /// A part of the job by name, as a settings area.
    Part,
    /// A file, by its path relative to the root.
    File,
    /// A directory, likewise.
    Directory,
}

impl TaskKind {
    /// All of them.
    pub const ALL: [TaskKind; 5] = [
        TaskKind::Whole,
        TaskKind::Batch,
        TaskKind::Part,
        TaskKind::File,
        TaskKind::Directory,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            TaskKind::Whole => "whole",
            TaskKind::Batch => "batch",
            TaskKind::Part => "part",
            TaskKind::File => "file",
            TaskKind::Directory => "directory",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<TaskKind> {
        TaskKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a thread is at.
#[derive(Debug)]
pub struct At {
    job: Job,
    kind: TaskKind,
    length: usize,
    /// Of the subject: its path or name.
    bytes: [u8; LONGEST],
}

impl At {
    /// Why the thread is there.
    pub fn job(&self) -> Job {
        self.job
    }

    /// What kind of thing is at hand.
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// Path or name of what is at hand; empty for the job itself, and for the root.
    pub fn subject(&self) -> &[u8] {
        bytes::first(&self.bytes, self.length)
    }

    fn set(&mut self, kind: TaskKind, directory: &[u8], name: &[u8]) {
        self.kind = kind;
        self.length = 0;
        let slash: &[u8] = match directory.is_empty() || name.is_empty() {
            true => b"",
            false => b"/",
        };
        let length = directory.len().saturating_add(name.len());
        if length.saturating_add(slash.len()) <= LONGEST {
            self.fill([directory, slash, name]);
            return;
        }
        self.kind = TaskKind::Directory;
        let whole = match directory.len() <= LONGEST {
            true => directory,
            false => bytes::rsplit_once(bytes::first(directory, LONGEST), b'/')
                .map_or(&b""[..], |(above, _)| above),
        };
        self.fill([whole]);
    }

    fn fill<const N: usize>(&mut self, parts: [&[u8]; N]) {
        self.length = 0;
        let mut room = self.bytes.as_mut_slice();
        for part in parts {
            let Some((here, rest)) = std::mem::take(&mut room).split_at_mut_checked(part.len())
            else {
                return;
            };
            here.copy_from_slice(part);
            self.length = self.length.saturating_add(part.len());
            room = rest;
        }
    }
}

/// Where a thread is, and how many steps it has taken: no other thread writes there, so that counting costs no more than
/// the store.
#[derive(Debug)]
struct Seat {
    at: Mutex<At>,
    steps: AtomicU64,
}

impl Seat {
    fn count(&self) {
        let taken = self.steps.load(Ordering::Relaxed);
        self.steps.store(taken.wrapping_add(1), Ordering::Relaxed);
    }
}

/// What is known of a thread.
struct Thread {
    seat: Arc<Seat>,
    /// Of the job it works for, where somebody waits for that.
    steps: Option<Arc<Steps>>,
}

thread_local! {
    static THREAD: RefCell<Thread> = RefCell::new(Thread {
        seat: Arc::new(Seat {
            at: Mutex::new(At {
                job: Job::Other,
                kind: TaskKind::Whole,
                length: 0,
                bytes: [0; LONGEST],
            }),
            steps: AtomicU64::new(0),
        }),
        steps: None,
    });
}

/// What a thread is there for, for those that go on with it.
#[derive(Clone, Debug)]
pub struct Role {
    job: Job,
    steps: Option<Arc<Steps>>,
}

impl From<Job> for Role {
    /// Of a job that nobody waits for.
    fn from(job: Job) -> Role {
        Role { job, steps: None }
    }
}

impl Role {
    /// Of this thread.
    pub fn of_this_thread() -> Role {
        THREAD.with_borrow(|thread| Role {
            job: lock(&thread.seat.at).job,
            steps: thread.steps.clone(),
        })
    }

    /// Of a job that somebody waits for.
    pub fn new(job: Job, steps: Arc<Steps>) -> Role {
        let steps = Some(steps);
        Role { job, steps }
    }

    /// This thread works for it from now on, and is at nothing smaller.
    pub fn take(&self) {
        THREAD.with_borrow_mut(|thread| {
            if let Some(steps) = &self.steps {
                steps.join(&thread.seat);
            }
            thread.steps.clone_from(&self.steps);
        });
        begin(self.job);
    }
}

/// The thread does this from now on, and is at nothing smaller.
pub fn begin(job: Job) {
    change(|at| {
        at.job = job;
        at.set(TaskKind::Whole, b"", b"");
    });
}

/// The thread has come further with what it is at, as by a piece of a file.
pub fn step() {
    THREAD.with_borrow(|thread| thread.seat.count());
}

/// The thread is at nothing smaller than its job.
pub fn at_whole() {
    set(TaskKind::Whole, b"", b"");
}

/// The thread digests several files side by side.
pub fn at_batch() {
    set(TaskKind::Batch, b"", b"");
}

/// The thread is at a part of its job.
pub fn at_part(name: &str) {
    set(TaskKind::Part, b"", name.as_bytes());
}

/// The thread is at the file `name` in `directory`, which is relative to the root.
pub fn at_file(directory: &[u8], name: &[u8]) {
    set(TaskKind::File, directory, name);
}

/// The thread is at a directory, relative to the root.
pub fn at_directory(path: &[u8]) {
    set(TaskKind::Directory, path, b"");
}

/// Reads what the thread is at; `None` if it was just being told.
pub fn read<T>(look: impl FnOnce(&At) -> T) -> Option<T> {
    let of_thread = |thread: &RefCell<Thread>| {
        let thread = thread.try_borrow().ok()?;
        match thread.seat.at.try_lock() {
            Ok(at) => Some(look(&at)),
            Err(TryLockError::Poisoned(at)) => Some(look(&at.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    };
    // A thread that ends has nothing at hand any more.
    THREAD.try_with(of_thread).ok().flatten()
}

fn set(kind: TaskKind, directory: &[u8], name: &[u8]) {
    change(|at| at.set(kind, directory, name));
}

fn change(how: impl FnOnce(&mut At)) {
    THREAD.with_borrow(|thread| {
        how(&mut lock(&thread.seat.at));
        thread.seat.count();
    });
    #[cfg(debug_assertions)]
    fault::strike();
}

fn lock(at: &Mutex<At>) -> std::sync::MutexGuard<'_, At> {
    at.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fault for tests to put in: a panic at what `AGENT_TEST_PANIC` names as `JOB KIND SUBJECT`.
#[cfg(debug_assertions)]
mod fault {
    use std::os::unix::ffi::OsStrExt;
    use std::sync::OnceLock;

    pub(super) fn strike() {
        static NAMED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
        let named = NAMED.get_or_init(|| {
            let value = std::env::var_os("AGENT_TEST_PANIC")?;
            Some(value.as_bytes().to_vec())
        });
        let Some(named) = named else {
            return;
        };
        let strikes = super::read(|at| {
            let mut parts = named.splitn(3, |byte| *byte == b' ');
            parts.next() == Some(at.job().name().as_bytes())
                && parts.next() == Some(at.kind().name().as_bytes())
                && parts.next().unwrap_or_default() == at.subject()
        });
        if strikes == Some(true) {
            panic!("a fault that a test put in");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(job: Job, kind: TaskKind, subject: &[u8]) -> bool {
        read(|at| (at.job(), at.kind(), at.subject()) == (job, kind, subject)) == Some(true)
    }

    #[test]
    fn a_thread_knows_what_it_is_at() {
        begin(Job::Files);
        at_file(b"etc", b"passwd");
        assert!(is(Job::Files, TaskKind::File, b"etc/passwd"));
        at_file(b"", b"etc");
        assert!(is(Job::Files, TaskKind::File, b"etc"));
        at_directory(b"etc");
        assert!(is(Job::Files, TaskKind::Directory, b"etc"));
        let other = std::thread::spawn(|| is(Job::Other, TaskKind::Whole, b""));
        assert!(other.join().expect("no panic"));
        at_whole();
        assert!(is(Job::Files, TaskKind::Whole, b""));
    }

    #[test]
    fn of_a_path_that_is_too_long_the_nearest_directory_is_kept() {
        begin(Job::Files);
        let directory = vec![b'd'; LONGEST - 1];
        at_file(&directory, b"name");
        assert!(is(Job::Files, TaskKind::Directory, &directory));
        let deep = [b"top/".as_slice(), &[b'd'; LONGEST]].concat();
        at_file(&deep, b"name");
        assert!(is(Job::Files, TaskKind::Directory, b"top"));
        at_directory(&vec![b'd'; LONGEST + 1]);
        assert!(is(Job::Files, TaskKind::Directory, b""));
    }

    #[test]
    fn every_name_leads_back() {
        for job in Job::ALL {
            assert_eq!(Job::from_name(job.name()), Some(job));
        }
        for kind in TaskKind::ALL {
            assert_eq!(TaskKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Job::from_name("no such job"), None);
    }
}
