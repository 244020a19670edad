//! `agent log verify`: whether the events that arrived are all that were sent, as they were sent.

use super::args::LogVerify;
use super::print;
use agent_core::error::{Error, Result};
use agent_core::escape::terminal_text;
use agent_outbox::event::verify::{ChainSummary, Problem, Reporter, Totals, Verifier};
use std::fs::File;
use std::io::{self, BufReader, Write};

/// Something is missing, edited or out of order.
const FAULTY: u8 = 1;
/// Only losses that the chain itself declares.
const DECLARED: u8 = 3;

pub(super) fn verify(arguments: &LogVerify) -> Result<u8> {
    let mut verifier = Verifier::new()?;
    for path in &arguments.files {
        let file = File::open(path)
            .map_err(|error| Error::in_file(path, format!("cannot be opened: {error}")))?;
        let reader = BufReader::with_capacity(256 * 1024, file);
        verifier.take(reader).map_err(|error| Error {
            file: error.file.or_else(|| Some(path.clone())),
            ..error
        })?;
    }
    let mut exit = 0;
    let mut failed = Ok(());
    print(|out| {
        let mut telling = Telling {
            out,
            written: Ok(()),
        };
        let judged = verifier.judge(&mut telling);
        let written = telling.written;
        match (written, judged) {
            (Err(error), _) => return Err(error),
            (Ok(()), Err(error)) => failed = Err(error),
            (Ok(()), Ok(totals)) => {
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

struct Telling<'a> {
    out: &'a mut crate::report::output::Output,
    written: io::Result<()>,
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
