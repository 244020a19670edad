//! `--format html`: one page without scripts or anything fetched, to be attached to a ticket and printed.
//!
//! Verdict first, then deviations by severity, files grouped by directory, then what passed, then coverage.

use super::words::{accepted, against, bytes, outcome, plural, rank, thousands};
use super::{Report, Summary, markup};
use agent_core::escape;
use agent_core::finding::{Finding, Verdict};
use agent_core::paths::split;
use std::io::{self, Write};

/// Findings that are listed; beyond it they are only counted.
const KEPT: usize = 50_000;

/// Collects findings, and writes when all are there.
#[derive(Debug)]
pub(crate) struct Html<W> {
    out: W,
    kept: Vec<Finding>,
    left_out: u64,
}

impl<W: Write> Html<W> {
    /// A report onto `out`.
    pub(crate) fn new(out: W) -> Html<W> {
        Html {
            out,
            kept: Vec::new(),
            left_out: 0,
        }
    }

    fn section(&mut self, title: &str, findings: &[Finding], open: bool) -> io::Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        let open = if open { " open" } else { "" };
        writeln!(
            self.out,
            "<details{open}><summary><h2>{title} <small>{}</small></h2></summary>",
            thousands(findings.len() as u64)
        )?;
        let same_group = |a: &Finding, b: &Finding| group(a) == group(b);
        for group_of in findings.chunk_by(same_group) {
            self.group(group_of)?;
        }
        writeln!(self.out, "</details>")
    }

    fn group(&mut self, findings: &[Finding]) -> io::Result<()> {
        let Some(first) = findings.first() else {
            return Ok(());
        };
        writeln!(
            self.out,
            "<h3>{} <small>{} finding{}</small></h3><table>",
            markup::path(group(first)),
            thousands(findings.len() as u64),
            plural(findings.len() as u64)
        )?;
        for finding in findings {
            self.row(finding)?;
        }
        writeln!(self.out, "</table>")
    }

    fn row(&mut self, finding: &Finding) -> io::Result<()> {
        let label = match finding.verdict {
            Verdict::Fail => finding.severity.name(),
            verdict => verdict.name(),
        };
        writeln!(
            self.out,
            "<tr class=\"{label}\"><td><b>{}</b></td><td><code>{}</code><br><small>{}</small></td><td>{}",
            label.replace('_', " "),
            markup::path(&finding.subject),
            finding.check.id,
            markup::text(&finding.message)
        )?;
        if let Some(place) = &finding.location {
            write!(self.out, "<br><code>{}</code>", markup::text(place))?;
        }
        for (word, value) in [
            ("expected", &finding.expected),
            ("observed", &finding.observed),
        ] {
            if let Some(object) = value.as_object().filter(|object| !object.is_empty()) {
                write!(self.out, "<dl><dt>{word}</dt>")?;
                for (key, value) in object {
                    let value = match value.as_str() {
                        Some(text) => text.to_owned(),
                        None => value.to_string(),
                    };
                    let (key, value) = (markup::text(key), markup::text(&value));
                    write!(self.out, "<dd><i>{key}</i> <code>{value}</code></dd>")?;
                }
                write!(self.out, "</dl>")?;
            }
        }
        if let Some(lines) = &finding.lines {
            let lines: Vec<String> = lines.iter().map(|line| markup::text(line)).collect();
            write!(self.out, "<pre><code>{}</code></pre>", lines.join("\n"))?;
        }
        if finding.verdict == Verdict::Fail || finding.verdict == Verdict::Unknown {
            write!(self.out, "<p>Why: {}.</p>", markup::text(finding.check.why))?;
            if let Some(remedy) = &finding.remediation {
                write!(self.out, "<p>Remedy: {}</p>", markup::text(remedy))?;
            }
            if !finding.check.references.is_empty() {
                let references = finding.check.references.join(", ");
                write!(
                    self.out,
                    "<p><small>{}</small></p>",
                    markup::text(&references)
                )?;
            }
        }
        writeln!(self.out, "</td></tr>")
    }

    fn coverage(&mut self, summary: &Summary) -> io::Result<()> {
        writeln!(self.out, "<h2>Coverage</h2><ul>")?;
        let mut lines = Vec::new();
        if let Some(files) = &summary.files {
            lines.push(format!(
                "{} paths, {}, in {:.2} s, against {}",
                thousands(files.checked),
                bytes(files.bytes),
                files.elapsed.as_secs_f64(),
                against(summary.evidence.as_ref())
            ));
            if !files.mounts.is_empty() {
                lines.push(format!(
                    "Not crossed into what is mounted at {}",
                    files.mounts.join(", ")
                ));
            }
        }
        if let Some(launch) = &summary.launch {
            lines.push(format!(
                "{} path{} compared with the launch record {}",
                thousands(launch.files),
                plural(launch.files),
                launch.path
            ));
        }
        lines.extend(summary.amendments.iter().map(accepted));
        if self.left_out > 0 {
            lines.push(format!(
                "{} further findings are not listed here: --format json lists all",
                thousands(self.left_out)
            ));
        }
        lines.push(format!(
            "Profile {}, tree {}",
            summary.profile, summary.root
        ));
        lines.extend(summary.notes.iter().cloned());
        for line in lines {
            writeln!(self.out, "<li>{}</li>", markup::text(&line))?;
        }
        writeln!(self.out, "</ul>")
    }
}

/// What findings are listed under: the directory of a file, else the area of the check.
fn group(finding: &Finding) -> &[u8] {
    let id = finding.check.id;
    match id.starts_with("files.") {
        true => match split(&finding.subject).0 {
            b"" => b"/",
            directory => directory,
        },
        false => id.split('.').next().unwrap_or(id).as_bytes(),
    }
}

impl<W: Write> Report for Html<W> {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        match self.kept.len() < KEPT {
            true => self.kept.push(finding),
            false => self.left_out += 1,
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by(|a, b| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| group(a).cmp(group(b)))
                .then_with(|| a.subject.cmp(&b.subject))
        });
        let (class, word) = match summary.counts.verdict() {
            Verdict::Pass | Verdict::NotApplicable => ("pass", "PASS"),
            Verdict::Fail => ("critical", "FAIL"),
            Verdict::Unknown => ("unknown", "UNKNOWN"),
        };
        let about = &summary.host;
        let names = [
            &about.hostname,
            &about.machine_id,
            &about.instance_id,
            &about.os,
        ];
        let host: Vec<&str> = names
            .into_iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        let host = markup::text(&host.join(" · "));
        writeln!(
            self.out,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <title>{word} {host}</title><style>{STYLE}</style></head><body>\n\
             <h1 class=\"{class}\"><b>{word}</b> {}</h1><p>{host}</p>",
            markup::text(&outcome(summary))
        )?;
        let mut rest = &kept[..];
        for (title, until, open) in [
            ("Deviations", 3, true),
            ("Could not be judged", 4, true),
            ("Holds, or does not apply", 5, false),
        ] {
            let (these, others) = rest.split_at(rest.partition_point(|f| rank(f) <= until));
            self.section(title, these, open)?;
            rest = others;
        }
        self.coverage(summary)?;
        writeln!(
            self.out,
            "<footer>host-integrity-agent {}</footer></body></html>",
            escape::terminal_text(env!("CARGO_PKG_VERSION"))
        )?;
        self.out.flush()
    }
}

/// How pages look.
pub(crate) const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;\
color:#1a1c1e;background:#fff}h1{font-size:1.4rem}h2{font-size:1.15rem;display:inline}h3{font-size:1rem;margin:1rem 0 .2rem}\
small{color:#5c6268;font-weight:400}summary{cursor:pointer;margin-top:1.2rem}table{border-collapse:collapse;width:100%}\
td{border-top:1px solid #d8dbde;padding:.4rem .6rem;vertical-align:top}td:first-child{width:7rem}td:nth-child(2){width:36%}\
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}dl{margin:.3rem 0;display:grid;grid-template-columns:5rem 1fr}\
dt{color:#5c6268}dd{margin:0;grid-column:2}p{margin:.2rem 0}.critical b{color:#b00020}.high b{color:#c4410c}\
.medium b{color:#8a6100}.low b{color:#1f6f8b}.unknown b{color:#7b3fa0}.pass b{color:#1d7a3d}\
footer{margin-top:2rem;color:#5c6268}@media(prefers-color-scheme:dark){body{color:#e3e5e8;background:#16181a}\
td{border-color:#373b40}small,dt,footer{color:#9aa1a8}.critical b{color:#ff6b7d}.high b{color:#ff9966}.medium b{color:#e6b84d}\
.low b{color:#6cc3e0}.unknown b{color:#c79be6}.pass b{color:#6fd394}}@media print{details{display:block}}";
