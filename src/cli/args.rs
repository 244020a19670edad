//! The command line, as `docs` and `--help` show it.

use super::check_args::Check;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Tells, with evidence, whether a host is still what its owners baked.
#[derive(Debug, Parser)]
#[command(
    name = "agent",
    disable_help_subcommand = true,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true
)]
#[command(
    after_help = "Exit status of check and verify: 0 nothing deviates, 1 something does, \
    2 wrong usage or input, 3 something could not be judged, 4 the manifest is not trusted."
)]
pub(super) struct Arguments {
    /// Print the version; with --verbose also how SHA-256 is computed on this processor
    #[arg(long, short = 'V')]
    pub(super) version: bool,
    /// With --version: more of it
    #[arg(long, short, requires = "version")]
    pub(super) verbose: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compare the host, or a mounted image, with what was recorded of it
    Check(Check),
    /// Record a tree, seal the record, and work with records
    #[command(subcommand)]
    Baseline(Baseline),
    /// What should hold: list, show and validate profiles
    #[command(subcommand)]
    Profile(Profile),
    /// The daemon's configuration
    #[command(subcommand)]
    Config(Config),
    /// Watch the host for ever and ship what deviates
    Run(Run),
    /// Whether the daemon is alive, watching and delivering
    Status(Status),
    /// What a check demands here, why, how it is read, and how to mend it
    Explain(Explain),
    /// Events that were shipped
    #[command(subcommand)]
    Log(Log),
    /// Print what `sshd -T` would print for a configuration, without sshd
    SshdEffective(SshdEffective),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    Man {
        /// The directory they go to
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// The configuration [default: /etc/host-integrity-agent/agent.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The check, as sshd.permit_root_login
    #[arg(value_name = "CHECK")]
    pub(super) check: String,
    /// Also judge it now
    #[arg(long)]
    pub(super) now: bool,
    /// For the tree at DIR (a mounted image) instead of the running host
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// A shipped profile or a file [default: that of the configuration, else by os-release]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The deviations that stand, worst first
    #[arg(long)]
    pub(super) open: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub(super) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(super) struct SshdEffective {
    /// Print the effective values (as sshd has it; there is nothing else to do)
    #[arg(short = 'T')]
    pub(super) test: bool,
    /// The configuration
    #[arg(
        short = 'f',
        value_name = "FILE",
        default_value = "/etc/ssh/sshd_config"
    )]
    pub(super) file: PathBuf,
    /// For a connection: user=,host=,addr=,laddr=,lport=,rdomain=
    #[arg(short = 'C', value_name = "SPEC")]
    pub(super) connection: Vec<String>,
    /// Read FILE, and what it includes, in the tree at DIR
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// As that version of OpenSSH, 7.4 or later, would [default: the tree's own]
    #[arg(long, value_name = "VERSION")]
    pub(super) openssh: Option<String>,
}

/// A reason is read by others, on one line.
fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected a reason that somebody else understands".into()),
        text if text.contains(char::is_control) => Err("expected one line".into()),
        // mtree(5) takes the next line for its continuation.
        text if text.ends_with('\\') => Err("expected no backslash at the end".into()),
        text => Ok(text.to_owned()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TextOrJson {
    /// For people
    Text,
    /// One object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Baseline {
    /// Record a tree in a manifest
    Create(Create),
    /// Check a manifest's form and seal, and say who sealed it
    Verify(Verify),
    /// Record once what the first boot changed
    Launch(Launch),
    /// Put on record that a change was meant, with the reason: writes an amendment, never the manifest
    Accept(Accept),
    /// Say that changes are expected for a while: they are told as ever, and marked
    Window(WindowArguments),
    /// Compare two manifests
    Diff(Diff),
    /// Print a manifest in another form
    Export(Export),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The tree
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// A shipped profile or a file [default: auto, by the tree's os-release]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) profile: Option<String>,
    /// Where the manifest goes; its seal goes to FILE.sig
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Seal with this OpenSSH key: a private key, or a public one whose other half ssh-agent holds
    #[arg(long, value_name = "KEY")]
    pub(super) sign_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["paths", "explained"]))]
pub(super) struct Accept {
    /// Paths as they are now, each with all below it; one that is gone may stay away
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// What signed package evidence explains, and nothing else
    #[arg(long)]
    pub(super) explained: bool,
    /// Why; it stands in the amendment and goes out with its event
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
    /// A report of `agent check --format json`: refuse what has changed since
    #[arg(long, value_name = "REPORT")]
    pub(super) seen: Option<PathBuf>,
    /// For all hosts of the image: without what differs from host to host
    #[arg(long)]
    pub(super) portable: bool,
    /// The tree
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// The manifest [default: the tree's own]
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Where the amendment goes [default: the tree's own amendments, /etc/host-integrity-agent/amendments]
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Seal with this OpenSSH key: a private key, or a public one whose other half ssh-agent holds
    #[arg(long, value_name = "KEY")]
    pub(super) sign_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("step").required(true).args(["length", "end"]))]
pub(super) struct WindowArguments {
    /// How long; takes ms, s, m, h, at most 8h
    #[arg(long = "for", value_name = "DURATION", value_parser = super::window::length, requires = "reason")]
    pub(super) length: Option<Duration>,
    /// Why; it stands on what is found meanwhile
    #[arg(long, value_name = "TEXT", value_parser = reason, conflicts_with = "end")]
    pub(super) reason: Option<String>,
    /// End it
    #[arg(long)]
    pub(super) end: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The manifest [default: the host's own, with its amendments]
    pub(super) file: Option<PathBuf>,
    /// Signers, one of which must have sealed it [default: /etc/host-integrity-agent/trusted_signers]
    #[arg(long, value_name = "FILE")]
    pub(super) trust: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Launch {
    /// The tree
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(super) root: PathBuf,
    /// The manifest [default: the tree's own]
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// A shipped profile or a file [default: auto, by the tree's os-release]
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) profile: Option<String>,
    /// Where the record goes [default: /var/lib/host-integrity-agent/launch.mtree, in the tree]
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Write it again although this instance has one
    #[arg(long, requires = "reason")]
    pub(super) again: bool,
    /// Why it is written again; stands in the record
    #[arg(long, value_name = "TEXT", requires = "again")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The older manifest
    pub(super) old: PathBuf,
    /// The newer one
    pub(super) new: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(super) format: DiffFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiffFormat {
    /// For people
    Text,
    /// One object a line, the summary last
    Json,
    /// A page, for a review
    Html,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The manifest
    pub(super) file: PathBuf,
    /// The form
    #[arg(long, value_enum)]
    pub(super) format: ExportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// As it is: mtree(5)
    Mtree,
    /// For `cd ROOT && sha256sum -c`
    Sha256sum,
    /// One object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Profile {
    /// The shipped profiles, and which one this host gets
    List,
    /// All that a profile demands, with what it extends worked in
    Show {
        /// A shipped profile or a file
        #[arg(value_name = "NAME|FILE")]
        name: String,
    },
    /// Check a profile file
    Validate {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check a configuration file
    Validate {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Log {
    /// Check that no event is missing, edited or out of order
    #[command(
        after_help = "Exit status: 0 the chain is whole, 1 something is missing, edited or out of order, \
        2 wrong usage or input, 3 only losses that the chain itself declares."
    )]
    Verify(LogVerify),
}

#[derive(Debug, Args)]
pub(super) struct LogVerify {
    /// Events one a line, or what `aws logs get-log-events` and `filter-log-events` print; plain, gzip or zstd; a
    /// directory stands for all files below it
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}
