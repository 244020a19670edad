//! Taking in what is held: one transaction for each group.

use super::super::open;
use super::super::open_scans::{Cursor, OpenScans};
use super::super::queue::{Op, Queue};
use super::super::rows::Rows;
use super::super::superseded::Below;
use super::super::tables::{Result as Redb, Role, SUPERSEDED, Tables, rank};
use super::super::write_transaction::WriteTransaction;
use super::super::{GROUP_FINDINGS, Scope};
use super::{Backing, Store};
use crate::event::{Fault, Lifecycle, own};
use agent_core::finding::Severity;
use agent_core::words::{counted, thousands};

/// What became of a transaction.
enum Outcome<T> {
    Done(T),
    /// The file would have become too large: nothing was written.
    TooLarge,
}

impl Store {
    /// Takes in the first of what is held; false if the store cannot be written.
    pub(super) fn take_group(&mut self, now: i64) -> bool {
        let outcome = self.transact(now, |tx, scans, queue| {
            let mut taken: usize = 0;
            for (op, came) in queue.iter().take(2 * GROUP_FINDINGS) {
                if tx.written >= tx.limits.group {
                    break;
                }
                if let Some(cursor) = take(tx, scans, op, *came)? {
                    return Ok((taken, Some(cursor)));
                }
                taken = taken.saturating_add(1);
            }
            Ok((taken, None))
        });
        match outcome {
            None => self.backing.is_some(),
            Some((taken, cursor)) => {
                for op in self.queue.taken(taken) {
                    match op {
                        Op::End { scan_id, .. } => {
                            let scan = self.scans.of(scan_id).map(|scan| &scan.scope);
                            if scan == Some(&Scope::Files) {
                                self.committed.floods.scan_ended();
                            }
                            self.scans.remove(scan_id);
                        }
                        Op::Settle { sink, delivery } => {
                            let refused = delivery.refused.iter().map(|(key, _)| key);
                            let volatile = self.volatile.as_ref();
                            let on_disk = |key: &u64| {
                                volatile.is_some_and(|disk| disk.may_wait_on_disk(*key))
                            };
                            let keys = delivery.accepted.iter().chain(refused);
                            for key in keys.filter(|key| !on_disk(key)) {
                                self.delivering.settled.remove(&(sink.code(), *key));
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
        step: impl FnOnce(&mut WriteTransaction<'_>, &OpenScans, &Queue) -> Redb<T>,
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
        step: impl FnOnce(&mut WriteTransaction<'_>, &OpenScans, &Queue) -> Redb<T>,
    ) -> Redb<Outcome<T>> {
        let (Some(backing), Some(chain)) = (&self.backing, self.committed.state.chain()) else {
            return Err(redb::Error::DatabaseClosed);
        };
        if self.volatile.is_none() && self.file.identity != self.medium.identity() {
            let gone = std::io::Error::other("its file is gone, or another one");
            return Err(redb::Error::Io(gone));
        }
        let limits = self.limits_now();
        let transaction = backing.database.begin_write()?;
        let (result, after, written) = {
            let mut tx = WriteTransaction {
                tables: Tables::open(&transaction)?,
                state: self.committed.state.clone(),
                chain,
                floods: self.committed.floods.clone(),
                stories: self.committed.stories.clone(),
                below: match &self.volatile {
                    None => None,
                    Some(disk) => Some(Below {
                        disk,
                        superseded: Rows::new(transaction.open_table(SUPERSEDED)?),
                    }),
                },
                fullest: self.committed.fullest.clone(),
                source: &self.source,
                sample: &backing.sample,
                limits,
                dirty: false,
                written: 0,
                fresh: Vec::new(),
                resolved: Vec::new(),
            };
            let result = step(&mut tx, &self.scans, &self.queue)?;
            tx.tell_fresh(now)?;
            tx.tell_resolved(now)?;
            let written = tx.written;
            match tx.dirty {
                true => (result, Some(tx.finish()?), written),
                false => (result, None, 0),
            }
        };
        let Some(after) = after else {
            transaction.abort()?;
            return Ok(Outcome::Done(result));
        };
        if !self.file.unbounded && self.length() > limits.file {
            transaction.abort()?;
            return Ok(Outcome::TooLarge);
        }
        transaction.commit()?;
        self.committed = after;
        self.file.unmeasured = self.file.unmeasured.saturating_add(written);
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
        if length.saturating_mul(2) <= self.limits.file || self.file.unmeasured < length / 16 {
            return;
        }
        self.file.unmeasured = 0;
        let measure = |backing: &Backing| -> Redb<u64> {
            let transaction = backing.database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats
                .allocated_pages()
                .saturating_mul(stats.page_size() as u64))
        };
        let Some(Ok(used)) = self.backing.as_ref().map(measure) else {
            return;
        };
        let reserve = (length / 8).max(48 * 4096).min(length / 4);
        if used.saturating_add(reserve) > length && !self.drop_some(now) && self.backing.is_some() {
            self.take_no_more(now);
        }
    }

    /// Drops an eighth of what waits, since the file cannot grow; the spool is kept below that.
    fn squeeze(&mut self, now: i64) {
        if !self.drop_some(now) && self.backing.is_some() {
            // A store that takes nothing more would be worse than one that is too large.
            self.file.unbounded = true;
            self.take_no_more(now);
        }
    }

    /// Only what is critical is left, and the file has hardly any room: what is new waits in the ledger.
    fn take_no_more(&mut self, now: i64) {
        let outcome = self.attempt(now, |tx, _, _| {
            let steps = tx.limits.step().saturating_mul(2);
            let limit = tx.state.spool.payload.saturating_sub(steps);
            tx.state.spool.payload_limit = limit.max(1);
            tx.dirty = true;
            Ok(())
        });
        if let Err(error) = outcome {
            self.failed(open::from_redb(error), now);
        }
    }

    /// Whether something could be dropped; false as well if the store failed.
    fn drop_some(&mut self, now: i64) -> bool {
        let payload = self.committed.state.spool.payload;
        // An eighth may touch more pages than are free: then less of it.
        for part in [payload / 8, payload / 64, payload / 512] {
            let target = payload.saturating_sub(part.max(1));
            let outcome = self.attempt(now, |tx, _, _| {
                tx.state.spool.payload_limit = target.max(1);
                tx.shrink(target, now)
            });
            match outcome {
                Ok(Outcome::Done(())) if self.committed.state.spool.payload < payload => {
                    return true;
                }
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
fn take(
    tx: &mut WriteTransaction<'_>,
    scans: &OpenScans,
    op: &Op,
    now: i64,
) -> Redb<Option<Cursor>> {
    match op {
        Op::Found(found) => tx.found(found, now)?,
        Op::End { scan_id, cursor } => {
            if let Some(scan) = scans.of(*scan_id) {
                let more = tx.end(scans, scan, cursor.clone(), now)?;
                if more.is_some() {
                    return Ok(more);
                }
            }
            if scans.of(*scan_id).is_some_and(|s| s.scope == Scope::Files) {
                tx.tell_listings(true, now)?;
            }
            tx.tell_ends(now)?;
            tell_full_ledger(tx, now)?;
        }
        Op::Tell(event) => tell_step(tx, event, now)?,
        Op::Note(draft) => {
            tx.append((**draft).clone(), rank(None), Role::Own, &[], None, now)?;
        }
        Op::Settle { sink, delivery } => {
            tx.settle(*sink, delivery)?;
            if tx.state.spool.payload <= tx.state.spool.payload_limit / 2 {
                tx.state.spool.payload_limit = 0;
            }
            tx.tell_ends(now)?;
        }
        Op::Enable(sinks) => tx.enable(sinks)?,
    }
    Ok(None)
}

/// What had no room in the ledger, and what was given up for others.
fn tell_full_ledger(tx: &mut WriteTransaction<'_>, now: i64) -> Redb<()> {
    let (unentered, given_up) = (tx.state.ledger.unentered, tx.state.ledger.given_up);
    if (unentered, given_up) == (0, 0) {
        return Ok(());
    }
    let fault = Fault {
        code: "ledger.full",
        message: format!(
            "{} had no room in the ledger and {} not told, {} that were told were given up for more severe ones or for other directories: the least severe of the fullest directory first, nothing critical; raise spool.max_size, or mend what is already told",
            counted(unentered, "finding"),
            if unentered == 1 { "is" } else { "are" },
            thousands(given_up),
        ),
        severity: Severity::High,
    };
    tx.state.ledger.unentered = 0;
    tx.state.ledger.given_up = 0;
    tell(tx, &Lifecycle::Fault(fault), now)
}

/// A step of the agent; what packages explain is told before the transaction that brought them ends, or the agent does.
fn tell_step(tx: &mut WriteTransaction<'_>, event: &Lifecycle, now: i64) -> Redb<()> {
    match event {
        Lifecycle::TransactionBegun(_) => tx.stories.begin(),
        Lifecycle::Stopped { .. } => drop(tx.tell_listings(true, now)?),
        Lifecycle::TransactionEnded { .. } => {
            // Its numbers count what was found with it.
            tx.tell_fresh(now)?;
            tx.tell_listings(true, now)?;
            let mut ended = event.clone();
            if let Lifecycle::TransactionEnded { counts, .. } = &mut ended {
                *counts = tx.stories.told;
            }
            return tell(tx, &ended, now);
        }
        _ => {}
    }
    tell(tx, event, now)
}

pub(super) fn tell(tx: &mut WriteTransaction<'_>, event: &Lifecycle, now: i64) -> Redb<()> {
    for draft in own::drafts(tx.source, event, now) {
        tx.append(draft, rank(own::rank(event)), Role::Own, &[], None, now)?;
    }
    Ok(())
}
