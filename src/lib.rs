//! The host integrity agent: whether a host is still what its owners baked, with evidence.
//!
//! The way the data goes:
//!
//! ```text
//!  profile (what should hold) ─┐              manifest (what was recorded, and who sealed it)
//!                              ▼                       ▼
//!  eyes:  files · packages · settings · instance · watch ──► Finding ──► ledger ──► Event ──► store ──► ship
//!                                                               └──► report ──► exit status
//! ```
//!
//! Values know nothing of the system, `os` alone asks the kernel, eyes look and return verdicts,
//! `report` and `cli` meet people. Imports go one way only; `tests/layers.rs` holds that.
#![deny(unsafe_code)]

// Values.
pub mod attributes;
pub mod bounds;
pub mod cause;
pub mod config;
pub mod error;
pub mod escape;
pub mod finding;
pub mod glob;
pub mod host;
pub mod task;
pub mod toml_text;
pub mod units;

// The edge of the operating system.
pub mod os;

// What should hold, and what was recorded.
pub mod manifest;
pub mod profile;

// Eyes.
pub mod files;
pub mod instance;
pub mod packages;
pub mod settings;
pub mod watch;

// What all eyes can judge.
pub mod checks;

// What leaves the machine.
pub mod event;
pub mod ledger;
pub mod ship;
pub mod store;

// Judging, shared by the hands.
pub mod assess;

// Hands.
mod cli;
pub mod daemon;
pub mod report;

pub use cli::run;
