//! The story of a check: walk, join, look, judge, and put in order again.

mod holds;

use super::aside::Aside;
use super::belief::{Belief, Unread};
use super::deviation::{Deviation, DeviationKind};
use super::join::{Expected, Item, Outside, join_streams};
use super::judge;
use super::look::{Look, Looker};
use super::mounted::{self, News, RecordedMounts};
use super::pace::Pace;
use super::pipeline::{Workers, ordered};
use super::plan::Plan;
use super::probe::{Target, Unseen, Wanted};
use super::scope::Scope;
use super::walk::{Blindness, Walk};
use super::worker::Worker;
use agent_baseline::Baseline;
use agent_core::attributes::Timestamp;
use agent_core::error::{Error, Result};
use agent_core::os::root::Root;
use agent_core::task::{self, Job};
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
    pub workers: Workers,
    /// A limit on reading.
    pub pace: Option<&'a Pace>,
    /// Whether SELinux labels are compared.
    pub selinux: bool,
    /// What expectations come from.
    pub against: Baseline,
    /// Whether the scope is a part of what expectations speak of: what is expected outside of it is passed over.
    pub partial: bool,
    /// What was mounted then; `None` where nobody recorded anything.
    pub mounts: Option<RecordedMounts<'a>>,
    /// What is not looked at.
    pub aside: &'a Aside,
    /// What need not be read.
    pub belief: Option<&'a Belief<'a>>,
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
    /// Mount points that were crossed, of which nobody recorded whether they were there; relative to the root.
    pub unrecorded_mounts: Vec<Vec<u8>>,
    /// Mount points of devices that call themselves dm-verity, relative to the root, with the device's name.
    pub on_verity: Vec<(Vec<u8>, String)>,
    /// Where only packages are known: files that none of them owns.
    pub unowned: u64,
    /// What was believed unread, where a scan may believe anything.
    pub unread: Option<Unread>,
}

/// What a look at some paths tells.
#[derive(Debug)]
pub enum Told {
    /// A path deviates.
    Deviates(Deviation),
    /// A path that was touched is as recorded. Its ctime, which nobody can set, says whether it was changed and
    /// restored since it was looked at before. Not told where the profile does not demand the contents.
    Holds {
        /// Relative to the root.
        path: Vec<u8>,
        /// Last change of contents or attributes.
        ctime: Timestamp,
    },
}

/// The open findings of files, as far as judging some paths needs them.
pub trait Known {
    /// Whether a file finding is open whose subject is a direct entry of `directory` (relative to the root), entries
    /// for which `passed_over` holds not counted.
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool;
}

/// What a worker made of an item. What holds is counted and not passed on.
enum Outcome {
    Deviates(Box<Deviation>),
    Entered {
        deviation: Option<Box<Deviation>>,
        loose: bool,
    },
    Leave,
    Holds {
        path: Vec<u8>,
        ctime: Timestamp,
    },
    Mount {
        path: Vec<u8>,
        deviations: Vec<Deviation>,
    },
    Broken(Error),
}

/// A directory that is being walked, as the consumer sees it.
struct Open {
    deviation: Option<Box<Deviation>>,
    excused: bool,
}

/// Tells outcomes in the order of the walk, and of a directory once its entries have been judged.
struct Report<'a> {
    each: &'a mut dyn FnMut(Told) -> ControlFlow<()>,
    planned: Option<(&'a Plan, &'a dyn Known)>,
    /// Directories that have been entered and not left, outermost first.
    open: Vec<Open>,
    mounts: Vec<Vec<u8>>,
    broken: Option<Error>,
}

impl Report<'_> {
    fn take(&mut self, outcome: Outcome) -> ControlFlow<()> {
        match outcome {
            Outcome::Deviates(deviation) => self.tell(*deviation),
            Outcome::Entered { deviation, loose } => {
                self.open.push(Open {
                    deviation,
                    excused: loose,
                });
                ControlFlow::Continue(())
            }
            Outcome::Holds { path, ctime } => (self.each)(Told::Holds { path, ctime }),
            Outcome::Leave => match self.leave() {
                Some(deviation) => self.tell(deviation),
                None => ControlFlow::Continue(()),
            },
            Outcome::Mount { path, deviations } => {
                self.mounts.push(path);
                deviations.into_iter().try_for_each(|news| self.tell(news))
            }
            Outcome::Broken(error) => {
                self.broken = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn tell(&mut self, deviation: Deviation) -> ControlFlow<()> {
        // Of what is set aside nothing is worked out.
        if !deviation.kind.is_set_aside() {
            task::at_file(b"", &deviation.path);
        }
        if let Some(parent) = self.open.last_mut() {
            parent.excused = true;
        }
        (self.each)(Told::Deviates(deviation))
    }

    /// What is left of a directory's own deviation, now that its entries are known.
    fn leave(&mut self) -> Option<Deviation> {
        let closed = self.open.pop()?;
        let deviation = *closed.deviation?;
        let by_known = |(plan, known): (&Plan, &dyn Known)| {
            deviation.may_be_excused()
                && plan.has_alone(&deviation.path)
                && known.entry_deviates(&deviation.path, &|entry| plan.covers(entry))
        };
        let excused = closed.excused || self.planned.is_some_and(by_known);
        judge::after_entries(deviation, excused)
    }
}

impl Scan<'_> {
    /// Compares the tree with `expected`, which comes sorted, and hands each deviation to `each` in the order
    /// of paths (a directory after its entries). An error means that nothing further could be judged.
    pub fn run(
        &self,
        expected: impl Iterator<Item = Result<Expected>> + Send,
        mut each: impl FnMut(Deviation) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let walk = Walk::new(self.root, self.scope).without(self.aside);
        self.follow(walk, expected, None, |told| match told {
            Told::Deviates(deviation) => each(deviation),
            Told::Holds { .. } => ControlFlow::Continue(()),
        })
    }

    /// The same for what is planned alone; `expected` holds what is expected there and nothing else.
    pub(super) fn run_planned(
        &self,
        plan: &Plan,
        known: &dyn Known,
        expected: impl Iterator<Item = Result<Expected>> + Send,
        each: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let walk = Walk::planned(self.root, self.scope, plan).without(self.aside);
        self.follow(walk, expected, Some((plan, known)), each)
    }

    fn follow(
        &self,
        walk: Walk<'_>,
        expected: impl Iterator<Item = Result<Expected>> + Send,
        planned: Option<(&Plan, &dyn Known)>,
        mut each: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let started = Instant::now();
        let mut report = Report {
            each: &mut each,
            planned,
            open: Vec::new(),
            mounts: Vec::new(),
            broken: None,
        };
        let unowned = AtomicU64::new(0);
        let plan = planned.map(|(plan, _)| plan);
        let News {
            deviations,
            unrecorded,
            is_settled,
        } = self.mount_news(plan);
        if deviations
            .into_iter()
            .any(|news| report.tell(news).is_break())
        {
            return Ok(Coverage::default());
        }
        let outside = match self.against {
            Baseline::Manifest(()) if !self.partial => Outside::Refuse,
            Baseline::Manifest(()) | Baseline::Packages(()) => Outside::Ignore,
        };
        let role = task::Role::of_this_thread();
        ordered(
            self.workers,
            |emit| {
                role.take();
                task::begin(Job::Files);
                join_streams(walk, expected, self.scope, outside, emit);
            },
            || {
                role.take();
                task::begin(Job::Files);
                let mut looker = Looker::new(self.pace, self.workers.most());
                looker.alone = self.aside.alone;
                let unowned = &unowned;
                Worker::new(
                    looker,
                    self.progress,
                    |item: &Item| self.wanted(item),
                    move |batch: Vec<Item>, looks| {
                        let count = batch.iter().filter(|item| item.is_path()).count() as u64;
                        self.progress.checked.fetch_add(count, Ordering::Relaxed);
                        let mut looks = looks.into_iter();
                        batch
                            .into_iter()
                            .filter_map(|item| {
                                self.judge(item, &mut looks, plan, unowned, is_settled)
                            })
                            .collect()
                    },
                )
                .believing(self.belief)
            },
            |outcome| report.take(outcome),
        );
        task::at_whole();
        let Report { mounts, broken, .. } = report;
        match broken {
            Some(error) => Err(error),
            None => Ok(Coverage {
                checked: self.progress.checked.load(Ordering::Relaxed),
                bytes: self.progress.bytes.load(Ordering::Relaxed),
                unowned: unowned.into_inner(),
                elapsed: started.elapsed(),
                unread: self.believing().map(Belief::end),
                mounts,
                unrecorded_mounts: unrecorded,
                on_verity: mounted::on_verity(self.root, self.scope),
            }),
        }
    }

    /// What is mounted that was not when the tree was recorded.
    fn mount_news(&self, plan: Option<&Plan>) -> News {
        let planned = |path: &[u8]| plan.is_none_or(|plan| plan.covers(path));
        match self.mounts {
            Some(recorded) => mounted::news(self.root, self.scope, recorded, &planned),
            None => News::default(),
        }
    }

    /// What is to be looked at for an item, if anything is.
    fn wanted<'i>(&self, item: &'i Item) -> Option<(&'i Target, Wanted)> {
        let Item::Present {
            target,
            policy,
            expected,
            ..
        } = item
        else {
            return None;
        };
        let packages = self.against.is_packages();
        if self.is_aside(target) {
            return None;
        }
        let mut wanted = judge::wanted(*policy, expected.as_deref(), self.selinux, packages);
        if let Some(belief) = self.believing() {
            wanted.recorded = belief.recorded(target, *policy, expected.as_deref());
        }
        Some((target, wanted))
    }

    /// What need not be read, where there is a manifest: what a package database says of contents is weak.
    fn believing(&self) -> Option<&Belief<'_>> {
        self.belief.filter(|_| !self.against.is_packages())
    }

    fn may_believe_next_time(&self, target: &Target) {
        if let Some(belief) = self.believing() {
            belief.holds(&target.path());
        }
    }

    /// Whether it is not looked at. What is walked into has been found not to be.
    fn is_aside(&self, target: &Target) -> bool {
        !self.aside.is_empty()
            && matches!(target, Target::Entry { .. })
            && self.aside.has(&target.path())
    }

    /// `looks` has one for each item that [`Scan::wanted`] wants looked at. `None` where there is nothing to say.
    fn judge(
        &self,
        item: Item,
        looks: &mut impl Iterator<Item = Look>,
        plan: Option<&Plan>,
        unowned: &AtomicU64,
        mounts_told: bool,
    ) -> Option<Outcome> {
        let packages = self.against.is_packages();
        let deviates = |path, policy, kind| {
            Some(Outcome::Deviates(Box::new(Deviation {
                path,
                policy,
                kind,
            })))
        };
        match item {
            Item::Present {
                target,
                policy,
                loose,
                expected,
            } => {
                let is_directory = matches!(target, Target::Directory(_));
                if packages && expected.is_none() && !is_directory {
                    unowned.fetch_add(1, Ordering::Relaxed);
                }
                let observed = match self.is_aside(&target) {
                    true => Err(Unseen::SetAside),
                    false => looks.next()?,
                };
                let recorded = expected.is_some() && observed.is_ok();
                let deviation = judge::present(policy, expected, observed, packages).map(|kind| {
                    Box::new(Deviation {
                        path: target.path(),
                        policy,
                        kind,
                    })
                });
                if recorded && !is_directory && deviation.is_none() {
                    self.may_believe_next_time(&target);
                }
                match (is_directory, deviation) {
                    (true, deviation) => Some(Outcome::Entered { deviation, loose }),
                    (false, Some(deviation)) => Some(Outcome::Deviates(deviation)),
                    (false, None) if recorded && !packages => holds::told(&target, policy, plan?),
                    (false, None) => None,
                }
            }
            Item::Missing { expected, policy } => deviates(
                expected.path.clone(),
                policy,
                DeviationKind::Removed(expected),
            ),
            Item::Hidden {
                expected,
                policy,
                why,
            } => deviates(expected.path, policy, DeviationKind::Blind(why)),
            Item::Blind {
                path,
                policy,
                why: Blindness::Mount,
                known,
                was_mount,
            } => {
                // What the mount table tells has been told.
                let told = mounts_told || was_mount || packages;
                let is_new = !known && !packages;
                let deviations = Deviation::of_mount(&path, policy, !told, is_new);
                Some(Outcome::Mount { path, deviations })
            }
            Item::Blind {
                path, policy, why, ..
            } => deviates(path, policy, DeviationKind::Blind(why)),
            Item::Leave => Some(Outcome::Leave),
            Item::Weaker {
                path,
                weaker,
                policy,
            } => {
                let clause = self.scope.describe(weaker);
                deviates(path, policy, DeviationKind::Weaker(weaker, clause))
            }
            Item::Broken(error) => Some(Outcome::Broken(error)),
        }
    }
}
