//! A file of the agent's own that is changed on purpose: if nobody notices, the watch is blind.
//!
//! The daemon calls [`Canary::change`] every few minutes. The touch comes back as [`KEY`] in a
//! [`super::Notice::Touched`], goes through [`super::settle::Settle`] like any other, and when it is due
//! [`Canary::look`] observes and judges the file with the code that judges every file. It writes nothing to the store.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The path of the canary in touches: no path of a file holds NUL.
pub const KEY: &[u8] = b"\0canary";
/// The file's name in its directory.
pub const NAME: &str = "canary";
/// A change that was not seen after so long means that the watch is blind.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The canary.
#[derive(Debug)]
pub struct Canary {}

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing was changed yet, or a change is on its way and still may come.
    Waiting,
    /// The last change came back, after that long.
    Seeing(Duration),
    /// A change did not come back, or was not judged as one.
    Blind,
}

impl Canary {
    /// A canary in `directory`, which is made where it is not there.
    pub fn new(directory: &Path) -> io::Result<Canary> {
        let _ = directory;
        todo!()
    }

    /// Changes the file.
    pub fn change(&mut self, now: Instant) -> io::Result<()> {
        let _ = now;
        todo!()
    }

    /// Observes and judges the file: [`KEY`] is due.
    pub fn look(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Whether the watch sees.
    pub fn sight(&self, now: Instant) -> Sight {
        let _ = now;
        todo!()
    }

    /// When [`Canary::sight`] may turn to blind; `None` where no change is on its way.
    pub fn next(&self) -> Option<Instant> {
        todo!()
    }
}
