//! Faults and bad input: whatever is broken, hostile or in motion ends in a clear error or in `unknown`,
//! never in a pass, a hang, a half-written file or a look outside the tree.

mod links;
mod manifests;
mod mounts;
mod outputs;
mod owners;
mod races;
mod trees;
mod usage;
