//! The worst findings of a report that cannot list all: whoever makes noise must not push a critical one out.

use super::words::{RANKS, rank};
use agent_core::finding::Finding;

/// Findings by rank, at most a given number of them.
#[derive(Debug)]
pub(super) struct Worst {
    most: usize,
    kept: [Vec<Finding>; RANKS],
    left_out: u64,
}

impl Worst {
    /// Keeps `most`.
    pub(super) fn of(most: usize) -> Worst {
        Worst {
            most,
            kept: Default::default(),
            left_out: 0,
        }
    }

    /// Keeps the finding, in the place of the newest of the least severe where there are enough.
    pub(super) fn keep(&mut self, finding: Finding) {
        let rank = usize::from(rank(&finding));
        if self.len() >= self.most {
            self.left_out += 1;
            let worse_ranks = self.kept.iter_mut().skip(rank + 1);
            let least = worse_ranks.rev().find(|kept| !kept.is_empty());
            if least.and_then(Vec::pop).is_none() {
                return;
            }
        }
        if let Some(kept) = self.kept.get_mut(rank) {
            kept.push(finding);
        }
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.iter().map(Vec::len).sum()
    }

    /// How many are not.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes them out: worst first, of one rank in the order in which they came.
    pub(super) fn take(&mut self) -> Vec<Finding> {
        self.kept.iter_mut().flat_map(std::mem::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::{FILES_CHANGED, Severity, Verdict};

    fn changed(subject: &str, severity: Severity) -> Finding {
        Finding::new(&FILES_CHANGED, Verdict::Fail, severity, subject, "m")
    }

    #[test]
    fn the_least_severe_make_room() {
        let mut worst = Worst::of(2);
        worst.keep(changed("/1", Severity::Low));
        worst.keep(changed("/2", Severity::Low));
        worst.keep(changed("/3", Severity::Critical));
        worst.keep(changed("/4", Severity::Low));
        assert_eq!((worst.len(), worst.left_out()), (2, 2));
        let pass = Finding::new(&FILES_CHANGED, Verdict::Pass, Severity::Critical, "/5", "m");
        worst.keep(pass);
        let subjects: Vec<_> = worst.take().into_iter().map(|f| f.subject).collect();
        assert_eq!(subjects, [b"/3".to_vec(), b"/1".to_vec()]);
        assert_eq!(worst.left_out(), 3);
    }
}
