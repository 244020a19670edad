//! Findings onto any writer: for people, or for programs.

pub(crate) mod counts;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markup;
pub(crate) mod ocsf;
pub(crate) mod output;
mod packed;
pub(crate) mod progress;
pub(crate) mod sarif;
pub(crate) mod several;
pub(crate) mod summary;
pub(crate) mod text;
pub(crate) mod words;
mod worst;
pub(crate) mod wrap;

pub(crate) use summary::Summary;

use agent_core::finding::Finding;
use agent_core::host::Host;
use std::io;

/// Takes findings one by one, then the summary.
pub(crate) trait Report {
    /// Which host the findings are about, for those who say so with each.
    fn about(&mut self, _host: &Host) {}
    /// One finding.
    fn finding(&mut self, finding: Finding) -> io::Result<()>;
    /// Everything has been judged.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}
