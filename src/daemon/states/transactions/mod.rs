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
use agent_outbox::event::{self, Lifecycle, TransactionCounts};
use agent_packages::transaction::{Manager, Transaction};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A finding waits for evidence no longer than this.
// Own bound: what docs/changes.md promises.
pub(in crate::daemon) const LONGEST: Duration = Duration::from_secs(60);
/// Interval between two questions for who holds the lock, while paths settle: a transaction may be over before they
/// are due.
const GLANCE: Duration = Duration::from_millis(100);
/// The same while one is under way and nothing settles.
const POLL: Duration = Duration::from_millis(250);
/// Interval between two readings of dpkg's database, while something waits for a package.
const ASK: Duration = Duration::from_millis(500);
/// Each time so many findings wait the interval is that much longer: all of them are gone through.
const MANY: u32 = 4_096;
/// One is over when its lock was free for this long: apt frees it between two runs of dpkg.
const QUIET: Duration = Duration::from_secs(1);
/// What settles this long after one was last seen may still be its work.
const RECENT: Duration = Duration::from_secs(5);
/// A package whose findings have waited for so long is asked for once its files are in place, though it is not yet
/// configured: between the two lies as long as dpkg takes for all others.
const LATE: Duration = Duration::from_secs(20);
/// The end is told when what it touched is judged, and so long after it at the latest.
const JUDGED: Duration = Duration::from_secs(30);
/// Findings that wait at most; more of them are told at once.
// Own bound: more of them are told at once.
const MOST_WAITING: usize = 65_536;
/// Paths that are kept at most to be checked again; if there are more everything is.
// Own bound: with more of them everything is looked at.
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
    /// Their names.
    packages: BTreeSet<Arc<str>>,
    /// What was checked by a package database that is about to be another one, or told without evidence.
    touched: BTreeMap<Vec<u8>, Touched>,
    too_many: bool,
    /// When to read dpkg's database; nothing while somebody reads it.
    next_question: Option<Instant>,
    /// Files are judged by the package database: what a transaction makes of it shows when that is over.
    pub(in crate::daemon) by_packages: bool,
    /// Steps in their order; an end is told when all is judged, and by its time at the latest.
    news: Vec<(Lifecycle, Option<Instant>)>,
}

/// A package that findings wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Awaited {
    pub(in crate::daemon) package: String,
    /// It is enough if its files are in place.
    pub(in crate::daemon) late: bool,
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
    /// One text for all that wait for it.
    package: Arc<str>,
    /// Without its path, by which it waits.
    touched: Touched,
    since: Instant,
    /// It was told without evidence, and is looked at again when there may be some.
    told: bool,
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
                    self.end(now);
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
            Some(_) => self.end(now),
            None => {}
        }
        if let Some(told) = told(&lock) {
            self.news.push((Lifecycle::TransactionBegun(told), None));
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

    fn end(&mut self, now: Instant) {
        let Some(under_way) = self.under_way.take() else {
            return;
        };
        if let Some(transaction) = told(&under_way.lock) {
            let ended = Lifecycle::TransactionEnded {
                transaction,
                since: under_way.since.0,
                until: under_way.until.0,
                waited: under_way.waited,
                counts: TransactionCounts::default(),
            };
            self.news.push((ended, Some(now + JUDGED)));
        }
    }

    /// Steps to be told. `judged`: nothing that was touched is still to be judged, so that numbers are whole.
    pub(in crate::daemon) fn news(&mut self, judged: bool, now: Instant) -> Vec<Lifecycle> {
        // What something else follows waits no longer: each step is told before the next.
        let waits = |by: Instant| !judged && now < by;
        let last = match self.news.last() {
            Some((_, Some(by))) if waits(*by) => self.news.len() - 1,
            _ => self.news.len(),
        };
        self.news.drain(..last).map(|(step, _)| step).collect()
    }

    /// When the end is told at the latest.
    pub(in crate::daemon) fn end_due(&self) -> Option<Instant> {
        self.news.last().and_then(|(_, by)| *by)
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
        let touched = at(touched, b"");
        let package = shared(&mut self.packages, package);
        let full = self.waiting.len() >= MOST_WAITING;
        match self.waiting.entry(path.to_vec()) {
            // It keeps its time, as in the store, until it was told.
            Entry::Occupied(mut place) => {
                let waiting = place.get_mut();
                if std::mem::take(&mut waiting.told) {
                    waiting.since = now;
                    under_way.waited += 1;
                }
                (waiting.package, waiting.touched) = (package, touched);
            }
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(place) => {
                place.insert(Waiting {
                    package,
                    touched,
                    since: now,
                    told: false,
                });
                under_way.waited += 1;
            }
        }
        self.ask(now);
        true
    }

    /// What was told of the path while nothing could explain it yet is looked at again when its package is done; at once,
    /// which is what is returned, if no transaction is under way any more.
    pub(in crate::daemon) fn look_again(
        &mut self,
        package: String,
        touched: &Touched,
        path: &[u8],
        now: Instant,
    ) -> Option<Touched> {
        if !self.is_unpacking() {
            return Some(at(touched, path));
        }
        // With too many of them the next scan of everything explains the rest.
        if self.waiting.len() < MOST_WAITING {
            let again = Waiting {
                package: shared(&mut self.packages, package),
                touched: at(touched, b""),
                since: now,
                told: true,
            };
            self.waiting.insert(path.to_vec(), again);
            self.ask(now);
        }
        None
    }

    /// What was told without evidence while the lock is held is looked at once more when it is free: it may have been judged
    /// by what stood in the database, or among apt's settings, for a moment.
    pub(in crate::daemon) fn look_at_end(&mut self, touched: &Touched, path: &[u8]) {
        if self.is_held() && !self.waiting.contains_key(path) {
            self.keep_for_end(at(touched, path));
        }
    }

    fn keep_for_end(&mut self, mut again: Touched) {
        match self.touched.entry(again.region.path.clone()) {
            Entry::Vacant(place) => drop(place.insert(again)),
            Entry::Occupied(mut kept) => drop(kept.get_mut().merge(&mut again)),
        }
        if self.touched.len() > MOST_TOUCHED {
            self.touched.clear();
            self.too_many = true;
        }
    }

    fn ask(&mut self, now: Instant) {
        if !self.by_packages {
            self.next_question.get_or_insert(now + ASK);
        }
    }

    /// Interval until the next question, by how many wait.
    fn pause(&self) -> Duration {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        ASK * (1 + waiting / MANY)
    }

    /// Keeps what is checked now by a database that is about to change.
    pub(in crate::daemon) fn keep(&mut self, touched: &[Touched]) {
        if !self.by_packages {
            return;
        }
        for touched in touched {
            // Told as restored at most once.
            self.keep_for_end(Touched {
                itself: false,
                ..touched.clone()
            });
        }
    }

    /// Packages that something waits for, if it is time to ask for them: nobody asks again until
    /// [`Transactions::done`].
    pub(in crate::daemon) fn question(&mut self, now: Instant) -> Option<Vec<Awaited>> {
        self.next_question.take_if(|next| now >= *next)?;
        // The store has told them by then, and they are looked at when the lock is free.
        let is_told = |waiting: &Waiting| now.saturating_duration_since(waiting.since) >= LONGEST;
        let mut packages: BTreeMap<&str, bool> = BTreeMap::new();
        for waiting in self.waiting.values_mut() {
            waiting.told |= is_told(waiting);
        }
        for waiting in self.waiting.values().filter(|waiting| !is_told(waiting)) {
            let late = now.saturating_duration_since(waiting.since) >= LATE;
            *packages.entry(&waiting.package).or_default() |= late;
        }
        let packages = packages.into_iter();
        let awaited = packages.map(|(package, late)| Awaited {
            package: package.to_owned(),
            late,
        });
        let awaited: Vec<Awaited> = awaited.collect();
        (!awaited.is_empty()).then_some(awaited)
    }

    /// When to ask for them.
    pub(in crate::daemon) fn question_due(&self) -> Option<Instant> {
        self.next_question
    }

    /// These of them are no longer being unpacked: what waited for them is to be checked again.
    pub(in crate::daemon) fn done(&mut self, packages: &[String], now: Instant) -> Vec<Touched> {
        let packages: HashSet<&str> = packages.iter().map(String::as_str).collect();
        let is_done = |_: &Vec<u8>, waiting: &mut Waiting| packages.contains(&*waiting.package);
        let released = self.waiting.extract_if(.., is_done);
        let released = released.map(with_path).collect();
        self.next_question = (!self.waiting.is_empty()).then(|| now + self.pause());
        released
    }

    /// All that waits or is to be checked again: the lock is free, or the agent ends.
    pub(in crate::daemon) fn release(&mut self) -> Released {
        self.next_question = None;
        self.packages.clear();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let mut touched: Vec<Touched> = waiting.map(with_path).collect();
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

/// The text that all share who wait for the package.
fn shared(known: &mut BTreeSet<Arc<str>>, package: String) -> Arc<str> {
    if let Some(known) = known.get(package.as_str()) {
        return known.clone();
    }
    let new: Arc<str> = package.into();
    known.insert(new.clone());
    new
}

/// What waited by that path, with it again.
fn with_path((path, waiting): (Vec<u8>, Waiting)) -> Touched {
    let mut touched = waiting.touched;
    touched.region.path = path;
    touched
}

/// The path alone, of what was touched.
fn at(touched: &Touched, path: &[u8]) -> Touched {
    let region = Region {
        path: path.to_vec(),
        below: false,
    };
    Touched {
        region,
        itself: false,
        ..touched.clone()
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
