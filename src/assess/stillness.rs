//! How long something has taken no step. Pure: its steps and the time are passed in.

use agent_core::escape;
use agent_core::task::{Steps, TaskKind};
use agent_core::words::counted;
use std::time::{Duration, Instant};

/// Subjects that are named.
// Own bound: of threads of one look, which are two or three.
const NAMED: usize = 3;

/// Counted at most from one look at the steps to the next, and a third of what is waited for: a host that slept, or let the
/// agent do nothing at all, held up who looks as well.
// Own bound: a third of the shortest that a look may stand still.
const AT_ONCE: Duration = Duration::from_secs(20);

/// How long something has stood still.
#[derive(Debug, Default)]
pub(crate) struct Stillness {
    steps: u64,
    looked: Option<Instant>,
    still: Duration,
    told: bool,
}

impl Stillness {
    /// It has taken so many steps by now. `excused`: it waits for the agent itself. Whether it has stood still for that
    /// long, once.
    pub(crate) fn exceeds(
        &mut self,
        limit: Duration,
        steps: u64,
        excused: bool,
        now: Instant,
    ) -> bool {
        let since = self.looked.replace(now);
        let since = since.map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        if std::mem::replace(&mut self.steps, steps) != steps || excused {
            (self.still, self.told) = (Duration::ZERO, false);
            return false;
        }
        self.still += since.min(AT_ONCE).min(limit / 3);
        let exceeds = self.still >= limit;
        exceeds && !std::mem::replace(&mut self.told, exceeds)
    }

    /// Whether it was told to stand still, and has taken no step since.
    pub(crate) fn lasts(&self) -> bool {
        self.told
    }

    /// How long it has stood still.
    pub(crate) fn length(&self) -> Duration {
        self.still
    }
}

/// Where it stands, and why that may be, for people.
pub(crate) fn told(what: &str, still: Duration, steps: &Steps) -> String {
    let mut places: Vec<String> = steps.subjects().iter().map(place).collect();
    places.truncate(NAMED);
    let places = match places.is_empty() {
        true => String::new(),
        false => format!(" at {}", places.join(", ")),
    };
    format!(
        "{what} has taken no step for {}{places}: its disk gives no answer, or somebody holds up the opening of files \
         (fanotify(7)); `grep -l fanotify /proc/[0-9]*/fdinfo/*` names who may",
        counted(still.as_secs(), "second")
    )
}

fn place((kind, subject): &(TaskKind, Vec<u8>)) -> String {
    let subject = escape::terminal_bytes(subject);
    match kind {
        TaskKind::File | TaskKind::Directory => format!("/{subject}"),
        TaskKind::Whole | TaskKind::Batch | TaskKind::Part => subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn what_takes_no_step_for_long_is_told_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut stillness = Stillness::default();
        assert!((0..6).all(|i| !stillness.exceeds(LIMIT, 0, false, at(10 * i))));
        assert!(stillness.exceeds(LIMIT, 0, false, at(60)) && stillness.lasts());
        assert_eq!(stillness.length(), LIMIT);
        assert!(!stillness.exceeds(LIMIT, 0, false, at(70)), "once");
        assert!(!stillness.exceeds(LIMIT, 1, false, at(80)) && !stillness.lasts());
        assert!((0..6).all(|i| !stillness.exceeds(LIMIT, 1, false, at(80 + 10 * i))));
        assert!(!stillness.exceeds(LIMIT, 1, true, at(140)), "excused");
        assert!((0..6).all(|i| !stillness.exceeds(LIMIT, 1, false, at(140 + 10 * i))));
        assert!(stillness.exceeds(LIMIT, 1, false, at(200)));
    }

    #[test]
    fn a_host_that_slept_accuses_nobody() {
        let start = Instant::now();
        let mut stillness = Stillness::default();
        assert!(!stillness.exceeds(LIMIT, 0, false, start));
        let woken = start + Duration::from_secs(86_400);
        assert!(!stillness.exceeds(LIMIT, 0, false, woken));
        assert_eq!(stillness.length(), AT_ONCE);
    }
}
