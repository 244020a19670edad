//! What a thread reads: noted as it goes, so that whoever waits for it in vain can say what it hangs on.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    static OWN: RefCell<Option<Arc<Trail>>> = const { RefCell::new(None) };
    static CUT: RefCell<Vec<Cut>> = const { RefCell::new(Vec::new()) };
}

/// Files that are kept of those that were not read; a verdict names the first.
// Own bound: of what is told; one is enough to make a verdict unknown.
const MAX_CUT: usize = 16;

/// A file that was not read since it is larger than its reader takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its path below the root, without `/` at the start.
    pub path: Vec<u8>,
    /// Bytes that would have been taken.
    pub limit: u64,
}

/// The files that this thread has left unread since it was last asked, whatever became of the error.
pub fn take_cut() -> Vec<Cut> {
    CUT.take()
}

/// Notes a file that is too large. What lies below /proc is not noted: there everybody can make a process whose command
/// line is as long as they like.
pub fn cut(path: &[u8], limit: u64) {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    if !path.starts_with(b"proc/") {
        CUT.with_borrow_mut(|all| {
            if all.len() < MAX_CUT {
                let path = path.to_vec();
                all.push(Cut { path, limit });
            }
        });
    }
}

/// The path below its root that a thread turned to last.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Vec<u8>>);

impl Trail {
    /// Where the thread that follows it has got to; empty where it has turned to no path yet.
    pub fn last(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From here on this thread leaves this trail.
    pub fn follow(self: &Arc<Trail>) {
        OWN.with_borrow_mut(|own| *own = Some(self.clone()));
    }
}

/// Notes the path that this thread turns to, if anybody wants to know.
pub(super) fn note(path: &[u8]) {
    OWN.with_borrow(|own| {
        if let Some(trail) = own {
            let mut last = trail.0.lock().unwrap_or_else(PoisonError::into_inner);
            last.clear();
            last.extend_from_slice(path);
        }
    });
}
