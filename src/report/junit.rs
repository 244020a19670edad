//! `--format junit`: for build servers that bake images. One suite an area, one case a finding.
//!
//! The form is that of Ant's JUnit task as Jenkins and GitLab read it. A suite's counts stand before its cases, so
//! the cases of one area are held until the next begins: some 500 bytes a finding.

use super::words::{against, bytes, outcome, thousands};
use super::{Report, Summary, markup};
use agent_core::finding::{Finding, Verdict};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes one suite after the other.
#[derive(Debug)]
pub(crate) struct Junit<W> {
    out: W,
    begun: bool,
    suite: Option<Suite>,
}

#[derive(Debug, Default)]
struct Suite {
    area: &'static str,
    cases: String,
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

impl<W: Write> Junit<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W) -> Junit<W> {
        Junit {
            out,
            begun: false,
            suite: None,
        }
    }

    /// Ends the suite under way.
    fn flush_suite(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            writeln!(
                self.out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"agent check\">"
            )?;
        }
        let Some(suite) = self.suite.take() else {
            return Ok(());
        };
        writeln!(
            self.out,
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}</testsuite>",
            suite.area, suite.tests, suite.failures, suite.errors, suite.skipped, suite.cases
        )
    }

    fn suite(&mut self, area: &'static str) -> io::Result<&mut Suite> {
        if self.suite.as_ref().is_none_or(|suite| suite.area != area) {
            self.flush_suite()?;
        }
        Ok(self.suite.get_or_insert_with(|| Suite {
            area,
            ..Suite::default()
        }))
    }
}

impl Suite {
    fn case(&mut self, finding: &Finding) {
        self.tests += 1;
        let element = match finding.verdict {
            Verdict::Pass => None,
            Verdict::Fail => Some("failure"),
            Verdict::Unknown => Some("error"),
            Verdict::NotApplicable => Some("skipped"),
        };
        for (count, verdict) in [
            (&mut self.failures, Verdict::Fail),
            (&mut self.errors, Verdict::Unknown),
            (&mut self.skipped, Verdict::NotApplicable),
        ] {
            *count += u64::from(finding.verdict == verdict);
        }
        let id = finding.check.id;
        let subject = markup::path(&finding.subject);
        let head = format!("<testcase classname=\"{id}\" name=\"{subject}\"");
        let message = markup::text(&finding.message);
        // Writing to a String cannot fail.
        match element {
            None => writeln!(self.cases, "{head}/>"),
            Some("skipped") => {
                writeln!(
                    self.cases,
                    "{head}><skipped message=\"{message}\"/></testcase>"
                )
            }
            Some(element) => writeln!(
                self.cases,
                "{head}><{element} type=\"{}\" message=\"{message}\">{}</{element}></testcase>",
                finding.severity.name(),
                evidence(finding)
            ),
        }
        .unwrap_or_default();
    }
}

/// Where it stands, what should be and what is, what to do: a line each.
fn evidence(finding: &Finding) -> String {
    let mut lines = Vec::new();
    if let Some(place) = &finding.location {
        lines.push(format!("at        {place}"));
    }
    for (word, value) in [
        ("expected", &finding.expected),
        ("observed", &finding.observed),
    ] {
        if !value.is_null() {
            lines.push(format!("{word}  {value}"));
        }
    }
    if let Some(remedy) = &finding.remediation {
        lines.push(format!("remedy    {remedy}"));
    }
    let lines: Vec<String> = lines.iter().map(|line| markup::text(line)).collect();
    lines.join("\n")
}

impl<W: Write> Report for Junit<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        let id = finding.check.id;
        let area = id.split('.').next().unwrap_or(id);
        self.suite(area)?.case(&finding);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(files) = &summary.files {
            // Files that hold are no findings, and a suite without cases looks as if nothing had been done.
            let suite = self.suite("files")?;
            suite.tests += 1;
            let said = format!(
                "looked at {} paths, {}, against {}",
                thousands(files.checked),
                bytes(files.bytes),
                against(summary.evidence.as_ref())
            );
            writeln!(
                suite.cases,
                "<testcase classname=\"files\" name=\"coverage\"><system-out>{}</system-out></testcase>",
                markup::text(&said)
            )
            .unwrap_or_default();
        }
        self.flush_suite()?;
        let mut said = vec![outcome(summary), format!("profile {}", summary.profile)];
        said.extend(summary.notes.iter().cloned());
        writeln!(
            self.out,
            "<!-- {} -->\n</testsuites>",
            // Two hyphens would end the comment.
            markup::text(&said.join("; ")).replace("--", "- -")
        )?;
        self.out.flush()
    }
}
