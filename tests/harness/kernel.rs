//! Limits of the kernel that tests change, and how such tests take turns.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that change the kernel's limits, or fail when others do, take turns.
static LIMITS: Mutex<()> = Mutex::new(());

/// The kernel's limits stay what they are for as long as this is held.
pub fn limits_stand_still() -> MutexGuard<'static, ()> {
    LIMITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit of the kernel, lowered for as long as this is held.
pub struct Lowered {
    file: &'static str,
    before: String,
}

impl Lowered {
    pub fn to(file: &'static str, value: &str) -> Lowered {
        let before = fs::read_to_string(file).expect("a limit");
        fs::write(file, value).expect("root may set it");
        Lowered { file, before }
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        fs::write(self.file, &self.before).expect("root may set it");
    }
}

pub const QUEUE: &str = "/proc/sys/fs/inotify/max_queued_events";
