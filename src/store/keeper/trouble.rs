//! When the store does not work: set aside what is damaged, wait for what may mend itself.

use super::super::migrate::migrate;
use super::super::open::{self, Refusal};
use super::super::queue::Op;
use super::super::state::State;
use super::super::{Opening, keeper::commit};
use super::{Down, Keeper, RETRY, RETRY_MOST, Store};
use crate::event::chain::Chain;
use crate::event::{Fault, Lifecycle, own};
use crate::finding::Severity;
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

impl Keeper {
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
            Ok((database, Some(state))) => match open::other_host(&state, &self.origin.host) {
                None => {
                    self.state = state;
                    self.adopt(database)
                }
                Some(former) => {
                    self.state = state;
                    drop(database);
                    self.start_over(Aside::OtherInstance(former), now)
                }
            },
            Ok((database, None)) => {
                let next = &self.next;
                let chain = Chain::begin(&*next.reason, next.after.clone(), now);
                let host = &self.origin.host;
                self.state = open::begin(&database, &chain, next.base, host, &next.sinks)?;
                if self.news.is_empty() {
                    self.news.push(Opening::Fresh);
                }
                self.adopt(database)
            }
            Err(Refusal::Damaged(why)) => self.start_over(Aside::Damaged(why), now),
            Err(refusal) => Err(refusal),
        }
    }

    /// Works with this database from now on.
    pub(super) fn adopt(&mut self, database: Database) -> std::result::Result<(), Refusal> {
        let host = &self.origin.host;
        for (known, told) in [
            (&mut self.state.instance_id, &host.instance_id),
            (&mut self.state.machine_id, &host.machine_id),
        ] {
            if !told.is_empty() {
                known.clone_from(told);
            }
        }
        let sample = open::sample(&database, &mut self.state, &self.origin)?;
        self.round = self.round.max(self.state.round);
        self.store = Some(Store { database, sample });
        Ok(())
    }

    /// Sets the store aside and begins a new one, whose first event says why.
    pub(super) fn start_over(&mut self, why: Aside, now: i64) -> std::result::Result<(), Refusal> {
        let place = self.medium.set_aside(now).map_err(Refusal::Io)?;
        self.next.after = open::head(&self.state);
        self.next.base = self.state.chain().map_or(self.state.base, |chain| {
            self.state.base + chain.head.sequence
        });
        if !self.state.sinks.is_empty() {
            self.next.sinks.clone_from(&self.state.sinks);
        }
        let (reason, opening) = match why {
            Aside::Damaged(why) => (
                format!("the store before it was damaged: {why}"),
                Opening::SetAside {
                    path: place.clone(),
                    reason: why,
                },
            ),
            Aside::OtherInstance(former) => (
                format!("the store before it was another host's: {former}"),
                Opening::OtherInstance {
                    path: place.clone(),
                    former,
                },
            ),
        };
        self.next.reason.clone_from(&reason);
        self.news.push(opening);
        self.looks.spoil_all();
        self.state = State::default();
        let shown = place.display().to_string();
        let draft = own::set_aside(&self.origin, &shown, &reason, now);
        self.queue.push_front(Op::Note(Box::new(draft)), now);
        self.waiting.get_or_insert(now);
        self.bring_up(false, now)
    }

    pub(super) fn unless_failed(&mut self, result: std::result::Result<(), Refusal>, now: i64) {
        if let Err(refusal) = result {
            self.failed(refusal, now);
        }
    }

    pub(super) fn failed(&mut self, refusal: Refusal, now: i64) {
        self.store = None;
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

    pub(super) fn go_down(&mut self, reason: String, now: i64) {
        self.store = None;
        let down = self.down.get_or_insert(Down {
            since: now,
            reason: String::new(),
            again: now,
            delay: RETRY,
            lost: 0,
        });
        down.reason = reason;
        down.again = now + down.delay;
        down.delay = (down.delay * 2).min(RETRY_MOST);
    }

    /// Tries a store that was down, if that is due; whether it is up.
    pub(super) fn bring_up_again(&mut self, now: i64) -> bool {
        let due = self
            .down
            .as_ref()
            .is_none_or(|down| !(0..RETRY_MOST).contains(&(down.again - now)) || now >= down.again);
        if !due {
            return false;
        }
        if let Err(refusal) = self.bring_up(false, now) {
            self.go_down(refusal.words(), now);
            return false;
        }
        let Some(down) = self.down.take() else {
            return true;
        };
        // Up only if something can be written.
        let lost = match down.lost {
            0 => String::new(),
            lost => format!(
                "; {lost} more came in than memory could hold: findings among them are told when found again"
            ),
        };
        let fault = Fault {
            code: "store.unwritable",
            message: format!(
                "the store could not be written for {} s ({}): {} thing(s) were held in memory{lost}",
                (now - down.since).max(0) / 1000,
                down.reason,
                self.queue.len(),
            ),
            severity: Severity::High,
        };
        let event = Lifecycle::Fault(fault);
        let told = self.transact(now, |work, _, _| commit::tell(work, &event, now));
        if told.is_none() {
            let again = self.down.get_or_insert(Down {
                since: now,
                reason: String::new(),
                again: now,
                delay: RETRY,
                lost: 0,
            });
            again.since = down.since;
            again.lost = down.lost;
            again.delay = (down.delay * 2).min(RETRY_MOST);
            again.again = now + down.delay;
            return false;
        }
        true
    }
}
