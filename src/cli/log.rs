//! `agent log verify`: whether the events that arrived are all that were sent, as they were sent.

use super::args::LogVerify;
use super::print;
use agent_core::bounds;
use agent_core::error::{Error, Result};
use agent_core::escape::terminal_text;
use agent_core::words::{counted, thousands};
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Stray, Totals, Verifier};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Something is missing, edited or out of order.
const FAULTY: u8 = 1;
/// Only losses that the chain itself declares.
const DECLARED: u8 = 3;
/// Threads that read and digest files: each has a buffer of its own, and a disk gives no more than some eight of them take.
const READERS: usize = 8;

pub(super) fn verify(arguments: &LogVerify) -> Result<u8> {
    let files = files_of(&arguments.files)?;
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    let verifier = Verifier::take(&files, readers.min(READERS), &open)?;
    let mut exit = 0;
    let mut failed = Ok(());
    print(|out| {
        let mut telling = Telling {
            out,
            files: &files,
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
                // No more of them are handed over than are printed.
                let untold = untold + totals.strays.saturating_sub(bounds::LOG_PROBLEMS);
                if untold > 0 {
                    writeln!(out, "… and {} more, counted below", counted(untold, "line"))?;
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
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(|error| {
                let place = error.path().unwrap_or(path).to_owned();
                let why = error
                    .io_error()
                    .map_or_else(|| error.to_string(), io::Error::to_string);
                Error::in_file(place, format!("cannot be read: {why}"))
            })?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
    }
    Ok(files)
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Error::in_file(path, format!("cannot be opened: {error}"))),
    }
}

struct Telling<'a> {
    out: &'a mut crate::report::output::Output,
    files: &'a [PathBuf],
    written: io::Result<()>,
    /// Lines written on problems.
    problems: u64,
    /// Lines written on chains.
    chains: u64,
    /// Lines that there was no room for.
    untold: u64,
}

impl Telling<'_> {
    /// Whether one more line on a problem is printed; if not, it is counted.
    fn has_room(&mut self) -> bool {
        let room = self.problems < bounds::LOG_PROBLEMS;
        match room {
            true => self.problems += 1,
            false => self.untold += 1,
        }
        room
    }

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
    fn stray(&mut self, stray: &Stray) -> Result<()> {
        if !self.has_room() {
            return Ok(());
        }
        let file = self.files.get(stray.file);
        let file = file.map_or_else(String::new, |path| path.display().to_string());
        let line = stray.line;
        self.line(&format!(
            "{file}: line {line}  stray       it passes for one of the agent's, and is no event of a chain and no heartbeat"
        ))
    }

    fn problem(&mut self, chain: &str, problem: &Problem) -> Result<()> {
        if !self.has_room() {
            return Ok(());
        }
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
            (faults, 0) => counted(faults, "fault"),
            (faults, declared) => {
                format!("{}, {declared} declared as lost", counted(faults, "fault"))
            }
        };
        let late = match chain.late {
            0 => String::new(),
            late => format!(
                "; note: {late} arrived after later ones, and no digest contradicts their places"
            ),
        };
        let events = match chain.events {
            0 => "no event".into(),
            events => format!(
                "{}, {}",
                counted(events, "event"),
                range(chain.first, chain.last)
            ),
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
        _ if totals.faults == totals.strays => {
            "nothing is missing, edited or out of order, and something passes for the agent's"
        }
        _ => "something is missing, edited or out of order",
    };
    let strays = match totals.strays {
        0 => String::new(),
        strays => format!(", {}", counted(strays, "stray line")),
    };
    writeln!(
        out,
        "{}, {}, {}, {} repeated, {} of others{strays}: {verdict}",
        counted(totals.chains, "chain"),
        counted(totals.events, "event"),
        counted(totals.heartbeats, "heartbeat"),
        thousands(totals.repeated),
        counted(totals.foreign, "line")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::output::Output;

    #[test]
    fn lines_beyond_their_bounds_are_counted_and_chains_with_faults_have_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out");
        let mut out = Output::open(Some(&path)).expect("opened");
        let mut telling = Telling {
            out: &mut out,
            files: &[],
            written: Ok(()),
            problems: 0,
            chains: 0,
            untold: 0,
        };
        let edited = Problem::Edited {
            sequence: 1,
            note: String::new(),
        };
        for _ in 0..bounds::LOG_PROBLEMS + 3 {
            telling.problem("c", &edited).expect("counted");
        }
        assert_eq!(
            (telling.problems, telling.untold),
            (bounds::LOG_PROBLEMS, 3)
        );
        let faulty = ChainSummary {
            faults: 1,
            ..ChainSummary::default()
        };
        for (chain, told) in [
            (ChainSummary::default(), bounds::LOG_CHAINS / 2),
            (faulty, bounds::LOG_CHAINS),
        ] {
            let untold = telling.untold;
            let before = telling.chains;
            for _ in 0..bounds::LOG_CHAINS {
                telling.chain(&chain).expect("counted");
            }
            assert_eq!(telling.chains, told);
            assert_eq!(
                telling.untold - untold,
                bounds::LOG_CHAINS - (told - before)
            );
        }
        out.commit(Some(&path)).expect("written");
        let lines = std::fs::read_to_string(&path).expect("there");
        let told = bounds::LOG_PROBLEMS + bounds::LOG_CHAINS;
        assert_eq!(lines.lines().count() as u64, told);
    }
}
