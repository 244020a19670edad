//! SHA-256 and MD5 of many messages at once.
//!
//! One stream of either waits on the latency of its own instructions, so several go in lock step: [`update_many`]
//! for messages that come piece by piece, [`digest_many`] for those that are whole in memory. [`Path`] says which
//! instructions do it, found once at the start; where there are none, the sha2 and md-5 crates do.
//!
//! The vector instructions are unsafe code behind a safe interface: bytes in, digests out.

mod choice;
mod hash;
mod kernel;
mod lockstep;
mod many;
mod stream;
#[cfg(feature = "tally")]
pub mod tally;

pub use hash::{Hash, Md5, Sha256};
pub use kernel::Path;
pub use many::{Order, digest_many, finish_many, update_many};
pub use stream::{Stream, StreamOf};
