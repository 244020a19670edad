//! Taking in what is held: one transaction for each group.

use super::super::looks::{Cursor, Looks};
use super::super::open;
use super::super::queue::{Op, Queue};
use super::super::rows::Rows;
use super::super::superseded::Below;
use super::super::tables::{Result as Redb, Role, SUPERSEDED, Tables, rank};
use super::super::work::Work;
use super::super::{GROUP_FINDINGS, Scope};
use super::{Keeper, Store};
use crate::event::{Fault, Lifecycle, own};
use agent_core::finding::Severity;

/// What became of a transaction.
enum Outcome<T> {
    Done(T),
    /// The file would have become too large: nothing was written.
    TooLarge,
}

impl Keeper {
    /// Takes in the first of what is held; false if the store cannot be written.
    pub(super) fn take_group(&mut self, now: i64) -> bool {
        let outcome = self.transact(now, |work, looks, queue| {
            let mut taken = 0;
            for (op, came) in queue.iter().take(2 * GROUP_FINDINGS) {
                if work.written >= work.limits.group {
                    break;
                }
                if let Some(cursor) = take(work, looks, op, *came)? {
                    return Ok((taken, Some(cursor)));
                }
                taken += 1;
            }
            Ok((taken, None))
        });
        match outcome {
            None => self.store.is_some(),
            Some((taken, cursor)) => {
                for op in self.queue.taken(taken) {
                    match op {
                        Op::End { round, .. } => {
                            let scan = self.looks.of(round).map(|look| &look.scope);
                            if scan == Some(&Scope::Files) {
                                self.floods.scan_ended();
                            }
                            self.looks.remove(round);
                        }
                        Op::Settle { sink, delivery } => {
                            let refused = delivery.refused.iter().map(|(key, _)| key);
                            for key in delivery.accepted.iter().chain(refused) {
                                self.settled.remove(&(sink.code(), *key));
                            }
                        }
                        _ => {}
                    }
                }
                if let Some(cursor) = cursor {
                    self.queue.resume(cursor);
                }
                true
            }
        }
    }

    /// One transaction; `None` if nothing came of it.
    pub(super) fn transact<T>(
        &mut self,
        now: i64,
        step: impl FnOnce(&mut Work<'_>, &Looks, &Queue) -> Redb<T>,
    ) -> Option<T> {
        match self.attempt(now, step) {
            Ok(Outcome::Done(result)) => {
                self.relieve(now);
                Some(result)
            }
            Ok(Outcome::TooLarge) => {
                self.squeeze(now);
                None
            }
            Err(error) => {
                self.failed(open::from_redb(error), now);
                None
            }
        }
    }

    fn attempt<T>(
        &mut self,
        now: i64,
        step: impl FnOnce(&mut Work<'_>, &Looks, &Queue) -> Redb<T>,
    ) -> Redb<Outcome<T>> {
        let (Some(store), Some(chain)) = (&self.store, self.state.chain()) else {
            return Err(redb::Error::DatabaseClosed);
        };
        if self.volatile.is_none() && self.file != self.medium.identity() {
            let gone = std::io::Error::other("its file is gone, or another one");
            return Err(redb::Error::Io(gone));
        }
        let limits = self.limits_now();
        let transaction = store.database.begin_write()?;
        let (result, after, written) = {
            let mut work = Work {
                tables: Tables::open(&transaction)?,
                state: self.state.clone(),
                chain,
                floods: self.floods.clone(),
                below: match &self.volatile {
                    None => None,
                    Some(disk) => Some(Below {
                        disk,
                        superseded: Rows::new(transaction.open_table(SUPERSEDED)?),
                    }),
                },
                fullest: self.fullest.clone(),
                origin: &self.origin,
                sample: &store.sample,
                limits,
                dirty: false,
                written: 0,
                fresh: Vec::new(),
            };
            let result = step(&mut work, &self.looks, &self.queue)?;
            work.tell_fresh(now)?;
            let written = work.written;
            match work.dirty {
                true => (result, Some(work.finish()?), written),
                false => (result, None, 0),
            }
        };
        let Some(after) = after else {
            transaction.abort()?;
            return Ok(Outcome::Done(result));
        };
        if !self.unbounded && self.length() > limits.file {
            transaction.abort()?;
            return Ok(Outcome::TooLarge);
        }
        transaction.commit()?;
        self.state = after.state;
        self.floods = after.floods;
        self.fullest = after.fullest;
        self.unmeasured += written;
        Ok(Outcome::Done(result))
    }

    /// Length of the file, with what the transaction under way added to it.
    fn length(&self) -> u64 {
        self.medium.length()
    }

    /// The file grows by doubling. Before it is so full that it would have to grow beyond its limit, or
    /// that not even dropping something could be written, something is dropped.
    fn relieve(&mut self, now: i64) {
        if self.volatile.is_some() {
            return;
        }
        let length = self.length();
        if length.saturating_mul(2) <= self.limits.file || self.unmeasured < length / 16 {
            return;
        }
        self.unmeasured = 0;
        let measure = |store: &Store| -> Redb<u64> {
            let transaction = store.database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats.allocated_pages() * stats.page_size() as u64)
        };
        let Some(Ok(used)) = self.store.as_ref().map(measure) else {
            return;
        };
        let reserve = (length / 8).max(48 * 4096).min(length / 4);
        if used + reserve > length && !self.drop_some(now) && self.store.is_some() {
            self.take_no_more(now);
        }
    }

    /// Drops an eighth of what waits, since the file cannot grow; the spool is kept below that.
    fn squeeze(&mut self, now: i64) {
        if !self.drop_some(now) && self.store.is_some() {
            // A store that takes nothing more would be worse than one that is too large.
            self.unbounded = true;
            self.take_no_more(now);
        }
    }

    /// Only what is critical is left, and the file has hardly any room: what is new waits in the ledger.
    fn take_no_more(&mut self, now: i64) {
        let outcome = self.attempt(now, |work, _, _| {
            let limit = work.state.payload.saturating_sub(2 * work.limits.step());
            work.state.payload_limit = limit.max(1);
            work.dirty = true;
            Ok(())
        });
        if let Err(error) = outcome {
            self.failed(open::from_redb(error), now);
        }
    }

    /// Whether something could be dropped; false as well if the store failed.
    fn drop_some(&mut self, now: i64) -> bool {
        let payload = self.state.payload;
        // An eighth may touch more pages than are free: then less of it.
        for part in [8, 64, 512] {
            let target = payload - (payload / part).max(1).min(payload);
            let outcome = self.attempt(now, |work, _, _| {
                work.state.payload_limit = target.max(1);
                work.shrink(target, now)
            });
            match outcome {
                Ok(Outcome::Done(())) if self.state.payload < payload => return true,
                Ok(_) => {}
                Err(error) => {
                    self.failed(open::from_redb(error), now);
                    return false;
                }
            }
        }
        false
    }
}

/// Takes one thing in. Gives a cursor back if it is not at its end.
fn take(work: &mut Work<'_>, looks: &Looks, op: &Op, now: i64) -> Redb<Option<Cursor>> {
    match op {
        Op::Found(found) => work.found(found, now)?,
        Op::End { round, cursor } => {
            if let Some(look) = looks.of(*round) {
                let more = work.end(looks, look, cursor.clone(), now)?;
                if more.is_some() {
                    return Ok(more);
                }
            }
            work.tell_ends(now)?;
            tell_full_ledger(work, now)?;
        }
        Op::Tell(event) => tell(work, event, now)?,
        Op::Note(draft) => {
            work.append((**draft).clone(), rank(None), Role::Own, &[], None, now)?;
        }
        Op::Settle { sink, delivery } => {
            work.settle(*sink, delivery)?;
            if work.state.payload <= work.state.payload_limit / 2 {
                work.state.payload_limit = 0;
            }
            work.tell_ends(now)?;
        }
        Op::Enable(sinks) => work.enable(sinks)?,
    }
    Ok(None)
}

/// What had no room in the ledger, and what was given up for others.
fn tell_full_ledger(work: &mut Work<'_>, now: i64) -> Redb<()> {
    let (unentered, given_up) = (work.state.unentered, work.state.given_up);
    if unentered + given_up == 0 {
        return Ok(());
    }
    let fault = Fault {
        code: "ledger.full",
        message: format!(
            "{unentered} finding(s) had no room in the ledger and are not told, {given_up} that were told were given up for more severe ones or for other directories: the least severe of the fullest directory first, nothing critical; raise spool.max_size, or mend what is already told"
        ),
        severity: Severity::High,
    };
    work.state.unentered = 0;
    work.state.given_up = 0;
    tell(work, &Lifecycle::Fault(fault), now)
}

pub(super) fn tell(work: &mut Work<'_>, event: &Lifecycle, now: i64) -> Redb<()> {
    for draft in own::drafts(work.origin, event, now) {
        work.append(draft, rank(own::rank(event)), Role::Own, &[], None, now)?;
    }
    Ok(())
}
