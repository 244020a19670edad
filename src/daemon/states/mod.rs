//! Pure states of the daemon.

pub(in crate::daemon) mod first_boot;
pub(in crate::daemon) mod job_queue;
pub(in crate::daemon) mod quarantine;
pub(in crate::daemon) mod restored;
pub(in crate::daemon) mod schedule;
pub(in crate::daemon) mod touched;
pub(in crate::daemon) mod transactions;
pub(in crate::daemon) mod unusable_manifest;
