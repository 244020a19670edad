//! The story of a check: walk, join, look, judge, and put in order again.

use super::deviation::{Against, Deviation, Kind};
use super::join::{Expected, Item, Outside, join_streams};
use super::judge;
use super::look::{Look, Looker};
use super::observe::{Target, Wanted};
use super::pace::Pace;
use super::pipeline::ordered;
use super::scope::Scope;
use super::walk::{Blindness, Walk};
use crate::error::{Error, Result};
use crate::os::root::Root;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a scan goes about its work.
#[derive(Debug)]
pub struct Scan<'a> {
    /// The tree.
    pub root: &'a Root,
    /// What is looked at.
    pub scope: &'a Scope,
    /// Threads that read and digest.
    pub threads: NonZeroUsize,
    /// A limit on reading.
    pub pace: Option<&'a Pace>,
    /// Whether SELinux labels are compared.
    pub selinux: bool,
    /// What expectations come from.
    pub against: Against,
    /// Whether the scope is a part of what expectations speak of: what is expected outside of it is passed over.
    pub partial: bool,
    /// Counts while the scan runs, for whoever shows progress.
    pub progress: &'a Progress,
}

/// Counts that others may read while a scan runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Paths looked at.
    pub checked: AtomicU64,
    /// Bytes digested.
    pub bytes: AtomicU64,
}

/// What a scan looked at.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Paths looked at, found or not.
    pub checked: u64,
    /// Bytes digested.
    pub bytes: u64,
    /// Time taken.
    pub elapsed: Duration,
    /// Mount points that were not crossed, relative to the root.
    pub mounts: Vec<Vec<u8>>,
    /// Where only packages are known: files that none of them owns.
    pub unowned: u64,
}

/// What a worker made of an item. What holds is counted and not passed on.
enum Outcome {
    Deviates(Box<Deviation>),
    Entered {
        deviation: Option<Box<Deviation>>,
        loose: bool,
    },
    Leave,
    Mount {
        path: Vec<u8>,
        deviation: Option<Box<Deviation>>,
    },
    Broken(Error),
}

/// A directory that is being walked, as the consumer sees it.
struct Open {
    deviation: Option<Box<Deviation>>,
    excused: bool,
}

impl Scan<'_> {
    /// Compares the tree with `expected`, which comes sorted, and hands each deviation to `each` in the order
    /// of paths (a directory after its entries). An error means that nothing further could be judged.
    pub fn run(
        &self,
        expected: impl Iterator<Item = Result<Expected>> + Send,
        mut each: impl FnMut(Deviation) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let started = Instant::now();
        let mut coverage = Coverage::default();
        let mut open: Vec<Open> = Vec::new();
        let mut broken = None;
        let unowned = AtomicU64::new(0);
        let outside = match self.against {
            Against::Manifest if !self.partial => Outside::Refuse,
            Against::Manifest | Against::Packages => Outside::Ignore,
        };
        ordered(
            self.threads,
            |emit| {
                let walk = Walk::new(self.root, self.scope);
                join_streams(walk, expected, self.scope, outside, emit);
            },
            || {
                let mut looker = Looker::new(self.pace);
                let unowned = &unowned;
                move |batch: Vec<Item>| {
                    let before = looker.bytes;
                    let count = batch.iter().filter(|item| item.is_path()).count() as u64;
                    let mut looks = looker
                        .look_all(batch.iter().filter_map(|item| self.wanted(item)))
                        .into_iter();
                    let outcomes = batch
                        .into_iter()
                        .filter_map(|item| self.judge(item, &mut looks, unowned))
                        .collect();
                    self.progress.checked.fetch_add(count, Ordering::Relaxed);
                    self.progress
                        .bytes
                        .fetch_add(looker.bytes - before, Ordering::Relaxed);
                    outcomes
                }
            },
            |outcome| {
                let mut report = |deviation: Box<Deviation>, open: &mut Vec<Open>| {
                    if let Some(parent) = open.last_mut() {
                        parent.excused = true;
                    }
                    each(*deviation)
                };
                match outcome {
                    Outcome::Deviates(deviation) => report(deviation, &mut open),
                    Outcome::Entered { deviation, loose } => {
                        open.push(Open {
                            deviation,
                            excused: loose,
                        });
                        ControlFlow::Continue(())
                    }
                    Outcome::Leave => {
                        let judged = open.pop().and_then(|closed| {
                            judge::after_entries(*closed.deviation?, closed.excused)
                        });
                        match judged {
                            Some(deviation) => report(Box::new(deviation), &mut open),
                            None => ControlFlow::Continue(()),
                        }
                    }
                    Outcome::Mount { path, deviation } => {
                        coverage.mounts.push(path);
                        match deviation {
                            Some(deviation) => report(deviation, &mut open),
                            None => ControlFlow::Continue(()),
                        }
                    }
                    Outcome::Broken(error) => {
                        broken = Some(error);
                        ControlFlow::Break(())
                    }
                }
            },
        );
        if let Some(error) = broken {
            return Err(error);
        }
        coverage.checked = self.progress.checked.load(Ordering::Relaxed);
        coverage.bytes = self.progress.bytes.load(Ordering::Relaxed);
        coverage.unowned = unowned.into_inner();
        coverage.elapsed = started.elapsed();
        Ok(coverage)
    }

    /// What is to be looked at for an item, if anything is.
    fn wanted<'i>(&self, item: &'i Item) -> Option<(&'i Target, Wanted)> {
        let Item::Present {
            target,
            duty,
            expected,
            ..
        } = item
        else {
            return None;
        };
        let packages = self.against == Against::Packages;
        Some((
            target,
            judge::wanted(*duty, expected.as_deref(), self.selinux, packages),
        ))
    }

    /// `looks` has one for each item that [`Scan::wanted`] wants looked at. `None` where there is nothing to say.
    fn judge(
        &self,
        item: Item,
        looks: &mut impl Iterator<Item = Look>,
        unowned: &AtomicU64,
    ) -> Option<Outcome> {
        let packages = self.against == Against::Packages;
        let deviates =
            |path, duty, kind| Some(Outcome::Deviates(Box::new(Deviation { path, duty, kind })));
        match item {
            Item::Present {
                target,
                duty,
                loose,
                expected,
            } => {
                let is_directory = matches!(target, Target::Directory(_));
                if packages && expected.is_none() && !is_directory {
                    unowned.fetch_add(1, Ordering::Relaxed);
                }
                let observed = looks.next()?;
                let deviation = judge::present(duty, expected, observed, packages).map(|kind| {
                    Box::new(Deviation {
                        path: target.path(),
                        duty,
                        kind,
                    })
                });
                match is_directory {
                    true => Some(Outcome::Entered { deviation, loose }),
                    false => deviation.map(Outcome::Deviates),
                }
            }
            Item::Missing { expected, duty } => {
                deviates(expected.path.clone(), duty, Kind::Removed(expected))
            }
            Item::Hidden {
                expected,
                duty,
                why,
            } => deviates(expected.path, duty, Kind::Blind(why)),
            Item::Blind {
                path,
                duty,
                why: Blindness::Mount,
                known,
            } => Some(Outcome::Mount {
                deviation: (!known && !packages).then(|| {
                    Box::new(Deviation {
                        path: path.clone(),
                        duty,
                        kind: Kind::Mounted,
                    })
                }),
                path,
            }),
            Item::Blind {
                path, duty, why, ..
            } => deviates(path, duty, Kind::Blind(why)),
            Item::Leave => Some(Outcome::Leave),
            Item::Weaker { path, weaker, duty } => {
                let clause = self.scope.describe(weaker);
                deviates(path, duty, Kind::Weaker(weaker, clause))
            }
            Item::Broken(error) => Some(Outcome::Broken(error)),
        }
    }
}
