//! How fast journald is written to. Pure.
//!
//! By default it takes 10,000 entries of a service in 30 s and throws the others away (journald.conf(5),
//! `RateLimitBurst=`), which nobody learns who sent them. The packaged unit switches that off for itself; where the
//! agent is started otherwise, this stays below it.

use std::time::{Duration, Instant};

/// Entries at once.
const BURST: f64 = 2_000.0;
/// Entries a second after that: 9,500 in any 30 s, which leaves room for what the agent itself logs.
const PER_SECOND: f64 = 250.0;
/// How long to wait where none are left.
const REST: Duration = Duration::from_secs(1);

/// A bucket that fills evenly and of which each entry takes one.
#[derive(Debug)]
pub(super) struct Pace {
    left: f64,
    filled: Instant,
    lifted: bool,
}

impl Pace {
    /// A full one.
    pub(super) fn new(now: Instant) -> Pace {
        Pace {
            left: BURST,
            filled: now,
            lifted: false,
        }
    }

    /// There is no pace any more.
    pub(super) fn lift(&mut self) {
        self.lifted = true;
    }

    /// Takes one, or says how long to wait.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + since * PER_SECOND).min(BURST);
        self.filled = now;
        if self.lifted {
            return Ok(());
        }
        if self.left < 1.0 {
            return Err(REST);
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thirty_seconds_have_ten_thousand() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let mut taken = Vec::new();
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(90) {
            match pace.take(begin + at) {
                Ok(()) => taken.push(at),
                Err(wait) => at += wait,
            }
        }
        let busiest = taken.iter().enumerate().map(|(i, first)| {
            let end = *first + Duration::from_secs(30);
            taken.partition_point(|at| *at < end) - i
        });
        let busiest = busiest.max().expect("some");
        assert!((9_000..10_000).contains(&busiest), "{busiest}");
        pace.lift();
        assert!((0..100_000).all(|_| pace.take(begin + at).is_ok()));
    }
}
