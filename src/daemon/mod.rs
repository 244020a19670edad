//! `agent run`: everything for ever.
//!
//! ```text
//! threads that look (files, settings, instance) ─┐         ┌─► StoreThread (waits for the disk)
//! watch (inotify, fanotify) ──────────────────────┼─► Daemon ─┤◄───────┘ events
//! signals, timers ────────────────────────────────┘         └─► sinks ─► sinks
//! ```
//! One thread waits, for everything at once but the disk; whoever hashes does so on a thread of its own.

mod baseline;
mod evidence;
mod jobs;
mod lifecycle;
mod message;
mod panics;
pub(crate) mod paths;
mod reload;
mod run_record;
mod setup;
mod shutdown;
mod sinks;
mod state;
mod states;
pub(crate) mod status;
mod store;
mod systemd;
mod usage;
mod watch;

use agent_core::error::{Error, Result};
use agent_core::os::{limits, memory};
use agent_core::task::{self, Job};
use message::Message;
use setup::Setup;
use state::Daemon;
use std::path::Path;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// So many messages are heard in one go before anything else is done.
const IN_ONE_GO: usize = 256;

/// Runs until it is told to stop; returns the exit status.
pub(crate) fn run(file: Option<&Path>) -> Result<u8> {
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
    let (messages, heard) = mpsc::channel(message::MOST);
    let (findings_to, found) = mpsc::channel(message::MOST);
    let mut inbox = Inbox { heard, found };
    let (mut daemon, openings) = Daemon::open(setup, directory, (messages, findings_to), clock())?;
    daemon.opened(openings, wall());
    daemon.begin(wall())?;
    systemd::ready("opening what verdicts rest on");

    let reason = loop {
        let (now, wall) = clock();
        daemon.act(now, wall);
        let due = tokio::time::Instant::from_std(daemon.due(now));
        tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::Reload => daemon.reload(self::clock()),
                Asked::Stop(signal) => break signal,
            },
            Some(word) = inbox.next(daemon.store.has_room()) => inbox.hear(word, &mut daemon),
            () = tokio::time::sleep_until(due) => {}
        }
    };
    shutdown::shutdown(daemon, inbox, reason).await;
    Ok(0)
}

/// Where messages come in.
struct Inbox {
    /// From the watch, the sinks, the store.
    heard: mpsc::Receiver<Message>,
    /// From those who look: not heard while the store has no room, so that they wait.
    found: mpsc::Receiver<Message>,
}

impl Inbox {
    /// The next word. `room`: whether the store has room for what is found.
    async fn next(&mut self, room: bool) -> Option<Message> {
        tokio::select! {
            Some(word) = self.heard.recv() => Some(word),
            Some(word) = self.found.recv(), if room => Some(word),
            else => None,
        }
    }

    /// Has the word heard, and more if there are any; from both sides in turn.
    fn hear(&mut self, word: Message, daemon: &mut Daemon) {
        let (now, wall) = clock();
        daemon.hear(word, now, wall);
        for _ in 0..IN_ONE_GO {
            let heard = self.heard.try_recv().ok();
            let room = daemon.store.has_room();
            let found = room.then(|| self.found.try_recv().ok()).flatten();
            if heard.is_none() && found.is_none() {
                break;
            }
            for word in heard.into_iter().chain(found) {
                daemon.hear(word, now, wall);
            }
        }
    }
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
    /// `None`: whoever started the agent had it ignored, and so it stays.
    interrupt: Option<Signal>,
}

impl Signals {
    fn new() -> Result<Signals> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(format!("signals cannot be heard: {error}")))
        };
        Ok(Signals {
            reload: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: match agent_core::os::signals::ignored(
                SignalKind::interrupt().as_raw_value(),
            ) {
                true => None,
                false => Some(listen(SignalKind::interrupt())?),
            },
        })
    }

    async fn next(&mut self) -> Asked {
        let interrupted = async {
            match &mut self.interrupt {
                Some(interrupt) => interrupt.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.reload.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = interrupted => Asked::Stop("SIGINT"),
        }
    }
}

/// A line for the operator: the journal, or standard error.
fn warn(text: &str) {
    eprintln!("warning: {}", agent_core::escape::terminal_text(text));
}

/// Milliseconds since 1970.
fn wall() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn clock() -> (Instant, i64) {
    (Instant::now(), wall())
}
