//! `--format junit`: for build servers that bake images. One suite an area, one case a finding.
//!
//! The form is that of Ant's JUnit task: what both Jenkins' schema (junit-10.xsd) and Windyroad's stricter one take.
//! Counts stand before the cases, so that all cases are held until the end, packed.

use super::packed::Packed;
use super::words::{about, headline, notes, outcome, tallies};
use super::{Report, Summary, markup};
use agent_core::finding::{Finding, Verdict};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Instant;

/// Suites of all areas share it: their names are told apart from those of other tools by it.
const PACKAGE: &str = "host-integrity-agent";

/// Collects cases, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Junit<W> {
    out: W,
    suites: Vec<Suite>,
    /// When the last case was told.
    last: Instant,
}

#[derive(Debug, Default)]
struct Suite {
    area: &'static str,
    cases: Packed,
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
    /// Seconds from the finding before to each of its own.
    time: f64,
}

impl<W: Write> Junit<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W) -> Junit<W> {
        Junit {
            out,
            suites: Vec::new(),
            last: Instant::now(),
        }
    }

    fn suite(&mut self, area: &'static str) -> &mut Suite {
        let known = self.suites.iter().position(|suite| suite.area == area);
        let at = known.unwrap_or_else(|| {
            self.suites.push(Suite {
                area,
                ..Suite::default()
            });
            self.suites.len() - 1
        });
        &mut self.suites[at]
    }

    fn write(&mut self, summary: &Summary) -> io::Result<()> {
        // Neither schema has a place for the whole: a comment, which no reader stumbles over.
        let counts = tallies(summary).into_iter();
        let mut said = vec![format!(
            "{} {}",
            headline(summary.verdict()),
            outcome(summary)
        )];
        said.extend(counts.map(|(what, row)| format!("{what}: {row}")));
        said.push(about(summary));
        said.extend(notes(summary));
        writeln!(
            self.out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- {} -->\n<testsuites>",
            // Two hyphens would end the comment.
            markup::text(&said.join("; ")).replace("--", "- -")
        )?;
        let hostname = match summary.host.hostname.trim() {
            "" => "localhost",
            name => name,
        };
        let hostname = markup::text(hostname);
        // Without zone, as the stricter schema wants it: UTC.
        let timestamp = summary.began();
        let timestamp = timestamp.trim_end_matches('Z');
        for (id, suite) in self.suites.iter().enumerate() {
            let Suite {
                area,
                tests,
                failures,
                errors,
                skipped,
                time,
                cases,
            } = suite;
            let mut properties = format!(
                "<property name=\"profile\" value=\"{}\"/>",
                markup::text(&summary.profile)
            );
            if let Some(least) = summary.counts.fail_on {
                let least = least.name();
                write!(properties, "<property name=\"fail-on\" value=\"{least}\"/>")
                    .unwrap_or_default();
            }
            writeln!(
                self.out,
                "<testsuite name=\"{area}\" package=\"{PACKAGE}\" id=\"{id}\" hostname=\"{hostname}\" timestamp=\"{timestamp}\" \
                 time=\"{time:.3}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n\
                 <properties>{properties}</properties>"
            )?;
            cases.write_to(&mut self.out)?;
            writeln!(
                self.out,
                "<system-out>{}</system-out><system-err/></testsuite>",
                markup::text(&said.join("; "))
            )?;
        }
        writeln!(self.out, "</testsuites>")?;
        self.out.flush()
    }
}

impl Suite {
    fn case(&mut self, finding: &Finding, time: f64) {
        self.tests += 1;
        self.time += time;
        let deviates = matches!(finding.verdict, Verdict::Fail | Verdict::Unknown);
        let waived = finding.waived_by.as_ref().filter(|_| deviates);
        let element = match finding.verdict {
            Verdict::Pass => None,
            _ if waived.is_some() => Some("skipped"),
            Verdict::Fail => Some("failure"),
            Verdict::Unknown => Some("error"),
            Verdict::NotApplicable => Some("skipped"),
        };
        for (count, name) in [
            (&mut self.failures, "failure"),
            (&mut self.errors, "error"),
            (&mut self.skipped, "skipped"),
        ] {
            *count += u64::from(element == Some(name));
        }
        let id = finding.check.id;
        let subject = markup::path(&finding.subject);
        let head = format!("<testcase classname=\"{id}\" name=\"{subject}\" time=\"{time:.3}\"");
        let mut message = markup::text(&finding.message);
        if let Some(waived) = waived {
            let severity = finding.severity.name();
            let words = markup::text(&waived.words());
            message = format!("{severity}, waived by {words}: {message}");
        }
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
    lines.push(format!("more      agent explain {}", finding.check.id));
    let lines: Vec<String> = lines.iter().map(|line| markup::text(line)).collect();
    lines.join("\n")
}

impl<W: Write> Report for Junit<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        let now = Instant::now();
        let time = now.duration_since(self.last).as_secs_f64();
        self.last = now;
        let id = finding.check.id;
        let area = id.split('.').next().unwrap_or(id);
        self.suite(area).case(&finding, time);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(files) = &summary.files {
            // Files that hold are no findings, and a suite without cases looks as if nothing had been done.
            let suite = self.suite("files");
            suite.tests += 1;
            suite.time = files.elapsed.as_secs_f64();
            writeln!(
                suite.cases,
                "<testcase classname=\"files\" name=\"coverage\" time=\"{:.3}\"/>",
                suite.time
            )
            .unwrap_or_default();
        }
        self.write(summary)
    }
}
