//! From what the watch says to what is looked at: settle, wait for package managers, and never go blind unnoticed.

use super::batch::{Batch, Touched};
use super::ground::Ground;
use super::schedule::Recurring;
use crate::config::{self, Attribution};
use crate::event::lifecycle::LinkedFiles;
use crate::files::links::Links;
use crate::files::scope::Scope;
use crate::files::spot::Region;
use crate::finding::Severity;
use crate::manifest::order::split;
use crate::os::root::Root;
use crate::packages::transaction;
use crate::watch::canary::{self, Canary, Sight};
use crate::watch::settle::{Settle, entries_of};
use crate::watch::{Coverage, Notice, Options, Watch, attribution};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
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
/// A watch that was blind is tried again so soon after everything was watched anew.
const AGAIN: Duration = Duration::from_secs(5);
/// While paths settle, whether a package manager is at work is looked at so often: it may be done before they are due.
const GLANCE: Duration = Duration::from_millis(100);
/// What settles when a package manager was last seen at work may be its work for so long.
const RECENT: Duration = Duration::from_secs(5);
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
    /// What waits for a package manager.
    held: BTreeMap<Vec<u8>, Touched>,
    held_since: Option<Instant>,
    /// More was touched than could be held: everything is looked at afterwards.
    too_many: bool,
    next_poll: Option<Instant>,
    /// The transaction seen last, and when.
    transaction: Option<(String, Instant)>,
    next_glance: Option<Instant>,
    /// Nothing if it could not be made.
    canary: Option<Canary>,
    /// Where it lives.
    runtime: PathBuf,
    canary_due: Recurring,
    blind: bool,
    patrol: Option<Instant>,
    /// What a scan had passed before it was touched.
    again: Vec<Touched>,
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
            held: BTreeMap::new(),
            held_since: None,
            too_many: false,
            next_poll: None,
            transaction: None,
            next_glance: None,
            canary: Canary::new(runtime).ok(),
            runtime: runtime.to_owned(),
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

    pub(super) fn touch(&mut self, touches: Vec<crate::watch::Touch>, now: Instant) {
        for touch in touches {
            self.settle.touch(touch, now);
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
        self.again = touched;
    }

    /// Whether judging waits for a package manager.
    pub(super) fn waits(&self) -> bool {
        self.held_since.is_some()
    }

    /// The package transaction that a path waits for.
    pub(super) fn transaction(&self, path: &[u8]) -> Option<String> {
        let mut around = path;
        loop {
            let held = self.held.get(around);
            let held = held.filter(|held| held.region.below || around == path);
            match held {
                Some(held) => return held.transaction.clone(),
                None if around.is_empty() => return None,
                None => around = split(around).0,
            }
        }
    }

    /// What waited, to be judged.
    fn release(&mut self) -> Vec<Touched> {
        std::mem::take(&mut self.held).into_values().collect()
    }

    /// Direct entries of a directory that were touched and are not yet taken to be judged, `most` at most.
    pub(super) fn waits_in(&self, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut found = self.settle.entries_of(directory, most);
        found.extend(entries_of(&self.held, directory, most - found.len()));
        found
    }

    /// Who wrote to a path, as far as anybody saw.
    pub(super) fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<crate::cause::Actor>> {
        self.watch.as_ref()?.actor(path, since)
    }

    /// What is to be looked at now, if anything is. `severity` of a path; `None`: it is not covered itself. With each
    /// name of a recorded file go its others.
    pub(super) fn take(
        &mut self,
        root: &Root,
        severity: impl Fn(&[u8]) -> Option<Severity>,
        links: &Links,
        now: Instant,
    ) -> Option<Batch> {
        self.glance(root, now);
        let due = self.settle.due(now);
        let poll = self.next_poll.is_some_and(|poll| now >= poll);
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
        let beside = touched.iter().flat_map(|touched| {
            let others = links.beside(&touched.region).into_iter();
            others.map(|region| touched.beside(region))
        });
        let beside: Vec<Touched> = beside.collect();
        touched.extend(beside);
        if touched.is_empty() && !poll {
            return None;
        }
        let under_way = transaction::under_way(root).map(|transaction| transaction.holder);
        let (touched, settled) = self.part(touched, under_way, severity, now);
        let too_many = self.too_many && self.held.is_empty() && self.held_since.is_none();
        self.too_many &= !too_many;
        (!touched.is_empty() || too_many).then(|| Batch::new(touched, settled, too_many))
    }

    /// Notes a transaction that may be over before what it touched is due.
    fn glance(&mut self, root: &Root, now: Instant) {
        if self.settle.is_empty() {
            self.next_glance = None;
        } else if self.next_glance.is_none_or(|next| now >= next) {
            self.next_glance = Some(now + GLANCE);
            if let Some(transaction) = transaction::under_way(root) {
                self.transaction = Some((transaction.holder, now));
            }
        }
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
            let last = self
                .transaction
                .take_if(|(_, seen)| now.saturating_duration_since(*seen) > RECENT);
            let holder = last.or_else(|| self.transaction.clone());
            if let Some((holder, _)) = holder {
                for touched in &mut touched {
                    touched.transaction = Some(holder.clone());
                }
            }
            let mut all = self.release();
            all.extend(touched);
            self.held_since = None;
            self.next_poll = None;
            return (all, true);
        };
        self.transaction = Some((holder.clone(), now));
        for touched in &mut touched {
            touched.transaction = Some(holder.clone());
        }
        // A lock is easily held: what is critical, and what may hold something critical, does not wait.
        let urgent = |region: &Region| {
            let critical = || Some(self.critical.as_ref()?.at(&region.path).is_some());
            match severity(&region.path) {
                Some(Severity::Critical) => true,
                Some(_) => region.below && critical().unwrap_or(true),
                None => region.below,
            }
        };
        let judged: Vec<Touched> = touched
            .iter()
            .filter(|t| urgent(&t.region))
            .cloned()
            .collect();
        // When it is done what was urgent is looked at once more, by what the packages say then.
        for mut touched in touched {
            touched.itself &= !urgent(&touched.region);
            match self.held.entry(touched.region.path.clone()) {
                Entry::Vacant(place) => drop(place.insert(touched)),
                Entry::Occupied(mut held) => drop(held.get_mut().merge(&mut touched)),
            }
        }
        if self.held.len() > MOST_HELD {
            self.held.clear();
            self.too_many = true;
        }
        let since = *self.held_since.get_or_insert(now);
        let impatient = now.saturating_duration_since(since) >= PATIENCE;
        let waiting = !self.held.is_empty() || self.too_many;
        if !waiting || impatient {
            let mut all = self.release();
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
        let again = (!self.again.is_empty()).then(Instant::now);
        let settled = self.settle.next();
        let glance = settled.and(self.next_glance);
        let paths = [settled, glance, self.next_poll, self.patrol, again];
        let paths = paths.into_iter().flatten().filter(|_| free);
        paths
            .chain(change)
            .chain(canary.and_then(Canary::next))
            .min()
    }
}

#[cfg(test)]
mod tests;
