//! From what the watch says to what is looked at: settle, mind package managers, and never go blind unnoticed.

mod bounds;

use super::batch::{Batch, Touched};
use super::ground::Ground;
use super::schedule::Recurring;
use super::transaction::Transactions;
use agent_core::config::{self, Attribution};
use agent_core::finding::Severity;
use agent_core::os::root::Root;
use agent_core::region::Region;
use agent_outbox::event::lifecycle::LinkedFiles;
use agent_packages::transaction;
use agent_scan::files::links::Links;
use agent_scan::files::scope::Scope;
use agent_scan::watch::canary::{self, Canary, Sight};
use agent_scan::watch::settle::{Settle, entries_of};
use agent_scan::watch::{Coverage, Notice, Options, Watch, attribution};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The canary is changed so often.
const CANARY: Duration = Duration::from_secs(5 * 60);
/// A watch that was blind is tried again so soon after everything was watched anew.
const AGAIN: Duration = Duration::from_secs(5);
/// So many paths are in one look at most: few enough that what comes next need not wait for long, a tenth of a second or
/// two where they are small files; many enough that thousands cost little more than their hashing.
const MOST_AT_ONCE: usize = 512;
/// What could not be watched is looked at so often at most.
const PATROL: Duration = Duration::from_secs(60);

/// The watch, and what waits to be looked at.
#[derive(Debug)]
pub(super) struct Watching {
    generation: u64,
    watch: Option<Watch>,
    /// What it was begun for: see [`Ground::reach`].
    reach: Option<String>,
    /// What of its scope is critical.
    critical: Option<Scope>,
    /// Whether a scan that begins now misses nothing.
    ready: bool,
    pub(super) coverage: Coverage,
    pub(super) attribution: Option<attribution::Status>,
    /// Why there is no watch.
    pub(super) failed: Option<String>,
    settle: Settle,
    pub(super) transactions: Transactions,
    /// Nothing if it could not be made.
    canary: Option<Canary>,
    /// Where it lives.
    runtime: PathBuf,
    canary_due: Recurring,
    blind: bool,
    patrol: Option<Instant>,
    /// What a scan had passed before it was touched.
    again: Vec<Touched>,
    /// What is to be looked at and had no room in the look before.
    backlog: BTreeMap<Vec<u8>, Touched>,
    /// The agent ends: nothing waits any more, for quiet or for anybody.
    leaving: bool,
    /// What was touched before the agent was told to end has been heard of.
    caught_up: bool,
}

impl Watching {
    /// Nothing is watched yet. The canary lives in `runtime`.
    pub(super) fn new(settle: Duration, runtime: &Path, now: Instant) -> Watching {
        Watching {
            generation: 0,
            watch: None,
            reach: None,
            critical: None,
            ready: false,
            coverage: Coverage::default(),
            attribution: None,
            failed: None,
            settle: Settle::new(settle),
            transactions: Transactions::default(),
            canary: Canary::new(runtime).ok(),
            runtime: runtime.to_owned(),
            canary_due: Recurring::new(CANARY, now),
            blind: false,
            patrol: None,
            again: Vec::new(),
            backlog: BTreeMap::new(),
            leaving: false,
            caught_up: false,
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
        self.critical = Some(scope.narrowed(Severity::Critical));
        self.ready = false;
        self.failed = None;
        let options = Options {
            root: "/".into(),
            scope: scope.clone(),
            linked: ground.links.linked().clone(),
            canary: Some(runtime.to_owned()),
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
        self.settle.set_quiet(new.settle);
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

    /// Files that are watched themselves, as last told.
    pub(super) fn linked(&self) -> LinkedFiles {
        let linked = self.coverage.linked.clone();
        LinkedFiles {
            watched: linked.watched,
            unwatched: linked.unwatched,
            reason: linked.reason,
        }
    }

    /// Whether the canary was changed and nobody noticed.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    pub(super) fn touch(&mut self, touches: Vec<agent_scan::watch::Touch>, now: Instant) {
        for touch in touches {
            self.caught_up |= self.leaving && touch.path == canary::KEY;
            match self.is_urgent(&touch) {
                true => self.settle.touch_urgent(touch, now),
                false => self.settle.touch(touch, now),
            }
        }
    }

    /// What is watched is known.
    pub(super) fn covered(&mut self, coverage: Coverage, now: Instant) {
        if !self.ready {
            // What the watch before this one would have told of the canary comes no more.
            self.canary_due.hurry(now);
        }
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
        self.again.extend(touched);
    }

    /// The same for what does not wait to be looked at as it is.
    pub(super) fn unless_waiting(&mut self, touched: Vec<Touched>) {
        let waits = |path: &[u8]| self.settle.has(path) || self.backlog.contains_key(path);
        let rest = touched
            .into_iter()
            .filter(|touched| !waits(&touched.region.path));
        let rest: Vec<Touched> = rest
            .map(|touched| Touched {
                itself: false,
                ..touched
            })
            .collect();
        self.again(rest);
    }

    /// Direct entries of a directory that were touched and are not yet taken to be judged, `most` at most.
    pub(super) fn waits_in(&self, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut found = self.settle.entries_of(directory, most);
        let rest = most - found.len();
        found.extend(entries_of(&self.backlog, directory, rest));
        found
    }

    /// Who wrote to a path, as far as anybody saw.
    pub(super) fn actor(
        &self,
        path: &[u8],
        since: SystemTime,
    ) -> Option<Arc<agent_core::change::Actor>> {
        self.watch.as_ref()?.actor(path, since)
    }

    /// What is to be looked at now, if anything is. With each name of a recorded file go its others. `packages`: it is
    /// judged by a package database, which a transaction makes another one.
    pub(super) fn take(
        &mut self,
        root: &Root,
        links: &Links,
        packages: bool,
        (now, wall): (Instant, i64),
    ) -> Option<Batch> {
        if self.transactions.asks(!self.settle.is_empty(), now) {
            let lock = transaction::under_way(root);
            self.transactions.saw(lock, now, wall);
        }
        let room = MOST_AT_ONCE.saturating_sub(self.backlog.len());
        // Half of it is for what has only just settled, whatever is left of before.
        let due = self.settle.due(now, room.max(MOST_AT_ONCE / 2));
        let mut touched: Vec<Touched> = due.into_iter().map(|due| Touched::due(due, now)).collect();
        if let Some(patrol) = self.patrol.filter(|patrol| now >= *patrol) {
            self.patrol = Some(patrol.max(now) + PATROL);
            touched.extend(self.coverage.left_out.iter().map(|path| {
                let region = Region {
                    path: path.clone(),
                    below: true,
                };
                Touched::unseen(region, SystemTime::now())
            }));
        }
        touched.append(&mut self.again);
        add_beside(&mut touched, links);
        if !touched.is_empty() {
            let lock = transaction::under_way(root);
            self.transactions.saw(lock, now, wall);
        }
        // Packages are not waited for, nor read again, by who is about to end.
        let held = self.transactions.is_held() && !self.leaving;
        let mut too_many = false;
        self.blame(&mut touched, now);
        self.transactions.by_packages = packages;
        if held {
            self.transactions.keep(&touched);
        } else if self.transactions.holds() {
            let released = self.transactions.release();
            too_many = released.too_many;
            touched.extend(released.touched);
        }
        if touched.is_empty() && self.backlog.is_empty() && !too_many {
            return None;
        }
        let touched = self.bounded(touched);
        let mut batch = Batch::new(touched, !held && !self.leaving, too_many);
        batch.unpacking = self.transactions.is_unpacking() && !self.leaving;
        Some(batch)
    }

    /// Notes whose work it may be.
    fn blame(&self, touched: &mut [Touched], now: Instant) {
        let holder = self.transactions.holder(now);
        for touched in touched {
            if touched.transaction.is_none() {
                touched.transaction.clone_from(&holder);
            }
        }
    }

    /// Does what there is to do about the canary.
    pub(super) fn tend(&mut self, now: Instant) {
        let seeing = self.watch.is_some() && self.ready;
        let due = seeing && self.canary_due.take(now);
        if self.canary.is_none() && due {
            self.canary = Canary::new(&self.runtime).ok();
        }
        // However long what else is due has to wait for a look.
        if self.settle.take(canary::KEY, now)
            && let Some(canary) = &mut self.canary
        {
            canary.look(now);
        }
        let sight = match &mut self.canary {
            None => Sight::Blind,
            Some(canary) => {
                let waited = canary.next().is_some();
                let sight = canary.sight(now);
                if sight == Sight::Blind && waited && canary.next().is_none() {
                    // Its directory may be another one than the one that is watched.
                    if let Some(watch) = &self.watch {
                        watch.renew();
                    }
                    if !self.blind {
                        self.canary_due.hurry(now + AGAIN);
                    }
                }
                if due {
                    // Should it fail, nothing comes back: that is blindness too.
                    canary.change(now).unwrap_or_default();
                }
                sight
            }
        };
        self.blind = seeing && sight == Sight::Blind;
    }

    /// When there is something to do next. `free`: whether paths could be looked at now.
    pub(super) fn due(&self, free: bool) -> Option<Instant> {
        let canary = self
            .canary
            .as_ref()
            .filter(|_| self.watch.is_some() && self.ready);
        let change = canary.map(|_| self.canary_due.due());
        let rest = !self.again.is_empty() || !self.backlog.is_empty();
        let again = rest.then(Instant::now);
        let settled = self.settle.next();
        let lock = self.transactions.due();
        let paths = [settled, lock, self.patrol, again];
        let paths = paths.into_iter().flatten().filter(|_| free);
        paths
            .chain(change)
            .chain(canary.and_then(Canary::next))
            .min()
    }
}

/// With each name of a recorded file its others.
fn add_beside(touched: &mut Vec<Touched>, links: &Links) {
    let beside = touched.iter().flat_map(|touched| {
        let others = links.beside(&touched.region).into_iter();
        others.map(|region| touched.beside(region))
    });
    let beside: Vec<Touched> = beside.collect();
    touched.extend(beside);
}

#[cfg(test)]
mod tests;
