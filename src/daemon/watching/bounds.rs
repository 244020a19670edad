//! What waits for nothing (what is critical, and everything when the agent ends), and how much one look takes.

use super::{Entry, MOST_AT_ONCE, Watching, add_beside};
use crate::daemon::batch::{Batch, Touched};
use agent_core::os::root::Root;
use agent_packages::transaction;
use agent_scan::files::links::Links;
use agent_scan::watch::canary;
use std::time::Instant;

impl Watching {
    /// Whether it is critical, or may hold something that is.
    pub(super) fn is_urgent(&self, touch: &agent_scan::watch::Touch) -> bool {
        let critical = self.critical.as_ref();
        let policy = critical.and_then(|critical| critical.at(&touch.path));
        policy.is_some_and(|policy| touch.below || !policy.leads)
    }

    /// The agent ends: what was touched is to be looked at at once. The canary is changed, and comes back behind
    /// everything that was touched before.
    pub(in crate::daemon) fn leave(&mut self, now: Instant) {
        self.leaving = true;
        self.debouncer.hurry(now);
        let canary = self.canary.as_mut().filter(|_| self.watch.is_some());
        let sent = canary.is_some_and(|canary| canary.change(now).is_ok());
        self.caught_up = !sent;
    }

    /// Whether nothing that was touched before the agent was told to end is still to be looked at. `patient`: what
    /// nobody has heard of yet is waited for.
    pub(in crate::daemon) fn is_done(&mut self, patient: bool, now: Instant) -> bool {
        self.debouncer.take(canary::KEY, now);
        let waits = self.transactions.holds() || !self.backlog.is_empty() || !self.again.is_empty();
        (self.caught_up || !patient) && self.debouncer.is_empty() && !waits
    }

    /// When a first look at something urgent is due.
    pub(in crate::daemon) fn first_look_due(&self) -> Option<Instant> {
        self.debouncer.next_first_look()
    }

    /// What is urgent of what was touched, to be looked at before it is quiet, if there is anything. With each name of a
    /// recorded file go its others.
    pub(in crate::daemon) fn take_urgent(
        &mut self,
        root: &Root,
        links: &Links,
        (now, wall): (Instant, i64),
    ) -> Option<Batch> {
        let due = self.debouncer.first_looks(now, MOST_AT_ONCE);
        if due.is_empty() {
            return None;
        }
        let mut touched: Vec<Touched> = due.into_iter().map(|due| Touched::due(due, now)).collect();
        add_beside(&mut touched, links);
        let lock = transaction::under_way(root);
        self.transactions.saw(lock, now, wall);
        self.blame(&mut touched, now);
        Some(Batch::new(touched, false, false))
    }

    /// As much as one look takes; what has no room goes first next time.
    pub(super) fn bounded(&mut self, touched: Vec<Touched>) -> Vec<Touched> {
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
}
