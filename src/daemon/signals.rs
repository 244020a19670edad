//! Signals: SIGHUP, SIGTERM, SIGINT.

use agent_core::error::{Error, Result};
use agent_core::os::signals::ignored;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
pub(super) enum Asked {
    Reload,
    Stop(&'static str),
}

/// The signals that are handled.
pub(super) struct Signals {
    reload: Signal,
    terminate: Signal,
    /// `None`: whoever started the agent had it ignored, and so it stays.
    interrupt: Option<Signal>,
}

impl Signals {
    pub(super) fn new() -> Result<Signals> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(format!("signals cannot be heard: {error}")))
        };
        Ok(Signals {
            reload: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: match ignored(SignalKind::interrupt().as_raw_value()) {
                true => None,
                false => Some(listen(SignalKind::interrupt())?),
            },
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
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
