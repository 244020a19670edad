//! `--max-rate`: no more than so many bytes a second, over all workers together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A shared limit on reading.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// When the bytes let through so far will have been paid for.
    paid: Mutex<Instant>,
}

impl Pace {
    /// At most that many bytes a second, at least one.
    pub fn new(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second: bytes_per_second.max(1),
            paid: Mutex::new(Instant::now()),
        }
    }

    /// Called after reading: sleeps until the bytes fit the rate. Time that went unused is not saved up.
    pub fn pay(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let now = Instant::now();
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            *paid = (*paid).max(now) + cost;
            *paid
        };
        std::thread::sleep(until - now);
    }
}
