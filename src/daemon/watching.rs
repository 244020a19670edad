//! From what the watch says to what is looked at: settle, wait for package managers, and never go blind unnoticed.

use super::ground::Ground;
use super::schedule::Recurring;
use crate::config::{self, Attribution};
use crate::files::spot::{Plan, Region};
use crate::finding::Severity;
use crate::manifest::order::split;
use crate::os::root::Root;
use crate::packages::transaction;
use crate::watch::canary::{self, Canary, Sight};
use crate::watch::settle::{Due, Settle};
use crate::watch::{Coverage, Notice, Options, Watch, attribution};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A package manager is waited for so long at most.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// So often is looked whether it is done.
const PAUSE: Duration = Duration::from_secs(1);
/// So many paths are kept waiting at most; then everything is looked at when it is done.
const MOST_HELD: usize = 65_536;
/// The canary is changed so often.
const CANARY: Duration = Duration::from_secs(5 * 60);
/// What could not be watched is looked at so often at most.
const PATROL: Duration = Duration::from_secs(60);

/// The watch, and what waits to be looked at.
#[derive(Debug)]
pub(super) struct Watching {
    generation: u64,
    watch: Option<Watch>,
    /// What it was begun for: see [`Ground::reach`].
    reach: Option<String>,
    /// Whether a scan that begins now misses nothing.
    ready: bool,
    pub(super) coverage: Coverage,
    pub(super) attribution: Option<attribution::Status>,
    /// Why there is no watch.
    pub(super) failed: Option<String>,
    settle: Settle,
    /// What waits for a package manager.
    held: Vec<Touched>,
    held_since: Option<Instant>,
    /// More was touched than could be held: everything is looked at afterwards.
    too_many: bool,
    next_poll: Option<Instant>,
    /// The transaction seen last, and when.
    transaction: Option<(String, Instant)>,
    canary: Option<Canary>,
    canary_due: Recurring,
    blind: bool,
    patrol: Option<Instant>,
    /// What a scan had passed before it was touched.
    again: Vec<Touched>,
}

/// A region to be looked at, and what is known of how it came to that.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) region: Region,
    /// Whether the path itself was changed.
    pub(super) itself: bool,
    pub(super) since: SystemTime,
    /// The package transaction that was under way.
    pub(super) transaction: Option<String>,
}

/// What is to be looked at now.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) plan: Arc<Plan>,
    /// By path.
    touched: Vec<Touched>,
    /// Whether packages have come or gone.
    pub(super) anew: bool,
    /// Whether more was touched than is in here.
    pub(super) too_many: bool,
}

impl Batch {
    /// A look at these regions.
    pub(super) fn new(mut touched: Vec<Touched>, anew: bool, too_many: bool) -> Batch {
        touched.sort_by(|a, b| a.region.path.cmp(&b.region.path));
        let told = touched
            .iter()
            .map(|touched| (touched.region.clone(), touched.itself));
        Batch {
            plan: Arc::new(Plan::new(told)),
            touched,
            anew,
            too_many,
        }
    }

    /// What is known of a path's being touched: of itself, else of what it lies in.
    pub(super) fn touched(&self, path: &[u8]) -> Option<&Touched> {
        let mut around = path;
        loop {
            let found = self
                .touched
                .binary_search_by(|touched| touched.region.path.as_slice().cmp(around));
            let found = found.ok().and_then(|index| self.touched.get(index));
            let found = found.filter(|touched| touched.region.below || around == path);
            if found.is_some() || around.is_empty() {
                return found;
            }
            around = split(around).0;
        }
    }

    /// The package transaction of any of it.
    pub(super) fn transaction(&self) -> Option<&String> {
        self.touched
            .iter()
            .find_map(|touched| touched.transaction.as_ref())
    }

    /// What it covers, to look at it again.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.touched.iter().map(|touched| &touched.region)
    }
}

impl Watching {
    /// Nothing is watched yet. The canary lives in `runtime`.
    pub(super) fn new(settle: Duration, runtime: &Path, now: Instant) -> Watching {
        Watching {
            generation: 0,
            watch: None,
            reach: None,
            ready: false,
            coverage: Coverage::default(),
            attribution: None,
            failed: None,
            settle: Settle::new(settle),
            held: Vec::new(),
            held_since: None,
            too_many: false,
            next_poll: None,
            transaction: None,
            canary: Canary::new(runtime).ok(),
            canary_due: Recurring::new(CANARY, now),
            blind: false,
            patrol: None,
            again: Vec::new(),
        }
    }

    /// Watches what the ground covers, unless that is watched already.
    pub(super) fn follow(
        &mut self,
        ground: &Ground,
        config: &config::Watch,
        runtime: &Path,
        emit: impl Fn(u64, Notice) + Send + Sync + 'static,
    ) {
        let Some(scope) = &ground.scope else {
            self.watch = None;
            self.reach = None;
            self.ready = true;
            self.failed = Some("there is nothing to compare files with".into());
            return;
        };
        if self.reach.as_ref() == Some(&ground.reach) && self.failed.is_none() {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        self.reach = Some(ground.reach.clone());
        self.ready = false;
        self.failed = None;
        let options = Options {
            root: "/".into(),
            scope: scope.clone(),
            canary: self.canary.is_some().then(|| runtime.to_owned()),
            attribution: match config.attribution {
                Attribution::Auto => Some(attribution::Options {
                    arguments: config.attribution_args,
                }),
                Attribution::Off => None,
            },
        };
        // The one before ends first: two sets of watches may be more than there are.
        self.watch = None;
        match Watch::start(options, move |notice| emit(generation, notice)) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => self.fail(error.message),
        }
    }

    /// The settle time, or whether changes are attributed, is another one.
    pub(super) fn reconfigure(&mut self, old: &config::Watch, new: &config::Watch) {
        if old.settle != new.settle {
            self.settle = Settle::new(new.settle);
        }
        if (old.attribution, old.attribution_args) != (new.attribution, new.attribution_args) {
            self.reach = None;
        }
    }

    /// Whether this is the generation that is listened to.
    pub(super) fn is_of(&self, generation: u64) -> bool {
        generation == self.generation
    }

    /// Whether a scan that begins now misses nothing, or waiting for it is of no use.
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether changes are noticed as they are made.
    pub(super) fn sees(&self) -> bool {
        self.watch.is_some() && self.failed.is_none() && self.ready && !self.blind
    }

    /// Directories with a watch.
    pub(super) fn directories(&self) -> u64 {
        self.watch.as_ref().map_or(0, Watch::directories)
    }

    /// Whether the canary was changed and nobody noticed.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    pub(super) fn touch(&mut self, touches: Vec<crate::watch::Touch>, now: Instant) {
        for touch in touches {
            self.settle.touch(touch, now);
        }
    }

    /// What is watched is known.
    pub(super) fn covered(&mut self, coverage: Coverage, now: Instant) {
        self.ready = true;
        self.patrol = (!coverage.left_out.is_empty()).then_some(now);
        self.coverage = coverage;
    }

    /// The watch is at its end.
    pub(super) fn fail(&mut self, why: String) {
        self.ready = true;
        self.watch = None;
        self.failed = Some(why);
        self.coverage = Coverage::default();
    }

    /// Watches everything anew, what was left out before as well.
    pub(super) fn renew(&self) {
        if let Some(watch) = &self.watch {
            watch.renew();
        }
    }

    /// What is to be looked at once more, at once.
    pub(super) fn again(&mut self, touched: Vec<Touched>) {
        self.again = touched;
    }

    /// Who wrote to a path, as far as anybody saw.
    pub(super) fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<crate::cause::Actor>> {
        self.watch.as_ref()?.actor(path, since)
    }

    /// What is to be looked at now, if anything is. `severity` of a path; `None`: it is not covered itself.
    pub(super) fn take(
        &mut self,
        root: &Root,
        severity: impl Fn(&[u8]) -> Option<Severity>,
        now: Instant,
    ) -> Option<Batch> {
        let mut due = self.settle.due(now);
        if let Some(canary) = &mut self.canary {
            let before = due.len();
            due.retain(|due| due.region.path != canary::KEY);
            if due.len() < before {
                canary.look(now);
            }
        }
        let poll = self.next_poll.is_some_and(|poll| now >= poll);
        let mut touched: Vec<Touched> = due.into_iter().map(|due| touched(due, now)).collect();
        if let Some(patrol) = self.patrol.filter(|patrol| now >= *patrol) {
            self.patrol = Some(patrol.max(now) + PATROL);
            touched.extend(self.coverage.left_out.iter().map(|path| Touched {
                region: Region {
                    path: path.clone(),
                    below: true,
                },
                itself: false,
                since: SystemTime::now(),
                transaction: None,
            }));
        }
        touched.append(&mut self.again);
        if touched.is_empty() && !poll {
            return None;
        }
        let under_way = transaction::under_way(root).map(|transaction| transaction.holder);
        let (touched, anew) = self.part(touched, under_way, severity, now);
        let too_many = self.too_many && self.held.is_empty() && self.held_since.is_none();
        self.too_many &= !too_many;
        (!touched.is_empty() || too_many).then(|| Batch::new(touched, anew, too_many))
    }

    /// Parts what is judged now from what waits for the transaction that is under way.
    fn part(
        &mut self,
        mut touched: Vec<Touched>,
        under_way: Option<String>,
        severity: impl Fn(&[u8]) -> Option<Severity>,
        now: Instant,
    ) -> (Vec<Touched>, bool) {
        let Some(holder) = under_way else {
            // It may have ended while its last changes settled.
            let recent = Duration::from_secs(5);
            let last = self
                .transaction
                .take_if(|(_, seen)| now.saturating_duration_since(*seen) > recent);
            let holder = last.or_else(|| self.transaction.clone());
            let anew = holder.is_some() || !self.held.is_empty();
            if let Some((holder, _)) = holder {
                for touched in &mut touched {
                    touched.transaction = Some(holder.clone());
                }
            }
            let mut all = std::mem::take(&mut self.held);
            all.extend(touched);
            self.held_since = None;
            self.next_poll = None;
            return (all, anew);
        };
        self.transaction = Some((holder.clone(), now));
        for touched in &mut touched {
            touched.transaction = Some(holder.clone());
        }
        // A lock is easily held: what is critical, and what may hold something critical, does not wait.
        let (judged, waits): (Vec<Touched>, Vec<Touched>) = touched.into_iter().partition(|t| {
            severity(&t.region.path).map_or(t.region.below, |s| s == Severity::Critical)
        });
        self.held.extend(waits);
        if self.held.len() > MOST_HELD {
            self.held.clear();
            self.too_many = true;
        }
        let since = *self.held_since.get_or_insert(now);
        let impatient = now.saturating_duration_since(since) >= PATIENCE;
        let waiting = !self.held.is_empty() || self.too_many;
        if !waiting || impatient {
            let mut all = std::mem::take(&mut self.held);
            all.extend(judged);
            self.held_since = None;
            self.next_poll = None;
            return (all, false);
        }
        self.next_poll = Some(now + PAUSE);
        (judged, false)
    }

    /// Does what there is to do about the canary.
    pub(super) fn tend(&mut self, now: Instant) {
        let seeing = self.watch.is_some() && self.ready;
        if let (Some(canary), true) = (&mut self.canary, seeing)
            && self.canary_due.take(now)
        {
            // Should it fail, nothing comes back: that is blindness too.
            canary.change(now).unwrap_or_default();
        }
        let sight = self.canary.as_mut().map(|canary| canary.sight(now));
        self.blind = seeing && sight == Some(Sight::Blind);
    }

    /// When there is something to do next. `free`: whether paths could be looked at now.
    pub(super) fn due(&self, free: bool) -> Option<Instant> {
        let canary = self
            .canary
            .as_ref()
            .filter(|_| self.watch.is_some() && self.ready);
        let change = canary.map(|_| self.canary_due.due());
        let again = (!self.again.is_empty()).then(Instant::now);
        let paths = [self.settle.next(), self.next_poll, self.patrol, again];
        let paths = paths.into_iter().flatten().filter(|_| free);
        paths
            .chain(change)
            .chain(canary.and_then(Canary::next))
            .min()
    }
}

fn touched(due: Due, now: Instant) -> Touched {
    let age = now.saturating_duration_since(due.since);
    Touched {
        region: due.region,
        itself: due.itself,
        since: SystemTime::now()
            .checked_sub(age)
            .unwrap_or(SystemTime::UNIX_EPOCH),
        transaction: None,
    }
}
