//! The watch and its canary: begun for what the baseline covers, and never blind unnoticed. What they say is taken in
//! by two pure states, [`WatchHealth`] and [`PendingPaths`].

mod locks;

use crate::daemon::baseline::ActiveBaseline;
use crate::daemon::clock::Now;
use crate::daemon::states::pending_paths::PendingPaths;
use crate::daemon::states::touched::TouchedBatch;
use crate::daemon::states::watch_health::{Verdict, WatchHealth};
use agent_core::change::Actor;
use agent_core::config::{self, Attribution};
use agent_core::os::root::Root;
use agent_scan::files::links::Links;
use agent_scan::files::scope::Scope;
use agent_scan::watch::canary::{Canary, CanaryState};
use agent_scan::watch::{Coverage, Notice, Options, Watch, attribution};
use locks::Locks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The watch, and what it has told.
#[derive(Debug)]
pub(in crate::daemon) struct Watcher {
    /// What former watches say is not listened to.
    generation: u64,
    watch: Option<Watch>,
    /// What it was begun for: see [`ActiveBaseline::reach`].
    reach: Option<String>,
    /// `None` if it could not be made.
    canary: Option<Canary>,
    /// Where the canary lives.
    runtime: PathBuf,
    pub(in crate::daemon) health: WatchHealth,
    pub(in crate::daemon) pending: PendingPaths,
    pub(in crate::daemon) locks: Locks,
}

impl Watcher {
    /// Nothing is watched yet. The canary lives in `runtime`.
    pub(in crate::daemon) fn new(quiet: Duration, runtime: &Path, now: Instant) -> Watcher {
        Watcher {
            generation: 0,
            watch: None,
            reach: None,
            canary: Canary::new(runtime).ok(),
            runtime: runtime.to_owned(),
            health: WatchHealth::new(now),
            pending: PendingPaths::new(quiet),
            locks: Locks::new(now),
        }
    }

    /// Watches what the baseline covers, unless that is watched already.
    pub(in crate::daemon) fn follow(
        &mut self,
        baseline: &ActiveBaseline,
        config: &config::Watch,
        emit: impl Fn(u64, Notice) + Send + Sync + 'static,
    ) {
        let Some(scope) = &baseline.scope else {
            self.watch = None;
            self.reach = None;
            self.health.idle("there is nothing to compare files with");
            return;
        };
        if self.reach.as_ref() == Some(&baseline.reach) && self.health.failed().is_none() {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        self.reach = Some(baseline.reach.clone());
        self.pending.set_scope(scope);
        let options = self.options(scope, &baseline.links, config);
        // The one before ends first: two sets of watches may be more than there are.
        self.watch = None;
        self.health.begin();
        match Watch::start(options, move |notice| emit(generation, notice)) {
            Ok(watch) => {
                self.watch = Some(watch);
                self.health.began();
            }
            Err(error) => self.fail(error.message),
        }
    }

    fn options(&self, scope: &Arc<Scope>, links: &Links, config: &config::Watch) -> Options {
        Options {
            root: "/".into(),
            scope: scope.clone(),
            linked: links.linked().clone(),
            canary: Some(self.runtime.clone()),
            attribution: match config.attribution {
                Attribution::Auto => Some(attribution::Options {
                    arguments: config.attribution_args,
                }),
                Attribution::Off => None,
            },
        }
    }

    /// The settle time, or whether changes are attributed, is another one.
    pub(in crate::daemon) fn reconfigure(&mut self, old: &config::Watch, new: &config::Watch) {
        self.pending.set_quiet(new.settle);
        if (old.attribution, old.attribution_args) != (new.attribution, new.attribution_args) {
            self.reach = None;
        }
    }

    /// The number of the watch that is listened to: another one is another watch.
    pub(in crate::daemon) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether this is the generation that is listened to.
    pub(in crate::daemon) fn is_of(&self, generation: u64) -> bool {
        generation == self.generation
    }

    /// Directories with a watch.
    pub(in crate::daemon) fn directories(&self) -> u64 {
        self.watch.as_ref().map_or(0, Watch::directories)
    }

    /// What is watched is known.
    pub(in crate::daemon) fn covered(&mut self, coverage: Coverage, now: Instant) {
        self.pending.set_left_out(&coverage.left_out, now);
        self.health.covered(coverage, now);
    }

    /// The watch is at its end.
    pub(in crate::daemon) fn fail(&mut self, why: String) {
        self.watch = None;
        self.health.fail(why);
    }

    /// Watches everything anew, what was left out before as well.
    pub(in crate::daemon) fn renew(&self) {
        if let Some(watch) = &self.watch {
            watch.renew();
        }
    }

    /// Who wrote to a path, as far as anybody saw.
    pub(in crate::daemon) fn actor(&self, path: &[u8], since: SystemTime) -> Option<Arc<Actor>> {
        self.watch.as_ref()?.actor(path, since)
    }

    /// See [`PendingPaths::take`].
    pub(in crate::daemon) fn take(
        &mut self,
        root: &Root,
        links: &Links,
        by_packages: bool,
        now: Now,
    ) -> Option<TouchedBatch> {
        let lock = &mut || self.locks.under_way(root);
        self.pending.take(links, by_packages, lock, now)
    }

    /// See [`PendingPaths::take_urgent`].
    pub(in crate::daemon) fn take_urgent(
        &mut self,
        root: &Root,
        links: &Links,
        now: Now,
    ) -> Option<TouchedBatch> {
        let lock = &mut || self.locks.under_way(root);
        self.pending.take_urgent(links, lock, now)
    }

    /// Does what there is to do about the canary.
    pub(in crate::daemon) fn tend(&mut self, now: Instant) {
        let due = self.health.take_canary(now);
        if self.canary.is_none() && due {
            self.canary = Canary::new(&self.runtime).ok();
        }
        let touched = self.pending.take_canary(now);
        let Some(canary) = &mut self.canary else {
            self.health.judge(CanaryState::Blind, false, now);
            return;
        };
        if touched {
            canary.look(now);
        }
        let waited = canary.next().is_some();
        let state = canary.state(now);
        let expired = waited && canary.next().is_none();
        if self.health.judge(state, expired, now) == Verdict::Renew
            && let Some(watch) = &self.watch
        {
            watch.renew();
        }
        if due {
            // Should it fail, nothing comes back: that is blindness too.
            canary.change(now).unwrap_or_default();
        }
    }

    /// The agent ends: what was touched is checked at once, until the canary comes back behind it.
    pub(in crate::daemon) fn stop(&mut self, now: Instant) {
        let canary = self.canary.as_mut().filter(|_| self.watch.is_some());
        let sent = canary.is_some_and(|canary| canary.change(now).is_ok());
        self.pending.stop(sent, now);
    }

    /// When there is something to do next. `free`: whether paths could be checked now.
    pub(in crate::daemon) fn due(&self, free: bool, now: Instant) -> Option<Instant> {
        let canary = self.canary.as_ref().filter(|_| self.health.is_seeing());
        let change = canary.and(self.health.canary_due());
        let paths = self.pending.next_due(now).filter(|_| free);
        let canary = canary.and_then(Canary::next);
        [paths, change, canary].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
