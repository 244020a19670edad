//! What systemd is told, and how often it wants to hear (sd_notify(3)). Without systemd nothing happens.

use sd_notify::NotifyState;
use std::time::Duration;

/// The agent is ready, with one line for `systemctl status`.
pub(in crate::daemon) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub(in crate::daemon) fn status(status: &str) {
    say(&[NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] ends it.
pub(in crate::daemon) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// The agent ends.
pub(in crate::daemon) fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// The agent lives.
pub(in crate::daemon) fn alive() {
    say(&[NotifyState::Watchdog]);
}

/// Interval at which to say so: half the time after which systemd would lose patience.
pub(in crate::daemon) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}

fn say(state: &[NotifyState<'_>]) {
    // A service manager that does not listen is no reason to stop.
    sd_notify::notify(state).unwrap_or_default();
}
