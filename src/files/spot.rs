//! Some paths, judged with the code of a scan: what a whole scan would say of them now, at the cost of these alone.
//!
//! The rule by which open findings stay what a fresh scan would find:
//! - A [`Region`] that was touched is judged: the path alone, or with everything below it.
//! - With it are judged all directories above it, alone, since what is said of an entry decides whether its
//!   directory's mtime and nlink are excused, and that again decides for the directory above.
//! - Whether an entry that was *not* looked at deviates is asked of [`Known`], the open findings. They are right for
//!   every path that is not touched; those that are touched and not yet judged bring their directory with them later.
//! - Findings of the check `files.profile` come from whole scans alone: the first path concerned depends on all others.
//!
//! So: begin a round over [`Plan::regions`], look, tell each finding, end the round: what was open within the regions
//! and was not told again is no more.

use super::deviation::{Against, Deviation};
use super::launch::Record;
use super::pace::Pace;
use super::scan::{Coverage, Progress};
use super::scope::Scope;
use crate::attributes::Timestamp;
use crate::error::Result;
use crate::manifest::read::Manifest;
use crate::os::root::Root;
use crate::packages::Database;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

/// A path, alone or with everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// Relative to the root; empty for the root itself.
    pub path: Vec<u8>,
    /// Whether everything below it belongs to it. Of anything but a directory that was there before, it must: where
    /// a directory was, all that was below it is gone.
    pub below: bool,
}

/// What has to be judged since some regions were touched: they, and the directories above them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    regions: Vec<Region>,
}

impl Plan {
    /// The plan for what was touched. What lies in another region, below, is not judged twice.
    pub fn new(touched: impl IntoIterator<Item = Region>) -> Plan {
        let _ = touched;
        todo!()
    }

    /// All that is judged, in the order of a walk.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Whether the path is judged.
    pub fn covers(&self, path: &[u8]) -> bool {
        let _ = path;
        todo!()
    }
}

/// What is expected of files, to be asked for single paths in O(log n).
#[derive(Clone, Copy, Debug)]
pub enum Book<'a> {
    /// A manifest, with the launch record that may be used.
    Manifest(&'a Manifest, &'a Record),
    /// A package database.
    Packages(&'a Database),
}

/// The open findings of files, as far as [`Spot`] needs them.
pub trait Known {
    /// Whether a file finding is open whose subject is a direct entry of `directory` (relative to the root), entries
    /// for which `passed_over` holds not counted.
    fn entry_deviates(&self, directory: &[u8], passed_over: &dyn Fn(&[u8]) -> bool) -> bool;
}

/// What a look tells.
#[derive(Debug)]
pub enum Told {
    /// A path deviates.
    Deviates(Deviation),
    /// A path that a plan names as touched is as expected; its ctime, which nobody can set, tells whether it was
    /// changed and restored since it was looked at before.
    Holds {
        /// Relative to the root.
        path: Vec<u8>,
        /// Last change of contents or attributes.
        ctime: Timestamp,
    },
}

/// How some paths are looked at; see [`super::scan::Scan`].
#[derive(Debug)]
pub struct Spot<'a> {
    /// The tree.
    pub root: &'a Root,
    /// What is looked at.
    pub scope: &'a Scope,
    /// What is expected.
    pub book: Book<'a>,
    /// Threads that read and digest.
    pub threads: NonZeroUsize,
    /// A limit on reading.
    pub pace: Option<&'a Pace>,
    /// Whether SELinux labels are compared.
    pub selinux: bool,
    /// Counts while the look goes on.
    pub progress: &'a Progress,
}

impl Spot<'_> {
    /// Judges what is planned, in the order of a scan. An error means that expectations could not be read.
    pub fn look(
        &self,
        plan: &Plan,
        known: &dyn Known,
        each: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Coverage> {
        let _ = (plan, known, each);
        todo!()
    }

    /// What messages compare with.
    pub fn against(&self) -> Against {
        match self.book {
            Book::Manifest(..) => Against::Manifest,
            Book::Packages(_) => Against::Packages,
        }
    }
}
