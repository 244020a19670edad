//! A check that takes no step any more says where, and ends without a verdict rather than never.
//!
//! Single looks have deadlines of their own, but for files of the host's own file systems: those are asked without one.

use crate::assess::stillness::{self, Stillness};
use crate::cli::hint;
use agent_core::bounds;
use agent_core::task::{Job, Role, Steps};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// It is told after so many times [`bounds::STILL_URGENT`],
const TOLD: u32 = 2;
/// and given up after so many, which are [`bounds::STILL`].
const GIVEN_UP: u32 = 10;
/// Interval between two looks at the steps.
const LOOK: Duration = Duration::from_millis(250);
/// The exit status of a check without a verdict.
const NO_VERDICT: i32 = 2;

/// While it lives, this thread and those that work for it are looked after.
#[derive(Debug)]
pub(super) struct Patience {
    excused: Arc<AtomicBool>,
}

impl Patience {
    /// From now on.
    pub(super) fn begin() -> Patience {
        let steps = Arc::new(Steps::default());
        Role::new(Job::Other, steps.clone()).take();
        let excused = Arc::new(AtomicBool::new(false));
        let unit = bounds::deadline(bounds::STILL_URGENT);
        let is_excused = Arc::downgrade(&excused);
        let look = move || {
            let (mut told, mut given_up) = (Stillness::default(), Stillness::default());
            while let Some(excused) = is_excused.upgrade() {
                let excused = excused.load(Ordering::Relaxed);
                let (taken, now) = (steps.taken(), Instant::now());
                if told.exceeds(unit * TOLD, taken, excused, now) {
                    let told = stillness::told("the check", told.length(), &steps);
                    hint(&format!("warning: {told}"));
                }
                if given_up.exceeds(unit * GIVEN_UP, taken, excused, now) {
                    let told = stillness::told("the check", given_up.length(), &steps);
                    hint(&format!("warning: {told}; given up, there is no verdict"));
                    std::process::exit(NO_VERDICT);
                }
                std::thread::sleep(LOOK);
            }
        };
        // Without it the check is as good, and may wait.
        Builder::new().name("patience".into()).spawn(look).ok();
        Patience { excused }
    }

    /// Does what waits for whoever reads the report.
    pub(super) fn excuse<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.excused.store(true, Ordering::Relaxed);
        let done = wait();
        self.excused.store(false, Ordering::Relaxed);
        done
    }
}
