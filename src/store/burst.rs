//! When many deviations come at once, and how long to wait before they are told. Pure.
//!
//! A burst begins with the first new deviation and ends a second after the last. With more than
//! [`FLOOD`] in it, it is a flood: what is new waits until the burst ends, then one event tells how many
//! and where, then each is told, worst first. A whole scan waits a second before it tells its first, so
//! that a flood is seen before it is told.

/// More new deviations than a person wants to be told one by one without warning.
pub const FLOOD: u64 = 100;
/// A burst ends when so many milliseconds bring nothing new.
const QUIET: i64 = 1000;
/// What a whole scan finds waits so many milliseconds.
const SETTLE: i64 = 1000;
/// No flood is waited for any longer, in milliseconds.
const PATIENCE: i64 = 60_000;

/// The burst under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Burst {
    /// Since when, and when the last came; `None` between bursts.
    span: Option<(i64, i64)>,
    count: u64,
    /// The scan that it came from ended.
    ended: bool,
}

impl Burst {
    /// So many new deviations came; returns whether they wait. `scan`: from a whole scan.
    pub(super) fn note(&mut self, new: u64, scan: bool, now: i64) -> bool {
        let running = self
            .span
            .filter(|(_, last)| (0..QUIET).contains(&(now - last)));
        // A flood goes on until it is told, however long nothing comes.
        let running = match self.is_flood() {
            true => self.span,
            false => running,
        };
        match running {
            Some((since, _)) => {
                self.span = Some((since, now));
                self.count += new;
            }
            None => {
                *self = Burst {
                    span: Some((now, now)),
                    count: new,
                    ended: false,
                }
            }
        }
        self.ended = false;
        let since = self.span.map_or(now, |(since, _)| since);
        self.is_flood() || (scan && (0..SETTLE).contains(&(now - since)))
    }

    fn is_flood(&self) -> bool {
        self.count > FLOOD
    }

    /// A whole scan came to its end.
    pub(super) fn scan_ended(&mut self) {
        self.ended = true;
    }

    /// In how many milliseconds what waits is to be told; 0: now. `scanning`: a whole scan is under way.
    pub(super) fn due(&self, scanning: bool, now: i64) -> i64 {
        let Some((since, last)) = self.span else {
            return 0;
        };
        // The clock went back.
        if now < last {
            return 0;
        }
        let wait = match (self.ended, self.is_flood(), scanning) {
            (true, _, _) => return 0,
            (_, false, true) => since + SETTLE - now,
            (_, false, false) => (since + SETTLE).min(last + QUIET) - now,
            (_, true, true) => since + PATIENCE - now,
            (_, true, false) => (last + QUIET).min(since + PATIENCE) - now,
        };
        wait.max(0)
    }

    /// What waited is being told: the next one begins a burst of its own.
    pub(super) fn told(&mut self) {
        *self = Burst::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_told_at_once_and_many_wait_for_the_end() {
        let mut burst = Burst::default();
        assert!(!burst.note(FLOOD, false, 0));
        assert!(!burst.note(5, false, 1500), "another burst");
        assert!(burst.note(FLOOD, false, 2000));
        assert_eq!(burst.due(false, 2100), 900);
        assert!(burst.note(1, false, 2900));
        assert_eq!(burst.due(false, 3000), 900);
        assert_eq!(burst.due(false, 3900), 0);
        assert!(burst.note(1, false, 9000), "not told yet");
        burst.told();
        assert!(!burst.note(1, false, 9001));
    }

    #[test]
    fn a_scan_waits_a_second_and_a_flood_for_its_end() {
        let mut burst = Burst::default();
        assert!(burst.note(1, true, 0));
        assert_eq!(burst.due(true, 400), 600);
        assert!(burst.note(1, true, 900));
        assert!(!burst.note(1, true, 1000));
        assert_eq!(burst.due(true, 1000), 0);
        assert!(burst.note(FLOOD, true, 1100));
        assert_eq!(burst.due(true, 1100), PATIENCE - 1100);
        burst.scan_ended();
        assert_eq!(burst.due(false, 1200), 0);
    }

    #[test]
    fn a_clock_that_goes_back_ends_it() {
        let mut burst = Burst::default();
        assert!(burst.note(FLOOD + 1, false, 100_000));
        assert_eq!(burst.due(false, 5), 0);
        assert_eq!(Burst::default().due(true, 7), 0);
    }
}
