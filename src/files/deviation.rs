//! A path that is not as expected: the value that judging yields, before anybody words it.

use super::join::Expected;
use super::observe::Unseen;
use super::scope::{Duty, Weaker};
use super::walk::Blindness;
use crate::attributes::{AttributeSet, Attributes, FileType};
use crate::finding::Severity;

/// How a path deviates.
#[derive(Debug)]
pub struct Deviation {
    /// Relative to the root.
    pub path: Vec<u8>,
    /// What was to be done with it.
    pub duty: Duty,
    /// What is wrong.
    pub kind: Kind,
}

/// What is wrong with a path.
#[derive(Debug)]
pub enum Kind {
    /// It is there and nobody expected it.
    Added(Box<Attributes>),
    /// It is not there.
    Removed(Box<Expected>),
    /// It is there and is not as expected.
    Changed {
        /// What should be.
        expected: Box<Expected>,
        /// What is.
        observed: Box<Attributes>,
        /// In what they differ; not empty.
        changed: AttributeSet,
    },
    /// It could not be looked at.
    Unseen(Unseen),
    /// Its directory could not be looked into.
    Blind(Blindness),
    /// Something is mounted there, is not crossed, and was not there when the tree was recorded.
    Mounted,
    /// The present profile demands less of it than the manifest was sealed with.
    Weaker(Weaker, String),
}

/// Bits of a mode with which a program runs as somebody else, or its file's group spreads to what is made below.
const SET_ID: u16 = 0o6000;
/// A program's own privileges (capabilities(7), "File capabilities").
const CAPABILITIES: &[u8] = b"security.capability";

impl Deviation {
    /// Whether evidence for it may be waited for: a file or directory that came, went or changed, of at most `high`, and
    /// neither now nor as expected one that gives privileges. What its privileges are must have been looked at.
    pub fn may_wait(&self) -> bool {
        let was = |expected: &Expected| {
            let attributes = expected.attributes.as_ref();
            attributes.is_none_or(|was| !gives_privileges(was))
        };
        let is = |observed: &Attributes| {
            let known = observed.mode.is_some() && observed.xattrs.is_some();
            // A link has no privileges of its own.
            (known || observed.kind == FileType::Link) && !gives_privileges(observed)
        };
        let harmless = match &self.kind {
            Kind::Added(observed) => is(observed),
            Kind::Removed(expected) => was(expected),
            Kind::Changed {
                expected, observed, ..
            } => was(expected) && is(observed),
            Kind::Unseen(_) | Kind::Blind(_) | Kind::Mounted | Kind::Weaker(..) => false,
        };
        harmless && self.duty.demand.severity < Severity::Critical
    }
}

fn gives_privileges(attributes: &Attributes) -> bool {
    let mut xattrs = attributes.xattrs.iter().flatten();
    attributes.mode.is_some_and(|mode| mode & SET_ID != 0)
        || xattrs.any(|xattr| &*xattr.name == CAPABILITIES)
}

/// What a scan compares with, as people read it in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// A manifest, perhaps with a launch record.
    Manifest,
    /// A package database.
    Packages,
}
