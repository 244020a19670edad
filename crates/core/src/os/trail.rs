//! What a thread reads: noted as it goes, so that whoever waits for it in vain can say what it hangs on.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    static OWN: RefCell<Option<Arc<Trail>>> = const { RefCell::new(None) };
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
