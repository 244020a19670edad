//! `--format html`: one self-contained page, to be opened, filtered, attached to a ticket and printed.
//!
//! Nothing is fetched, and only the style and the script that stand here run: the page's Content-Security-Policy names
//! them by digest. Without a script the page is the same, unfiltered. Verdict first, then how much of each severity and
//! where; settings apart from files; what could not be judged; what holds; coverage.

mod overview;
mod rows;
mod treemap;

use super::words::{about, counted, headline, notes, outcome, rank, tallies, thousands};
use super::worst::Worst;
use super::{Report, Summary, markup};
use agent_core::benchmarks::Benchmarks;
use agent_core::finding::{Check, Finding, Verdict};
use agent_core::paths::split;
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Write};

/// How pages look.
pub(crate) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Findings that are listed, the worst; beyond it they are only counted. A browser stays usable with as many rows.
const KEPT: usize = 50_000;
/// Bytes of what was expected beside what was observed, worst first, so that 10,000 findings stay below 4 MB.
const COMPARED: usize = 1_200_000;

/// Collects findings, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Html<W> {
    out: W,
    kept: Worst,
    /// Bytes left of [`COMPARED`].
    room: usize,
    /// Those for the host that was judged.
    benchmarks: Benchmarks,
    /// Findings listed without what was expected.
    bare: u64,
}

/// Findings of one directory, or of one area of settings; the worst is the first.
#[derive(Clone, Copy)]
struct Group<'a> {
    name: &'a [u8],
    /// What its anchor is called: `g` and this.
    number: usize,
    findings: &'a [Finding],
}

/// A part of the page below its own heading.
struct Section<'a> {
    title: &'static str,
    findings: &'a [Finding],
    /// Unfolded from the start.
    open: bool,
}

impl<W: Write> Html<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W) -> Html<W> {
        Html {
            out,
            kept: Worst::of(KEPT),
            room: COMPARED,
            benchmarks: Benchmarks::default(),
            bare: 0,
        }
    }

    fn section(&mut self, section: &Section<'_>, groups: &[Group<'_>]) -> io::Result<()> {
        let open = if section.open { " open" } else { "" };
        let count = thousands(section.findings.len() as u64);
        writeln!(
            self.out,
            "<details class=\"l\"{open}><summary><h2>{} <small>{count}</small></h2></summary>",
            section.title
        )?;
        let mut checks: Vec<&Check> = Vec::new();
        for finding in section.findings {
            let check = finding.check;
            if rank(finding) < 5 && is_file(finding) && !checks.contains(&check) {
                checks.push(check);
            }
        }
        for check in checks {
            let demand = markup::text(check.demand);
            let why = markup::text(check.why);
            writeln!(
                self.out,
                "<p class=\"dim\">{}: {demand}. Why: {why}.</p>",
                check.id
            )?;
        }
        for group in groups {
            self.group(group)?;
        }
        writeln!(self.out, "</details>")
    }

    fn group(&mut self, group: &Group<'_>) -> io::Result<()> {
        let count = group.findings.len() as u64;
        let name = markup::path(group.name);
        writeln!(
            self.out,
            "<section class=\"g\" id=\"g{}\" data-a=\"{}\"><h3>{name} <small>{}</small></h3>",
            group.number,
            group.findings.first().map_or("", area),
            counted(count, "finding")
        )?;
        for finding in group.findings {
            let bare = rows::row(finding, self.benchmarks, false);
            let whole = rows::row(finding, self.benchmarks, true);
            let more = whole.len() - bare.len();
            match self.room.checked_sub(more) {
                Some(room) => {
                    self.room = room;
                    self.out.write_all(whole.as_bytes())?;
                }
                None => {
                    self.bare += 1;
                    self.out.write_all(bare.as_bytes())?;
                }
            }
        }
        writeln!(self.out, "</section>")
    }

    fn tools(&mut self, findings: &[Finding]) -> io::Result<()> {
        let mut areas: Vec<&str> = findings.iter().map(area).collect();
        areas.sort_unstable();
        areas.dedup();
        let options: Vec<String> = areas
            .iter()
            .map(|area| format!("<option>{area}</option>"))
            .collect();
        // Shown by the script: without one it would do nothing.
        writeln!(
            self.out,
            "<div id=\"tools\" role=\"search\" hidden><input id=\"search\" type=\"search\" placeholder=\"Search (/)\" \
             aria-label=\"Search in findings\"><select id=\"area\" aria-label=\"Area\"><option value=\"\">every area\
             </option>{}</select><button type=\"button\" id=\"unfold\">Unfold</button><button type=\"button\" \
             id=\"fold\">Fold</button><output id=\"shown\" aria-live=\"polite\"></output></div>",
            options.concat()
        )
    }

    fn coverage(&mut self, summary: &Summary) -> io::Result<()> {
        writeln!(self.out, "<h2>Coverage</h2><ul>")?;
        let tallies = tallies(summary).into_iter();
        let mut lines: Vec<String> = tallies
            .map(|(what, row)| format!("{what}: {row}"))
            .collect();
        if self.kept.left_out() > 0 {
            lines.push(format!(
                "not listed here: {}; --format json lists all",
                counted(self.kept.left_out(), "further finding")
            ));
        }
        if self.bare > 0 {
            lines.push(format!(
                "listed without what was expected and observed: {}; --format json has it",
                counted(self.bare, "finding")
            ));
        }
        lines.extend(notes(summary));
        for line in lines {
            writeln!(self.out, "<li>{}</li>", markup::text(&line))?;
        }
        writeln!(self.out, "</ul>")
    }

    fn head(&mut self, summary: &Summary) -> io::Result<()> {
        let verdict = summary.verdict();
        let word = headline(verdict);
        let class = match verdict {
            Verdict::Pass | Verdict::NotApplicable => "pass",
            Verdict::Fail => "critical",
            Verdict::Unknown => "unknown",
        };
        let known = &summary.host;
        let names = [
            &known.hostname,
            &known.machine_id,
            &known.instance_id,
            &known.os,
        ];
        let host: Vec<&str> = names
            .into_iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        let host = markup::text(&host.join(" · "));
        let mut told = about(summary);
        if !known.machine_id.is_empty() {
            told += &format!("; machine id {}", known.machine_id);
        }
        let (style, script) = (csp_digest(STYLE), csp_digest(SCRIPT));
        writeln!(
            self.out,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{style}'; \
             script-src '{script}'; base-uri 'none'; form-action 'none'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{word} {host}</title><style>{STYLE}</style></head><body>\n\
             <h1 class=\"{class}\"><b>{word}</b> {}</h1><p>{}</p>",
            markup::text(&outcome(summary)),
            markup::text(&told)
        )
    }
}

/// How a Content-Security-Policy names an inline style or script (CSP 3, hash-source).
fn csp_digest(text: &str) -> String {
    format!(
        "sha256-{}",
        Base64::encode_string(&Sha256::digest(text.as_bytes()))
    )
}

/// The first part of a check's id.
fn area(finding: &Finding) -> &'static str {
    let id = finding.check.id;
    id.split_once('.').map_or(id, |(area, _)| area)
}

fn is_file(finding: &Finding) -> bool {
    area(finding) == "files"
}

/// What findings are listed under: the directory of a file, else the area of the check.
fn group_name(finding: &Finding) -> &[u8] {
    match is_file(finding) {
        true => match split(&finding.subject).0 {
            b"" => b"/",
            directory => directory,
        },
        false => area(finding).as_bytes(),
    }
}

/// Where a finding stands: settings that deviate, files that deviate, unknown, waived, the rest.
fn part(finding: &Finding) -> usize {
    match (rank(finding), is_file(finding)) {
        (0..=3, false) => 0,
        (0..=3, true) => 1,
        (4, _) => 2,
        (5, _) => 3,
        _ => 4,
    }
}

/// Orders the findings by part, each group together, the group with the worst first.
fn arrange(findings: &mut [Finding]) {
    let mut worst = std::collections::BTreeMap::new();
    for finding in findings.iter() {
        let key = (part(finding), group_name(finding).to_vec());
        let best: &mut u8 = worst.entry(key).or_insert(u8::MAX);
        *best = rank(finding).min(*best);
    }
    findings.sort_by_cached_key(|finding| {
        let (part, name) = (part(finding), group_name(finding).to_vec());
        let key = (part, name);
        let worst = worst.get(&key).copied().unwrap_or(u8::MAX);
        (key.0, worst, key.1, rank(finding), finding.subject.clone())
    });
}

fn groups<'a>(findings: &'a [Finding], numbers: &mut std::ops::RangeFrom<usize>) -> Vec<Group<'a>> {
    findings
        .chunk_by(|a, b| group_name(a) == group_name(b))
        .zip(numbers)
        .map(|(findings, number)| Group {
            name: findings.first().map_or(b"", |first| group_name(first)),
            number,
            findings,
        })
        .collect()
}

impl<W: Write> Report for Html<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        self.kept.keep(finding);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let mut kept = self.kept.take();
        arrange(&mut kept);
        self.benchmarks = summary.host.benchmarks;
        self.head(summary)?;
        self.out.write_all(overview::bars(&kept).as_bytes())?;

        let mut rest = &kept[..];
        let mut numbers = 0..;
        let mut sections = Vec::new();
        for (number, (title, open)) in [
            ("Settings that deviate", true),
            ("Files that deviate", true),
            ("Could not be judged", true),
            ("Waived", true),
            ("Holds, or does not apply", false),
        ]
        .into_iter()
        .enumerate()
        {
            let (findings, others) = rest.split_at(rest.partition_point(|f| part(f) <= number));
            let section = Section {
                title,
                findings,
                open,
            };
            sections.push((groups(findings, &mut numbers), section));
            rest = others;
        }
        // The worst comes first, wherever it is.
        if let [(settings, _), (files, _), ..] = &sections[..] {
            let worst = |groups: &[Group<'_>]| {
                let first = groups.first().and_then(|group| group.findings.first());
                first.map_or(u8::MAX, rank)
            };
            if worst(files) < worst(settings) {
                sections.swap(0, 1);
            }
        }
        let judged: Vec<Group<'_>> = sections
            .iter()
            .take(3)
            .flat_map(|(groups, _)| groups.iter().copied())
            .collect();
        self.out.write_all(overview::map(&judged).as_bytes())?;
        if !kept.is_empty() {
            self.tools(&kept)?;
        }
        writeln!(self.out, "<main>")?;
        for (groups, section) in &sections {
            if !groups.is_empty() {
                self.section(section, groups)?;
            }
        }
        writeln!(self.out, "</main>")?;
        self.coverage(summary)?;
        let script = match kept.is_empty() {
            true => String::new(),
            false => format!("<script>{SCRIPT}</script>"),
        };
        writeln!(
            self.out,
            "<footer>host-integrity-agent {}</footer>{script}</body></html>",
            env!("CARGO_PKG_VERSION")
        )?;
        self.out.flush()
    }
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: fmt::Arguments<'_>) {
    fmt::Write::write_fmt(out, text).unwrap_or_default();
}
