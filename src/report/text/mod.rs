//! The report for people: the verdict, what was judged, then what deviates, settings apart from files, worst first.

mod evidence;
mod fold;
mod rows;

use super::counts::Counts;
use super::words::{about, headline, notes, outcome, rank, tallies, thousands};
use super::{Report, Summary, wrap};
use agent_core::escape::{terminal_bytes, terminal_text};
use agent_core::finding::{Finding, Verdict};
use fold::Fold;
use rows::{Row, location, settings};
use std::io::{self, Write};

/// Findings that are kept to be listed; beyond it they are counted.
const KEPT: usize = 50_000;
/// Columns of a row's label, as `critical`, and of the blanks behind it.
const LABEL: usize = 10;
/// Columns before evidence.
const INDENT: usize = 20;

/// How a text report looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// Every finding with its evidence, and what passed.
    pub verbose: bool,
    /// Nothing unless something deviates.
    pub quiet: bool,
    /// Columns of the terminal; `None` where lines are not wrapped.
    pub width: Option<usize>,
}

/// Collects findings, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Text<W> {
    out: W,
    style: Style,
    counts: Counts,
    /// Settings, and of a verbose report everything.
    kept: Vec<Finding>,
    files: Fold,
}

impl<W: Write> Text<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W, style: Style) -> Text<W> {
        Text {
            out,
            style,
            counts: Counts::default(),
            kept: Vec::new(),
            files: Fold::default(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.style.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// `word` in its column, and `text` beside it, wrapped.
    fn beside(&mut self, code: &str, word: &str, column: usize, text: &str) -> io::Result<()> {
        let lines = wrap::lines(text, self.style.width, column, column);
        let label = self.paint(code, word);
        let blanks = column.saturating_sub(word.chars().count());
        for (i, line) in lines.iter().enumerate() {
            match i {
                0 => writeln!(self.out, "{label}{:blanks$}{line}", "")?,
                _ => writeln!(self.out, "{:column$}{line}", "")?,
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row) -> io::Result<()> {
        let (code, word) = match row.rank {
            0 => ("1;31", "critical"),
            1 => ("31", "high"),
            2 => ("33", "medium"),
            3 => ("36", "low"),
            4 => ("35", "unknown"),
            5 => ("34", "waived"),
            _ => ("2", "other"),
        };
        let word = row.word.unwrap_or(word);
        self.beside(code, word, LABEL, &row.text())
    }

    fn head(&mut self, summary: &Summary) -> io::Result<()> {
        let verdict = summary.verdict();
        let code = match verdict {
            Verdict::Pass => "1;32",
            Verdict::Fail => "1;31",
            Verdict::Unknown | Verdict::NotApplicable => "1;35",
        };
        let word = headline(verdict);
        self.beside(code, word, word.len() + 2, &outcome(summary))?;
        for (what, row) in tallies(summary) {
            self.beside("1", what, LABEL, &terminal_text(&row))?;
        }
        self.beside("1", "Checked", LABEL, &terminal_text(&about(summary)))
    }

    /// One section, under its title.
    fn section(&mut self, title: &str, rows: &[Row]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{}", self.paint("1", title))?;
        rows.iter().try_for_each(|row| self.row(row))
    }

    fn short(&mut self) -> io::Result<()> {
        let settings = settings(std::mem::take(&mut self.kept));
        let files = std::mem::take(&mut self.files).rows();
        let worst = |rows: &[Row]| rows.iter().map(|row| row.rank).min();
        let example = settings.iter().chain(&files);
        let example = example.min_by_key(|row| row.rank).map(|row| row.check);
        let files_first = match (worst(&files), worst(&settings)) {
            (Some(files), Some(settings)) => files < settings,
            _ => false,
        };
        if files_first {
            self.section("Files", &files)?;
        }
        self.section("Settings", &settings)?;
        if !files_first {
            self.section("Files", &files)?;
        }
        if let Some(check) = example {
            let more = format!("agent explain {check} (or another); --verbose tells all");
            self.beside("1", "More", LABEL, &more)?;
        }
        Ok(())
    }

    /// Every finding with its evidence.
    fn whole(&mut self) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        let file = |finding: &Finding| finding.check.id.starts_with("files.");
        kept.sort_by(|a, b| {
            (rank(a), file(a))
                .cmp(&(rank(b), file(b)))
                .then_with(|| a.subject.cmp(&b.subject))
        });
        for finding in &kept {
            let subject = terminal_bytes(&finding.subject);
            let mut said = terminal_text(&finding.message).into_owned();
            // As of `sshd Match User x`, which says whom it is about.
            if let Some((whom, rest)) = said.split_once(": ")
                && subject.ends_with(whom)
            {
                said = rest.to_owned();
            }
            said += &location(finding);
            let row = Row {
                rank: rank(finding),
                word: match finding.verdict {
                    Verdict::Pass => Some("pass"),
                    Verdict::NotApplicable => Some("n/a"),
                    Verdict::Fail | Verdict::Unknown => None,
                },
                check: finding.check.id,
                name: subject,
                said,
            };
            self.row(&row)?;
            self.details(finding)?;
        }
        let left = self.counts.all().total().saturating_sub(kept.len() as u64);
        if left > 0 {
            let left = thousands(left);
            writeln!(self.out, "… and {left} more: --format json lists all")?;
        }
        Ok(())
    }

    fn details(&mut self, finding: &Finding) -> io::Result<()> {
        let mut details = vec![("check", finding.check.id.to_owned())];
        details.extend(evidence::lines(finding));
        if matches!(finding.verdict, Verdict::Fail | Verdict::Unknown) {
            if let Some(waived) = &finding.waived_by {
                details.push(("waived by", waived.words()));
            }
            if let Some(remediation) = &finding.remediation {
                details.push(("remedy", remediation.clone()));
            }
            details.push(("more", format!("agent explain {}", finding.check.id)));
        }
        for (word, text) in details {
            let word = format!("{:LABEL$}{word}", "");
            self.beside("2", &word, INDENT, &terminal_text(&text))?;
        }
        Ok(())
    }
}

impl<W: Write> Report for Text<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        self.counts.add(&finding);
        let deviates = matches!(finding.verdict, Verdict::Fail | Verdict::Unknown);
        let verbose = self.style.verbose;
        if !verbose && deviates && finding.check.id.starts_with("files.") {
            self.files.add(finding);
        } else if (deviates || verbose) && self.kept.len() < KEPT {
            self.kept.push(finding);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let quiet_verdict = matches!(summary.verdict(), Verdict::Pass | Verdict::NotApplicable);
        if self.style.quiet && quiet_verdict {
            return self.out.flush();
        }
        self.head(summary)?;
        match self.style.verbose {
            true => self.whole()?,
            false => self.short()?,
        }
        for note in notes(summary) {
            self.beside("1", "Note", LABEL, &terminal_text(&note))?;
        }
        self.out.flush()
    }
}
