//! How many findings came to what, and what that makes of the exit status.

use agent_core::finding::{Finding, Severity, Verdict};

/// Checks of the agent's own trust: no `--fail-on` spares them.
const TRUST: [&str; 3] = ["files.profile", "files.launch_record", "files.amendment"];

/// Number of findings by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// As demanded.
    pub pass: u64,
    /// Not as demanded, and nobody answers for it.
    pub fail: u64,
    /// Could not look, and nobody answers for it.
    pub unknown: u64,
    /// Nothing to judge.
    pub not_applicable: u64,
    /// Not as demanded, or not seen; somebody answers for it.
    pub waived: u64,
}

impl Tally {
    /// Findings with a judgement.
    pub(crate) fn judged(&self) -> u64 {
        self.pass + self.fail + self.waived
    }

    /// All findings.
    pub(crate) fn total(&self) -> u64 {
        self.judged() + self.unknown + self.not_applicable
    }

    fn count(&mut self, finding: &Finding) -> &mut u64 {
        match finding.verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::NotApplicable => &mut self.not_applicable,
            Verdict::Fail | Verdict::Unknown if finding.waived_by.is_some() => &mut self.waived,
            Verdict::Fail => &mut self.fail,
            Verdict::Unknown => &mut self.unknown,
        }
    }
}

/// Number of findings by verdict, and of failures by severity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Findings about files.
    pub files: Tally,
    /// Findings about settings and the instance.
    pub settings: Tally,
    /// Failures: critical, high, medium, low.
    pub by_severity: [u64; 4],
    /// `--fail-on`: what is less severe moves no exit status.
    pub fail_on: Option<Severity>,
    /// Failures that move the exit status.
    decisive_fails: u64,
    /// Unknowns that do.
    decisive_unknowns: u64,
}

impl Counts {
    /// Of nothing yet.
    pub(crate) fn new(fail_on: Option<Severity>) -> Counts {
        Counts {
            fail_on,
            ..Counts::default()
        }
    }

    /// Takes in one finding.
    pub(crate) fn add(&mut self, finding: &Finding) {
        let tally = match finding.check.id.starts_with("files.") {
            true => &mut self.files,
            false => &mut self.settings,
        };
        *tally.count(finding) += 1;
        if finding.waived_by.is_some() {
            return;
        }
        let decisive = TRUST.contains(&finding.check.id)
            || self.fail_on.is_none_or(|least| finding.severity >= least);
        match finding.verdict {
            Verdict::Fail => {
                self.decisive_fails += u64::from(decisive);
                let worst_first = Severity::WORST_FIRST;
                for (count, severity) in self.by_severity.iter_mut().zip(worst_first) {
                    *count += u64::from(severity == finding.severity);
                }
            }
            Verdict::Unknown => self.decisive_unknowns += u64::from(decisive),
            Verdict::Pass | Verdict::NotApplicable => {}
        }
    }

    /// Of everything.
    pub(crate) fn all(&self) -> Tally {
        let (a, b) = (&self.files, &self.settings);
        Tally {
            pass: a.pass + b.pass,
            fail: a.fail + b.fail,
            unknown: a.unknown + b.unknown,
            not_applicable: a.not_applicable + b.not_applicable,
            waived: a.waived + b.waived,
        }
    }

    /// The exit status that the contract gives the findings.
    pub(crate) fn exit(&self) -> u8 {
        match (self.decisive_fails, self.decisive_unknowns) {
            (0, 0) => 0,
            (0, _) => 3,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_core::finding::{FILES_CHANGED, FILES_PROFILE};

    #[test]
    fn only_what_is_severe_enough_moves_the_exit_status_but_trust_always_does() {
        let exit = |fail_on, check, verdict, severity| {
            let mut counts = Counts::new(fail_on);
            counts.add(&Finding::new(check, verdict, severity, "/x", "m"));
            assert_eq!(counts.all().total(), 1, "counted all the same");
            counts.exit()
        };
        let high = Some(Severity::High);
        let cases = [
            (None, &FILES_CHANGED, Verdict::Fail, Severity::Low, 1),
            (None, &FILES_CHANGED, Verdict::Unknown, Severity::Low, 3),
            (high, &FILES_CHANGED, Verdict::Fail, Severity::Medium, 0),
            (high, &FILES_CHANGED, Verdict::Fail, Severity::High, 1),
            (high, &FILES_CHANGED, Verdict::Fail, Severity::Critical, 1),
            (high, &FILES_CHANGED, Verdict::Unknown, Severity::Medium, 0),
            (high, &FILES_CHANGED, Verdict::Unknown, Severity::High, 3),
            (high, &FILES_PROFILE, Verdict::Fail, Severity::Low, 1),
            (high, &FILES_PROFILE, Verdict::Unknown, Severity::Low, 3),
        ];
        for (fail_on, check, verdict, severity, wanted) in cases {
            let found = exit(fail_on, check, verdict, severity);
            assert_eq!(
                found, wanted,
                "{fail_on:?} {check:?} {verdict:?} {severity:?}"
            );
        }
    }
}
