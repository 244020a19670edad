//! Standard output, so that `agent run` is of use where nothing is configured: events as they are for a program, a line
//! each for a person at a terminal.

use super::Sent;
use super::lines::{Destination, Lines, Wrote};
use super::people;
use agent_outbox::parcel::Parcel;
use std::io::{IsTerminal, Write};

/// The sink.
#[derive(Debug)]
pub struct StdoutSink(Lines<Stdout>);

impl StdoutSink {
    /// Lines for standard output.
    pub fn new(seed: u64) -> StdoutSink {
        let people = std::io::stdout().is_terminal();
        StdoutSink(Lines::new(Stdout { people }, seed))
    }

    /// Writes the parcels.
    pub async fn send(&mut self, parcels: &[Parcel]) -> Sent {
        self.0.send(parcels).await
    }
}

#[derive(Debug)]
struct Stdout {
    /// Whether a person reads it.
    people: bool,
}

impl Destination for Stdout {
    fn write(&mut self, parcels: &[Parcel]) -> Wrote {
        let mut output = std::io::stdout().lock();
        let mut wrote = Wrote::default();
        for parcel in parcels {
            let written = match self.people {
                true => output.write_all(people::line(&parcel.bytes).as_bytes()),
                false => output.write_all(&parcel.bytes),
            };
            let line = written
                .and_then(|()| output.write_all(b"\n"))
                .and_then(|()| output.flush());
            if let Err(error) = line {
                wrote.error = Some(format!("standard output: {error}"));
                break;
            }
            wrote.accepted.push(parcel.key);
        }
        wrote
    }
}
