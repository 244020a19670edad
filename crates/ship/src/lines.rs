//! JSON lines onto something that may block: written by a thread, so that a disk that hangs stops nothing else.

use super::classify::Class;
use super::retry::Schedule;
use super::{Sent, Trouble};
use agent_core::escape::terminal_text;
use agent_outbox::parcel::{Delivery, Parcel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long a writer may take before the sink says that it hangs, and waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where lines go.
pub(super) trait Destination: Send + 'static {
    /// Writes a line for each; blocks.
    fn write(&mut self, parcels: &[Parcel]) -> Wrote;
}

/// What came of writing.
#[derive(Debug, Default)]
pub(super) struct Wrote {
    /// Keys of those that are safely written.
    pub(super) accepted: Vec<u64>,
    /// Why the others are not.
    pub(super) error: Option<String>,
}

/// A place and its writer.
#[derive(Debug)]
pub(super) struct Lines<P> {
    place: Arc<Mutex<P>>,
    running: Option<JoinHandle<Wrote>>,
    schedule: Schedule,
    patience: Duration,
}

impl<P: Destination> Lines<P> {
    pub(super) fn new(place: P, seed: u64) -> Lines<P> {
        Lines {
            place: Arc::new(Mutex::new(place)),
            running: None,
            schedule: Schedule::new(seed),
            patience: PATIENCE,
        }
    }

    /// Writes the parcels; where an earlier writer still hangs, waits for that one instead and tells what it wrote.
    pub(super) async fn send(&mut self, parcels: &[Parcel]) -> Sent {
        let mut refused = Vec::new();
        let running = match &mut self.running {
            Some(running) => running,
            none => {
                let (fit, unfit) = parcels.iter().cloned().partition(is_line);
                let unfit: Vec<Parcel> = unfit;
                let reason = "empty, or with a line end in it";
                refused.extend(unfit.iter().map(|p| (p.key, reason.to_owned())));
                none.insert(self::start(&self.place, fit))
            }
        };
        let wrote = match tokio::time::timeout(self.patience, running).await {
            Ok(Ok(wrote)) => {
                self.running = None;
                wrote
            }
            Ok(Err(error)) => {
                self.running = None;
                Wrote {
                    error: Some(format!("the writer ended early: {error}")),
                    ..Wrote::default()
                }
            }
            Err(_) => Wrote {
                error: Some("writing hangs".to_owned()),
                ..Wrote::default()
            },
        };
        if !wrote.accepted.is_empty() || wrote.error.is_none() {
            self.schedule.reset();
        }
        let class = Class::Local;
        Sent {
            delivery: Delivery {
                accepted: wrote.accepted,
                refused,
            },
            again: wrote
                .error
                .is_some()
                .then(|| self.schedule.wait(Instant::now(), None)),
            trouble: wrote.error.map(|text| Trouble {
                class,
                text: terminal_text(&text).into_owned(),
            }),
        }
    }
}

fn start<P: Destination>(place: &Arc<Mutex<P>>, parcels: Vec<Parcel>) -> JoinHandle<Wrote> {
    let place = place.clone();
    tokio::task::spawn_blocking(move || {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.write(&parcels)
    })
}

fn is_line(parcel: &Parcel) -> bool {
    !parcel.bytes.is_empty() && memchr::memchr(b'\n', &parcel.bytes).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parcel;
    use std::sync::mpsc;

    /// Writes when it is told to.
    struct Held(mpsc::Receiver<()>);

    impl Destination for Held {
        fn write(&mut self, parcels: &[Parcel]) -> Wrote {
            self.0.recv().expect("told");
            Wrote {
                accepted: parcels.iter().map(|parcel| parcel.key).collect(),
                error: None,
            }
        }
    }

    #[test]
    fn a_writer_that_hangs_is_waited_for_and_nothing_is_written_twice() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (tell, told) = mpsc::channel();
            let mut lines = Lines::new(Held(told), 1);
            lines.patience = Duration::from_millis(20);
            let parcels = [parcel(1, 0, "one"), parcel(2, 0, "two\nlines")];
            let sent = lines.send(&parcels).await;
            assert_eq!(sent.delivery.accepted, [0u64; 0]);
            assert_eq!(sent.delivery.refused.len(), 1);
            assert!(sent.again.is_some() && sent.trouble.is_some_and(|t| t.text.contains("hangs")));
            tell.send(()).expect("it waits");
            lines.patience = PATIENCE;
            let sent = lines
                .send(&[parcel(1, 0, "one"), parcel(3, 0, "three")])
                .await;
            assert_eq!(sent.delivery.accepted, [1], "what the first writer wrote");
            assert_eq!((sent.again, sent.trouble), (None, None));
        });
    }
}
