//! What is touched is looked at: the holes of inotify, with the real kernel.

mod actors;
pub(crate) mod edits;
mod holes;
mod ledger;
pub(crate) mod limits;
mod linked;
mod mounts;
mod sentry;
pub(crate) mod spot;
pub(crate) mod storm;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that change the kernel's limits, or fail when others do, take turns.
static LIMITS: Mutex<()> = Mutex::new(());

/// The kernel's limits stay what they are for as long as this is held.
pub(crate) fn limits_stand_still() -> MutexGuard<'static, ()> {
    LIMITS.lock().unwrap_or_else(PoisonError::into_inner)
}
