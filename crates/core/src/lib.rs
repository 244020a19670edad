//! Values that every part of the agent shares, and the edge of the operating system.
//!
//! The values know nothing of the system: a [`finding::Finding`] is what a check concluded, [`attributes::Attributes`]
//! is what is known of one file, and [`host::Host`] says which machine speaks. Only [`os`] asks the kernel, always below
//! an [`os::root::Root`], which no symbolic link leads out of.
//!
//! May touch: the file system below a root, and the kernel by way of [`os`]. No network, no state of its own.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used
    )
)]

pub mod attributes;
pub mod benchmarks;
pub mod bounds;
pub mod bytes;
pub mod change;
pub mod config;
pub mod error;
pub mod escape;
pub mod explained;
pub mod finding;
pub mod glob;
pub mod host;
pub mod mask;
pub mod os;
pub mod paths;
pub mod region;
pub mod release;
pub mod task;
pub mod toml_text;
pub mod units;
pub mod waiver;
pub mod words;
