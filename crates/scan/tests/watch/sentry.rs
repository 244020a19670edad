//! A daemon's use of the watch, small enough to read: notices, settling, judging, the canary.

use super::ledger::Ledger;
use agent_core::attributes::Timestamp;
use agent_core::region::Region;
use agent_scan::watch::brief::BriefMount;
use agent_scan::watch::canary::{Canary, CanaryState, KEY};
use agent_scan::watch::debounce::Debouncer;
use agent_scan::watch::{Coverage, Notice, Options, Watch, attribution};
use harness::Lab;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// However loaded the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The watch of a lab's tree and what it told.
pub(crate) struct Sentry {
    pub(crate) watch: Watch,
    notices: Receiver<Notice>,
    pub(crate) debouncer: Debouncer,
    canary: Canary,
    pub(crate) ledger: Ledger,
    pub(crate) coverage: Coverage,
    /// How often events were lost.
    pub(crate) overflows: usize,
    /// How often the tree was another one.
    pub(crate) replaced: usize,
    /// Notices of touched paths, those of the canary left out.
    pub(crate) wakeups: usize,
    /// Paths that were touched.
    pub(crate) touched: BTreeSet<Vec<u8>>,
    pub(crate) attribution: Option<attribution::Status>,
    /// Paths that held when they were looked at, with their ctime.
    pub(crate) held: Vec<(Vec<u8>, Timestamp)>,
    /// What was mounted for a moment.
    pub(crate) brief: Vec<BriefMount>,
}

/// Everything.
pub(crate) fn all() -> Region {
    Region {
        path: Vec::new(),
        below: true,
    }
}

impl Sentry {
    /// Watches a lab that has a manifest, and has looked at all of it.
    pub(crate) fn of(lab: &Lab) -> Sentry {
        Sentry::with(lab, None)
    }

    /// The same with attribution.
    pub(crate) fn with(lab: &Lab, attribution: Option<attribution::Options>) -> Sentry {
        let ledger = Ledger::of(lab);
        let (sender, notices) = channel();
        let run = lab.path().join("run");
        let canary = Canary::new(&run).expect("a canary");
        let options = Options {
            root: lab.root(),
            scope: Arc::new(ledger.scope.clone()),
            linked: ledger.links.linked().clone(),
            canary: Some(run),
            attribution,
        };
        let watch = Watch::start(options, move |notice| {
            // The test may be over.
            sender.send(notice).unwrap_or_default();
        });
        let mut sentry = Sentry {
            watch: watch.expect("a watch"),
            notices,
            debouncer: Debouncer::new(Duration::from_millis(20)),
            canary,
            ledger,
            coverage: Coverage::default(),
            overflows: 0,
            replaced: 0,
            wakeups: 0,
            touched: BTreeSet::new(),
            attribution: None,
            held: Vec::new(),
            brief: Vec::new(),
        };
        sentry.until(|notice| matches!(notice, Notice::Coverage(_)));
        sentry.ledger.judge([all()]);
        sentry
    }

    /// Takes notices until one of that kind has come.
    pub(crate) fn until(&mut self, mut wanted: impl FnMut(&Notice) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let notice = self
                .notices
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .expect("the notice that was waited for");
            let is_wanted = wanted(&notice);
            self.take(notice);
            if is_wanted {
                return;
            }
        }
    }

    fn take(&mut self, notice: Notice) {
        let now = Instant::now();
        match notice {
            Notice::Touched(touches) => {
                self.wakeups += usize::from(touches.iter().any(|touch| touch.path != KEY));
                for touch in touches {
                    self.touched.insert(touch.path.clone());
                    self.debouncer.touch(touch, now);
                }
            }
            Notice::MountedBriefly(brief) => self.brief.extend(brief),
            Notice::Coverage(coverage) => self.coverage = coverage,
            Notice::Overflow => {
                self.overflows += 1;
                self.debouncer.clear();
                self.ledger.judge([all()]);
            }
            Notice::WatchesTaken(count) => panic!("nobody took {count} watches away"),
            Notice::RootReplaced => {
                self.replaced += 1;
                self.debouncer.clear();
                self.ledger.reopen();
                self.ledger.judge([all()]);
            }
            Notice::Attribution(status) => self.attribution = Some(status),
            Notice::Failed(why) => panic!("the watch has failed: {why}"),
        }
    }

    /// Judges what is due.
    fn judge_due(&mut self) {
        let due = self.debouncer.due(Instant::now(), usize::MAX);
        if due.iter().any(|due| due.region.path == KEY) {
            self.canary.look(Instant::now());
        }
        let regions = due.into_iter().map(|due| due.region);
        self.ledger
            .judge(regions.filter(|region| region.path != KEY));
        self.held.append(&mut self.ledger.held);
    }

    /// Goes on for as long as `busy` holds.
    pub(crate) fn run_while(&mut self, mut busy: impl FnMut(&mut Sentry) -> bool) {
        let end = Instant::now() + PATIENCE;
        while busy(self) {
            assert!(Instant::now() < end, "waited too long");
            let wait = self
                .debouncer
                .next()
                .map(|next| next - Instant::now().min(next));
            let wait = wait.unwrap_or(Duration::from_millis(50));
            match self.notices.recv_timeout(wait) {
                Ok(notice) => {
                    self.take(notice);
                    while let Ok(notice) = self.notices.try_recv() {
                        self.take(notice);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the watch has ended"),
            }
            self.judge_due();
        }
    }

    /// Goes on until the canary comes back and nothing waits, however often it has to be changed: where events are
    /// lost, the canary's may be among them.
    pub(crate) fn settle_down(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let overflows = self.overflows;
            self.canary.change(Instant::now()).expect("written");
            self.run_while(|sentry| {
                let is_lost = sentry.overflows > overflows;
                sentry.debouncer.next().is_some() || (sentry.canary.next().is_some() && !is_lost)
            });
            if self.overflows == overflows && self.canary.next().is_none() {
                return;
            }
            assert!(Instant::now() < end, "waited too long");
        }
    }

    /// Goes on until everything that happened so far has been told and judged: the canary's change, which is the
    /// last thing to happen, has come back. What is left out is looked at as at the end of an interval.
    pub(crate) fn catch_up(&mut self) {
        self.canary.change(Instant::now()).expect("written");
        self.run_while(|sentry| {
            sentry.debouncer.next().is_some() || sentry.canary.next().is_some()
        });
        let state = self.canary.state(Instant::now());
        assert!(matches!(state, CanaryState::Seeing(_)), "{state:?}");
        let left_out = self.coverage.left_out.clone();
        let region = |path| Region { path, below: true };
        self.ledger.judge(left_out.into_iter().map(region));
    }
}
