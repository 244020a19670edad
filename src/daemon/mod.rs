//! `agent run`: everything for ever.
//!
//! ```text
//! jobs/: scan, spot, settings, instance ─┐ findings         ┌─► store/ (a thread: waits for the disk) ─┐
//! watch/: inotify, fanotify, canary ─────┼─► event loop ────┤                                          │ answers
//! signals, timers ───────────────────────┘   one Message    └─► sinks/: one task each ─────────────────┤
//!                  ▲                                                                                   │
//!                  └───────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! [`event_loop`] is the one thread that knows everything, and waits for everything at once but the disk. It receives
//! one [`message::Message`] at a time, and [`handle`] says what that leads to. [`state::Daemon`] holds no more than its
//! parts, each the owner of its fields:
//!
//! - [`states`] are pure: they take what happened, with the time, and return values, or [`action::Action`]s that
//!   [`state::Daemon::perform`] does. Each has its tests beside it, without clocks, threads or files.
//! - [`jobs`] look at the host, each on a thread of its own. They are queued, begun and ended by the event loop, and
//!   ask it, and the store, what they have to know.
//! - [`watch`] keeps the kernel's watch and its canary; [`store`] is the event loop's side of the store, and its
//!   thread; [`sinks`] are tasks that ship; [`baseline`] is what files are compared with.
//! - [`status`] says to others how all of it is: a file, heartbeats, systemd.

mod accepted;
mod action;
mod archives;
mod baseline;
mod clock;
mod cloud_init;
mod confined;
mod event_loop;
mod handle;
mod identity;
mod jobs;
mod lifecycle;
mod message;
mod new_packages;
mod panics;
pub(crate) mod paths;
mod reload;
mod run_record;
mod setup;
mod shutdown;
mod signals;
mod sinks;
mod state;
mod states;
pub(crate) mod status;
mod store;
mod systemd;
mod watch;
mod window;
mod writers;

use agent_core::error::{Error, Result};
use agent_core::os::{limits, memory};
use agent_core::task;
use agent_scan::files::exchanged;
use setup::Setup;
use std::path::Path;
use std::sync::Arc;

/// Runs until it is told to stop; returns the exit status.
pub(crate) fn run(file: Option<&Path>) -> Result<u8> {
    task::begin(task::Job::Loop);
    memory::keep_together();
    limits::raise_open_files();
    let monitor = confined::monitor();
    exchanged::remember();
    let mut setup = Setup::load(file)?;
    if let Some(told) = &setup.profile.stands_in {
        warn(told);
    }
    let confinement = Arc::new(confined::confine(&setup, monitor));
    setup.confinement = confinement.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot begin: {error}")))?;
    let result = runtime.block_on(event_loop::run(setup));
    // A job that is still under way is not waited for.
    runtime.shutdown_background();
    confinement.end();
    result
}

/// A line for the operator: the journal, or standard error.
fn warn(text: &str) {
    eprintln!("warning: {}", agent_core::escape::terminal_text(text));
}
