//! What explains a changed file: real dpkg and apt with a signed repository of the test's own, real rpm.

mod attacks;
mod debian;
mod products;
pub(crate) mod repository;
mod rpm;
mod upgrades;
