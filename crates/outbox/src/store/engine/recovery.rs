//! When the store does not work: set aside what is damaged, wait for what may mend itself.

use super::super::migrate::migrate;
use super::super::open::{self, Refusal};
use super::super::queue::Op;
use super::super::state::StoreState;
use super::super::{OpenOutcome, engine::commit};
use super::{Backing, Down, RETRY, RETRY_MOST, Store};
use crate::event::chain::Chain;
use crate::event::{Fault, Lifecycle, own};
use agent_core::finding::Severity;
use agent_core::words::counted;
use redb::Database;
use std::io::ErrorKind;

/// Waiting mends nothing of these.
pub(super) fn is_for_good(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
    )
}

/// Why a store is set aside.
pub(super) enum Aside {
    Damaged(String),
    OtherInstance(String),
}

impl Store {
    /// Opens the store; a new one if there is none, or if what is there is no good.
    pub(super) fn bring_up(&mut self, check: bool, now: i64) -> std::result::Result<(), Refusal> {
        let opened = open::database(&*self.medium, check).and_then(|database| {
            let mut state = open::state(&database)?;
            if let Some(state) = &mut state {
                migrate(&database, state).map_err(open::from_redb)?;
            }
            Ok((database, state))
        });
        match opened {
            Ok((database, Some(state))) => match open::other_host(&state, &self.source.host) {
                None => {
                    self.committed.state = state;
                    self.adopt(database)
                }
                Some(former) => {
                    self.committed.state = state;
                    drop(database);
                    self.start_over(Aside::OtherInstance(former), now)
                }
            },
            Ok((database, None)) => {
                let next = &self.next;
                let chain = Chain::begin(&*next.reason, next.after.clone(), now);
                let host = &self.source.host;
                self.committed.state =
                    open::begin(&database, &chain, next.base, host, &next.sinks)?;
                if self.news.is_empty() {
                    self.news.push(OpenOutcome::Fresh);
                }
                self.adopt(database)
            }
            Err(Refusal::Damaged(why)) => self.start_over(Aside::Damaged(why), now),
            Err(refusal) => Err(refusal),
        }
    }

    /// Works with this database from now on.
    pub(super) fn adopt(&mut self, database: Database) -> std::result::Result<(), Refusal> {
        let host = &self.source.host;
        for (known, told) in [
            (
                &mut self.committed.state.host.instance_id,
                &host.instance_id,
            ),
            (&mut self.committed.state.host.machine_id, &host.machine_id),
        ] {
            if !told.is_empty() {
                known.clone_from(told);
            }
        }
        let sample = open::sample(&database, &mut self.committed.state, &self.source)?;
        if self.volatile.is_none() {
            self.file.identity = self.medium.identity();
        }
        self.scans.number_from(self.committed.state.scan_id);
        self.backing = Some(Backing { database, sample });
        Ok(())
    }

    /// Sets the store aside and begins a new one, whose first event says why.
    pub(super) fn start_over(&mut self, why: Aside, now: i64) -> std::result::Result<(), Refusal> {
        let place = self.medium.set_aside(now).map_err(Refusal::Io)?;
        self.next.after = open::head(&self.committed.state);
        self.next.base = self.committed.state.last_place();
        if !self.committed.state.sinks.is_empty() {
            self.next.sinks.clone_from(&self.committed.state.sinks);
        }
        let (reason, opening) = match why {
            Aside::Damaged(why) => (
                format!("the store before it was damaged: {why}"),
                OpenOutcome::SetAside {
                    path: place.clone(),
                    reason: why,
                },
            ),
            Aside::OtherInstance(former) => (
                format!("the store before it was another host's: {former}"),
                OpenOutcome::OtherInstance {
                    path: place.clone(),
                    former,
                },
            ),
        };
        self.next.reason.clone_from(&reason);
        self.news.push(opening);
        self.scans.spoil_all();
        self.committed.state = StoreState::default();
        let shown = place.display().to_string();
        let draft = own::set_aside(&self.source, &shown, &reason, now);
        self.queue.push_front(Op::Note(Box::new(draft)), now);
        self.queue.waits(now);
        self.bring_up(false, now)
    }

    pub(super) fn unless_failed(&mut self, result: std::result::Result<(), Refusal>, now: i64) {
        if let Err(refusal) = result {
            self.failed(refusal, now);
        }
    }

    pub(super) fn failed(&mut self, refusal: Refusal, now: i64) {
        self.backing = None;
        match refusal {
            Refusal::Damaged(why) if self.down.is_none() => {
                let result = self.start_over(Aside::Damaged(why), now);
                if let Err(refusal) = result {
                    self.go_down(refusal.words(), now);
                }
            }
            refusal => self.go_down(refusal.words(), now),
        }
    }

    /// The store on disk cannot be written: it is tried again later, and memory stands in for it.
    pub(super) fn go_down(&mut self, reason: String, now: i64) {
        self.backing = None;
        self.volatile = None;
        self.down_because(reason.clone(), now);
        self.go_volatile(&reason, now);
    }

    /// Notes why the store on disk cannot be written, and when it is tried again.
    pub(super) fn down_because(&mut self, reason: String, now: i64) {
        let down = self.down.get_or_insert(Down {
            since: now,
            reason: String::new(),
            again: now,
            delay: RETRY,
            lost: 0,
        });
        down.reason = reason;
        down.again = now.saturating_add(down.delay);
        down.delay = down.delay.saturating_mul(2).min(RETRY_MOST);
    }

    /// Tries the store on disk again, if that is due.
    pub(super) fn bring_up_again(&mut self, now: i64) {
        let due = self
            .down
            .as_ref()
            .is_none_or(|down| !(1..RETRY_MOST).contains(&down.again.saturating_sub(now)));
        if !due {
            return;
        }
        if self.volatile.is_none() {
            if let Err(refusal) = self.bring_up(false, now) {
                self.go_down(refusal.words(), now);
            } else {
                self.down = None;
            }
            return;
        }
        if let Err(refusal) = self.bring_back(now) {
            self.down_because(refusal.words(), now);
            self.read_below_again(now);
        }
    }

    /// From memory to the disk, if that can be written again.
    fn bring_back(&mut self, now: i64) -> std::result::Result<(), Refusal> {
        // Its lock would keep us out.
        if let Some(volatile) = &mut self.volatile {
            volatile.below = None;
        }
        let database = open::database(&*self.medium, false)?;
        let mut state = open::state(&database)?;
        let state = match &mut state {
            Some(state) => {
                migrate(&database, state).map_err(open::from_redb)?;
                state.clone()
            }
            None => {
                let chain = Chain::begin("the store before it is gone", None, now);
                let base = self.committed.state.last_place();
                let sinks = self.committed.state.sinks.clone();
                let mut state = open::begin(&database, &chain, base, &self.source.host, &sinks)?;
                // What memory told goes on under the same uids.
                state
                    .chain
                    .salt
                    .clone_from(&self.committed.state.chain.salt);
                state
            }
        };
        if let Some(former) = open::other_host(&state, &self.source.host) {
            return Err(Refusal::Damaged(format!("it is the store of {former}")));
        }
        let fault = self
            .down
            .as_ref()
            .map(|down| back_fault(down, self.pending(now).held, now));
        self.carry_over(database, state, now, |tx| match fault {
            Some(fault) => commit::tell(tx, &Lifecycle::Fault(fault), now),
            None => Ok(()),
        })?;
        self.file.identity = self.medium.identity();
        self.down = None;
        Ok(())
    }
}

/// The store on disk could not be written for a while.
fn back_fault(down: &Down, held: u64, now: i64) -> Fault {
    let lost = match down.lost {
        0 => String::new(),
        lost => format!(
            "; {lost} more came in than memory could hold: findings among them are told when found again"
        ),
    };
    Fault {
        code: "store.unwritable",
        message: format!(
            "the store on disk could not be written for {} s ({}): what was found was told from memory, in a chain of its own; {} had not been delivered by the end of it{lost}",
            now.saturating_sub(down.since).max(0) / 1000,
            down.reason,
            counted(held, "event"),
        ),
        severity: Severity::High,
    }
}
