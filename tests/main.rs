//! One integration target, so one link. Each module is a subject; `harness` runs the real binary.

mod accept;
mod changes;
mod daemon;
mod deadlines;
mod diff;
mod explained;

mod faults;
mod generated;

mod evasion;
mod instance;
mod launch;

mod oracles;
mod packages;
mod packaging;
mod reports;
mod rpm;
mod seal;
mod settings;

mod sshd;
mod usage;

mod profile_weakening;
