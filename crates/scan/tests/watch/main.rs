//! What is touched is looked at: the holes of inotify, with the real kernel.

mod actors;
mod gaps;
mod ledger;
mod limits;
mod linked;
mod mounts;
mod sentry;
mod spot;
mod storm;
