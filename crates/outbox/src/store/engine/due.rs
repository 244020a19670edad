//! What is due, and when.

use super::super::GROUP_TIME;
use super::super::flood::Floods;
use super::super::queue::{Found, Op};
use super::super::tables::{self, Role};
use super::{DECLARE, DEFERRED_MOST, RETRY_MOST, Store};
use crate::event::own;

impl Store {
    pub(super) fn group_due(&self, now: i64) -> Option<i64> {
        // The clock may have gone back.
        let again = self
            .down
            .as_ref()
            .map(|down| down.again.saturating_sub(now).clamp(0, RETRY_MOST));
        let (Some(since), Some(_)) = (self.queue.since(), &self.backing) else {
            return again;
        };
        if now < since || self.queue.is_group() {
            return Some(0);
        }
        let group = since.saturating_add(GROUP_TIME).saturating_sub(now).max(0);
        Some(again.map_or(group, |again| again.min(group)))
    }

    pub(super) fn deferred_due(&self, now: i64) -> Option<i64> {
        let until = self.committed.state.waiting.deferred_until;
        // A clock that went back must not make it wait longer than it was meant to.
        let waits = self.committed.state.waiting.deferred > 0 && self.backing.is_some();
        waits.then(|| until.saturating_sub(now).clamp(0, DEFERRED_MOST))
    }

    pub(super) fn listings_due(&self, now: i64) -> Option<i64> {
        let due = (self.committed.stories).due(self.committed.state.waiting.listed, now);
        due.filter(|_| self.backing.is_some())
    }

    /// A flood that the last run did not see to its end is over.
    pub(super) fn sum_up_left_over(&mut self, now: i64) {
        if let Some(flood) = self.committed.state.flood.clone() {
            self.transact(now, |tx, _, _| {
                let flood = Floods::left_over(&flood);
                let why = Some("the agent was stopped meanwhile");
                let draft = own::flood_ended(tx.source, &flood, why, now);
                tx.append(draft, tables::rank(None), Role::Own, &[], None, now)
            });
        }
    }

    pub(super) fn declaration_due(&self, now: i64) -> Option<i64> {
        if self.committed.state.gaps.undeclared == 0 || self.backing.is_none() {
            return None;
        }
        let elapsed = now.saturating_sub(self.committed.state.gaps.declared);
        Some(match (0..DECLARE).contains(&elapsed) {
            true => DECLARE.saturating_sub(elapsed),
            false => 0,
        })
    }

    pub(super) fn push(&mut self, op: Op, now: i64) {
        let urgent = op.is_urgent();
        if let Err(op) = self.queue.push(op, self.backing.is_none(), now) {
            self.lost = self.lost.saturating_add(1);
            if let Some(down) = &mut self.down {
                down.lost = down.lost.saturating_add(1);
            }
            match op {
                Op::Found(Found { scan_id, .. }) => self.scans.spoil(scan_id),
                Op::End { scan_id, .. } => self.scans.remove(scan_id),
                _ => {}
            }
            return;
        }
        let since = self.queue.waits(now);
        // At once, but not one transaction for each of thousands.
        let rested = self.queue.rested(GROUP_TIME, now);
        if self.backing.is_some() && (self.queue.is_group() || (urgent && rested) || now < since) {
            self.commit(now);
        }
    }
}
