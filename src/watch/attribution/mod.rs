//! Who did it: the process that wrote last, by fanotify(7), where kernel and capabilities allow.
//!
//! Notification alone, never a permission event: the agent can hold nobody up.

/// How changes are attributed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether the arguments of commands are given; else they are masked.
    pub arguments: bool,
}

/// Whether changes are attributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// They are, on that many file systems.
    On(usize),
    /// They are not, or not on all file systems: why, in one line.
    Off(String),
}
