//! Standard output, so that `agent run` is of use where nothing is configured.

use super::Sent;
use super::lines::{Lines, Place, Wrote};
use agent_outbox::parcel::Parcel;
use std::io::Write;

/// The sink.
#[derive(Debug)]
pub struct StdoutSink(Lines<Stdout>);

impl StdoutSink {
    /// Lines for standard output.
    pub fn new(seed: u64) -> StdoutSink {
        StdoutSink(Lines::new(Stdout, seed))
    }

    /// Writes the parcels.
    pub async fn send(&mut self, parcels: &[Parcel]) -> Sent {
        self.0.send(parcels).await
    }
}

#[derive(Debug)]
struct Stdout;

impl Place for Stdout {
    fn write(&mut self, parcels: &[Parcel]) -> Wrote {
        let mut output = std::io::stdout().lock();
        let mut wrote = Wrote::default();
        for parcel in parcels {
            let line = output
                .write_all(&parcel.bytes)
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
