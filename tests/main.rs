//! One integration target, so one link. Each module is a subject; `harness` runs the real binary.

mod accept;
mod amendments;
mod bounds;
mod changes;
mod daemon;
mod deadlines;
mod diff;
mod diff_packages;
mod documents;
mod explained;

mod faults;
mod filesystems;
mod generated;
mod hostile;

mod evasion;
mod instance;
mod keep_text;
mod launch;

mod oracles;
mod own_files;
mod packages;
mod packaging;
mod page;
mod people;
mod reports;
mod rpm;
mod rpm_kinds;
mod seal;
mod settings;
mod shape;

mod sshd;
mod usage;

mod profile_weakening;
