//! Package transactions: when one begins and is over, and whose findings wait for its evidence. Pure; who holds the
//! lock, what dpkg says of its packages and the time are passed in.
//!
//! A lock is easily held. So it delays no check, and what is found is told at once, but for the findings that dpkg's
//! own database speaks for ([`Transactions::note`]): those are in the store before they wait, which tells them at
//! [`LONGEST`] whatever becomes of the transaction. They are checked again when their package is done, and when the
//! lock is free; where the package database is what files are judged by, with all else that was checked meanwhile.

use crate::daemon::clock::{Now, UnixMillis};
use crate::daemon::states::touched::Touched;
use agent_core::paths::split;
use agent_core::region::Region;
use agent_outbox::event::{self, Lifecycle};
use agent_packages::transaction::{Manager, Transaction};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

/// A finding waits for evidence no longer than this.
pub(in crate::daemon) const LONGEST: Duration = Duration::from_secs(60);
/// Interval between two questions for who holds the lock, while paths settle: a transaction may be over before they
/// are due.
const GLANCE: Duration = Duration::from_millis(100);
/// The same while one is under way and nothing settles.
const POLL: Duration = Duration::from_millis(250);
/// Interval between two readings of dpkg's database, while something waits for a package.
const ASK: Duration = Duration::from_millis(500);
/// One is over when its lock was free for this long: apt frees it between two runs of dpkg.
const QUIET: Duration = Duration::from_secs(1);
/// What settles this long after one was last seen may still be its work.
const RECENT: Duration = Duration::from_secs(5);
/// Findings that wait at most; more of them are told at once.
const MOST_WAITING: usize = 65_536;
/// Paths that are kept at most to be checked again; if there are more everything is.
const MOST_TOUCHED: usize = 65_536;

/// The transaction under way, and what waits for it.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Transactions {
    under_way: Option<UnderWay>,
    /// The holder that was seen last, and when.
    last: Option<(String, Instant)>,
    next_poll: Option<Instant>,
    /// Paths whose finding waits for the evidence of a package.
    waiting: BTreeMap<Vec<u8>, Waiting>,
    /// What was checked by a package database that is about to be another one.
    touched: BTreeMap<Vec<u8>, Touched>,
    too_many: bool,
    /// When to read dpkg's database; nothing while somebody reads it.
    next_question: Option<Instant>,
    /// Files are judged by the package database: what a transaction makes of it shows when that is over.
    pub(in crate::daemon) by_packages: bool,
    news: Vec<Lifecycle>,
}

#[derive(Debug)]
struct UnderWay {
    lock: Transaction,
    /// Since when the lock is free; nothing while it is held.
    free: Option<Instant>,
    seen: Instant,
    /// When it was seen first and last.
    since: UnixMillis,
    until: UnixMillis,
    waited: u64,
}

#[derive(Debug)]
struct Waiting {
    package: String,
    touched: Touched,
    since: Instant,
}

/// What is to be checked again.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Released {
    pub(in crate::daemon) touched: Vec<Touched>,
    /// More was touched than could be kept.
    pub(in crate::daemon) too_many: bool,
}

impl Transactions {
    /// Whether to ask now who holds the lock. `settling`: something was touched and is not quiet yet.
    pub(in crate::daemon) fn asks(&mut self, settling: bool, now: Instant) -> bool {
        let idle = self.under_way.is_none() && self.waiting.is_empty();
        if idle && !settling {
            self.next_poll = None;
            return false;
        }
        if self.next_poll.is_some_and(|next| now < next) {
            return false;
        }
        let pause = if settling { GLANCE } else { POLL };
        self.next_poll = Some(now + pause);
        true
    }

    /// When to ask next.
    pub(in crate::daemon) fn due(&self) -> Option<Instant> {
        self.next_poll
    }

    /// Takes in who holds a lock.
    pub(in crate::daemon) fn saw(&mut self, lock: Option<Transaction>, now: Now) {
        let (now, wall) = (now.monotonic, now.wall);
        let Some(lock) = lock else {
            if let Some(under_way) = &mut self.under_way {
                let free = *under_way.free.get_or_insert(now);
                if now.saturating_duration_since(free) >= QUIET {
                    self.end();
                }
            }
            return;
        };
        self.last = Some((lock.holder.clone(), now));
        match &mut self.under_way {
            // dpkg under apt's lock is the same one.
            Some(under_way) if under_way.lock.manager == lock.manager => {
                (under_way.free, under_way.seen, under_way.until) = (None, now, wall);
                return;
            }
            Some(_) => self.end(),
            None => {}
        }
        if let Some(told) = told(&lock) {
            self.news.push(Lifecycle::TransactionBegun(told));
        }
        self.next_poll.get_or_insert(now + POLL);
        self.under_way = Some(UnderWay {
            lock,
            free: None,
            seen: now,
            since: wall,
            until: wall,
            waited: 0,
        });
    }

    fn end(&mut self) {
        let Some(under_way) = self.under_way.take() else {
            return;
        };
        if let Some(transaction) = told(&under_way.lock) {
            self.news.push(Lifecycle::TransactionEnded {
                transaction,
                since: under_way.since.0,
                until: under_way.until.0,
                waited: under_way.waited,
            });
        }
    }

    /// Steps to be told.
    pub(in crate::daemon) fn news(&mut self) -> Vec<Lifecycle> {
        std::mem::take(&mut self.news)
    }

    /// Whether a package manager held its lock when that was last asked.
    pub(in crate::daemon) fn is_held(&self) -> bool {
        self.under_way.as_ref().is_some_and(|u| u.free.is_none())
    }

    /// Whether that was dpkg.
    pub(in crate::daemon) fn is_unpacking(&self) -> bool {
        let dpkg = |under_way: &UnderWay| under_way.lock.manager == Manager::Dpkg;
        self.under_way.as_ref().is_some_and(dpkg)
    }

    /// Who may be the cause of what is quiet now.
    pub(in crate::daemon) fn holder(&self, now: Instant) -> Option<String> {
        let (holder, seen) = self.last.as_ref()?;
        let recent = now.saturating_duration_since(*seen) <= RECENT;
        recent.then(|| holder.clone())
    }

    /// A finding on the path may wait for the evidence of a package that dpkg is unpacking; whether it does.
    pub(in crate::daemon) fn note(
        &mut self,
        package: String,
        touched: &Touched,
        path: &[u8],
        now: Instant,
    ) -> bool {
        let unpacking = self.is_unpacking();
        let Some(under_way) = self.under_way.as_mut().filter(|_| unpacking) else {
            return false;
        };
        let region = Region {
            path: path.to_vec(),
            below: false,
        };
        let touched = Touched {
            region,
            itself: false,
            ..touched.clone()
        };
        let full = self.waiting.len() >= MOST_WAITING;
        match self.waiting.entry(path.to_vec()) {
            // It keeps its time, as in the store.
            Entry::Occupied(mut place) => {
                let waiting = place.get_mut();
                (waiting.package, waiting.touched) = (package, touched);
            }
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(place) => {
                place.insert(Waiting {
                    package,
                    touched,
                    since: now,
                });
                under_way.waited += 1;
            }
        }
        if !self.by_packages {
            self.next_question.get_or_insert(now + ASK);
        }
        true
    }

    /// Keeps what is checked now by a database that is about to change.
    pub(in crate::daemon) fn keep(&mut self, touched: &[Touched]) {
        if !self.by_packages {
            return;
        }
        for touched in touched {
            // Told as restored at most once.
            let mut again = Touched {
                itself: false,
                ..touched.clone()
            };
            match self.touched.entry(again.region.path.clone()) {
                Entry::Vacant(place) => drop(place.insert(again)),
                Entry::Occupied(mut kept) => drop(kept.get_mut().merge(&mut again)),
            }
        }
        if self.touched.len() > MOST_TOUCHED {
            self.touched.clear();
            self.too_many = true;
        }
    }

    /// Packages that something waits for, if it is time to ask for them: nobody asks again until
    /// [`Transactions::done`].
    pub(in crate::daemon) fn question(&mut self, now: Instant) -> Option<Vec<String>> {
        self.next_question.take_if(|next| now >= *next)?;
        // The store has told them.
        self.waiting
            .retain(|_, waiting| now.saturating_duration_since(waiting.since) < LONGEST);
        let packages = self.waiting.values().map(|waiting| &waiting.package);
        let mut packages: Vec<String> = packages.cloned().collect();
        packages.sort_unstable();
        packages.dedup();
        (!packages.is_empty()).then_some(packages)
    }

    /// When to ask for them.
    pub(in crate::daemon) fn question_due(&self) -> Option<Instant> {
        self.next_question
    }

    /// These of them are no longer being unpacked: what waited for them is to be checked again.
    pub(in crate::daemon) fn done(&mut self, packages: &[String], now: Instant) -> Vec<Touched> {
        let is_done = |_: &Vec<u8>, waiting: &mut Waiting| packages.contains(&waiting.package);
        let released = self.waiting.extract_if(.., is_done);
        let released = released.map(|(_, waiting)| waiting.touched).collect();
        self.next_question = (!self.waiting.is_empty()).then(|| now + ASK);
        released
    }

    /// All that waits or is to be checked again: the lock is free, or the agent ends.
    pub(in crate::daemon) fn release(&mut self) -> Released {
        self.next_question = None;
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let mut touched: Vec<Touched> = waiting.map(|waiting| waiting.touched).collect();
        touched.extend(std::mem::take(&mut self.touched).into_values());
        Released {
            touched,
            too_many: std::mem::take(&mut self.too_many),
        }
    }

    /// Whether there is anything to release.
    pub(in crate::daemon) fn holds(&self) -> bool {
        !self.waiting.is_empty() || !self.touched.is_empty() || self.too_many
    }

    /// The transaction of what is to be checked again at the path.
    pub(in crate::daemon) fn of(&self, path: &[u8]) -> Option<String> {
        if let Some(waiting) = self.waiting.get(path) {
            return waiting.touched.transaction.clone();
        }
        let mut around = path;
        loop {
            let kept = self.touched.get(around);
            let kept = kept.filter(|kept| kept.region.below || around == path);
            match kept {
                Some(kept) => return kept.transaction.clone(),
                None if around.is_empty() => return None,
                None => around = split(around).0,
            }
        }
    }
}

/// As events tell it. cloud-init's work is not a package manager's, and is told when one of those does it.
fn told(lock: &Transaction) -> Option<event::Transaction> {
    let manager = match lock.manager {
        Manager::Dpkg => "dpkg",
        Manager::Rpm => "rpm",
        Manager::CloudInit => return None,
    };
    Some(event::Transaction {
        holder: lock.holder.clone(),
        pid: lock.pid,
        manager,
    })
}

#[cfg(test)]
mod tests;
