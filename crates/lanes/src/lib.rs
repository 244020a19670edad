//! SHA-256 of many messages at once.
//!
//! One stream of SHA-256 waits on the latency of its own instructions, so several go in lock step: [`update_many`]
//! for messages that come piece by piece, [`digest_many`] for those that are whole in memory. [`Path`] says which
//! instructions do it, found once at the start; where there are none, the sha2 crate does.
//!
//! The vector instructions are unsafe code behind a safe interface: bytes in, digests out.

mod choice;
mod kernel;
mod lockstep;
mod many;
mod stream;

pub use kernel::Path;
pub use many::{Order, digest_many, finish_many, update_many};
pub use stream::Stream;
