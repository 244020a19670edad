//! Whether changes are noticed as they are made: how far the watch has come, what it leaves out, and whether it sees
//! the canary. Pure: the time, and what the canary says, are passed in.

use crate::daemon::states::schedule::Recurring;
use agent_outbox::event::lifecycle::LinkedFiles;
use agent_scan::watch::canary::CanaryState;
use agent_scan::watch::{Coverage, attribution};
use std::time::{Duration, Instant};

/// Interval between two changes of the canary.
const CANARY: Duration = Duration::from_secs(5 * 60);
/// A watch that was blind is tried again this long after everything was watched anew.
const AGAIN: Duration = Duration::from_secs(5);

/// How it is with the watch.
#[derive(Debug)]
pub(in crate::daemon) struct WatchHealth {
    /// There is a watch.
    running: bool,
    /// Whether a scan that begins now misses nothing, or waiting for that is of no use.
    ready: bool,
    coverage: Coverage,
    attribution: Option<attribution::Status>,
    /// Why there is no watch.
    failed: Option<String>,
    canary_due: Recurring,
    blind: bool,
}

/// What is to be done after the canary was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Verdict {
    /// Nothing.
    Fine,
    /// Everything is to be watched anew: the canary's directory may be another one than the one that is watched.
    Renew,
}

impl WatchHealth {
    /// Nothing is watched yet.
    pub(in crate::daemon) fn new(now: Instant) -> WatchHealth {
        WatchHealth {
            running: false,
            ready: false,
            coverage: Coverage::default(),
            attribution: None,
            failed: None,
            canary_due: Recurring::new(CANARY, now),
            blind: false,
        }
    }

    /// A watch is begun, and the one before has ended.
    pub(in crate::daemon) fn begin(&mut self) {
        (self.running, self.ready, self.failed) = (false, false, None);
    }

    /// It runs.
    pub(in crate::daemon) fn began(&mut self) {
        self.running = true;
    }

    /// There is nothing to watch.
    pub(in crate::daemon) fn idle(&mut self, why: &str) {
        (self.running, self.ready) = (false, true);
        self.failed = Some(why.to_owned());
    }

    /// The watch is at its end.
    pub(in crate::daemon) fn fail(&mut self, why: String) {
        self.idle(&why);
        self.coverage = Coverage::default();
    }

    /// What is watched is known.
    pub(in crate::daemon) fn covered(&mut self, coverage: Coverage, now: Instant) {
        if !self.ready {
            // What the watch before this one would have told of the canary comes no more.
            self.canary_due.hurry(now);
        }
        self.ready = true;
        self.coverage = coverage;
    }

    /// Whether changes are attributed.
    pub(in crate::daemon) fn attributed(&mut self, status: attribution::Status) {
        self.attribution = Some(status);
    }

    /// Whether the canary can come back.
    pub(in crate::daemon) fn is_seeing(&self) -> bool {
        self.running && self.ready
    }

    /// Whether the canary is to be changed.
    pub(in crate::daemon) fn take_canary(&mut self, now: Instant) -> bool {
        self.is_seeing() && self.canary_due.take(now)
    }

    /// The canary was asked. `expired`: a change of it was waited for, and is not any more.
    pub(in crate::daemon) fn judge(
        &mut self,
        state: CanaryState,
        expired: bool,
        now: Instant,
    ) -> Verdict {
        let blind = state == CanaryState::Blind;
        let verdict = match blind && expired {
            true => Verdict::Renew,
            false => Verdict::Fine,
        };
        if verdict == Verdict::Renew && !self.blind {
            self.canary_due.hurry(now + AGAIN);
        }
        self.blind = self.is_seeing() && blind;
        verdict
    }

    /// When the canary is to be changed.
    pub(in crate::daemon) fn canary_due(&self) -> Option<Instant> {
        self.is_seeing().then(|| self.canary_due.due())
    }

    /// Whether a scan that begins now misses nothing, or waiting for it is of no use.
    pub(in crate::daemon) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether changes are noticed as they are made.
    pub(in crate::daemon) fn sees(&self) -> bool {
        self.is_seeing() && self.failed.is_none() && !self.blind
    }

    /// Whether the canary was changed and nobody noticed.
    pub(in crate::daemon) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Why there is no watch.
    pub(in crate::daemon) fn failed(&self) -> Option<&String> {
        self.failed.as_ref()
    }

    /// What is watched.
    pub(in crate::daemon) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Files that are watched themselves, as last told.
    pub(in crate::daemon) fn linked(&self) -> LinkedFiles {
        let linked = self.coverage.linked.clone();
        LinkedFiles {
            watched: linked.watched,
            unwatched: linked.unwatched,
            reason: linked.reason,
        }
    }

    /// Whether changes are attributed, in words; empty while that is not known.
    pub(in crate::daemon) fn attribution(&self) -> String {
        match &self.attribution {
            None => String::new(),
            Some(attribution::Status::On(systems)) => {
                let plural = if *systems == 1 { "" } else { "s" };
                format!("changes are attributed on {systems} file system{plural}")
            }
            Some(attribution::Status::Partly(systems, why)) => {
                format!("changes are attributed on {systems} file systems, not on all: {why}")
            }
            Some(attribution::Status::Off(why)) => format!("changes are not attributed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_watch_is_made_anew_and_tried_again() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut health = WatchHealth::new(start);
        assert!(!health.take_canary(start), "nothing is watched");
        health.begin();
        health.began();
        health.covered(Coverage::default(), start);
        assert!(health.sees() && health.take_canary(start) && !health.take_canary(start));
        assert_eq!(
            health.judge(CanaryState::Blind, true, at(30)),
            Verdict::Renew
        );
        assert!(health.is_blind() && !health.sees());
        assert_eq!(health.canary_due(), Some(at(35)));
        assert_eq!(
            health.judge(CanaryState::Blind, false, at(31)),
            Verdict::Fine
        );
        assert!(health.is_blind(), "until it is seen");
        assert!(health.take_canary(at(35)));
        // It is tried in haste once.
        assert_eq!(
            health.judge(CanaryState::Blind, true, at(65)),
            Verdict::Renew
        );
        assert_eq!(health.canary_due(), Some(at(335)));
        health.fail("gone".into());
        health.judge(CanaryState::Blind, false, at(66));
        assert!(!health.is_blind() && !health.sees() && health.is_ready());
    }
}
