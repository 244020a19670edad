//! The commands that seal a manifest and that demand a seal, with the real `ssh-keygen` and `ssh-agent`.
// Hundreds of steps that a test cannot go on without; the line of the panic says which.
#![allow(clippy::unwrap_used)]

mod commands;
