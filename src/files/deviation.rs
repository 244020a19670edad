//! A path that is not as expected: the value that judging yields, before anybody words it.

use super::join::Expected;
use super::observe::Unseen;
use super::scope::{Duty, Weaker};
use super::walk::Blindness;
use crate::attributes::{AttributeSet, Attributes};

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

impl Kind {
    /// Whether it was not looked at, since that brought the agent to its end.
    pub fn is_set_aside(&self) -> bool {
        matches!(
            self,
            Kind::Unseen(Unseen::SetAside) | Kind::Blind(Blindness::SetAside)
        )
    }
}

/// What a scan compares with, as people read it in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// A manifest, perhaps with a launch record.
    Manifest,
    /// A package database.
    Packages,
}
