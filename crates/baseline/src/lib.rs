//! What should hold on a host, and what was recorded of it.
//!
//! A [`profile::Profile`] says which paths matter, how much, and what is demanded of settings. A
//! [`manifest::read::Manifest`] lists what was recorded when the image was made, sorted as a walk meets it, and
//! [`manifest::verified`] says who sealed it and whether the host trusts them. An [`amendment::Amendment`] is what
//! somebody accepted since. A [`Baseline`] is the choice between a manifest and the package database.
//!
//! May touch: the files that it is given by name, for reading; a manifest is also written. It judges no file.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used
    )
)]

mod against;
pub mod amendment;
pub mod manifest;
pub mod profile;
pub mod texts;

pub use against::Baseline;
