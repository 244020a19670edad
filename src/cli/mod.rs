//! Hands: what a person types. One file a command; each returns an exit status.

mod accept;
mod args;
mod baseline;
mod check;
mod check_args;
mod config;
mod diff;
mod explain;
mod generate;
mod launch;
mod log;
mod placing;
mod profile;
mod sshd;
mod status;
mod verify;
mod who;
mod window;

use agent_core::error::{Error, Result};
use args::{Arguments, Command};
use clap::Parser;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};

/// Runs one command line, the program's name first; returns the exit status of the contract.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are what was asked for; a reader that went away changes nothing.
            error.print().unwrap_or_default();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    let Some(command) = parsed.command else {
        return print(|out| version(out, parsed.verbose))
            .map_or_else(|error| failed(&error), |()| 0);
    };
    let result = match command {
        Command::Check(check) => check::run(&check),
        Command::Baseline(baseline) => match baseline {
            args::Baseline::Create(create) => baseline::create(&create),
            args::Baseline::Verify(verify) => verify::run(&verify),
            args::Baseline::Launch(launch) => launch::run(&launch),
            args::Baseline::Accept(accept) => accept::run(&accept),
            args::Baseline::Window(window) => window::run(&window),
            args::Baseline::Diff(diff) => diff::run(&diff),
            args::Baseline::Export(export) => baseline::export(&export),
        },
        Command::Profile(profile) => profile::run(&profile),
        Command::SshdEffective(sshd) => sshd::run(&sshd),
        Command::Run(run) => crate::daemon::run(run.config.as_deref()),
        Command::Status(status) => status::run(&status),
        Command::Explain(explain) => explain::run(&explain),
        Command::Config(args::Config::Validate { file }) => config::validate(&file),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::man(&directory),
        Command::Log(args::Log::Verify(verify)) => log::verify(&verify),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// Says what went wrong; returns the exit status for it.
fn failed(error: &Error) -> u8 {
    complain(error);
    if error.untrusted { 4 } else { 2 }
}

fn version(out: &mut dyn Write, verbose: bool) -> std::io::Result<()> {
    writeln!(out, "agent {}", env!("CARGO_PKG_VERSION"))?;
    if verbose {
        let path = agent_scan::files::digest::Path::detected();
        writeln!(
            out,
            "SHA-256: {}, {} streams at once",
            path.name(),
            path.lanes()
        )?;
    }
    Ok(())
}

fn complain(error: &Error) {
    let mut out = std::io::stderr().lock();
    let word = match colour(std::io::stderr().is_terminal()) {
        true => "\x1b[1;31merror\x1b[0m",
        false => "error",
    };
    // There is nobody left to tell that standard error is gone.
    writeln!(out, "{word}: {error}").unwrap_or_default();
}

/// A line on standard error that is no result.
fn hint(text: &str) {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{}", agent_core::escape::terminal_text(text)).unwrap_or_default();
}

/// Whether to colour what goes to a place that is a terminal or not (<https://no-color.org>).
pub(crate) fn colour(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes results to standard output; a reader that goes away changes no exit status.
fn print(
    write: impl FnOnce(&mut crate::report::output::Output) -> std::io::Result<()>,
) -> Result<()> {
    let mut out = crate::report::output::Output::open(None)?;
    write(&mut out).map_err(|error| Error::cannot_write("standard output", &error))?;
    out.commit(None)
}
