//! When to try again. Pure: it says how long, somebody else waits.

use std::time::{Duration, Instant};

/// The ceiling of a wait while a fault is young: what a single lost reply costs at most.
pub const BASE: Duration = Duration::from_secs(1);
/// The ceiling of every wait. A million hosts that fail for long then call some 6,700 times a second between them,
/// about what CloudWatch Logs takes of one account and region (PutLogEvents: 5,000).
pub const CAP: Duration = Duration::from_secs(5 * 60);

/// Waits for ever, each no longer than the fault has lasted: whatever ends after F is noticed before 2 F, or before
/// F + [`CAP`] where that is sooner; [`BASE`] more where it was short.
///
/// The waits grow exponentially, since each adds to what the next may be, and have full jitter: each is drawn evenly
/// between nothing and its ceiling, so that a fleet that failed together doesn't come back together.
/// (AWS Architecture Blog, "Exponential Backoff And Jitter", with the time that has passed in the place of
/// `base * 2 ** attempt`, which it follows within a factor of two.)
#[derive(Clone, Debug)]
pub struct Schedule {
    random: fastrand::Rng,
    /// When the first failure was known since something went well.
    since: Option<Instant>,
}

impl Schedule {
    /// A schedule without failures. Hosts need different seeds.
    pub fn new(seed: u64) -> Schedule {
        Schedule {
            random: fastrand::Rng::with_seed(seed),
            since: None,
        }
    }

    /// Takes note of a failure that became known `now`, and says how long to wait. `asked` is how long the other
    /// side wants to be left alone: that long is waited at least (up to [`CAP`], since what it says is not to be
    /// relied on), and up to twice as long, for it will have said the same to others.
    pub fn wait(&mut self, now: Instant, asked: Option<Duration>) -> Duration {
        let lasted = now.saturating_duration_since(*self.since.get_or_insert(now));
        let asked = asked.unwrap_or_default().min(CAP);
        let ceiling = lasted.max(asked).clamp(BASE, CAP);
        asked + self.jitter(ceiling)
    }

    /// Anything between nothing and `ceiling`.
    pub fn jitter(&mut self, ceiling: Duration) -> Duration {
        let milliseconds = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(0..=milliseconds))
    }

    /// How long nothing has gone well.
    pub fn lasted(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Something went well.
    pub fn reset(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a host is away from a service that answers `lost` late and fails until `fault` has passed; and when
    /// it tried. The clock is the test's own.
    fn attempts(seed: u64, fault: Duration, call: Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let mut schedule = Schedule::new(seed);
        let mut at = Duration::ZERO;
        let mut all = vec![at];
        while at < fault {
            let known = at + call;
            at = known + schedule.wait(begin + known, None);
            all.push(at);
        }
        all
    }

    #[test]
    fn what_ends_is_noticed_before_it_has_lasted_twice_as_long() {
        let mut random = fastrand::Rng::with_seed(1);
        for seed in 0..20_000 {
            // From 1 ms to 11 days, evenly by order of magnitude.
            let fault = Duration::from_secs_f64(10f64.powf(random.f64() * 9.0 - 3.0));
            let call = Duration::from_millis(random.u64(0..=500));
            let delivered = *attempts(seed, fault, call).last().expect("one") + call;
            let most = (fault * 2).min(fault + CAP) + Duration::from_secs(2);
            assert!(
                delivered <= most,
                "{seed}: {fault:?} {call:?} {delivered:?}"
            );
        }
    }

    #[test]
    fn a_long_fault_costs_few_calls() {
        let call = Duration::from_millis(50);
        let each = |seconds: u64| {
            let fault = Duration::from_secs(seconds);
            let calls = (0..500).map(|seed| attempts(seed, fault, call).len());
            calls.sum::<usize>() / 500
        };
        let (minute, hour) = (each(60), each(3600));
        assert!(minute < 20, "{minute}");
        // One in 150 s at the cap.
        assert!(hour < 28 + 3600 / 130, "{hour}");
    }

    /// A fleet that failed in the same millisecond is back as a trickle, not as a wave.
    #[test]
    fn hosts_that_failed_together_do_not_come_back_together() {
        const HOSTS: u64 = 5_000;
        for seconds in [10u64, 60, 300, 3600] {
            let fault = Duration::from_secs(seconds);
            let span = fault.min(CAP);
            let mut back = [0u64; 20];
            for seed in 0..HOSTS {
                let last = *attempts(seed, fault, Duration::ZERO).last().expect("one");
                let part = (last - fault).as_millis() * 20 / span.as_millis();
                back[usize::try_from(part).expect("small").min(19)] += 1;
            }
            // Those who had not tried for longest come last: there are fewer of them.
            let most = back.iter().max().copied().unwrap_or(0);
            assert!(most < HOSTS / 20 * 4, "{seconds} s: {back:?}");
            assert!(back[..18].iter().all(|n| *n > 0), "{seconds} s: {back:?}");
        }
    }

    #[test]
    fn waits_fill_the_whole_range_below_the_ceiling() {
        for lasted in [0, 1, 7, 100, 299, 300, 5000] {
            let lasted = Duration::from_secs(lasted);
            let ceiling = lasted.clamp(BASE, CAP);
            let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
            for seed in 0..400 {
                let mut schedule = Schedule::new(seed);
                let begin = Instant::now();
                schedule.wait(begin, None);
                let wait = schedule.wait(begin + lasted, None);
                least = least.min(wait);
                most = most.max(wait);
            }
            assert!(
                most <= ceiling && most > ceiling.mul_f32(0.95),
                "{lasted:?}"
            );
            assert!(least < ceiling.mul_f32(0.05), "{lasted:?}");
        }
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        let asked = Duration::from_secs(30);
        let begin = Instant::now();
        let mut waits: Vec<Duration> = (0..400)
            .map(|seed| Schedule::new(seed).wait(begin, Some(asked)))
            .collect();
        waits.sort();
        assert!(waits[0] >= asked && waits[399] <= asked * 2, "{waits:?}");
        assert!(waits[399] - waits[0] > asked.mul_f32(0.9), "one wave");
        // Whoever says "in a year" is not believed.
        let year = Some(Duration::from_secs(365 * 86_400));
        assert!((0..400).all(|seed| Schedule::new(seed).wait(begin, year) <= CAP * 2));
    }

    #[test]
    fn what_went_well_begins_anew_and_a_seed_repeats() {
        // Not so early that nothing could be before it.
        let begin = Instant::now() + Duration::from_secs(10);
        let day = begin + Duration::from_secs(86_400);
        let mut schedule = Schedule::new(7);
        schedule.wait(begin, None);
        assert_eq!(schedule.lasted(day), Duration::from_secs(86_400));
        assert!((0..50).any(|_| schedule.wait(day, None) > CAP / 2));
        schedule.reset();
        assert_eq!(schedule.lasted(day), Duration::ZERO);
        assert!((0..50).all(|_| schedule.wait(day, None) <= BASE));
        let (mut one, mut other) = (Schedule::new(9), Schedule::new(9));
        assert!((0..50).all(|_| one.wait(begin, None) == other.wait(begin, None)));
        // A clock that stands before the first failure.
        assert!(one.wait(begin - Duration::from_secs(1), None) <= BASE);
    }
}
