//! A manifest that cannot be used: told at once, told again each day, and told when it is over, across restarts.

use crate::daemon::baseline::Trouble;
use crate::daemon::state::Daemon;
use crate::daemon::warn;
use agent_outbox::event::finding::Step;
use agent_outbox::event::{Lifecycle, ManifestState};
use agent_outbox::ledger::REMIND;
use serde::{Deserialize, Serialize};

/// What was told of it. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::daemon) struct Unusable {
    state: ManifestState,
    since: i64,
    told: i64,
}

/// What there is to tell, and what will have been told then.
fn step(
    before: Option<Unusable>,
    state: Option<ManifestState>,
    wall: i64,
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
            let reminds = (wall - before.told).unsigned_abs() >= REMIND.unsigned_abs();
            reminds.then(|| (Step::Reminded, Some(told(before.since, state))))
        }
    }
}

impl Daemon {
    /// Tells what there is to tell of a manifest that cannot be used, or can be used again.
    pub(in crate::daemon) fn mind_manifest(&mut self, trouble: Option<&Trouble>, wall: i64) {
        let message = match trouble {
            Some(trouble) => format!(
                "{}; files are judged by the package database meanwhile",
                trouble.message
            ),
            None => "the manifest can be used again: files are judged by it".into(),
        };
        match trouble {
            Some(_) if self.trouble.get("manifest") == Some(&message) => {}
            Some(_) => {
                warn(&message);
                self.trouble.insert("manifest", message.clone());
            }
            None => {
                self.trouble.remove("manifest");
            }
        }
        let before = self.memory.unusable;
        let Some((step, told)) = step(before, trouble.map(|trouble| trouble.state), wall) else {
            return;
        };
        // The one that is told, else the one that is over.
        if let Some(about) = told.or(before) {
            let event = Lifecycle::Manifest {
                path: self.setup.config.manifest.display().to_string(),
                state: about.state,
                step,
                since: about.since,
                message,
            };
            self.tell(event, wall);
        }
        self.memory.unusable = told;
        self.save_record();
    }
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
            let made = step(told, state, wall);
            assert_eq!(made.map(|(step, _)| step), expected, "at {wall}");
            if let Some((_, after)) = made {
                told = after;
                assert!(after.is_none_or(|after| after.since == 1));
            }
        }
    }
}
