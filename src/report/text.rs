//! The report for people: verdict first, then findings by severity, then what was looked at.

use super::words::{accepted, against, bytes, outcome, plural, rank, thousands};
use super::{Counts, Report, Summary};
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use agent_core::paths::split;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Findings that are kept to be listed; beyond it they are counted by directory.
const KEPT: usize = 50_000;
/// Lines of findings that fit a screen beside verdict and coverage.
const LINES: usize = 14;

/// How a text report looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// Every finding with its evidence, and what passed.
    pub verbose: bool,
    /// Nothing unless something deviates.
    pub quiet: bool,
}

/// Collects findings, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Text<W> {
    out: W,
    style: Style,
    counts: Counts,
    kept: Vec<Finding>,
    groups: BTreeMap<GroupKey, Group>,
}

/// Rank of what the group holds (worst first), its directory, and the check.
type GroupKey = (u8, Vec<u8>, &'static str);

#[derive(Debug, Default)]
struct Group {
    count: u64,
    first: Vec<u8>,
    /// What is said of the first, where it is no file.
    message: String,
}

impl<W: Write> Text<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W, style: Style) -> Text<W> {
        Text {
            out,
            style,
            counts: Counts::default(),
            kept: Vec::new(),
            groups: BTreeMap::new(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.style.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn label(&self, rank: u8) -> String {
        let (code, word) = match rank {
            0 => ("1;31", "critical"),
            1 => ("31", "high"),
            2 => ("33", "medium"),
            3 => ("36", "low"),
            4 => ("35", "unknown"),
            _ => ("2", "other"),
        };
        self.paint(code, &format!("{word:8}"))
    }

    fn headline(&mut self, summary: &Summary) -> io::Result<()> {
        let counts = &summary.counts;
        let (code, word) = match counts.verdict() {
            Verdict::Pass | Verdict::NotApplicable => ("1;32", "PASS"),
            Verdict::Fail => ("1;31", "FAIL"),
            Verdict::Unknown => ("1;35", "UNKNOWN"),
        };
        writeln!(self.out, "{}  {}", self.paint(code, word), outcome(summary))
    }

    /// One line a finding, while they fit.
    fn list(&mut self) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by(|a, b| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.subject.cmp(&b.subject))
        });
        for finding in &kept {
            let label = self.label(rank(finding));
            let subject = escape::terminal_bytes(&finding.subject);
            let message = escape::terminal_text(&finding.message);
            match &finding.location {
                Some(place) => {
                    let place = escape::terminal_text(place);
                    writeln!(self.out, "{label}  {subject}  {message} ({place})")?;
                }
                None => writeln!(self.out, "{label}  {subject}  {message}")?,
            }
            if self.style.verbose {
                self.details(finding)?;
            }
        }
        let left = self.counts_listed().saturating_sub(kept.len() as u64);
        if left > 0 {
            writeln!(
                self.out,
                "… and {} more: --format json lists all",
                thousands(left)
            )?;
        }
        Ok(())
    }

    fn details(&mut self, finding: &Finding) -> io::Result<()> {
        writeln!(self.out, "            check     {}", finding.check.id)?;
        for (word, value) in [
            ("expected", &finding.expected),
            ("observed", &finding.observed),
        ] {
            if let Some(object) = value.as_object().filter(|object| !object.is_empty()) {
                let pairs: Vec<String> = object
                    .iter()
                    .map(|(key, value)| match value.as_str() {
                        Some(text) => format!("{key}={text}"),
                        None => format!("{key}={value}"),
                    })
                    .collect();
                let pairs = pairs.join(" ");
                writeln!(
                    self.out,
                    "            {word}  {}",
                    escape::terminal_text(&pairs)
                )?;
            }
        }
        for line in finding.lines.iter().flatten() {
            writeln!(self.out, "            {}", escape::terminal_text(line))?;
        }
        if let Some(remediation) = &finding.remediation {
            writeln!(
                self.out,
                "            remedy    {}",
                escape::terminal_text(remediation)
            )?;
        }
        Ok(())
    }

    /// One line a directory, worst first.
    fn grouped(&mut self) -> io::Result<()> {
        let groups = std::mem::take(&mut self.groups);
        let mut rows: Vec<(GroupKey, Group)> = groups.into_iter().collect();
        rows.sort_by(|(a, ga), (b, gb)| {
            a.0.cmp(&b.0)
                .then(gb.count.cmp(&ga.count))
                .then_with(|| a.cmp(b))
        });
        let total = rows.len();
        let listed = rows.iter().take(LINES);
        let mut shown = 0;
        for ((rank, directory, check), group) in listed {
            let label = self.label(*rank);
            let directory = match directory.last() {
                Some(b'/') | None => escape::terminal_bytes(directory),
                Some(_) => escape::terminal_bytes(directory) + "/",
            };
            let what = check.rsplit('.').next().unwrap_or(check);
            match group.count {
                1 => {
                    let subject = escape::terminal_bytes(&group.first);
                    let said = match group.message.is_empty() {
                        true => what.into(),
                        false => escape::terminal_text(&group.message),
                    };
                    writeln!(self.out, "{label}  {subject}  {said}")?;
                }
                count => {
                    let first = escape::terminal_bytes(split(&group.first).1);
                    writeln!(
                        self.out,
                        "{label}  {directory}  {} {what}, as {first}",
                        thousands(count)
                    )?;
                }
            }
            shown += group.count;
        }
        if total > LINES {
            let left = self.counts_listed() - shown;
            writeln!(
                self.out,
                "… and {} more in {} places; --verbose or --format json lists all",
                thousands(left),
                thousands((total - LINES) as u64)
            )?;
        } else {
            writeln!(self.out, "Each with its evidence: --verbose")?;
        }
        Ok(())
    }

    /// How many findings there are to list.
    fn counts_listed(&self) -> u64 {
        let other = match self.style.verbose {
            true => self.counts.pass + self.counts.not_applicable,
            false => 0,
        };
        self.counts.fail + self.counts.unknown + other
    }

    fn coverage(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(files) = &summary.files {
            writeln!(
                self.out,
                "Looked at {} paths, {}, in {:.2} s, against {}",
                thousands(files.checked),
                bytes(files.bytes),
                files.elapsed.as_secs_f64(),
                escape::terminal_text(&against(summary.evidence.as_ref())),
            )?;
            if !files.mounts.is_empty() {
                writeln!(
                    self.out,
                    "Not crossed into what is mounted at {}",
                    escape::terminal_text(&files.mounts.join(", "))
                )?;
            }
        }
        if let Some(launch) = &summary.launch {
            writeln!(
                self.out,
                "{} path{} compared with the launch record {}",
                thousands(launch.files),
                plural(launch.files),
                escape::terminal_text(&launch.path)
            )?;
        }
        for amendment in &summary.amendments {
            let line = accepted(amendment);
            writeln!(self.out, "{}", escape::terminal_text(&line))?;
        }
        writeln!(
            self.out,
            "Profile {}",
            escape::terminal_text(&summary.profile)
        )?;
        for note in &summary.notes {
            writeln!(self.out, "Note: {}", escape::terminal_text(note))?;
        }
        Ok(())
    }
}

impl<W: Write> Report for Text<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        self.counts.add(&finding);
        let listed = matches!(finding.verdict, Verdict::Fail | Verdict::Unknown);
        if !listed && !self.style.verbose {
            return Ok(());
        }
        if !self.style.verbose {
            let directory = match finding.check.id.starts_with("files.") {
                true => match split(&finding.subject).0 {
                    b"" => b"/",
                    directory => directory,
                },
                false => &finding.subject,
            };
            let key = (rank(&finding), directory.to_vec(), finding.check.id);
            let group = self.groups.entry(key).or_default();
            if group.count == 0 {
                group.first.clone_from(&finding.subject);
                if !finding.check.id.starts_with("files.") {
                    group.message.clone_from(&finding.message);
                }
            }
            group.count += 1;
        }
        if self.kept.len() < if self.style.verbose { KEPT } else { LINES + 1 } {
            self.kept.push(finding);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if self.style.quiet && summary.counts.exit() == 0 {
            return self.out.flush();
        }
        self.headline(summary)?;
        if self.kept.len() <= LINES || self.style.verbose {
            self.list()?;
        } else {
            self.grouped()?;
        }
        self.coverage(summary)?;
        self.out.flush()
    }
}
