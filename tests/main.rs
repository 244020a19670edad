//! One integration target, so one link. Each module is a subject; `harness` runs the real binary.

// Tables of cases are tuples; a type of their own would only hide their columns.
#![allow(clippy::type_complexity)]

mod accept;
mod changes;
mod daemon;
mod deadlines;
mod diff;
mod events;
mod faults;
mod generated;
mod globs;
mod harness;
mod holes;
mod instance;
mod launch;
mod layers;
mod oracles;
mod packages;
mod packaging;
mod reports;
mod rpm;
mod seal;
mod settings;
mod ship;
mod sshd;
mod usage;
mod watch;
mod weakened;
