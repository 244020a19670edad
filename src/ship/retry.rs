//! When to try again. Pure: it says how long, somebody else waits.

use std::time::Duration;

/// The ceiling of the first wait; doubled by each failure.
pub const BASE: Duration = Duration::from_secs(1);
/// The ceiling of every wait.
pub const CAP: Duration = Duration::from_secs(5 * 60);

/// How soon it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It passes by itself: [`BASE`] doubling to [`CAP`].
    Soon,
    /// Somebody has to mend something first: up to [`CAP`] from the start.
    Slow,
}

/// Waits with full jitter, for ever: each is drawn evenly between nothing and a ceiling, so that a fleet that
/// failed together doesn't come back together.
/// (AWS Architecture Blog, "Exponential Backoff And Jitter": `sleep = random_between(0, min(cap, base * 2 ** attempt))`)
#[derive(Clone, Debug)]
pub struct Schedule {
    random: fastrand::Rng,
    failures: u32,
}

impl Schedule {
    /// A schedule without failures. Hosts need different seeds.
    pub fn new(seed: u64) -> Schedule {
        Schedule {
            random: fastrand::Rng::with_seed(seed),
            failures: 0,
        }
    }

    /// Counts a failure and says how long to wait.
    pub fn wait(&mut self, pace: Pace) -> Duration {
        let ceiling = match pace {
            Pace::Soon => ceiling(self.failures),
            Pace::Slow => CAP,
        };
        self.failures = self.failures.saturating_add(1);
        self.jitter(ceiling)
    }

    /// Anything between nothing and `ceiling`.
    pub fn jitter(&mut self, ceiling: Duration) -> Duration {
        let milliseconds = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(0..=milliseconds))
    }

    /// Failures since something went well.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something went well.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// What a wait stays below after so many failures.
fn ceiling(failures: u32) -> Duration {
    // 2^9 seconds are past the cap already.
    BASE.saturating_mul(1 << failures.min(9)).min(CAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let seconds: Vec<u64> = (0..12).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(ceiling(u32::MAX), CAP);
    }

    #[test]
    fn waits_fill_the_whole_range_below_the_ceiling() {
        let (mut least, mut most) = ([Duration::MAX; 10], [Duration::ZERO; 10]);
        for seed in 0..400 {
            let mut schedule = Schedule::new(seed);
            for n in 0..10 {
                let wait = schedule.wait(Pace::Soon);
                least[n] = least[n].min(wait);
                most[n] = most[n].max(wait);
            }
        }
        for n in 0..10 {
            let ceiling = ceiling(u32::try_from(n).expect("small"));
            assert!(most[n] <= ceiling && most[n] > ceiling.mul_f32(0.95), "{n}");
            assert!(least[n] < ceiling.mul_f32(0.05), "{n}");
        }
    }

    #[test]
    fn what_went_well_begins_anew_and_a_seed_repeats() {
        let mut schedule = Schedule::new(7);
        for _ in 0..100_000 {
            assert!(schedule.wait(Pace::Soon) <= CAP);
        }
        schedule.reset();
        assert!(schedule.wait(Pace::Soon) <= BASE);
        let slow: Vec<Duration> = (0..50).map(|_| schedule.wait(Pace::Slow)).collect();
        assert!(slow.iter().any(|wait| *wait > CAP / 2) && slow.iter().all(|wait| *wait <= CAP));
        let (mut one, mut other) = (Schedule::new(9), Schedule::new(9));
        assert!((0..50).all(|_| one.wait(Pace::Soon) == other.wait(Pace::Soon)));
    }
}
