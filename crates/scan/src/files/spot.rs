//! Some paths, judged with the code of a scan: what a whole scan would say of them now, at the cost of these alone.
//!
//! The rule by which open findings stay what a fresh scan would find:
//! - A [`Region`] that was touched is judged: the path alone, or with everything below it.
//! - With it are judged all directories above it, alone, since what is said of an entry decides whether its
//!   directory's mtime and nlink are excused, and that again decides for the directory above.
//! - Whether an entry that was *not* looked at deviates is asked of [`Known`], the open findings. They are right for
//!   every path that is not touched; those that are touched and not yet judged bring their directory with them later,
//!   and may count as deviating until then: else a directory is told whose entry is about to be.
//! - With a name of a recorded file go its other recorded names ([`super::links::Links`]).
//! - Findings of the check `files.profile` come from whole scans alone: the first path concerned depends on all others.
//!
//! So: begin a round over [`Plan::regions`], look, tell each finding, end the round: what was open within the regions
//! and was not told again is no more.

pub use super::plan::Plan;
pub use super::scan::{Known, Told};
use agent_core::region::Region;

use super::aside::Aside;
use super::deviation::DeviationKind;
use super::join::Expected;
use super::launch::{self, Record};
use super::owned;
use super::pace::Pace;
use super::pipeline::Workers;
use super::scan::{Coverage, Progress, Scan};
use super::scope::Scope;
use agent_baseline::Baseline;
use agent_baseline::manifest::read::{Cursor, Manifest};
use agent_core::error::Result;
use agent_core::os::root::Root;
use agent_core::paths;
use agent_packages::Database;
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// How some paths are looked at; see [`Scan`].
#[derive(Debug)]
pub struct Spot<'a> {
    /// The tree.
    pub root: &'a Root,
    /// What is looked at.
    pub scope: &'a Scope,
    /// What is expected, to be asked for single paths in O(log n): a manifest with the launch record that may be used,
    /// or a package database.
    pub baseline: Baseline<(&'a Manifest, &'a Record), &'a Database>,
    /// Threads that read and digest.
    pub workers: Workers,
    /// A limit on reading.
    pub pace: Option<&'a Pace>,
    /// Whether SELinux labels are compared.
    pub selinux: bool,
    /// Whether the scope is narrower than what is expected, so that what lies outside of it is passed over.
    pub partial: bool,
    /// What is not looked at.
    pub aside: &'a Aside,
    /// Counts while the look goes on.
    pub progress: &'a Progress,
}

impl Spot<'_> {
    /// Judges what is planned, in the order of a scan. An error means that expectations could not be read.
    pub fn look(
        &self,
        plan: &Plan,
        known: &dyn Known,
        mut each: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let scan = Scan {
            root: self.root,
            scope: self.scope,
            workers: self.workers,
            pace: self.pace,
            selinux: self.selinux,
            against: self.baseline.kind(),
            partial: self.partial,
            mounts: match &self.baseline {
                Baseline::Manifest((manifest, record)) => Some(record.mounts_over(manifest)),
                Baseline::Packages(_) => None,
            },
            aside: self.aside,
            // What was touched is read.
            belief: None,
            progress: self.progress,
        };
        let regions = plan.regions();
        if regions.is_empty() {
            return Ok(Coverage::default());
        }
        match self.baseline {
            Baseline::Manifest((manifest, record)) => {
                let sought = Sought {
                    cursor: manifest.cursor(),
                    record: record.entries(),
                    regions: regions.iter(),
                    region: None,
                };
                scan.run_planned(plan, known, sought, each)
            }
            Baseline::Packages(database) => {
                let expected = regions.iter().flat_map(|region| {
                    let files = database.starting_at(&region.path);
                    owned::expectations(
                        database.kind(),
                        files.take_while(|file| region.covers(file.path)),
                    )
                });
                scan.run_planned(plan, known, expected.map(Ok), |told| match &told {
                    // That nothing is known of their contents has been said of their package.
                    Told::Deviates(deviation)
                        if matches!(deviation.kind, DeviationKind::Added(_))
                            && database.owns_undigested(&deviation.path) =>
                    {
                        ControlFlow::Continue(())
                    }
                    _ => each(told),
                })
            }
        }
    }
}

/// What manifest and launch record expect in some regions.
struct Sought<'a> {
    cursor: Cursor<'a>,
    /// Of the record, what comes next in the region and all behind it.
    record: &'a [Expected],
    regions: std::slice::Iter<'a, Region>,
    region: Option<&'a Region>,
}

impl Sought<'_> {
    fn expected(&mut self) -> Result<Option<Expected>> {
        loop {
            let Some(region) = self.region else {
                let Some(next) = self.regions.next() else {
                    return Ok(None);
                };
                self.cursor.seek(&next.path)?;
                let before = self.record.partition_point(|entry| {
                    paths::compare(&entry.path, &next.path) == Ordering::Less
                });
                self.record = &self.record[before..];
                self.region = Some(next);
                continue;
            };
            let recorded = self.record.first().filter(|e| region.covers(&e.path));
            let manifest = self.cursor.peek()?.filter(|e| region.covers(&e.path));
            let order = match (manifest, recorded) {
                (None, None) => {
                    self.region = None;
                    continue;
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => paths::compare(&a.path, &b.path),
            };
            let found = recorded.cloned();
            if order != Ordering::Greater {
                let entry = self.cursor.take()?;
                if order == Ordering::Less {
                    return Ok(entry.map(launch::recorded));
                }
            }
            self.record = &self.record[1..];
            return Ok(found);
        }
    }
}

impl Iterator for Sought<'_> {
    type Item = Result<Expected>;

    fn next(&mut self) -> Option<Result<Expected>> {
        self.expected().transpose()
    }
}
