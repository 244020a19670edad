//! What recurs, and when settings are judged again after something below `/etc` was touched. Pure: the time is passed
//! in.

use crate::daemon::states::heartbeat_pace;
use crate::daemon::states::schedule::{Recurring, jittered, share};
use agent_core::config::{Config, HeartbeatInterval};
use std::time::{Duration, Instant};

/// The first heartbeat comes after this time at the latest, whatever the interval.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(10);
/// Settings are judged this long after something below `/etc` was touched: an editor writes more than one file.
const SETTINGS_SETTLE: Duration = Duration::from_secs(2);
/// Shortest time from one judgement of settings to the next that a touch brings about: all of them are judged.
const SETTINGS_PAUSE: Duration = Duration::from_secs(10);

/// Times between what recurs, each host's own share of the jitter in them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::daemon) struct Intervals {
    scan: Duration,
    settings: Duration,
    heartbeat: HeartbeatInterval,
    /// The host's own share of the time between two heartbeats.
    heartbeat_share: f64,
}

impl Intervals {
    /// Of the configuration, for the host with that machine id.
    pub(in crate::daemon) fn of(config: &Config, machine_id: &str) -> Intervals {
        let of = |interval, purpose| jittered(interval, share(machine_id, purpose));
        Intervals {
            scan: of(config.scan.interval, "scan"),
            settings: of(config.settings.interval, "settings"),
            heartbeat: config.heartbeat.interval,
            heartbeat_share: share(machine_id, "heartbeat"),
        }
    }
}

/// What recurs.
#[derive(Debug)]
pub(in crate::daemon) struct Timers {
    pub(in crate::daemon) scan: Recurring,
    settings: Recurring,
    /// When settings are judged since something below `/etc` was touched.
    settings_touched: Option<Instant>,
    /// When they were last judged.
    settings_judged: Option<Instant>,
    pub(in crate::daemon) instance: Recurring,
    heartbeat: Recurring,
    heartbeat_interval: HeartbeatInterval,
    /// From the first heartbeat to the second, until that is due.
    heartbeat_phase: Option<Duration>,
    /// Whether anything is amiss: heartbeats are more frequent then.
    amiss: bool,
    pub(in crate::daemon) status: Recurring,
    pub(in crate::daemon) watchdog: Option<Recurring>,
}

impl Timers {
    /// From now on. `status` and `watchdog` are the intervals of the status file and of systemd's watchdog.
    pub(in crate::daemon) fn new(
        intervals: Intervals,
        status: Duration,
        watchdog: Option<Duration>,
        now: Instant,
    ) -> Timers {
        let Intervals {
            scan,
            settings,
            heartbeat,
            heartbeat_share,
        } = intervals;
        let calm = heartbeat_pace::interval(heartbeat, false);
        Timers {
            // The first ones are wanted as soon as there is something to compare with.
            scan: Recurring::new(scan, now + scan),
            settings: Recurring::new(settings, now + settings),
            settings_touched: None,
            settings_judged: None,
            instance: Recurring::new(settings, now + settings),
            // When there is something to say.
            heartbeat: Recurring::new(calm, now + calm.min(FIRST_HEARTBEAT)),
            heartbeat_interval: heartbeat,
            heartbeat_phase: heartbeat_pace::phase(heartbeat, heartbeat_share),
            amiss: false,
            status: Recurring::new(status, now),
            watchdog: watchdog.map(|interval| Recurring::new(interval, now)),
        }
    }

    /// Other intervals from now on.
    pub(in crate::daemon) fn set_intervals(&mut self, intervals: Intervals, now: Instant) {
        self.scan.set_interval(intervals.scan, now);
        self.settings.set_interval(intervals.settings, now);
        self.instance.set_interval(intervals.settings, now);
        self.heartbeat_interval = intervals.heartbeat;
        self.pace_heartbeats(self.amiss, now);
    }

    /// Whether something is amiss from now on.
    pub(in crate::daemon) fn pace_heartbeats(&mut self, amiss: bool, now: Instant) {
        self.amiss = amiss;
        self.heartbeat.set_interval(self.heartbeat_interval(), now);
    }

    /// The time to the next heartbeat after one.
    pub(in crate::daemon) fn heartbeat_interval(&self) -> Duration {
        heartbeat_pace::interval(self.heartbeat_interval, self.amiss)
    }

    /// Whether a heartbeat is due; if so, the next one is due an interval later.
    pub(in crate::daemon) fn take_heartbeat(&mut self, now: Instant) -> bool {
        let due = self.heartbeat.take(now);
        if due && let Some(phase) = self.heartbeat_phase.take() {
            self.heartbeat.hurry(now + phase);
        }
        due
    }

    /// Something below `/etc` was touched.
    pub(in crate::daemon) fn touch_settings(&mut self, now: Instant) {
        if self.settings_touched.is_none() {
            let rested = self
                .settings_judged
                .map_or(now, |last| last + SETTINGS_PAUSE);
            self.settings_touched = Some(rested.max(now + SETTINGS_SETTLE));
        }
    }

    /// Whether settings are to be judged now.
    pub(in crate::daemon) fn take_settings(&mut self, now: Instant) -> bool {
        let touched = self.settings_touched.take_if(|due| now >= *due).is_some();
        let due = self.settings.take(now) || touched;
        if due {
            self.settings_judged = Some(now);
        }
        due
    }

    /// When something is due next.
    pub(in crate::daemon) fn due(&self) -> Instant {
        let recurring = [&self.scan, &self.settings, &self.instance, &self.heartbeat];
        let recurring = recurring.into_iter().chain(&self.watchdog);
        let due = recurring.map(Recurring::due).chain(self.settings_touched);
        due.fold(self.status.due(), Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_judged_a_moment_after_a_touch_and_not_too_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let hour = Duration::from_secs(3600);
        let intervals = Intervals {
            scan: hour,
            settings: hour,
            heartbeat: HeartbeatInterval::Every(hour),
            heartbeat_share: 0.5,
        };
        let mut timers = Timers::new(intervals, hour, None, start);
        assert!(timers.status.take(start));
        assert_eq!(timers.due(), at(10), "the first heartbeat");
        assert!(!timers.take_settings(start));
        timers.touch_settings(start);
        assert_eq!(timers.due(), at(2));
        timers.touch_settings(at(1));
        assert!(!timers.take_settings(at(1)) && timers.take_settings(at(2)));
        assert!(!timers.take_settings(at(3)), "once");
        timers.touch_settings(at(3));
        assert!(!timers.take_settings(at(11)) && timers.take_settings(at(12)));
        assert!(timers.take_settings(at(3600)), "whatever was touched");
        let minute = Duration::from_secs(60);
        let shorter = Intervals {
            settings: minute,
            ..intervals
        };
        timers.set_intervals(shorter, at(3600));
        assert!(!timers.take_settings(at(3659)) && timers.take_settings(at(3660)));
    }

    #[test]
    fn heartbeats_of_a_fleet_drift_apart_and_hurry_where_something_is_amiss() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let hour = Duration::from_secs(3600);
        let intervals = Intervals {
            scan: hour,
            settings: hour,
            heartbeat: HeartbeatInterval::Auto,
            heartbeat_share: 0.5,
        };
        let mut timers = Timers::new(intervals, hour, None, start);
        assert!(timers.status.take(start));
        assert!(!timers.take_heartbeat(at(9)) && timers.take_heartbeat(at(10)));
        assert!(!timers.take_heartbeat(at(159)) && timers.take_heartbeat(at(160)));
        assert!(!timers.take_heartbeat(at(459)) && timers.take_heartbeat(at(460)));
        timers.pace_heartbeats(true, at(500));
        assert_eq!(timers.heartbeat_interval(), Duration::from_secs(60));
        assert!(!timers.take_heartbeat(at(559)) && timers.take_heartbeat(at(560)));
        assert!(timers.take_heartbeat(at(620)));
        timers.pace_heartbeats(false, at(621));
        // What was due stays due.
        assert!(timers.take_heartbeat(at(680)));
        assert!(!timers.take_heartbeat(at(979)) && timers.take_heartbeat(at(980)));
        let often = Intervals {
            heartbeat: HeartbeatInterval::Every(Duration::from_secs(1)),
            ..intervals
        };
        timers.set_intervals(often, at(981));
        timers.pace_heartbeats(true, at(981));
        assert!(timers.take_heartbeat(at(982)) && timers.take_heartbeat(at(983)));
    }
}
