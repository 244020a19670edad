//! The listener of a filter (seccomp_unotify(2)), and what the process outside does with signals and descriptors that
//! it has from its parent.

use crate::calls::Condition;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// `struct seccomp_notif` and `struct seccomp_notif_resp` of <linux/seccomp.h>; the kernel writes no more than it knows
/// of them.
#[repr(C)]
#[derive(Default)]
struct Notice {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct Reply {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// SECCOMP_IOCTL_NOTIF_RECV and SECCOMP_IOCTL_NOTIF_SEND.
const RECEIVE: u32 = 0xc050_2100;
const SEND: u32 = 0xc018_2101;

/// The requests of ioctl(2) that this takes.
pub(super) const REQUESTS: Condition = Condition {
    call: libc::SYS_ioctl,
    argument: 1,
    mask: 0xffff_ffff,
    values: &[RECEIVE as u64, SEND as u64],
};

const _: () = assert!(size_of::<Notice>() == 80 && size_of::<Reply>() == 24);

/// What tells of refused system calls.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

impl Listener {
    pub(super) fn new(descriptor: OwnedFd) -> Listener {
        Listener(descriptor)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes one call that waits, refuses it, and returns its number.
pub(super) fn refuse(listener: &Listener) -> Option<u32> {
    let descriptor = listener.0.as_raw_fd();
    // The kernel wants it zeroed.
    let mut notice = Notice::default();
    // SAFETY: the kernel writes a `seccomp_notif`, which `Notice` is, to a place of that size.
    let received = unsafe { libc::ioctl(descriptor, RECEIVE as _, &raw mut notice) };
    if received != 0 {
        return None;
    }
    let reply = Reply {
        id: notice.id,
        value: 0,
        error: -libc::EPERM,
        flags: 0,
    };
    // SAFETY: the kernel reads a `seccomp_notif_resp`, which `Reply` is. Whoever asked may have ended meanwhile.
    unsafe { libc::ioctl(descriptor, SEND as _, &raw const reply) };
    u32::try_from(notice.number).ok()
}

/// It ends with its parent, and answers until then, whatever a terminal or a service manager sends to both.
pub(super) fn ignore_signals() {
    for signal in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
    ] {
        // SAFETY: a disposition is no handler; nothing of this process runs when the signal comes.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Closes all descriptors but the standard ones and that. Before Linux 5.9 they stay open.
pub(super) fn close_others(kept: RawFd) {
    let kept = kept.unsigned_abs();
    let close = |first: u32, last: u32| {
        if first <= last {
            // SAFETY: takes no pointers. What owns these descriptors is never used in this process again.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    };
    close(3, kept.saturating_sub(1));
    close(kept.saturating_add(1).max(3), u32::MAX);
}
