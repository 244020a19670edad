//! `agent run`: everything for ever.
//!
//! ```text
//! threads that look (files, settings, instance) ─┐
//! watch (inotify, fanotify) ──────────────────────┼─► one channel ─► Desk ─► Keeper ─► couriers ─► sinks
//! signals, timers ────────────────────────────────┘
//! ```
//! One thread waits, for everything at once; whoever hashes does so on a thread of its own.

mod batch;
mod couriers;
mod desk;
mod eyes;
mod facts;
mod first_boot;
mod ground;
mod looking;
mod looks;
mod panics;
pub mod paths;
mod reload;
mod remembered;
mod restored;
mod schedule;
mod setup;
mod sources;
pub mod status;
mod systemd;
mod telling;
mod unusable;
mod watching;
mod word;

use crate::error::{Error, Result};
use crate::event::Lifecycle;
use crate::os::{limits, memory};
use crate::task::{self, Job};
use desk::Desk;
use setup::Setup;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use word::Word;

/// What waits is shipped for so long at the end.
const FAREWELL: Duration = Duration::from_secs(10);
/// So many words are heard in one go before anything else is done.
const IN_ONE_GO: usize = 256;

/// Runs until it is told to stop; returns the exit status.
pub fn run(file: Option<&Path>) -> Result<u8> {
    task::begin(Job::Loop);
    memory::keep_together();
    limits::raise_open_files();
    let setup = Setup::load(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot begin: {error}")))?;
    let result = runtime.block_on(story(setup));
    // A look that is still under way is not waited for.
    runtime.shutdown_background();
    result
}

/// One run from beginning to end.
async fn story(setup: Setup) -> Result<u8> {
    let mut signals = Signals::new()?;
    let directory = paths::runtime_directory();
    std::fs::create_dir_all(&directory).map_err(|error| {
        Error::in_file(&directory, format!("cannot be made: {error}"))
            .help("run as root, or let systemd make it (RuntimeDirectory=)")
    })?;
    let (words, mut heard) = mpsc::channel(word::MOST);
    let (mut desk, openings) = Desk::open(setup, directory, words, clock())?;
    desk.opened(openings, wall());
    desk.begin(wall())?;
    systemd::ready("opening what verdicts rest on");

    let reason = loop {
        let (now, wall) = clock();
        desk.act(now, wall);
        let due = tokio::time::Instant::from_std(desk.due(now));
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Reload => desk.reload(self::clock()),
                Asked::Stop(signal) => break signal,
            },
            Some(word) = heard.recv() => {
                let (now, wall) = self::clock();
                desk.hear(word, now, wall);
                for _ in 0..IN_ONE_GO {
                    match heard.try_recv() {
                        Ok(word) => desk.hear(word, now, wall),
                        Err(_) => break,
                    }
                }
            }
            () = tokio::time::sleep_until(due) => {}
        }
    };
    farewell(desk, heard, reason).await;
    Ok(0)
}

/// Ships what waits, for a while, and leaves things in order.
async fn farewell(mut desk: Desk, mut heard: mpsc::Receiver<Word>, reason: &str) {
    systemd::stopping();
    let end = Instant::now() + FAREWELL;
    desk.tell(
        Lifecycle::Stopped {
            reason: reason.into(),
        },
        wall(),
    );
    desk.keeper.commit(wall());
    desk.couriers.hurry();
    loop {
        let (now, wall) = clock();
        desk.couriers.hand_over(&desk.keeper, true, now);
        if desk.couriers.idle(end) || now >= end {
            break;
        }
        let pause = desk.couriers.due().map_or(end, |due| due.clamp(now, end));
        match tokio::time::timeout(pause - now, heard.recv()).await {
            Ok(Some(word @ (Word::Sent(_) | Word::Decided(..)))) => desk.hear(word, now, wall),
            // What is found from now on is found again by the next run.
            Ok(Some(_)) => {}
            Ok(None) => break,
            // Somebody may try again.
            Err(_) => {}
        }
    }
    desk.keeper.commit(wall());
    desk.memory.stopped = true;
    desk.keep_memory();
    status::remove(&desk.runtime);
}

/// What a signal asks for.
enum Asked {
    Reload,
    Stop(&'static str),
}

/// The signals that are listened to.
struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(format!("signals cannot be heard: {error}")))
        };
        Ok(Signals {
            reload: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.reload.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
        }
    }
}

/// A line for the operator: the journal, or standard error.
fn complain(text: &str) {
    eprintln!("warning: {}", crate::escape::terminal_text(text));
}

/// Milliseconds since 1970.
fn wall() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn clock() -> (Instant, i64) {
    (Instant::now(), wall())
}
