//! When what is due. Pure: the time is passed in.

use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// A host's own share of a range, from 0 to below 1: always the same, and spread evenly over a fleet.
///
/// `purpose` keeps hosts that share one moment from sharing the next.
pub(in crate::daemon) fn share(machine: &str, purpose: &str) -> f64 {
    let mut hasher = Sha256::new();
    hasher.update(purpose);
    hasher.update([0]);
    hasher.update(machine);
    let digest = hasher.finalize();
    let number = digest[..4]
        .iter()
        .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

/// The interval, a tenth shorter to a tenth longer by the host's share: what began together drifts apart.
pub(in crate::daemon) fn jittered(interval: Duration, share: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * share)
}

/// Something that is done again and again.
#[derive(Debug)]
pub(in crate::daemon) struct Recurring {
    interval: Duration,
    due: Instant,
}

impl Recurring {
    /// Due at `first`, and then each `interval` after it was done.
    pub(in crate::daemon) fn new(interval: Duration, first: Instant) -> Recurring {
        Recurring {
            interval,
            due: first,
        }
    }

    /// Another interval, from now on.
    pub(in crate::daemon) fn set_interval(&mut self, interval: Duration, now: Instant) {
        if interval != self.interval {
            self.interval = interval;
            self.due = self.due.min(now + interval);
        }
    }

    /// The longest time from one time to the next, with a tenth for what may delay it.
    pub(in crate::daemon) fn longest(&self) -> Duration {
        self.interval.mul_f64(1.1)
    }

    /// When it is due next.
    pub(in crate::daemon) fn due(&self) -> Instant {
        self.due
    }

    /// Whether it is due; if so, it is due again an interval later.
    pub(in crate::daemon) fn take(&mut self, now: Instant) -> bool {
        let due = now >= self.due;
        if due {
            self.due = now + self.interval;
        }
        due
    }

    /// It is due at once.
    pub(in crate::daemon) fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_spread_and_stay() {
        let shares: Vec<f64> = (0..1000)
            .map(|host| share(&format!("{host:032x}"), "scan"))
            .collect();
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let in_it = shares.iter().filter(|s| (low..low + 0.1).contains(*s));
            let count = in_it.count();
            assert!((60..140).contains(&count), "{count} in tenth {tenth}");
        }
        assert!((share("a", "scan") - share("a", "scan")).abs() < f64::EPSILON);
        assert!((share("a", "scan") - share("a", "send")).abs() > f64::EPSILON);
    }

    #[test]
    fn what_recurs_is_due_once_an_interval() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut recurring = Recurring::new(10 * second, start + second);
        assert!(!recurring.take(start));
        assert!(recurring.take(start + second));
        assert!(!recurring.take(start + 2 * second));
        // Asleep for long: once, however often it was missed.
        assert!(recurring.take(start + 100 * second));
        assert!(!recurring.take(start + 101 * second));
        recurring.hurry(start + 102 * second);
        assert!(recurring.take(start + 102 * second));
        recurring.set_interval(2 * second, start + 103 * second);
        assert_eq!(recurring.due(), start + 105 * second);
    }
}
