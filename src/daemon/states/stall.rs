//! How long a look of the daemon's may take no step. Pure.

use crate::daemon::states::job_queue::JobKind;
use agent_core::bounds;
use std::time::Duration;

/// How long a job of the kind may stand still; `None`: opening what verdicts rest on.
pub(in crate::daemon) fn limit(kind: Option<JobKind>) -> Duration {
    bounds::deadline(match kind {
        Some(JobKind::Urgent) => bounds::STILL_URGENT,
        Some(JobKind::Spot) => bounds::STILL_SPOT,
        _ => bounds::STILL,
    })
}

/// What it is that stands still, for people.
pub(in crate::daemon) fn name(kind: Option<JobKind>) -> &'static str {
    match kind {
        Some(JobKind::Critical) => "the first look at what is critical",
        Some(JobKind::LaunchRecord) => "the launch record",
        Some(JobKind::FullScan) => "the scan of all files",
        Some(JobKind::Urgent) => "the look at what is critical and was touched",
        Some(JobKind::Spot) => "the look at what was touched",
        Some(JobKind::Settings) => "the look at settings",
        Some(JobKind::Instance) => "the look at the instance",
        None => "opening what verdicts rest on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::stillness::Stillness;
    use std::time::Instant;

    #[test]
    fn what_is_critical_may_stand_still_least() {
        for (kind, limit) in [
            (Some(JobKind::Urgent), bounds::STILL_URGENT),
            (Some(JobKind::Spot), bounds::STILL_SPOT),
            (Some(JobKind::FullScan), bounds::STILL),
            (None, bounds::STILL),
        ] {
            let start = Instant::now();
            let mut stillness = Stillness::default();
            let looks = (0..1_000_u32).map(|i| Duration::from_secs(5) * i);
            let told = looks
                .into_iter()
                .find(|passed| stillness.exceeds(super::limit(kind), 0, false, start + *passed));
            assert_eq!(told, Some(limit), "{kind:?}");
        }
    }
}
