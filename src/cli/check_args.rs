//! The command line of `agent check`.
// Long: each field is an option of the command.

use agent_core::finding::Severity;
use agent_core::units;
use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Check the tree at DIR (a mounted image) instead of the running host
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// The manifest [default: the tree's own, /usr/share/host-integrity-agent/manifest.mtree]
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// The launch record [default: the running host's own; none with --root]
    #[arg(long, value_name = "FILE")]
    pub(super) launch: Option<PathBuf>,
    /// A shipped profile or a file [default: auto, by os-release]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) profile: Option<String>,
    /// The configuration [default: /etc/host-integrity-agent/agent.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Signers, one of which must have sealed the manifest [default: /etc/host-integrity-agent/trusted_signers]
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
    /// Only checks whose id matches, as 'files.*', or an area, as sshd; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) only: Vec<String>,
    /// No checks whose id matches, or of that area; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) skip: Vec<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) format: ReportFormat,
    /// Write the report to FILE, whole or not at all, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// One more report, in place of --format and --output; `-` is standard output; may be repeated
    #[arg(long, value_name = "FORMAT:FILE|-", value_parser = report, conflicts_with_all = ["format", "output"])]
    pub(super) report: Vec<Target>,
    /// End with 1 or 3 only for what is at least so severe; everything is reported all the same
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub(super) fail_on: Option<Severity>,
    /// Whether the text report has colours
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    /// Threads that read and digest [default: one a processor, at least 6 while they wait for the disk]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<NonZeroUsize>,
    /// Read at most so many bytes a second; takes K, M, G
    #[arg(long, value_name = "BYTES_PER_S", value_parser = rate)]
    pub(super) max_rate: Option<u64>,
    /// Every finding with its evidence
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// Say nothing unless something deviates
    #[arg(long, short, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// No progress bar
    #[arg(long)]
    pub(super) no_progress: bool,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::from_name(text).ok_or_else(|| "expected low, medium, high or critical".into())
}

/// A report and the place that it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) format: ReportFormat,
    /// `None`: standard output.
    pub(super) file: Option<PathBuf>,
}

fn report(text: &str) -> Result<Target, String> {
    let expected = "expected text, json, ocsf, junit, html or sarif, a colon, and a file or -";
    let (format, place) = text.split_once(':').ok_or(expected)?;
    let format = ReportFormat::from_str(format, false).map_err(|_| expected)?;
    let file = match place {
        "" => return Err(expected.into()),
        "-" => None,
        place => Some(PathBuf::from(place)),
    };
    Ok(Target { format, file })
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Wherever it goes
    Always,
    /// Never
    Never,
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(threads) if threads <= NonZeroUsize::MIN.saturating_add(1023) => Ok(threads),
        _ => Err("expected 1 to 1024".into()),
    }
}

fn rate(text: &str) -> Result<u64, String> {
    match units::parse_size(text)? {
        0 => Err("expected more than nothing".into()),
        rate => Ok(rate),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people
    Text,
    /// One object a line, the summary last
    Json,
    /// OCSF 1.5.0, one object a line
    Ocsf,
    /// JUnit XML, for build servers
    Junit,
    /// A page, for tickets
    Html,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}
