//! The signed chain of Debian: InRelease, Packages, the .deb, and what it says of its files.

pub(crate) mod apt;
pub(crate) mod arrived;
pub(crate) mod bound;
pub(crate) mod deb;
pub(crate) mod evidence;
pub(crate) mod index;
mod judge;
pub(crate) mod kept;
pub(crate) mod keyrings;
mod known;
pub(crate) mod lists;
pub(crate) mod logs;
mod recorded;
mod sources;
pub(crate) mod tar;
mod xz;
