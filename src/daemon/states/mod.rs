//! Pure states: they take what happened, with the time, and return values or [`super::action::Action`]s. No clocks,
//! threads, files or sockets in here.

pub(in crate::daemon) mod coverage_gap;
pub(in crate::daemon) mod effects;
pub(in crate::daemon) mod first_boot;
pub(in crate::daemon) mod heartbeat_pace;
pub(in crate::daemon) mod job_queue;
pub(in crate::daemon) mod pending_paths;
pub(in crate::daemon) mod problems;
pub(in crate::daemon) mod quarantine;
pub(in crate::daemon) mod rehash;
pub(in crate::daemon) mod restored;
pub(in crate::daemon) mod scan_state;
pub(in crate::daemon) mod schedule;
pub(in crate::daemon) mod stall;
pub(in crate::daemon) mod timers;
pub(in crate::daemon) mod touched;
pub(in crate::daemon) mod transactions;
pub(in crate::daemon) mod untold;
pub(in crate::daemon) mod unusable_manifest;
pub(in crate::daemon) mod watch_health;
