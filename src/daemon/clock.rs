//! The two clocks: one that is never set, for intervals, and the wall clock, for events.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the wall clock, in milliseconds since 1970.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(in crate::daemon) struct UnixMillis(pub(in crate::daemon) i64);

impl UnixMillis {
    /// The wall clock.
    pub(in crate::daemon) fn now() -> UnixMillis {
        UnixMillis(jiff::Timestamp::now().as_millisecond())
    }

    /// For comparing with times of files; 1970 for what lies before it.
    pub(in crate::daemon) fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }

    /// In UTC (RFC 3339); empty where it cannot be said.
    pub(in crate::daemon) fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map(|time| time.to_string())
            .unwrap_or_default()
    }
}

impl From<SystemTime> for UnixMillis {
    fn from(time: SystemTime) -> UnixMillis {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = UnixMillis;

    fn add(self, duration: Duration) -> UnixMillis {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.0.saturating_add(milliseconds))
    }
}

impl Sub<Duration> for UnixMillis {
    type Output = UnixMillis;

    fn sub(self, duration: Duration) -> UnixMillis {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.0.saturating_sub(milliseconds))
    }
}

/// The time between; zero where the clock was set back meanwhile.
impl Sub for UnixMillis {
    type Output = Duration;

    fn sub(self, earlier: UnixMillis) -> Duration {
        let milliseconds = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::daemon) struct Now {
    pub(in crate::daemon) monotonic: Instant,
    pub(in crate::daemon) wall: UnixMillis,
}

impl Now {
    /// Reads both clocks.
    pub(in crate::daemon) fn read() -> Now {
        Now {
            monotonic: Instant::now(),
            wall: UnixMillis::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_makes_no_time_negative() {
        let (early, late) = (UnixMillis(1_000), UnixMillis(3_500));
        assert_eq!(late - early, Duration::from_millis(2_500));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(early + Duration::from_millis(2_500), late);
        assert_eq!(UnixMillis::from(late.system()), late);
        assert_eq!(UnixMillis(-1).system(), UNIX_EPOCH);
    }
}
