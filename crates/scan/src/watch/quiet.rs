//! Work that waits for a moment of quiet: nothing is opened on a file system that is about to be unmounted. Pure.
//!
//! An open directory keeps its mount busy. Mounts come and go one after the other (`umount a/b; umount a`), and often
//! right after the last write (`cp -r x a; umount a`): whoever opens a directory at once is in the way, whoever waits
//! until nothing more has come finds it gone.

use std::time::{Duration, Instant};

/// Nothing may have come for so long: longer than a shell takes from one command to the next.
const QUIET: Duration = Duration::from_millis(50);
/// But work waits no longer than this in all: who did what is asked for after the settle time, 200 ms.
// Own bound: a time; nothing is left out.
const MOST: Duration = Duration::from_millis(150);

/// When work that waits is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    /// When the first of it came and when the last.
    waiting: Option<(Instant, Instant)>,
}

impl Quiet {
    /// More has come.
    pub(super) fn stir(&mut self, now: Instant) {
        let (first, _) = self.waiting.unwrap_or((now, now));
        self.waiting = Some((first, now));
    }

    /// When it is to be done; nothing where there is none.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.waiting?;
        Some((first + MOST).min(last + QUIET))
    }

    /// Whether it is to be done now. It waits no more then.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            self.waiting = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_waited_for_and_not_for_ever() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut quiet = Quiet::default();
        assert!(!quiet.take(at(0)));
        quiet.stir(at(0));
        quiet.stir(at(40));
        assert!(!quiet.take(at(89)));
        assert!(quiet.take(at(90)));
        assert_eq!(quiet.due(), None);
        for ms in (100..400).step_by(10) {
            quiet.stir(at(ms));
        }
        assert_eq!(quiet.due(), Some(at(250)));
    }
}
