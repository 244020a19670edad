//! How long a look of the daemon's may take no step. Pure.

use crate::daemon::states::job_queue::JobKind;
use agent_core::bounds;
use std::time::Duration;

/// What may stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Look {
    /// A job, by its number.
    Job(u64, JobKind),
    /// Opening what verdicts rest on.
    Opening,
    /// Asking who holds the locks of package managers.
    Locks,
}

impl Look {
    /// How long it may stand still.
    pub(in crate::daemon) fn limit(self) -> Duration {
        bounds::deadline(match self {
            Look::Job(_, JobKind::Urgent) | Look::Locks => bounds::STILL_URGENT,
            Look::Job(_, JobKind::Spot) => bounds::STILL_SPOT,
            _ => bounds::STILL,
        })
    }

    /// What it is, for people.
    pub(in crate::daemon) fn name(self) -> &'static str {
        let kind = match self {
            Look::Job(_, kind) => kind,
            Look::Opening => return "opening what verdicts rest on",
            Look::Locks => return "the question who holds the locks of package managers",
        };
        match kind {
            JobKind::Critical => "the first look at what is critical",
            JobKind::LaunchRecord => "the launch record",
            JobKind::FullScan => "the scan of all files",
            JobKind::Urgent => "the look at what is critical and was touched",
            JobKind::Spot => "the look at what was touched",
            JobKind::Settings => "the look at settings",
            JobKind::Instance => "the look at the instance",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::stillness::Stillness;
    use std::time::Instant;

    #[test]
    fn what_is_critical_may_stand_still_least() {
        for (look, limit) in [
            (Look::Job(0, JobKind::Urgent), bounds::STILL_URGENT),
            (Look::Locks, bounds::STILL_URGENT),
            (Look::Job(0, JobKind::Spot), bounds::STILL_SPOT),
            (Look::Job(0, JobKind::FullScan), bounds::STILL),
            (Look::Opening, bounds::STILL),
        ] {
            let start = Instant::now();
            let mut stillness = Stillness::default();
            let looks = (0..1_000_u32).map(|i| Duration::from_secs(5) * i);
            let told = looks
                .into_iter()
                .find(|passed| stillness.exceeds(look.limit(), 0, false, start + *passed));
            assert_eq!(told, Some(limit), "{look:?}");
        }
    }
}
