//! The report for people: the verdict, what was judged, then what deviates, settings apart from files, worst first.

mod evidence;
mod fit;
mod fold;
mod rows;

use super::counts::Counts;
use super::words::{UNKNOWN, about, headline, notes, outcome, rank, tallies, thousands};
use super::worst::Worst;
use super::{Report, Summary, wrap};
use agent_core::escape::{terminal_bytes, terminal_text};
use agent_core::finding::{Finding, Verdict};
use fit::{Cut, Paragraph};
use fold::Fold;
use rows::{Row, location, settings};
use std::io::{self, Write};

/// Findings that are kept to be listed, the worst; beyond it they are counted.
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
    /// Its rows; `None` where nothing is cut to fit them.
    pub height: Option<usize>,
}

/// Collects findings, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Text<W> {
    out: W,
    style: Style,
    counts: Counts,
    /// Settings, and of a verbose report everything.
    kept: Worst,
    files: Fold,
}

impl<W: Write> Text<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W, style: Style) -> Text<W> {
        Text {
            out,
            style,
            counts: Counts::default(),
            kept: Worst::of(KEPT),
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
        self.write(code, word, column, &lines)
    }

    fn write(&mut self, code: &str, word: &str, column: usize, lines: &[String]) -> io::Result<()> {
        let label = self.paint(code, word);
        let blanks = column.saturating_sub(word.chars().count());
        for (i, line) in lines.iter().enumerate() {
            match i {
                0 if line.is_empty() => writeln!(self.out, "{label}")?,
                0 => writeln!(self.out, "{label}{:blanks$}{line}", "")?,
                _ => writeln!(self.out, "{:column$}{line}", "")?,
            }
        }
        Ok(())
    }

    /// All of it, cut until it fits the screen where a little is too much.
    fn page(&mut self, page: &[Paragraph]) -> io::Result<()> {
        let lines = fit::lines(page, self.style.width, self.style.height);
        for (paragraph, lines) in page.iter().zip(&lines) {
            self.write(paragraph.code, &paragraph.word, paragraph.column, lines)?;
        }
        Ok(())
    }

    fn short(&mut self) -> Vec<Paragraph> {
        let settings = settings(self.kept.take());
        let files = std::mem::take(&mut self.files).rows();
        let mut page = Vec::new();
        let mut sections = [("Settings", &settings), ("Files", &files)];
        let worst = |rows: &[Row]| rows.iter().map(|row| row.rank).min();
        if let (Some(of_files), Some(of_settings)) = (worst(&files), worst(&settings))
            && of_files < of_settings
        {
            sections.swap(0, 1);
        }
        let titles = sections.iter().all(|(_, rows)| !rows.is_empty());
        let first = sections.iter().flat_map(|(_, rows)| rows.iter());
        // Of equals, what somebody wrote: a default has been there since the image was made.
        let order = |row: &&Row| (row.rank, row.said.contains("by default"));
        if let Some(first) = first.min_by_key(order) {
            let name = first.name.split(", ").next().unwrap_or_default();
            let text = format!("see to {name}: agent explain {}", first.check);
            if first.rank <= UNKNOWN {
                page.push(fixed("First", &text));
            }
        }
        for (title, rows) in sections {
            if titles {
                page.push(Paragraph {
                    column: 0,
                    ..fixed(title, "")
                });
            }
            page.extend(rows.iter().map(paragraph));
        }
        if !page.is_empty() {
            let mut checks: Vec<&str> = files.iter().map(|row| row.check).collect();
            checks.sort_unstable();
            checks.dedup();
            let files = match checks.is_empty() {
                true => String::new(),
                false => format!(" (of files: {})", checks.join(", ")),
            };
            let more = format!("agent explain CHECK tells of each{files}; --verbose tells all");
            page.push(fixed("More", &more));
        }
        page
    }

    /// Every finding with its evidence.
    fn whole(&mut self) -> io::Result<()> {
        let mut kept = self.kept.take();
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
            let row = paragraph(&row);
            self.beside(row.code, &row.word, LABEL, &row.text)?;
            self.details(finding)?;
        }
        let left = self.kept.left_out();
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
            if let Some(by) = &finding.explained_by {
                let mut words = by.words();
                if let Some(without) = finding.unexplained_severity {
                    words += &format!("; {} without that", without.name());
                }
                details.push(("explained", words));
            }
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

/// What is never cut, below a label in its usual column.
fn fixed(word: &str, text: &str) -> Paragraph {
    Paragraph {
        code: "1",
        word: word.to_owned(),
        column: LABEL,
        text: text.to_owned(),
        cut: Cut::Whole,
    }
}

fn paragraph(row: &Row) -> Paragraph {
    let (code, word) = match row.rank {
        0 => ("1;31", "critical"),
        1 => ("31", "high"),
        2 => ("33", "medium"),
        3 => ("36", "low"),
        4 => ("35", "unknown"),
        5 => ("34", "waived"),
        _ => ("2", "other"),
    };
    Paragraph {
        code,
        cut: match row.said.is_empty() && row.word.is_none() {
            true => Cut::Names,
            false => Cut::Row(row.rank),
        },
        ..fixed(row.word.unwrap_or(word), &row.text())
    }
}

/// The verdict, and what was judged.
fn head(summary: &Summary, verdict: Verdict) -> Vec<Paragraph> {
    let code = match verdict {
        Verdict::Pass => "1;32",
        Verdict::Fail => "1;31",
        Verdict::Unknown | Verdict::NotApplicable => "1;35",
    };
    let word = headline(verdict);
    let mut page = vec![Paragraph {
        code,
        column: word.len() + 2,
        ..fixed(word, &outcome(summary))
    }];
    let tallies = tallies(summary).into_iter();
    page.extend(tallies.map(|(what, row)| fixed(what, &terminal_text(&row))));
    page.push(fixed("Checked", &terminal_text(&about(summary))));
    page
}

impl<W: Write> Report for Text<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        self.counts.add(&finding);
        let deviates = matches!(finding.verdict, Verdict::Fail | Verdict::Unknown);
        let verbose = self.style.verbose;
        if !verbose && deviates && finding.check.id.starts_with("files.") {
            self.files.add(finding);
        } else if deviates || verbose {
            self.kept.keep(finding);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let quiet_verdict = matches!(summary.verdict(), Verdict::Pass | Verdict::NotApplicable);
        if self.style.quiet && quiet_verdict {
            return self.out.flush();
        }
        let mut page = head(summary, summary.verdict());
        if self.style.verbose {
            self.page(&page)?;
            page.clear();
            self.whole()?;
        } else {
            let rest = self.short();
            // The first of it names the worst: it stands beside the verdict.
            let first = rest
                .iter()
                .filter(|paragraph| paragraph.word == "First")
                .count();
            let (first, rest) = rest.split_at(first);
            page.splice(1..1, first.iter().cloned());
            page.extend_from_slice(rest);
        }
        page.extend(notes(summary).iter().map(|note| Paragraph {
            cut: Cut::Note,
            ..fixed("Note", &terminal_text(note))
        }));
        self.page(&page)?;
        self.out.flush()
    }
}
