//! One integration target, so one link. Each module is a subject; `harness` runs the real binary.

// Tables of cases are tuples; a type of their own would only hide their columns.
#![allow(clippy::type_complexity)]

mod changes;
mod diff;
mod digest;
mod faults;
mod generated;
mod harness;
mod holes;
mod launch;
mod layers;
mod oracles;
mod packages;
mod seal;
mod settings;
mod sshd;
mod usage;
mod weakened;
