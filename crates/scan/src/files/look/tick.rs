//! Whether a file was written to so lately that a further write might leave the same times.

use super::TICK;
use agent_core::attributes::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The span of time in which two writes to a file can leave the same times on it.
pub(super) struct Tick {
    from: Timestamp,
    to: Timestamp,
}

impl Tick {
    pub(super) fn now() -> Tick {
        let now = SystemTime::now();
        let time = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                nanoseconds: since.subsec_nanos(),
            }
        };
        // A clock that was set back leaves times far ahead on files that nobody writes to.
        Tick {
            from: time(now - TICK),
            to: time(now + TICK),
        }
    }

    pub(super) fn holds(&self, time: Timestamp) -> bool {
        self.from <= time && time <= self.to
    }
}
