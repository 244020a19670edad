//! What the scans of everything may believe unread (`scan.rehash`). Pure, but for what is remembered: the conditions are
//! passed in.

use agent_scan::files::belief::{Memory, Terms, Touched};
use std::sync::Arc;
use std::time::Duration;

/// What was read, and why the next scan reads everything all the same.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Rehash {
    memory: Arc<Memory>,
    /// Whether the last scan remembered what it read.
    remembers: bool,
    /// What was touched since that scan began.
    touched: Touched,
    doubt: Option<&'static str>,
}

/// What a scan that begins goes by.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Believing {
    pub(in crate::daemon) memory: Arc<Memory>,
    pub(in crate::daemon) terms: Terms,
}

/// How things stand when a scan begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::daemon) struct Conditions {
    /// `scan.rehash`
    pub(in crate::daemon) span: Duration,
    /// The longest time from one scan to the next.
    pub(in crate::daemon) interval: Duration,
    /// Something may have been missed.
    pub(in crate::daemon) at_full_speed: bool,
    /// Changes are noticed as they are made,
    pub(in crate::daemon) sees: bool,
    /// wherever files are covered.
    pub(in crate::daemon) whole: bool,
}

impl Rehash {
    /// What was remembered may be wrong: the next scan reads everything, and whoever believes now stops.
    pub(in crate::daemon) fn doubt(&mut self, why: &'static str) {
        self.memory.forget();
        self.doubt = Some(why);
    }

    /// The watch tells that a path was touched, with all below it.
    pub(in crate::daemon) fn touched(&mut self, path: &[u8]) {
        if self.remembers {
            self.touched.add(path);
        }
    }

    /// A scan of everything begins. `None`: every scan reads everything.
    pub(in crate::daemon) fn begin(&mut self, now: Conditions) -> Option<Believing> {
        let touched = std::mem::take(&mut self.touched);
        let doubt = self.doubt.take();
        self.remembers = !now.span.is_zero();
        if now.span.is_zero() {
            self.memory.forget();
            return None;
        }
        let doubt = match (doubt, now) {
            (Some(doubt), _) => Some(doubt),
            (None, now) if !now.sees => Some("files are not watched"),
            (None, now) if !now.whole => Some("not all directories are watched"),
            (None, now) if now.at_full_speed => Some("something may have been missed"),
            (None, now) if now.interval >= now.span => {
                Some("scan.rehash is no longer than the time between two scans")
            }
            (None, _) => None,
        };
        Some(Believing {
            memory: self.memory.clone(),
            terms: Terms {
                span: now.span,
                interval: now.interval,
                touched,
                doubt,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Conditions = Conditions {
        span: Duration::from_secs(86_400),
        interval: Duration::from_secs(3600),
        at_full_speed: false,
        sees: true,
        whole: true,
    };

    fn doubt(rehash: &mut Rehash, now: Conditions) -> Option<&'static str> {
        let believing = rehash.begin(now).expect("a scan that may believe");
        believing.terms.doubt
    }

    #[test]
    fn by_default_every_scan_reads_everything() {
        let off = Conditions {
            span: Duration::ZERO,
            ..GOOD
        };
        assert!(Rehash::default().begin(off).is_none());
    }

    #[test]
    fn only_an_unbroken_watch_of_everything_lets_anything_be_believed() {
        let mut rehash = Rehash::default();
        assert_eq!(doubt(&mut rehash, GOOD), None);
        let doubtful = [
            Conditions {
                sees: false,
                ..GOOD
            },
            Conditions {
                whole: false,
                ..GOOD
            },
            Conditions {
                at_full_speed: true,
                ..GOOD
            },
            Conditions {
                interval: GOOD.span,
                ..GOOD
            },
        ];
        for now in doubtful {
            assert!(doubt(&mut rehash, now).is_some(), "{now:?}");
        }
        assert_eq!(doubt(&mut rehash, GOOD), None);
    }

    #[test]
    fn a_doubt_holds_for_one_scan() {
        let mut rehash = Rehash::default();
        rehash.doubt("the kernel's queue overflowed");
        assert_eq!(
            doubt(&mut rehash, GOOD),
            Some("the kernel's queue overflowed")
        );
        assert_eq!(doubt(&mut rehash, GOOD), None);
    }

    #[test]
    fn what_was_touched_is_told_to_the_next_scan_alone() {
        let mut rehash = Rehash::default();
        let touched = |rehash: &mut Rehash| {
            let believing = rehash.begin(GOOD).expect("a scan that may believe");
            believing.terms.touched.covers(b"usr/bin/ls")
        };
        // There is nothing that it could have read before the first scan.
        rehash.touched(b"usr/bin/ls");
        assert!(!touched(&mut rehash));
        rehash.touched(b"usr/bin/ls");
        assert!(touched(&mut rehash) && !touched(&mut rehash));
    }
}
