//! Paths that were touched and are to be checked: quiet first, the critical ones before that, a bounded number at a
//! time, with the package transaction that may have touched them. Pure: the time, and who holds a package manager's
//! lock, are passed in.

use crate::daemon::clock::Now;
use crate::daemon::states::touched::{Touched, TouchedBatch};
use crate::daemon::states::transactions::Transactions;
use agent_core::finding::Severity;
use agent_core::region::Region;
use agent_packages::transaction::Transaction;
use agent_scan::files::links::Links;
use agent_scan::files::scope::Scope;
use agent_scan::watch::debounce::{Debouncer, entries_of};
use agent_scan::watch::{Touch, canary};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

/// Paths in one job at most: few enough that what comes next need not wait for long, a tenth of a second or two where
/// they are small files; many enough that thousands cost little more than their hashing.
// Own bound: of one job; another one follows.
const MOST_AT_ONCE: usize = 512;
/// Interval between two checks of what could not be watched.
const PATROL: Duration = Duration::from_secs(60);

/// Interval between two jobs while a package manager works: something settles all the time then, and each job costs more than
/// the few paths that it would have. What is critical is looked at in jobs of its own.
const GATHER: Duration = Duration::from_millis(250);

/// What waits to be checked.
#[derive(Debug)]
pub(in crate::daemon) struct PendingPaths {
    debouncer: Debouncer,
    /// What of the watched scope is critical.
    critical: Option<Scope>,
    pub(in crate::daemon) transactions: Transactions,
    /// What is not watched, each with all below it,
    left_out: Vec<Vec<u8>>,
    /// and when to check it next.
    patrol: Option<Instant>,
    /// What is to be checked once more, at once.
    again: Vec<Touched>,
    /// What had no room in the job before.
    backlog: BTreeMap<Vec<u8>, Touched>,
    /// When something was taken last.
    taken: Option<Instant>,
    /// The agent ends: nothing waits any more, for quiet or for anybody.
    stopping: bool,
    /// What was touched before the agent was told to end has been heard of.
    caught_up: bool,
}

/// Whoever says who holds a package manager's lock now.
pub(in crate::daemon) type Lock<'a> = &'a mut dyn FnMut() -> Option<Transaction>;

impl PendingPaths {
    /// Nothing waits. A path is quiet when it was not touched for that long.
    pub(in crate::daemon) fn new(quiet: Duration) -> PendingPaths {
        PendingPaths {
            debouncer: Debouncer::new(quiet),
            critical: None,
            transactions: Transactions::default(),
            left_out: Vec::new(),
            patrol: None,
            again: Vec::new(),
            backlog: BTreeMap::new(),
            taken: None,
            stopping: false,
            caught_up: false,
        }
    }

    /// Another time after which a path is quiet.
    pub(in crate::daemon) fn set_quiet(&mut self, quiet: Duration) {
        self.debouncer.set_quiet(quiet);
    }

    /// What is watched from now on.
    pub(in crate::daemon) fn set_scope(&mut self, scope: &Scope) {
        self.critical = Some(scope.narrowed(Severity::Critical));
    }

    /// What is not watched from now on.
    pub(in crate::daemon) fn set_left_out(&mut self, left_out: &[Vec<u8>], now: Instant) {
        self.left_out = left_out.to_vec();
        self.patrol = (!left_out.is_empty()).then_some(now);
    }

    /// Paths were touched.
    pub(in crate::daemon) fn touch(&mut self, touches: Vec<Touch>, now: Instant) {
        for touch in touches {
            self.caught_up |= self.stopping && touch.path == canary::KEY;
            match self.is_urgent(&touch) {
                true => self.debouncer.touch_urgent(touch, now),
                false => self.debouncer.touch(touch, now),
            }
        }
    }

    /// Whether it is critical, or may hold something that is.
    fn is_urgent(&self, touch: &Touch) -> bool {
        let critical = self.critical.as_ref();
        let policy = critical.and_then(|critical| critical.at(&touch.path));
        policy.is_some_and(|policy| touch.below || !policy.leads)
    }

    /// Whether the canary was touched and is quiet, however long everything else waits.
    pub(in crate::daemon) fn take_canary(&mut self, now: Instant) -> bool {
        self.debouncer.take(canary::KEY, now)
    }

    /// Checks these once more, at once.
    pub(in crate::daemon) fn again(&mut self, touched: Vec<Touched>) {
        self.again.extend(touched);
    }

    /// The same for what of the batch does not wait as it is.
    pub(in crate::daemon) fn again_unless_waiting(&mut self, batch: TouchedBatch) {
        let waits = |path: &[u8]| self.debouncer.has(path) || self.backlog.contains_key(path);
        let rest = batch.into_touched().into_iter();
        let rest = rest.filter(|touched| !waits(&touched.region.path));
        let rest = rest.map(|touched| Touched {
            itself: false,
            ..touched
        });
        let rest: Vec<Touched> = rest.collect();
        self.again(rest);
    }

    /// These packages are no longer being unpacked: what waited for them is checked again.
    pub(in crate::daemon) fn unpacked(&mut self, packages: &[String], now: Instant) {
        let again = self.transactions.done(packages, now);
        self.again(again);
    }

    /// Direct entries of a directory that were touched and are not yet taken, `most` at most.
    pub(in crate::daemon) fn entries_of(&self, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        let mut found = self.debouncer.entries_of(directory, most);
        let rest = most - found.len();
        found.extend(entries_of(&self.backlog, directory, rest));
        found
    }

    /// What is urgent, to be checked before it is quiet, if there is anything. With each name of a recorded file go its
    /// others.
    pub(in crate::daemon) fn take_urgent(
        &mut self,
        links: &Links,
        lock: Lock<'_>,
        now: Now,
    ) -> Option<TouchedBatch> {
        let due = self.debouncer.first_looks(now.monotonic, MOST_AT_ONCE);
        if due.is_empty() {
            return None;
        }
        let mut touched: Vec<Touched> = due.into_iter().map(|due| Touched::due(due, now)).collect();
        add_beside(&mut touched, links);
        self.transactions.saw(lock(), now);
        self.blame(&mut touched, now.monotonic);
        Some(TouchedBatch::new(touched, false, false))
    }

    /// What is to be checked now, if anything is. With each name of a recorded file go its others. `by_packages`: it is
    /// judged by a package database, which a transaction makes another one.
    pub(in crate::daemon) fn take(
        &mut self,
        links: &Links,
        by_packages: bool,
        lock: Lock<'_>,
        now: Now,
    ) -> Option<TouchedBatch> {
        if (self.transactions).asks(!self.debouncer.is_empty(), now.monotonic) {
            self.transactions.saw(lock(), now);
        }
        if self.gathers().is_some_and(|until| now.monotonic < until) {
            return None;
        }
        let mut touched = self.due(now);
        add_beside(&mut touched, links);
        if !touched.is_empty() {
            self.transactions.saw(lock(), now);
        }
        // Packages are not waited for, nor read again, by who is about to end.
        let held = self.transactions.is_held() && !self.stopping;
        let mut too_many = false;
        self.blame(&mut touched, now.monotonic);
        self.transactions.by_packages = by_packages;
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
        self.taken = Some(now.monotonic);
        let touched = self.bounded(touched);
        let mut batch = TouchedBatch::new(touched, !held && !self.stopping, too_many);
        // While the lock is free what waits is released at once: it would be looked at without end.
        batch.unpacking = held && self.transactions.is_unpacking();
        Some(batch)
    }

    /// Until when more is gathered; what had no room does not wait for that.
    fn gathers(&self) -> Option<Instant> {
        let gathers = self.transactions.is_held() && !self.stopping && self.backlog.is_empty();
        self.taken.filter(|_| gathers).map(|taken| taken + GATHER)
    }

    /// What is quiet, what could not be watched, and what is to be checked once more.
    fn due(&mut self, now: Now) -> Vec<Touched> {
        let room = MOST_AT_ONCE.saturating_sub(self.backlog.len());
        // Half of it is for what has only just settled, whatever is left of before.
        let due = self
            .debouncer
            .due(now.monotonic, room.max(MOST_AT_ONCE / 2));
        let mut touched: Vec<Touched> = due.into_iter().map(|due| Touched::due(due, now)).collect();
        if self.patrol.is_some_and(|patrol| now.monotonic >= patrol) {
            self.patrol = Some(now.monotonic + PATROL);
            touched.extend(self.left_out.iter().map(|path| {
                let region = Region {
                    path: path.clone(),
                    below: true,
                };
                Touched::unseen(region, now.wall.system())
            }));
        }
        touched.append(&mut self.again);
        touched
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

    /// What one job takes; what has no room goes first next time.
    fn bounded(&mut self, touched: Vec<Touched>) -> Vec<Touched> {
        if self.backlog.is_empty() && touched.len() <= 2 * MOST_AT_ONCE {
            return touched;
        }
        let mut now = touched;
        let late = now.split_off(now.len().min(MOST_AT_ONCE / 2));
        while now.len() < MOST_AT_ONCE
            && let Some((_, touched)) = self.backlog.pop_first()
        {
            now.push(touched);
        }
        for mut touched in late {
            match self.backlog.entry(touched.region.path.clone()) {
                Entry::Vacant(place) => drop(place.insert(touched)),
                Entry::Occupied(mut waits) => drop(waits.get_mut().merge(&mut touched)),
            }
        }
        now
    }

    /// The agent ends: what was touched is checked at once. `canary_sent`: the canary was changed, and comes back
    /// behind everything that was touched before.
    pub(in crate::daemon) fn stop(&mut self, canary_sent: bool, now: Instant) {
        self.stopping = true;
        self.debouncer.hurry(now);
        self.caught_up = !canary_sent;
    }

    /// Whether nothing that was touched before the agent was told to end is still to be checked. `patient`: what nobody
    /// has heard of yet is waited for.
    pub(in crate::daemon) fn is_done(&mut self, patient: bool, now: Instant) -> bool {
        self.take_canary(now);
        let waits = self.transactions.holds() || !self.backlog.is_empty() || !self.again.is_empty();
        (self.caught_up || !patient) && self.debouncer.is_empty() && !waits
    }

    /// Whether nothing that was touched waits to be checked.
    pub(in crate::daemon) fn is_judged(&self) -> bool {
        let waits = self.transactions.holds() || !self.backlog.is_empty() || !self.again.is_empty();
        self.debouncer.is_empty() && !waits
    }

    /// When there is something to take next.
    pub(in crate::daemon) fn next_due(&self, now: Instant) -> Option<Instant> {
        let rest = !self.again.is_empty() || !self.backlog.is_empty();
        let due = [rest.then_some(now), self.debouncer.next(), self.patrol];
        let due = due.into_iter().flatten().min();
        let due = due.map(|due| self.gathers().map_or(due, |until| due.max(until)));
        due.into_iter().chain(self.transactions.due()).min()
    }

    /// The same of what is urgent.
    pub(in crate::daemon) fn next_urgent(&self) -> Option<Instant> {
        self.debouncer.next_first_look()
    }

    /// Paths that are not quiet yet.
    #[cfg(test)]
    pub(in crate::daemon) fn unsettled(&self) -> usize {
        self.debouncer.len()
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
