//! `--format json`: one object a line, the summary last.

use super::{Report, Summary};
use agent_core::benchmarks::Benchmarks;
use agent_core::finding::Finding;
use std::io::{self, Write};

/// Writes each finding as it comes, with the numbers of the benchmarks.
#[derive(Debug)]
pub(crate) struct Json<W>(pub W, pub Benchmarks);

impl<W: Write> Report for Json<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        writeln!(self.0, "{}", finding.to_json(self.1))
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        writeln!(self.0, "{}", summary.to_json())?;
        self.0.flush()
    }
}
