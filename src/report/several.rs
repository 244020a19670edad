//! Several reports of one look.

use super::{Report, Summary};
use agent_core::finding::Finding;
use agent_core::host::Host;
use std::io;

/// Hands everything to each of them.
pub(crate) struct Several<'a> {
    each: Vec<Box<dyn Report + 'a>>,
}

/// An error in writing, and which of the reports had it.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// The place among the reports, from 0.
    pub which: usize,
    /// What the writer said.
    pub error: io::Error,
}

impl<'a> Several<'a> {
    /// All of `each`, in that order.
    pub(crate) fn new(each: Vec<Box<dyn Report + 'a>>) -> Several<'a> {
        Several { each }
    }

    /// See [`Report::about`].
    pub(crate) fn about(&mut self, host: &Host) {
        for report in &mut self.each {
            report.about(host);
        }
    }

    /// See [`Report::finding`].
    pub(crate) fn finding(&mut self, finding: Finding) -> Result<(), Unwritten> {
        let Some((last, others)) = self.each.split_last_mut() else {
            return Ok(());
        };
        let which_last = others.len();
        for (which, report) in others.iter_mut().enumerate() {
            let written = report.finding(finding.clone());
            written.map_err(|error| Unwritten { which, error })?;
        }
        last.finding(finding).map_err(|error| Unwritten {
            which: which_last,
            error,
        })
    }

    /// See [`Report::finish`].
    pub(crate) fn finish(&mut self, summary: &Summary) -> Result<(), Unwritten> {
        for (which, report) in self.each.iter_mut().enumerate() {
            let written = report.finish(summary);
            written.map_err(|error| Unwritten { which, error })?;
        }
        Ok(())
    }
}
