//! A manifest that cannot be used: told at once, told again each day, and told when it is over, across restarts.
//! Pure: the time is passed in.

use crate::daemon::action::Action;
use crate::daemon::baseline::ManifestProblem;
use crate::daemon::clock::UnixMillis;
use crate::daemon::states::problems::Problem;
use agent_outbox::event::finding::Step;
use agent_outbox::event::{Lifecycle, ManifestState};
use agent_outbox::ledger::REMIND;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// What was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Unusable {
    state: ManifestState,
    since: UnixMillis,
    told: UnixMillis,
}

/// What there is to tell, and what will have been told then.
fn step(
    before: Option<Unusable>,
    state: Option<ManifestState>,
    wall: UnixMillis,
) -> Option<(Step, Option<Unusable>)> {
    let told = |since, state| Unusable {
        state,
        since,
        told: wall,
    };
    match (before, state) {
        (None, None) => None,
        (None, Some(state)) => Some((Step::Raised, Some(told(wall, state)))),
        (Some(_), None) => Some((Step::Cleared, None)),
        (Some(before), Some(state)) if before.state != state => {
            Some((Step::Changed, Some(told(before.since, state))))
        }
        (Some(before), Some(state)) => {
            // A clock that went back must not silence it.
            let apart = (wall - before.told).max(before.told - wall);
            let reminds = apart >= Duration::from_millis(REMIND.unsigned_abs());
            reminds.then(|| (Step::Reminded, Some(told(before.since, state))))
        }
    }
}

/// What is shown of a manifest that cannot be used, what is told of it, and what will have been told then. `shown` is
/// the problem that is shown already, `before` what was told before, `path` the manifest's.
pub(in crate::daemon) fn judge(
    problem: Option<&ManifestProblem>,
    shown: Option<&String>,
    before: Option<Unusable>,
    path: &Path,
    wall: UnixMillis,
) -> (Vec<Action>, Option<Unusable>) {
    let message = match problem {
        Some(problem) => format!(
            "{}; files are judged by the package database meanwhile",
            problem.message
        ),
        None => "the manifest can be used again: files are judged by it".into(),
    };
    let mut actions = Vec::new();
    match problem {
        Some(_) if shown == Some(&message) => {}
        Some(_) => {
            actions.push(Action::Warn(message.clone()));
            actions.push(Action::Problem(Problem::Manifest, Some(message.clone())));
        }
        None => actions.push(Action::Problem(Problem::Manifest, None)),
    }
    let Some((step, told)) = step(before, problem.map(|problem| problem.state), wall) else {
        return (actions, before);
    };
    // The one that is told, else the one that is over.
    if let Some(about) = told.or(before) {
        actions.push(Action::Tell(Lifecycle::Manifest {
            path: path.display().to_string(),
            state: about.state,
            step,
            since: about.since.0,
            message,
        }));
    }
    actions.push(Action::SaveRecord);
    (actions, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ManifestState::{Missing, Untrusted};

    #[test]
    fn what_is_told_of_a_manifest() {
        let mut told = None;
        for (wall, state, expected) in [
            (0, None, None),
            (1, Some(Missing), Some(Step::Raised)),
            (2, Some(Missing), None),
            (REMIND, Some(Missing), None),
            (REMIND + 1, Some(Missing), Some(Step::Reminded)),
            (REMIND + 2, Some(Untrusted), Some(Step::Changed)),
            (2, Some(Untrusted), Some(Step::Reminded)),
            (3, None, Some(Step::Cleared)),
            (4, None, None),
        ] {
            let made = step(told, state, UnixMillis(wall));
            assert_eq!(made.map(|(step, _)| step), expected, "at {wall}");
            if let Some((_, after)) = made {
                told = after;
                assert!(after.is_none_or(|after| after.since == UnixMillis(1)));
            }
        }
    }

    #[test]
    fn what_is_shown_stays_shown_and_is_saved_when_it_is_told() {
        let path = Path::new("/m");
        let problem = ManifestProblem {
            state: Missing,
            message: "gone".into(),
        };
        let (actions, told) = judge(Some(&problem), None, None, path, UnixMillis(1));
        let [
            Action::Warn(_),
            Action::Problem(_, shown),
            Action::Tell(_),
            Action::SaveRecord,
        ] = &actions[..]
        else {
            panic!("{actions:?}");
        };
        let (actions, same) = judge(Some(&problem), shown.as_ref(), told, path, UnixMillis(2));
        assert!(actions.is_empty() && same == told, "{actions:?}");
        let (actions, told) = judge(None, shown.as_ref(), told, path, UnixMillis(3));
        assert!(told.is_none());
        assert!(matches!(
            &actions[..],
            [
                Action::Problem(Problem::Manifest, None),
                Action::Tell(_),
                Action::SaveRecord
            ]
        ));
    }
}
