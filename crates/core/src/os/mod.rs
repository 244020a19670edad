//! The edge of the operating system: everything that asks the kernel goes through here.
//!
//! What comes back are values; judging them is for the eyes.

pub mod atomic;
pub mod device_mapper;
// The allocator, a disposition of a signal and the last words of a process without memory.
#[allow(unsafe_code)]
pub mod exhausted;
pub mod host;
// sigaction(2), behind a safe interface.
#[allow(unsafe_code)]
pub mod interrupt;
pub mod last_word;
pub mod limits;
pub mod netlink;
pub mod node;
pub mod others;
pub mod own;
// malloc_trim(3), behind a safe interface.
#[allow(unsafe_code)]
pub mod memory;
pub mod mounts;
// sched_setscheduler(2), behind a safe interface.
#[allow(unsafe_code)]
pub mod priority;
pub mod procfs;
pub mod read;
pub mod root;
pub mod signals;
pub mod tcp;
pub mod trail;
pub mod trust;
// A request of ioctl(2) that rustix has no word for, behind a safe interface.
#[allow(unsafe_code)]
pub mod unread;
pub mod writers;
// Two requests of ioctl(2) that rustix has no words for, behind a safe interface.
#[allow(unsafe_code)]
pub mod verity;
