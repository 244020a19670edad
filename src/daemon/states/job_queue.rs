//! Which jobs run and which wait. Pure: one of a lane at a time, and no more than one of a kind waits.

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::daemon) enum JobKind {
    /// The files that matter most, first after a start.
    Critical,
    /// What the first boot changed, put on the record.
    LaunchRecord,
    /// All files.
    FullScan,
    /// What is critical of the paths that were touched, before they are quiet.
    Urgent,
    /// Paths that were touched.
    Spot,
    /// sshd and local settings.
    Settings,
    /// The instance.
    Instance,
}

/// Jobs of one lane come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Trees,
    /// Of its own, so that a critical path waits for none that is not.
    Urgent,
    Paths,
    Settings,
    Instance,
}

impl JobKind {
    /// In the order in which they begin where more than one waits.
    const ALL: [JobKind; 7] = [
        JobKind::Critical,
        JobKind::LaunchRecord,
        JobKind::FullScan,
        JobKind::Urgent,
        JobKind::Spot,
        JobKind::Settings,
        JobKind::Instance,
    ];

    fn lane(self) -> Lane {
        match self {
            JobKind::Critical | JobKind::LaunchRecord | JobKind::FullScan => Lane::Trees,
            JobKind::Urgent => Lane::Urgent,
            JobKind::Spot => Lane::Paths,
            JobKind::Settings => Lane::Settings,
            JobKind::Instance => Lane::Instance,
        }
    }
}

/// What runs, and what waits.
#[derive(Debug, Default)]
pub(in crate::daemon) struct JobQueue {
    running: Vec<JobKind>,
    wanted: Vec<JobKind>,
}

impl JobQueue {
    /// Wants a job. If one of the kind waits already, that one is enough.
    pub(in crate::daemon) fn want(&mut self, kind: JobKind) {
        if !self.wanted.contains(&kind) {
            self.wanted.push(kind);
        }
    }

    /// Whether a job of the kind runs.
    pub(in crate::daemon) fn running(&self, kind: JobKind) -> bool {
        self.running.contains(&kind)
    }

    /// Whether a job of the kind waits.
    pub(in crate::daemon) fn waits(&self, kind: JobKind) -> bool {
        self.wanted.contains(&kind)
    }

    /// Whether a job of the kind could begin at once.
    pub(in crate::daemon) fn free(&self, kind: JobKind) -> bool {
        self.running.iter().all(|other| other.lane() != kind.lane())
    }

    /// Takes the next job that may begin; it runs from then on. `held`: kinds that must wait.
    pub(in crate::daemon) fn next(&mut self, held: &[JobKind]) -> Option<JobKind> {
        let kind = JobKind::ALL
            .into_iter()
            .find(|kind| self.waits(*kind) && self.free(*kind) && !held.contains(kind))?;
        self.wanted.retain(|wanted| *wanted != kind);
        self.running.push(kind);
        Some(kind)
    }

    /// A job has come to its end.
    pub(in crate::daemon) fn ended(&mut self, kind: JobKind) {
        self.running.retain(|running| *running != kind);
    }
}

/// Kinds that must wait. `opening`: what files are judged by is being opened; `watched`: a scan that begins now misses
/// nothing; `stopping`: the agent ends.
pub(in crate::daemon) fn held(opening: bool, watched: bool, stopping: bool) -> &'static [JobKind] {
    match (stopping, opening, watched) {
        (true, _, _) => &[
            JobKind::Critical,
            JobKind::LaunchRecord,
            JobKind::FullScan,
            JobKind::Settings,
            JobKind::Instance,
        ],
        (false, true, _) => &[
            JobKind::Critical,
            JobKind::LaunchRecord,
            JobKind::FullScan,
            JobKind::Urgent,
            JobKind::Spot,
        ],
        // What changes while nobody watches yet would be missed by a scan that has passed.
        (false, false, false) => &[JobKind::FullScan],
        (false, false, true) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runs_and_one_waits() {
        let mut jobs = JobQueue::default();
        for _ in 0..3 {
            jobs.want(JobKind::FullScan);
        }
        assert_eq!(jobs.next(&[]), Some(JobKind::FullScan));
        assert_eq!(jobs.next(&[]), None);
        for _ in 0..3 {
            jobs.want(JobKind::FullScan);
        }
        assert_eq!(jobs.next(&[]), None, "one runs");
        jobs.ended(JobKind::FullScan);
        assert_eq!(jobs.next(&[]), Some(JobKind::FullScan), "one waited");
        jobs.ended(JobKind::FullScan);
        assert_eq!(jobs.next(&[]), None, "and one alone");
    }

    #[test]
    fn at_the_end_only_what_was_touched_is_checked() {
        let mut jobs = JobQueue::default();
        JobKind::ALL.into_iter().for_each(|kind| jobs.want(kind));
        let mut begun = Vec::new();
        for (opening, watched) in [(true, false), (false, true)] {
            while let Some(kind) = jobs.next(held(opening, watched, true)) {
                begun.push(kind);
            }
        }
        assert_eq!(begun, [JobKind::Urgent, JobKind::Spot]);
        assert_eq!(jobs.next(held(true, true, false)), Some(JobKind::Settings));
        assert_eq!(
            jobs.next(held(false, false, false)),
            Some(JobKind::Critical)
        );
    }

    #[test]
    fn what_matters_most_comes_first_and_lanes_do_not_wait_for_each_other() {
        let mut jobs = JobQueue::default();
        for kind in [
            JobKind::Instance,
            JobKind::FullScan,
            JobKind::Settings,
            JobKind::Critical,
        ] {
            jobs.want(kind);
        }
        assert_eq!(jobs.next(&[]), Some(JobKind::Critical));
        assert_eq!(jobs.next(&[]), Some(JobKind::Settings));
        assert_eq!(jobs.next(&[]), Some(JobKind::Instance));
        assert_eq!(jobs.next(&[]), None);
        jobs.want(JobKind::Spot);
        assert_eq!(jobs.next(&[]), Some(JobKind::Spot));
        jobs.want(JobKind::Urgent);
        assert_eq!(jobs.next(&[]), Some(JobKind::Urgent), "while others run");
        jobs.ended(JobKind::Critical);
        assert_eq!(jobs.next(&[JobKind::FullScan]), None, "held");
        assert_eq!(jobs.next(&[]), Some(JobKind::FullScan));
    }
}
