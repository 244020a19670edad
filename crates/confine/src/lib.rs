//! The agent reads what attackers write, with more rights than they have. Once it has what it needs it takes the rest
//! from itself, whatever the unit or the shell that started it left: files that it may write or read (landlock(7)),
//! system calls (seccomp(2)), capabilities, new privileges, memory that can be run, dumps of its memory.
//!
//! What a kernel lacks is left out and named ([`Confinement::lacks`]): nothing of this makes a host unwatched.
//!
//! A process in a landlock domain no longer sees which programs others run, root included. So a process of its own
//! stays outside, the [`monitor`]: it answers a few questions about other processes, and hears of system calls that
//! were refused. It is there before anything else is, and there is nothing to be had from it but that.
//!
//! All of this holds for the calling thread and those that it starts from then on: it is called while there is no other.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing
    )
)]

mod calls;
mod files;
// seccomp(2) with a listener.
#[allow(unsafe_code)]
mod filter;
// fork(2), ioctl(2) on the listener, dispositions of signals.
#[allow(unsafe_code)]
pub mod monitor;
// prctl(2) for what rustix has no words for.
#[allow(unsafe_code)]
mod process;

use monitor::Monitor;
use std::path::PathBuf;

/// What is to be done, and so what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `agent run`: watch, ship, and write to a few directories.
    Run {
        /// Whether it asks fanotify who changed what.
        attribution: bool,
    },
    /// A tree that somebody else wrote is read: no network, and nothing outside of it.
    Parse,
}

/// What the process keeps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it goes on to do.
    pub phase: Phase,
    /// Directories that it may write below.
    pub writable: Vec<PathBuf>,
    /// Directories and files that it may read; `None`: everything that its user may read.
    pub readable: Option<Vec<PathBuf>>,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Confinement {
    /// What holds, each in a few words.
    pub holds: Vec<String>,
    /// What does not, and why.
    pub lacks: Vec<String>,
    /// That fanotify was given up.
    no_attribution: bool,
    /// Directories that it may write below, without links.
    writable: Vec<PathBuf>,
    monitor: Option<Monitor>,
}

/// Confines the process. `monitor`: see [`Monitor::start`].
pub fn enter(plan: &Plan, monitor: std::io::Result<Monitor>) -> Confinement {
    let places = plan.writable.iter();
    let mut confinement = Confinement {
        writable: places
            .filter_map(|path| std::fs::canonicalize(path).ok())
            .collect(),
        no_attribution: plan.phase != Phase::Run { attribution: true },
        ..Confinement::default()
    };
    let monitor = match monitor {
        Ok(monitor) => Some(monitor),
        Err(error) => {
            let why = format!("a process of its own for what landlock hides: {error}");
            confinement.lacks.push(why);
            None
        }
    };
    // Without anybody outside attribution and checks of processes would lose their evidence.
    if monitor.is_some() || plan.phase == Phase::Parse {
        confinement.note(files::restrict(plan));
    }
    let kept = process::kept(plan);
    confinement.note(process::keep_capabilities(&kept));
    confinement.note(process::hide());
    let mapping = process::refuse_executable_memory();
    let mapped = mapping.is_ok();
    confinement.note(mapping);
    confinement.note(filter::install(plan.phase, mapped, monitor.as_ref()));
    confinement.monitor = monitor;
    confinement
}

impl Confinement {
    fn note(&mut self, outcome: Result<Vec<String>, String>) {
        match outcome {
            Ok(holds) => self.holds.extend(holds),
            Err(lacks) => self.lacks.push(lacks),
        }
    }

    /// System calls that were refused since this was asked last, each once, in words.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.monitor.as_ref().map(Monitor::refused);
        let refused = refused.unwrap_or_default();
        let call = |number| format!("system call {number} of {}", std::env::consts::ARCH);
        refused.into_iter().map(call).collect()
    }

    /// Whether it is in a landlock domain: a directory that takes the place of one of its own cannot be written.
    pub fn has_landlock(&self) -> bool {
        self.holds.iter().any(|line| line.starts_with(files::NAME))
    }

    /// Whether a file in that directory can still be written.
    pub fn may_write(&self, directory: &std::path::Path) -> bool {
        let place = std::fs::canonicalize(directory);
        let place = place.as_deref().unwrap_or(directory);
        !self.has_landlock() || self.writable.iter().any(|own| place.starts_with(own))
    }

    /// Whether fanotify can still be asked.
    pub fn may_attribute(&self) -> bool {
        !self.no_attribution
    }

    /// Whether the process that looks at others no longer answers: what only it can see is then unknown.
    pub fn is_blind(&self) -> bool {
        self.monitor.as_ref().is_some_and(Monitor::is_lost)
    }

    /// Nothing more is asked: the process outside ends.
    pub fn end(&self) {
        if let Some(monitor) = &self.monitor {
            monitor.end();
        }
    }
}
