//! Which looks are under way and which wait. Pure: one of a lane at a time, and no more than one of a kind waits.

/// A look at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// The files that matter most, first after a start.
    Critical,
    /// What the first boot changed, put on the record.
    Launch,
    /// All files.
    Whole,
    /// What is critical of the paths that were touched, before they are quiet.
    Urgent,
    /// Paths that were touched.
    Spot,
    /// sshd and local settings.
    Settings,
    /// The instance.
    Instance,
}

/// Looks of one lane come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Trees,
    /// Nothing else is looked at there, so that a critical path waits for none that is not.
    Urgent,
    Paths,
    Settings,
    Instance,
}

impl Look {
    /// In the order in which they are begun where more than one waits.
    const ALL: [Look; 7] = [
        Look::Critical,
        Look::Launch,
        Look::Whole,
        Look::Urgent,
        Look::Spot,
        Look::Settings,
        Look::Instance,
    ];

    fn lane(self) -> Lane {
        match self {
            Look::Critical | Look::Launch | Look::Whole => Lane::Trees,
            Look::Urgent => Lane::Urgent,
            Look::Spot => Lane::Paths,
            Look::Settings => Lane::Settings,
            Look::Instance => Lane::Instance,
        }
    }
}

/// What is under way, and what waits.
#[derive(Debug, Default)]
pub(super) struct Looks {
    running: Vec<Look>,
    wanted: Vec<Look>,
}

impl Looks {
    /// Wants a look. If one of the kind waits already, that one is enough.
    pub(super) fn want(&mut self, look: Look) {
        if !self.wanted.contains(&look) {
            self.wanted.push(look);
        }
    }

    /// Whether a look of the kind is under way.
    pub(super) fn running(&self, look: Look) -> bool {
        self.running.contains(&look)
    }

    /// Whether a look of the kind waits.
    pub(super) fn waits(&self, look: Look) -> bool {
        self.wanted.contains(&look)
    }

    /// Whether a look of the kind could begin at once.
    pub(super) fn free(&self, look: Look) -> bool {
        self.running.iter().all(|other| other.lane() != look.lane())
    }

    /// Takes the next look that may begin; it is under way from then on. `held`: kinds that must wait.
    pub(super) fn next(&mut self, held: &[Look]) -> Option<Look> {
        let look = Look::ALL
            .into_iter()
            .find(|look| self.waits(*look) && self.free(*look) && !held.contains(look))?;
        self.wanted.retain(|wanted| *wanted != look);
        self.running.push(look);
        Some(look)
    }

    /// A look has come to its end.
    pub(super) fn ended(&mut self, look: Look) {
        self.running.retain(|running| *running != look);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runs_and_one_waits() {
        let mut looks = Looks::default();
        for _ in 0..3 {
            looks.want(Look::Whole);
        }
        assert_eq!(looks.next(&[]), Some(Look::Whole));
        assert_eq!(looks.next(&[]), None);
        for _ in 0..3 {
            looks.want(Look::Whole);
        }
        assert_eq!(looks.next(&[]), None, "one runs");
        looks.ended(Look::Whole);
        assert_eq!(looks.next(&[]), Some(Look::Whole), "one waited");
        looks.ended(Look::Whole);
        assert_eq!(looks.next(&[]), None, "and one alone");
    }

    #[test]
    fn what_matters_most_comes_first_and_lanes_do_not_wait_for_each_other() {
        let mut looks = Looks::default();
        for look in [Look::Instance, Look::Whole, Look::Settings, Look::Critical] {
            looks.want(look);
        }
        assert_eq!(looks.next(&[]), Some(Look::Critical));
        assert_eq!(looks.next(&[]), Some(Look::Settings));
        assert_eq!(looks.next(&[]), Some(Look::Instance));
        assert_eq!(looks.next(&[]), None);
        looks.want(Look::Spot);
        assert_eq!(looks.next(&[]), Some(Look::Spot));
        looks.want(Look::Urgent);
        assert_eq!(looks.next(&[]), Some(Look::Urgent), "while others look");
        looks.ended(Look::Critical);
        assert_eq!(looks.next(&[Look::Whole]), None, "held");
        assert_eq!(looks.next(&[]), Some(Look::Whole));
    }
}
