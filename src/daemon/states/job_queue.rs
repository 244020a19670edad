//! Which looks are under way and which wait. Pure: one of a lane at a time, and no more than one of a kind waits.

/// A look at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::daemon) enum JobKind {
    /// The files that matter most, first after a start.
    Critical,
    /// What the first boot changed, put on the record.
    Launch,
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

/// JobQueue of one lane come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Trees,
    /// Nothing else is looked at there, so that a critical path waits for none that is not.
    Urgent,
    Paths,
    Settings,
    Instance,
}

impl JobKind {
    /// In the order in which they are begun where more than one waits.
    const ALL: [JobKind; 7] = [
        JobKind::Critical,
        JobKind::Launch,
        JobKind::FullScan,
        JobKind::Urgent,
        JobKind::Spot,
        JobKind::Settings,
        JobKind::Instance,
    ];

    fn lane(self) -> Lane {
        match self {
            JobKind::Critical | JobKind::Launch | JobKind::FullScan => Lane::Trees,
            JobKind::Urgent => Lane::Urgent,
            JobKind::Spot => Lane::Paths,
            JobKind::Settings => Lane::Settings,
            JobKind::Instance => Lane::Instance,
        }
    }
}

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(in crate::daemon) struct JobQueue {
    running: Vec<JobKind>,
    wanted: Vec<JobKind>,
}

impl JobQueue {
    /// Wants a look. If one of the kind waits already, that one is enough.
    pub(in crate::daemon) fn want(&mut self, look: JobKind) {
        if !self.wanted.contains(&look) {
            self.wanted.push(look);
        }
    }

    /// Whether a look of the kind is under way.
    pub(in crate::daemon) fn running(&self, look: JobKind) -> bool {
        self.running.contains(&look)
    }

    /// Whether a look of the kind waits.
    pub(in crate::daemon) fn waits(&self, look: JobKind) -> bool {
        self.wanted.contains(&look)
    }

    /// Whether a look of the kind could begin at once.
    pub(in crate::daemon) fn free(&self, look: JobKind) -> bool {
        self.running.iter().all(|other| other.lane() != look.lane())
    }

    /// Takes the next look that may begin; it is under way from then on. `held`: kinds that must wait.
    pub(in crate::daemon) fn next(&mut self, held: &[JobKind]) -> Option<JobKind> {
        let look = JobKind::ALL
            .into_iter()
            .find(|look| self.waits(*look) && self.free(*look) && !held.contains(look))?;
        self.wanted.retain(|wanted| *wanted != look);
        self.running.push(look);
        Some(look)
    }

    /// A look has come to its end.
    pub(in crate::daemon) fn ended(&mut self, look: JobKind) {
        self.running.retain(|running| *running != look);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runs_and_one_waits() {
        let mut looks = JobQueue::default();
        for _ in 0..3 {
            looks.want(JobKind::FullScan);
        }
        assert_eq!(looks.next(&[]), Some(JobKind::FullScan));
        assert_eq!(looks.next(&[]), None);
        for _ in 0..3 {
            looks.want(JobKind::FullScan);
        }
        assert_eq!(looks.next(&[]), None, "one runs");
        looks.ended(JobKind::FullScan);
        assert_eq!(looks.next(&[]), Some(JobKind::FullScan), "one waited");
        looks.ended(JobKind::FullScan);
        assert_eq!(looks.next(&[]), None, "and one alone");
    }

    #[test]
    fn what_matters_most_comes_first_and_lanes_do_not_wait_for_each_other() {
        let mut looks = JobQueue::default();
        for look in [
            JobKind::Instance,
            JobKind::FullScan,
            JobKind::Settings,
            JobKind::Critical,
        ] {
            looks.want(look);
        }
        assert_eq!(looks.next(&[]), Some(JobKind::Critical));
        assert_eq!(looks.next(&[]), Some(JobKind::Settings));
        assert_eq!(looks.next(&[]), Some(JobKind::Instance));
        assert_eq!(looks.next(&[]), None);
        looks.want(JobKind::Spot);
        assert_eq!(looks.next(&[]), Some(JobKind::Spot));
        looks.want(JobKind::Urgent);
        assert_eq!(looks.next(&[]), Some(JobKind::Urgent), "while others look");
        looks.ended(JobKind::Critical);
        assert_eq!(looks.next(&[JobKind::FullScan]), None, "held");
        assert_eq!(looks.next(&[]), Some(JobKind::FullScan));
    }
}
