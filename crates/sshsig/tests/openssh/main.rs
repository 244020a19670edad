//! Seals against the real `ssh-keygen` and `ssh-agent`: what one makes the other accepts, and what must be
//! refused is refused by both.
// Hundreds of steps that a test cannot go on without; the line of the panic says which.
#![allow(clippy::unwrap_used)]

mod agent;
mod bench;
mod keys;
mod mutations;
mod signers;
mod verdicts;
