//! journald, for fleets whose journal is shipped already: each event is an entry, its JSON in the field `EVENT`.
//!
//! - Accepted is what journald has read, by the kernel's own count of what lies unread (`SIOCOUTQ`): what waits at a
//!   journald that hangs or is started anew is still the spool's. It is not sent again while it lies there.
//! - A socket that was made anew may have lost what lay in the old one: that is sent once more, with the same uid.
//! - Nothing waits for journald for long: what it does not read in time is handed over again later.
//! - journald throws away what comes faster than its limit of rates, and tells nobody who sent it: see `pace`.

mod door;
mod entry;
mod pace;

use super::classify::Class;
use super::retry::Schedule;
use super::{Sent, Trouble};
use agent_core::escape::terminal_text;
use agent_outbox::parcel::{Delivery, Parcel};
use door::Door;
use pace::Pace;
use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Where journald listens (systemd-journald.service(8)).
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// How long journald may take to read what it was sent before the sink says that it hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sink.
#[derive(Debug)]
pub struct JournaldSink {
    path: PathBuf,
    door: Option<Door>,
    /// Key and time of those that were sent and, for all that is known, are not yet read. The time tells one heartbeat,
    /// which has no place in the spool, from the next.
    unread: BTreeSet<(u64, i64)>,
    pace: Pace,
    schedule: Schedule,
    patience: Duration,
}

impl JournaldSink {
    /// Entries for the journald that listens at `path`.
    pub fn new(path: &Path, seed: u64) -> JournaldSink {
        JournaldSink {
            path: path.to_owned(),
            door: None,
            unread: BTreeSet::new(),
            pace: Pace::new(std::time::Instant::now()),
            schedule: Schedule::new(seed),
            patience: PATIENCE,
        }
    }

    /// The same, where journald may take so long to read before it is said to hang.
    #[must_use]
    pub fn patient(self, patience: Duration) -> JournaldSink {
        JournaldSink { patience, ..self }
    }

    /// The agent ends: what is left goes out at once.
    pub fn hurry(&mut self) {
        self.pace.lift();
    }

    /// Hands the parcels over.
    pub async fn send(&mut self, parcels: &[Parcel]) -> Sent {
        let (paced, written) = match self.write(parcels).await {
            Ok(paced) => (paced, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let accepted = match written {
            Ok(()) => std::mem::take(&mut self.unread),
            Err(_) => BTreeSet::new(),
        };
        if written.is_ok() {
            self.schedule.reset();
        }
        let trouble = written.err().map(|error| Trouble {
            class: Class::Passing,
            text: terminal_text(&format!("{}: {error}", self.path.display())).into_owned(),
        });
        Sent {
            delivery: Delivery {
                accepted: accepted.into_iter().map(|(key, _)| key).collect(),
                refused: Vec::new(),
            },
            again: match &trouble {
                Some(_) => Some(self.schedule.wait(std::time::Instant::now(), None)),
                None => paced,
            },
            trouble,
        }
    }

    /// Returns once journald has read all that was sent, with how long to wait where not all were; what was sent stands
    /// in `unread`.
    async fn write(&mut self, parcels: &[Parcel]) -> io::Result<Option<Duration>> {
        let until = Instant::now() + self.patience;
        let mut paced = None;
        for parcel in parcels {
            let known = (parcel.key, parcel.time);
            if self.unread.contains(&known) {
                continue;
            }
            let now = std::time::Instant::now();
            if let Err(wait) = self.pace.take(now) {
                paced = Some(wait);
                break;
            }
            let put = self.door()?.put(&entry::of(parcel), until).await;
            self.closed_by(put)?;
            self.unread.insert(known);
        }
        if let Some(door) = &self.door {
            let read = door.until_read(until).await;
            self.closed_by(read)?;
        }
        Ok(paced)
    }

    /// The way to the socket that has the name now.
    fn door(&mut self) -> io::Result<&Door> {
        match &mut self.door {
            Some(door) => Ok(door),
            none => Ok(none.insert(Door::open(&self.path)?)),
        }
    }

    /// Any error but that of time means that nobody is behind the door any more, and what lay there unread is lost.
    fn closed_by<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != ErrorKind::TimedOut
        {
            self.door = None;
            self.unread.clear();
        }
        result
    }
}
