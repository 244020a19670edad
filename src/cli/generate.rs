//! `agent completions SHELL`, `agent man DIR`: made of the one description of the command line.

use super::args::Arguments;
use super::print;
use agent_core::error::{Error, Result};
use agent_core::os::atomic::Pending;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use jiff::Timestamp;
use std::io::{self, Write};
use std::path::Path;

/// Everybody may read a manual.
const MODE: u16 = 0o644;

/// What the pages about a command that judges say of its exit status.
const JUDGES: [(&str, &str); 5] = [
    ("0", "Everything was looked at, and nothing deviates."),
    ("1", "Something deviates."),
    (
        "2",
        "Wrong usage, input that cannot be used, or a fault of the agent itself.",
    ),
    ("3", "Nothing deviates, and something could not be judged."),
    (
        "4",
        "The manifest is not trusted: signers are, and none of them sealed it.",
    ),
];

/// The places on a host, as `docs/reference.md` has them.
const FILES: [(&str, &str); 7] = [
    (
        "/etc/host-integrity-agent/agent.toml",
        "Configuration of the daemon.",
    ),
    (
        "/etc/host-integrity-agent/profile.toml",
        "A profile of this host's own, which extends a shipped one.",
    ),
    (
        "/etc/host-integrity-agent/trusted_signers",
        "Keys trusted to seal manifests, in the ALLOWED SIGNERS format of ssh-keygen(1).",
    ),
    (
        "/usr/share/host-integrity-agent/manifest.mtree",
        "What was recorded when the image was baked; its seal is beside it, in manifest.mtree.sig.",
    ),
    (
        "/var/lib/host-integrity-agent/launch.mtree",
        "What the first boot changed.",
    ),
    (
        "/var/lib/host-integrity-agent/",
        "State: open findings, chain of events, spool.",
    ),
    (
        "/run/host-integrity-agent/status.json",
        "Status of the running daemon.",
    ),
];

pub(super) fn completions(shell: Shell) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "agent", &mut text);
    print(|out| out.write_all(&text))?;
    Ok(0)
}

pub(super) fn man(directory: &Path) -> Result<u8> {
    if !directory.is_dir() {
        return Err(Error::in_file(directory, "is no directory"));
    }
    let mut root = Arguments::command();
    root.build();
    let date = date();
    let mut written = 0;
    pages(&root, &date, &mut |page, name| {
        let path = directory.join(name);
        let write = || -> io::Result<()> {
            let mut pending = Pending::create(&path, MODE)?;
            pending.write_all(page)?;
            pending.commit()
        };
        written += 1;
        write().map_err(|error| Error::cannot_write(&path, &error))
    })?;
    print(|out| {
        writeln!(
            out,
            "{written} man pages in {}",
            agent_core::escape::terminal_path(directory)
        )
    })?;
    Ok(0)
}

/// Today, or what a build that is to give the same bytes again says instead
/// (<https://reproducible-builds.org/specs/source-date-epoch/>).
fn date() -> String {
    let told = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    told.unwrap_or_else(Timestamp::now)
        .strftime("%Y-%m-%d")
        .to_string()
}

/// The page of a command and those of all below it, each with its file's name.
fn pages(
    command: &Command,
    date: &str,
    emit: &mut impl FnMut(&[u8], &str) -> Result<()>,
) -> Result<()> {
    for below in command.get_subcommands() {
        pages(below, date, emit)?;
    }
    let man = Man::new(command.clone())
        .date(date)
        .source(concat!("host-integrity-agent ", env!("CARGO_PKG_VERSION")))
        .manual("Host integrity agent");
    let name = man.get_filename();
    let page = render(&man, command)
        .map_err(|error| Error::new(format!("the page {name} cannot be made: {error}")))?;
    emit(&page, &name)
}

fn render(man: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let path = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let top = path == "agent";
    if top || matches!(path, "agent-check" | "agent-baseline-verify") {
        section(&mut page, "EXIT STATUS", &JUDGES)?;
    }
    if top {
        section(&mut page, "FILES", &FILES)?;
    } else {
        let mut roff = Roff::default();
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("agent"), roman("(1)")]);
        roff.to_writer(&mut page)?;
    }
    Ok(page)
}

/// A heading over terms and what they mean.
fn section(page: &mut Vec<u8>, heading: &str, rows: &[(&str, &str)]) -> io::Result<()> {
    let mut roff = Roff::default();
    roff.control("SH", [heading]);
    for (term, meaning) in rows {
        roff.control("TP", []);
        let term: Inline = bold(*term);
        roff.text([term]);
        roff.text([roman(*meaning)]);
    }
    roff.to_writer(page)
}
