//! The window in which changes are expected: looked for now and then, told, and put on what is found meanwhile.

use crate::daemon::action::Action;
use crate::daemon::baseline::one_line;
use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::run_record::ToldWindow;
use crate::daemon::state::Daemon;
use crate::window::{self, Window};
use agent_core::explained::{ExplainedBy, ExplanationKind};
use agent_core::finding::{Finding, Severity, Verdict};
use agent_outbox::event::{self, Lifecycle};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Its file is looked at so often at most while something is found.
const EVERY: Duration = Duration::from_millis(50);

/// What tells one state of its file from the next; ctime cannot be set by anybody.
type Stamp = (u64, i64, i64);

/// The window as it was seen last.
#[derive(Debug, Default)]
pub(in crate::daemon) struct WatchedWindow {
    window: Option<Window>,
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

impl WatchedWindow {
    /// Marks a deviation of a file that was found while the window is open, unless something better explains it.
    pub(in crate::daemon) fn mark(&self, finding: &mut Finding, now: UnixMillis) {
        let open = self.window.as_ref().filter(|window| window.is_open(now.0));
        let Some(window) = open else { return };
        let deviates = finding.verdict == Verdict::Fail && finding.check.id.starts_with("files.");
        if deviates && finding.explained_by.is_none() {
            let at = jiff::Timestamp::from_millisecond(window.opened).ok();
            finding.explained_by = Some(ExplainedBy {
                at: at.map(|at| format!("{at:.0}")),
                reason: Some(window.reason.clone()),
                ..ExplainedBy::new(ExplanationKind::Window)
            });
        }
    }

    /// Looks for its file; whether that is another one now, and why it cannot be used.
    fn look(&mut self, state_dir: &Path, now: Instant) -> Option<String> {
        if self
            .looked
            .is_some_and(|looked| now.duration_since(looked) < EVERY)
        {
            return None;
        }
        self.looked = Some(now);
        let told = std::fs::metadata(window::place(state_dir)).ok();
        let stamp = told.map(|told| (told.ino(), told.ctime(), told.ctime_nsec()));
        if stamp == self.stamp {
            return None;
        }
        self.stamp = stamp;
        match Window::load(state_dir) {
            Ok(window) => {
                self.window = window;
                None
            }
            Err(error) => {
                self.window = None;
                Some(one_line(error))
            }
        }
    }
}

/// Looks for the window, and tells that it was opened, or has ended.
pub(in crate::daemon) fn look(daemon: &mut Daemon, now: Now) {
    // The first event of a start is that it started.
    if daemon.baseline.active.is_none() {
        return;
    }
    let state_dir = &daemon.setup.config.state_dir;
    let refused = daemon.jobs.window.look(state_dir, now.monotonic);
    let mut actions: Vec<Action> = refused
        .map(|why| Action::fault("window.refused", Severity::Medium, why))
        .into_iter()
        .collect();
    let (told, events) = tell(
        daemon.jobs.window.window.as_ref(),
        daemon.records.current.window.as_ref(),
        now.wall.0,
    );
    if told != daemon.records.current.window {
        daemon.records.current.window = told;
        actions.push(Action::SaveRecord);
    }
    actions.extend(events.into_iter().map(Action::Tell));
    daemon.perform(actions, now);
}

/// What is to be told of a window, and what has been told then.
fn tell(
    window: Option<&Window>,
    told: Option<&ToldWindow>,
    now: i64,
) -> (Option<ToldWindow>, Vec<Lifecycle>) {
    let Some(window) = window else {
        return (told.cloned(), Vec::new());
    };
    let as_told = event::Window {
        opened: window.opened,
        until: window.until,
        reason: window.reason.clone(),
        by: window.by.clone(),
        login_uid: window.login_uid,
    };
    let known = told.filter(|told| told.opened == window.opened);
    let mut events = Vec::new();
    if known.is_none() {
        events.push(Lifecycle::WindowOpened(as_told.clone()));
    }
    let over = now >= window.end();
    let closed = known.is_some_and(|told| told.closed);
    if over && !closed {
        let why = match window.ended {
            Some(_) => "it was ended",
            None => "its time is over",
        };
        events.push(Lifecycle::WindowClosed {
            window: as_told,
            at: window.end(),
            why: why.into(),
        });
    }
    let told = ToldWindow {
        opened: window.opened,
        closed: over || closed,
    };
    (Some(told), events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(events: &[Lifecycle]) -> Vec<&'static str> {
        let name = |event: &Lifecycle| match event {
            Lifecycle::WindowOpened(_) => "opened",
            Lifecycle::WindowClosed { .. } => "closed",
            _ => "?",
        };
        events.iter().map(name).collect()
    }

    #[test]
    fn each_end_is_told_once() {
        let mut window = Window {
            opened: 10,
            until: 20,
            ended: None,
            reason: "r".into(),
            by: "b".into(),
            login_uid: None,
        };
        let (told, events) = tell(Some(&window), None, 12);
        assert_eq!(names(&events), ["opened"]);
        let (told, events) = tell(Some(&window), told.as_ref(), 13);
        assert_eq!(names(&events), [""; 0]);
        let (_, events) = tell(Some(&window), told.as_ref(), 20);
        assert_eq!(names(&events), ["closed"]);
        window.ended = Some(15);
        let (told, events) = tell(Some(&window), told.as_ref(), 16);
        assert_eq!(names(&events), ["closed"]);
        let (told, events) = tell(Some(&window), told.as_ref(), 30);
        assert_eq!(names(&events), [""; 0]);
        // Another one, opened and ended while nobody looked.
        window.opened = 30;
        window.until = 40;
        window.ended = Some(31);
        let (told, events) = tell(Some(&window), told.as_ref(), 50);
        assert_eq!(names(&events), ["opened", "closed"]);
        assert_eq!(tell(None, told.as_ref(), 60), (told.clone(), Vec::new()));
    }
}
