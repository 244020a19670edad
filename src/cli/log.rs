//! `agent log verify`: whether the events that arrived are all that were sent, as they were sent.

use super::args::LogVerify;
use super::print;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape::terminal_text;
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Totals, Verifier};
use std::fs::{File, FileType};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Something is missing, edited or out of order.
const FAULTY: u8 = 1;
/// Only losses that the chain itself declares.
const DECLARED: u8 = 3;
/// Threads that read and digest files: the index that they fill is one, and takes what some four of them bring.
const READERS: usize = 4;

pub(super) fn verify(arguments: &LogVerify) -> Result<u8> {
    let mut verifier = Verifier::new()?;
    let files = files_of(&arguments.files)?;
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    verifier.take(&files, readers.min(READERS), &open)?;
    let mut exit = 0;
    let mut failed = Ok(());
    print(|out| {
        let mut telling = Telling {
            out,
            written: Ok(()),
            problems: 0,
            chains: 0,
            untold: 0,
        };
        let judged = verifier.judge(&mut telling);
        let untold = telling.untold;
        let written = telling.written;
        match (written, judged) {
            (Err(error), _) => return Err(error),
            (Ok(()), Err(error)) => failed = Err(error),
            (Ok(()), Ok(totals)) => {
                if untold > 0 {
                    writeln!(out, "… and {untold} line(s) more, counted below")?;
                }
                summary(out, &totals)?;
                if totals.events + totals.heartbeats == 0 {
                    failed = Err(Error::new("there is no event of the agent in what was given")
                        .help("events are one a line, or in the JSON that `aws logs get-log-events` and `filter-log-events` print"));
                }
                exit = match (totals.faults, totals.declared) {
                    (0, 0) => 0,
                    (0, _) => DECLARED,
                    _ => FAULTY,
                };
            }
        }
        Ok(())
    })?;
    failed?;
    Ok(exit)
}

/// Files as they are, and of directories every file below them, in the order of their names. What is no regular file in
/// a directory is passed over, as links that lead out of it.
fn files_of(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        // The next one is the last.
        let mut pending = entries(path)?;
        while let Some((path, kind)) = pending.pop() {
            if kind.is_dir() {
                pending.extend(entries(&path)?);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// What is in the directory, the last name first.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, FileType)>> {
    let fault = |error| Error::in_file(directory, format!("cannot be read: {error}"));
    let entries = std::fs::read_dir(directory).map_err(fault)?;
    let entries = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.path(), entry.file_type()?))
    });
    let mut entries = entries.collect::<io::Result<Vec<_>>>().map_err(fault)?;
    entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    Ok(entries)
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Error::in_file(path, format!("cannot be opened: {error}"))),
    }
}

struct Telling<'a> {
    out: &'a mut crate::report::output::Output,
    written: io::Result<()>,
    /// Lines written on problems.
    problems: u64,
    /// Lines written on chains.
    chains: u64,
    /// Lines that there was no room for.
    untold: u64,
}

impl Telling<'_> {
    fn line(&mut self, text: &str) -> Result<()> {
        let line = terminal_text(text);
        self.written = writeln!(self.out, "{line}");
        match &self.written {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::new(error.to_string())),
        }
    }
}

fn range(first: u64, last: u64) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    }
}

impl Reporter for Telling<'_> {
    fn problem(&mut self, chain: &str, problem: &Problem) -> Result<()> {
        if self.problems == bounds::LOG_PROBLEMS {
            self.untold += 1;
            return Ok(());
        }
        self.problems += 1;
        let text = match problem {
            Problem::Missing { first, last, note } => {
                let note = match (*first, note) {
                    (_, note) if !note.is_empty() => format!(" ({note})"),
                    (1, _) => {
                        " (the beginning of the chain: perhaps it was fetched from a later time on)"
                            .into()
                    }
                    _ => String::new(),
                };
                format!("missing     {}{note}", range(*first, *last))
            }
            Problem::Edited { sequence, note } => format!("edited      {sequence}: {note}"),
            Problem::Reordered { sequence, after } => {
                format!("reordered   {sequence} stands after {after}: digests contradict its place")
            }
            Problem::Declared { first, last } => {
                format!(
                    "declared    {}: dropped by a full spool, or refused, and told so",
                    range(*first, *last)
                )
            }
        };
        self.line(&format!("{chain}  {text}"))
    }

    fn chain(&mut self, chain: &ChainSummary) -> Result<()> {
        // Room is left for chains that are not whole: they are what somebody looks for.
        let whole = chain.faults == 0 && chain.declared == 0;
        let room = match whole {
            true => bounds::LOG_CHAINS / 2,
            false => bounds::LOG_CHAINS,
        };
        if self.chains >= room {
            self.untold += 1;
            return Ok(());
        }
        self.chains += 1;
        let host = match chain.host.as_str() {
            "" => String::new(),
            host => format!(" of {host}"),
        };
        let verdict = match (chain.faults, chain.declared) {
            (0, 0) => "whole".into(),
            (0, declared) => format!("whole but for {declared} declared as lost"),
            (faults, 0) => format!("{faults} fault(s)"),
            (faults, declared) => format!("{faults} fault(s), {declared} declared as lost"),
        };
        let late = match chain.late {
            0 => String::new(),
            late => format!(
                "; note: {late} arrived after later ones, and no digest contradicts their places"
            ),
        };
        let events = match chain.events {
            0 => "no event".into(),
            events => format!("{events} event(s), {}", range(chain.first, chain.last)),
        };
        let reason = match chain.reason.as_str() {
            "" => String::new(),
            reason => format!(" (begun: {reason})"),
        };
        self.line(&format!(
            "{}{host}: {events}: {verdict}{late}{reason}",
            chain.id
        ))
    }
}

fn summary(out: &mut impl Write, totals: &Totals) -> io::Result<()> {
    let verdict = match (totals.faults, totals.declared) {
        (0, 0) => "nothing is missing, edited or out of order",
        (0, _) => "nothing is missing but what the chain itself declares",
        _ => "something is missing, edited or out of order",
    };
    writeln!(
        out,
        "{} chain(s), {} event(s), {} heartbeat(s), {} repeated, {} line(s) of others: {verdict}",
        totals.chains, totals.events, totals.heartbeats, totals.repeated, totals.foreign
    )
}
