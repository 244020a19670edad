//! When something may have been missed, and until when. Pure: the time is passed in.
//!
//! A gap ends with the scan that it makes necessary. What is not watched is no gap that ends so: it is told when it
//! begins, is patrolled meanwhile, and told when it is over.

use crate::daemon::action::Action;
use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::states::problems::Problem;
use agent_core::words::counted;
use agent_outbox::event::{LastScan, Lifecycle};
use agent_scan::watch::Coverage;
use std::time::Duration;

/// Interval between scans of everything while nothing is watched.
pub(in crate::daemon) const UNWATCHED: Duration = Duration::from_secs(10 * 60);

const BLIND: &str = "the watch is blind: a file was changed on purpose and it was not noticed";

/// Whether something may have been missed.
#[derive(Debug, Default)]
pub(in crate::daemon) struct CoverageGap {
    open: Option<OpenGap>,
    /// The canary was told as missed.
    blind: bool,
    /// What is told as not watched.
    unwatched: Option<String>,
}

#[derive(Debug)]
struct OpenGap {
    reason: String,
    since: UnixMillis,
}

impl CoverageGap {
    /// Something may have been missed: it ends with the scan that is wanted now.
    pub(in crate::daemon) fn begin(&mut self, reason: &str, wall: UnixMillis) -> Vec<Action> {
        let mut actions = vec![Action::Warn(format!("{reason}: everything is looked at"))];
        if self.open.is_none() {
            self.open = Some(OpenGap {
                reason: reason.to_owned(),
                since: wall,
            });
            actions.push(begun(reason.to_owned(), wall, None));
        }
        actions.push(Action::ScanNow);
        actions
    }

    /// A scan of everything has ended that began after the gap did.
    pub(in crate::daemon) fn end(
        &mut self,
        scan: Option<LastScan>,
        wall: UnixMillis,
    ) -> Vec<Action> {
        let Some(OpenGap { reason, since }) = self.open.take() else {
            return Vec::new();
        };
        let deviations = scan.map_or(0, |scan| scan.deviations);
        vec![Action::Tell(Lifecycle::CoverageGap {
            reason: format!(
                "{reason}: a whole scan has found {} since",
                counted(deviations, "deviation")
            ),
            since: since.0,
            until: Some(wall.0),
            paths: scan.map(|scan| scan.files),
        })]
    }

    /// Whether the canary was changed and nobody noticed.
    pub(in crate::daemon) fn canary(&mut self, blind: bool, wall: UnixMillis) -> Vec<Action> {
        match (std::mem::replace(&mut self.blind, blind), blind) {
            (false, true) => {
                let mut actions = vec![Action::Problem(Problem::Canary, Some(BLIND.into()))];
                actions.extend(self.begin(BLIND, wall));
                actions
            }
            (true, false) => vec![Action::Problem(Problem::Canary, None)],
            _ => Vec::new(),
        }
    }

    /// What is watched has changed.
    pub(in crate::daemon) fn covered(
        &mut self,
        before: &Coverage,
        after: &Coverage,
        wall: UnixMillis,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        let linked = &after.linked;
        if let Some(reason) = &linked.reason
            && linked.reason != before.linked.reason
        {
            actions.push(begun(reason.clone(), wall, Some(linked.unwatched)));
        }
        let left_out = after.left_out.len();
        self.unwatched = (left_out > 0).then(|| {
            let why = after.reason.as_deref().unwrap_or_default();
            format!(
                "{left_out} regions are not watched ({why}); they are looked at once a minute instead"
            )
        });
        actions.push(Action::Problem(Problem::Watch, self.unwatched.clone()));
        match (&self.unwatched, before.left_out.is_empty()) {
            (Some(reason), true) => actions.push(begun(reason.clone(), wall, None)),
            (None, false) => actions.push(Action::Tell(Lifecycle::CoverageGap {
                reason: "everything is watched again".into(),
                since: wall.0,
                until: Some(wall.0),
                paths: None,
            })),
            _ => {}
        }
        actions
    }

    /// Nothing is watched: everything is looked at more often instead.
    pub(in crate::daemon) fn unwatched(&mut self, why: &str, now: Now) -> Vec<Action> {
        let reason = format!("files are not watched: {why}");
        let mut actions = vec![
            Action::Warn(reason.clone()),
            Action::ScanBy(now.monotonic + UNWATCHED),
        ];
        if self.unwatched.as_ref() != Some(&reason) {
            actions.push(Action::Problem(Problem::Watch, Some(reason.clone())));
            actions.push(begun(reason.clone(), now.wall, None));
            self.unwatched = Some(reason);
        }
        actions
    }
}

/// That a gap has begun.
fn begun(reason: String, since: UnixMillis, paths: Option<u64>) -> Action {
    Action::Tell(Lifecycle::CoverageGap {
        reason,
        since: since.0,
        until: None,
        paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// What is told of gaps: since, until, and the reason's first word.
    fn told(actions: &[Action]) -> Vec<(i64, Option<i64>, String)> {
        let gap = |action: &Action| match action {
            Action::Tell(Lifecycle::CoverageGap {
                reason,
                since,
                until,
                ..
            }) => Some((*since, *until, reason.split(' ').next()?.to_owned())),
            _ => None,
        };
        actions.iter().filter_map(gap).collect()
    }

    fn scans_now(actions: &[Action]) -> bool {
        actions
            .iter()
            .any(|action| matches!(action, Action::ScanNow))
    }

    #[test]
    fn a_gap_is_told_once_and_ends_with_a_scan() {
        let mut gap = CoverageGap::default();
        let first = gap.begin("overflow", UnixMillis(1));
        assert_eq!(told(&first), [(1, None, "overflow".into())]);
        let second = gap.begin("another", UnixMillis(2));
        assert!(told(&second).is_empty() && scans_now(&first) && scans_now(&second));
        let scan = LastScan {
            ended: 5,
            files: 7,
            deviations: 0,
            unknowns: 0,
            unread: None,
        };
        let end = gap.end(Some(scan), UnixMillis(5));
        assert_eq!(told(&end), [(1, Some(5), "overflow:".into())]);
        assert!(gap.end(Some(scan), UnixMillis(6)).is_empty());
    }

    #[test]
    fn blindness_is_a_problem_as_long_as_it_lasts() {
        let mut gap = CoverageGap::default();
        assert!(gap.canary(false, UnixMillis(1)).is_empty());
        let blind = gap.canary(true, UnixMillis(2));
        assert!(matches!(
            blind[0],
            Action::Problem(Problem::Canary, Some(_))
        ));
        assert!(scans_now(&blind) && gap.canary(true, UnixMillis(3)).is_empty());
        let sees = gap.canary(false, UnixMillis(4));
        assert!(matches!(sees[..], [Action::Problem(Problem::Canary, None)]));
    }

    #[test]
    fn what_is_not_watched_is_told_when_that_begins_and_when_it_is_over() {
        let mut gap = CoverageGap::default();
        let whole = Coverage::default();
        let partial = Coverage {
            left_out: vec![b"data".to_vec()],
            ..Coverage::default()
        };
        let at = |ms| Now {
            monotonic: Instant::now(),
            wall: UnixMillis(ms),
        };
        assert_eq!(
            told(&gap.unwatched("no inotify", at(1))),
            [(1, None, "files".into())]
        );
        assert!(told(&gap.unwatched("no inotify", at(2))).is_empty());
        assert!(told(&gap.covered(&whole, &whole, UnixMillis(3))).is_empty());
        let less = gap.covered(&whole, &partial, UnixMillis(4));
        assert_eq!(told(&less), [(4, None, "1".into())]);
        assert!(told(&gap.covered(&partial, &partial, UnixMillis(5))).is_empty());
        let again = gap.covered(&partial, &whole, UnixMillis(6));
        assert_eq!(told(&again), [(6, Some(6), "everything".into())]);
        // It can fail once more after that.
        assert_eq!(
            told(&gap.unwatched("no inotify", at(7))),
            [(7, None, "files".into())]
        );
    }
}
