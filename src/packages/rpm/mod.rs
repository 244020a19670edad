//! The rpm database.

pub mod version;
