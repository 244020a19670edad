//! Jobs: what the daemon looks at, each on a thread of its own.

pub(in crate::daemon) mod start;
pub(in crate::daemon) mod worker;
