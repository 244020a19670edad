//! The signed chain of Debian: InRelease, Packages, the .deb, and what it says of its files.

pub(crate) mod apt;
pub(crate) mod deb;
pub(crate) mod evidence;
pub(crate) mod kept;
pub(crate) mod keyrings;
pub(crate) mod tar;
