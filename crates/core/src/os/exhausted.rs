//! Limits that somebody set too low, or a host that has nothing left: the process ends with a sentence and exit status
//! 2, never by a signal, which would look like a fault of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::AsFd;
use std::process::ExitCode;

/// Bytes of stack below which a thread with a stack of its own does the work: Linux gives a program 8 MiB.
const ENOUGH: u64 = 4 << 20;
/// Bytes of that thread's stack.
const STACK: usize = 8 << 20;
/// Exit status of what cannot be done.
const CANNOT: u8 = 2;

/// The system's allocator; where it has nothing more to give the process ends with a sentence.
#[derive(Debug)]
pub struct OrEnd;

// SAFETY: every call is passed on to the system's allocator as it came, and its answer is given back unless it is
// null, in which case there is no return.
unsafe impl GlobalAlloc for OrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        or_end(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        or_end(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        or_end(unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline]
fn or_end(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        end();
    }
    pointer
}

/// Allocates nothing and takes no lock.
#[cold]
fn end() -> ! {
    const WORDS: &[u8] =
        b"error: no memory is left (a limit of the address space, as ulimit -v, or the host's own): nothing can be said\n";
    // A reader that is gone changes nothing.
    rustix::io::write(std::io::stderr().as_fd(), WORDS).unwrap_or_default();
    // SAFETY: takes no pointers; other threads cannot go on without memory either.
    unsafe { libc::_exit(i32::from(CANNOT)) }
}

/// Does the work of the process: a limit on the size of files is an error of the write (setrlimit(2), EFBIG), and a
/// stack that is too small is not used.
pub fn guarded(work: fn() -> ExitCode) -> ExitCode {
    // It would give every thread a stack that somebody else chose.
    // SAFETY: there is no other thread yet that could read the environment.
    unsafe { std::env::remove_var("RUST_MIN_STACK") };
    // SAFETY: a disposition is no handler; nothing of this process runs when the signal comes.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack);
    if stack.current.is_none_or(|bytes| bytes >= ENOUGH) {
        return work();
    }
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // Its panic has ended the process.
        Ok(Err(_)) => ExitCode::from(CANNOT),
        Err(error) => {
            eprintln!(
                "error: the stack is limited to less than the agent needs (ulimit -s), and no thread with one of its own could be started: {error}"
            );
            ExitCode::from(CANNOT)
        }
    }
}
