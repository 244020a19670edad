//! How often the agent says that it is alive. Pure.

use agent_core::config::HeartbeatInterval;
use std::time::Duration;

/// Between two heartbeats where nothing is amiss. A million hosts are 3,333 requests a second then, two thirds of what
/// PutLogEvents takes in an account and Region (5,000).
pub(in crate::daemon) const CALM: Duration = Duration::from_secs(300);
/// Between two heartbeats where something is amiss.
pub(in crate::daemon) const AMISS: Duration = Duration::from_secs(60);

/// The time between two heartbeats.
pub(in crate::daemon) fn interval(configured: HeartbeatInterval, amiss: bool) -> Duration {
    match (configured, amiss) {
        (HeartbeatInterval::Every(time), _) => time,
        (HeartbeatInterval::Auto, true) => AMISS,
        (HeartbeatInterval::Auto, false) => CALM,
    }
}

/// How long after the first heartbeat the second one comes: hosts that booted together do not go on together. `share`:
/// the host's own, from 0 to below 1. `None`: after the interval, as is asked for.
pub(in crate::daemon) fn phase(configured: HeartbeatInterval, share: f64) -> Option<Duration> {
    (configured == HeartbeatInterval::Auto).then(|| CALM.mul_f64(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_trouble_speak_more_often_unless_a_time_was_set() {
        let hour = HeartbeatInterval::Every(Duration::from_secs(3600));
        assert_eq!(interval(hour, true), Duration::from_secs(3600));
        assert_eq!(phase(hour, 0.5), None);
        assert_eq!(interval(HeartbeatInterval::Auto, false), CALM);
        assert_eq!(interval(HeartbeatInterval::Auto, true), AMISS);
        assert_eq!(phase(HeartbeatInterval::Auto, 0.5), Some(CALM / 2));
    }
}
