//! `--max-rate`: no more than so many bytes a second, over all workers together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit that is lifted is noticed so soon.
const NOTICED: Duration = Duration::from_millis(200);

/// A limit on reading; all copies are one.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes_per_second: u64,
    /// When the bytes let through so far will have been paid for.
    paid: Mutex<Instant>,
    lifted: AtomicBool,
}

impl Pace {
    /// At most that many bytes a second, at least one.
    pub fn new(bytes_per_second: u64) -> Pace {
        Pace(Arc::new(Shared {
            bytes_per_second: bytes_per_second.max(1),
            paid: Mutex::new(Instant::now()),
            lifted: AtomicBool::new(false),
        }))
    }

    /// From now on there is no limit.
    pub fn lift(&self) {
        self.0.lifted.store(true, Ordering::Relaxed);
    }

    /// Called after reading: sleeps until the bytes fit the rate. Time that went unused is not saved up.
    pub fn pay(&self, bytes: usize) {
        if self.0.lifted.load(Ordering::Relaxed) {
            return;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / self.0.bytes_per_second as f64);
        let now = Instant::now();
        let until = {
            let mut paid = self.0.paid.lock().unwrap_or_else(PoisonError::into_inner);
            *paid = (*paid).max(now) + cost;
            *paid
        };
        while !self.0.lifted.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(NOTICED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_goes_on_when_the_limit_is_lifted() {
        let pace = Pace::new(1);
        let begin = Instant::now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| pace.pay(1 << 20));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waits.is_finished());
            pace.lift();
            waits.join().expect("no panic");
        });
        // A megabyte at a byte a second.
        pace.pay(1 << 20);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
