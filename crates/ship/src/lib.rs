//! Events on their way out: packed, sent, and given back with what became of each.
//!
//! A sink knows nothing of the store. It is handed parcels and says which of them were accepted; what it
//! doesn't name stays where it is and is handed over again. Nothing is given up here.
//!
//! May touch: the network, the log file, journald's socket, standard output, and the credentials that the AWS SDK finds; never the state
//! directory.
//!
//! Begin with [`Sink`], a place that events go to; [`Sent`], what came of handing them over; and
//! [`cloudwatch::CloudWatchSink`], the one that talks to a service.

pub mod classify;
pub mod cloudwatch;
pub mod file;
pub mod journald;
mod lines;
pub mod pack;
mod people;
pub mod retry;
pub mod stdout;

use agent_outbox::parcel::{Delivery, Parcel};
use classify::Class;
use std::time::Duration;

/// A place that events go to.
#[derive(Debug)]
pub enum Sink {
    /// CloudWatch Logs.
    Cloudwatch(Box<cloudwatch::CloudWatchSink>),
    /// A file of JSON lines.
    File(file::FileSink),
    /// The host's journal.
    Journald(journald::JournaldSink),
    /// Standard output.
    Stdout(stdout::StdoutSink),
}

impl Sink {
    /// The word for it in the store, in status and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Sink::Cloudwatch(_) => "cloudwatch_logs",
            Sink::File(_) => "file",
            Sink::Journald(_) => "journald",
            Sink::Stdout(_) => "stdout",
        }
    }

    /// What waits for a better moment waits no longer: the agent ends.
    pub fn hurry(&mut self) {
        match self {
            Sink::Cloudwatch(sink) => sink.hurry(),
            Sink::Journald(sink) => sink.hurry(),
            Sink::File(_) | Sink::Stdout(_) => {}
        }
    }

    /// Hands parcels over. `now` is in milliseconds since 1970.
    ///
    /// May be dropped half way: what was accepted meanwhile is then sent once more, with the same uid.
    pub async fn send(&mut self, parcels: &[Parcel], now: i64) -> Sent {
        match self {
            Sink::Cloudwatch(sink) => sink.send(parcels, now).await,
            Sink::File(sink) => sink.send(parcels).await,
            Sink::Journald(sink) => sink.send(parcels).await,
            Sink::Stdout(sink) => sink.send(parcels).await,
        }
    }
}

/// What came of handing parcels to a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What became of each; parcels that it doesn't name are still to be sent.
    pub delivery: Delivery,
    /// How long to wait before the sink is handed anything again; `None`: nothing stands in the way.
    pub again: Option<Duration>,
    /// What a person should know.
    pub trouble: Option<Trouble>,
}

/// Why a sink didn't take all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble it is.
    pub class: Class,
    /// What happened, for a person: no credentials in it, no control characters.
    pub text: String,
}

#[cfg(test)]
pub(crate) mod testing {
    use agent_core::finding::Severity;
    use agent_outbox::parcel::Parcel;

    /// A parcel of low severity.
    pub(crate) fn parcel(key: u64, time: i64, text: &str) -> Parcel {
        Parcel {
            key,
            time,
            severity: Severity::Low,
            bytes: text.as_bytes().into(),
        }
    }
}
