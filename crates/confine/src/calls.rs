//! The system calls that the agent makes: what it was seen to call on three C libraries and two processors, and what
//! stands beside that in the same library functions. docs/threat-model.md says what becomes of others.

use crate::Phase;
use libc as c;

/// For all that the agent does: files, memory, threads, time, signals to itself.
const ALWAYS: &[c::c_long] = &[
    // Files, read and written.
    c::SYS_read,
    c::SYS_write,
    c::SYS_readv,
    c::SYS_writev,
    c::SYS_pread64,
    c::SYS_pwrite64,
    c::SYS_preadv,
    c::SYS_pwritev,
    c::SYS_preadv2,
    c::SYS_pwritev2,
    c::SYS_openat,
    c::SYS_openat2,
    c::SYS_close,
    c::SYS_close_range,
    c::SYS_lseek,
    c::SYS_fstat,
    c::SYS_newfstatat,
    c::SYS_statx,
    c::SYS_statfs,
    c::SYS_fstatfs,
    c::SYS_getdents64,
    c::SYS_readlinkat,
    c::SYS_faccessat,
    c::SYS_faccessat2,
    c::SYS_fcntl,
    c::SYS_flock,
    c::SYS_dup,
    c::SYS_dup3,
    c::SYS_pipe2,
    c::SYS_fsync,
    c::SYS_fdatasync,
    c::SYS_sync_file_range,
    c::SYS_copy_file_range,
    c::SYS_sendfile,
    c::SYS_splice,
    c::SYS_fallocate,
    c::SYS_fadvise64,
    c::SYS_ftruncate,
    c::SYS_mkdirat,
    c::SYS_unlinkat,
    c::SYS_renameat2,
    c::SYS_linkat,
    c::SYS_umask,
    c::SYS_getcwd,
    c::SYS_getxattr,
    c::SYS_lgetxattr,
    c::SYS_fgetxattr,
    c::SYS_listxattr,
    c::SYS_llistxattr,
    c::SYS_flistxattr,
    // getxattrat and listxattrat, which libc has no names for: numbers above 423 are those of all processors.
    464,
    465,
    // Memory; mmap and mprotect follow in `of`.
    c::SYS_munmap,
    c::SYS_mremap,
    c::SYS_brk,
    c::SYS_madvise,
    c::SYS_membarrier,
    // Threads and waiting. futex_wake, futex_wait, futex_requeue.
    c::SYS_futex,
    454,
    455,
    456,
    c::SYS_set_robust_list,
    c::SYS_get_robust_list,
    c::SYS_set_tid_address,
    c::SYS_rseq,
    c::SYS_clone3,
    c::SYS_exit,
    c::SYS_exit_group,
    c::SYS_sched_yield,
    c::SYS_sched_getaffinity,
    c::SYS_sched_setscheduler,
    c::SYS_sched_getscheduler,
    c::SYS_sched_getparam,
    c::SYS_wait4,
    c::SYS_waitid,
    c::SYS_epoll_create1,
    c::SYS_epoll_ctl,
    c::SYS_epoll_pwait,
    c::SYS_epoll_pwait2,
    c::SYS_eventfd2,
    c::SYS_ppoll,
    c::SYS_pselect6,
    // Who it is.
    c::SYS_getpid,
    c::SYS_gettid,
    c::SYS_getppid,
    c::SYS_getuid,
    c::SYS_geteuid,
    c::SYS_getgid,
    c::SYS_getegid,
    c::SYS_getresuid,
    c::SYS_getresgid,
    c::SYS_getgroups,
    c::SYS_capget,
    c::SYS_uname,
    c::SYS_sysinfo,
    c::SYS_times,
    c::SYS_getrusage,
    c::SYS_prlimit64,
    c::SYS_getcpu,
    // Time and chance.
    c::SYS_nanosleep,
    c::SYS_clock_nanosleep,
    c::SYS_clock_gettime,
    c::SYS_clock_getres,
    c::SYS_gettimeofday,
    c::SYS_getrandom,
    // Signals.
    c::SYS_rt_sigaction,
    c::SYS_rt_sigprocmask,
    c::SYS_rt_sigreturn,
    c::SYS_sigaltstack,
    c::SYS_tgkill,
    c::SYS_tkill,
    c::SYS_restart_syscall,
    // Questions to the monitor; the pair was made before.
    c::SYS_sendmsg,
    c::SYS_recvmsg,
    c::SYS_shutdown,
];

/// What this processor's C libraries call instead of the above.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c::c_long] = &[
    c::SYS_access,
    c::SYS_arch_prctl,
    c::SYS_epoll_wait,
    c::SYS_mkdir,
    c::SYS_open,
    c::SYS_stat,
    c::SYS_lstat,
    c::SYS_poll,
    c::SYS_select,
    c::SYS_readlink,
    c::SYS_rename,
    c::SYS_renameat,
    c::SYS_unlink,
    c::SYS_rmdir,
    c::SYS_link,
    c::SYS_pipe,
    c::SYS_dup2,
    c::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c::c_long] = &[c::SYS_renameat];

/// For the watch, the sinks, names of hosts and the metadata service.
const RUNNING: &[c::c_long] = &[
    c::SYS_inotify_init1,
    c::SYS_inotify_add_watch,
    c::SYS_inotify_rm_watch,
    c::SYS_socketpair,
    c::SYS_connect,
    c::SYS_bind,
    c::SYS_getsockname,
    c::SYS_getpeername,
    c::SYS_getsockopt,
    c::SYS_setsockopt,
    c::SYS_sendto,
    c::SYS_sendmmsg,
    c::SYS_recvfrom,
    c::SYS_recvmmsg,
    c::SYS_pidfd_open,
    c::SYS_pidfd_send_signal,
    c::SYS_timerfd_create,
    c::SYS_timerfd_settime,
    c::SYS_memfd_create,
];

/// To hear who changed a file.
const ATTRIBUTION: &[c::c_long] = &[
    c::SYS_fanotify_init,
    c::SYS_fanotify_mark,
    c::SYS_open_by_handle_at,
    c::SYS_name_to_handle_at,
];

/// Whoever calls one of these is no longer the agent.
pub(crate) const DEADLY: &[c::c_long] = &[
    c::SYS_execve,
    c::SYS_execveat,
    c::SYS_ptrace,
    c::SYS_init_module,
    c::SYS_finit_module,
    c::SYS_bpf,
    c::SYS_mount,
    c::SYS_umount2,
    c::SYS_pivot_root,
    c::SYS_move_mount,
    c::SYS_fsopen,
    c::SYS_fsconfig,
    c::SYS_fsmount,
    c::SYS_fspick,
    c::SYS_mount_setattr,
];

/// What the monitor calls.
pub(crate) const MONITOR: &[c::c_long] = &[
    c::SYS_read,
    c::SYS_write,
    c::SYS_openat,
    c::SYS_readlinkat,
    c::SYS_fstatfs,
    c::SYS_close,
    c::SYS_ppoll,
    c::SYS_recvmsg,
    c::SYS_sendmsg,
    c::SYS_brk,
    c::SYS_mmap,
    c::SYS_munmap,
    c::SYS_mremap,
    c::SYS_madvise,
    c::SYS_futex,
    c::SYS_getrandom,
    c::SYS_rt_sigreturn,
    c::SYS_rt_sigprocmask,
    c::SYS_sigaltstack,
    c::SYS_restart_syscall,
    c::SYS_exit_group,
    c::SYS_exit,
    c::SYS_getpid,
    c::SYS_gettid,
    c::SYS_tgkill,
    #[cfg(target_arch = "x86_64")]
    c::SYS_poll,
];

/// Calls that depend on one of their arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) call: c::c_long,
    /// Which argument, counted from 0.
    pub(crate) argument: u8,
    /// The bits of it that are looked at.
    pub(crate) mask: u64,
    /// What they may be.
    pub(crate) values: &'static [u64],
}

const ALL: u64 = 0xffff_ffff;

/// Requests of ioctl(2): of terminals their size and settings, of sockets what lies unread, of files their flags and fs-verity.
const IOCTL: Condition = Condition {
    call: c::SYS_ioctl,
    argument: 1,
    mask: ALL,
    values: &[
        // TCGETS, TCGETS2 (glibc 2.43), TIOCGWINSZ, SIOCOUTQ (what journald has not read yet), FIONREAD, FIONBIO.
        0x5401,
        0x802c_542a,
        0x5413,
        0x5411,
        0x541b,
        0x5421,
        // FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_MEASURE_VERITY, FS_IOC_READ_VERITY_METADATA.
        0x8008_6601,
        0x801c_581f,
        0xc004_6686,
        0xc028_6687,
    ],
};

/// prctl(2): names of threads and of memory, and questions. Nothing that undoes what was done here.
const PRCTL: Condition = Condition {
    call: c::SYS_prctl,
    argument: 0,
    mask: ALL,
    // PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
    values: &[3, 15, 16, 21, 23, 39, 0x5356_4d41],
};

/// Threads, no processes.
const CLONE: Condition = Condition {
    call: c::SYS_clone,
    argument: 0,
    mask: 0x0001_0000,
    values: &[0x0001_0000],
};

/// AF_UNIX, AF_INET, AF_INET6, AF_NETLINK.
const SOCKET: Condition = Condition {
    call: c::SYS_socket,
    argument: 0,
    mask: ALL,
    values: &[1, 2, 10, 16],
};

/// PROT_EXEC for what was written, where the kernel itself does not refuse it.
const MPROTECT: Condition = Condition {
    call: c::SYS_mprotect,
    argument: 2,
    mask: 0x4,
    values: &[0],
};
/// PROT_WRITE and PROT_EXEC never together; libraries of name resolution are loaded late.
const MMAP: Condition = Condition {
    call: c::SYS_mmap,
    argument: 2,
    mask: 0x6,
    values: &[0, 0x2, 0x4],
};

/// The calls of a phase, and those that depend on an argument. `mapped`: the kernel refuses executable memory itself.
pub(crate) fn of(phase: Phase, mapped: bool) -> (Vec<c::c_long>, Vec<Condition>) {
    let mut calls = [ALWAYS, OLDER].concat();
    let mut conditions = vec![IOCTL, PRCTL, CLONE];
    // Elsewhere libraries are marked by mprotect as they are loaded (aarch64, BTI).
    match mapped || cfg!(not(target_arch = "x86_64")) {
        true => calls.extend([c::SYS_mmap, c::SYS_mprotect]),
        false => conditions.extend([MMAP, MPROTECT]),
    }
    if let Phase::Run { attribution } = phase {
        calls.extend(RUNNING);
        conditions.push(SOCKET);
        if attribution {
            calls.extend(ATTRIBUTION);
        }
    }
    (calls, conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_deadly_is_on_a_list_and_reading_a_tree_needs_no_network() {
        let running = of(Phase::Run { attribution: true }, false);
        let parsing = of(Phase::Parse, false);
        for (calls, conditions) in [&running, &parsing] {
            assert!(!DEADLY.iter().any(|call| calls.contains(call)));
            let both = conditions.iter().any(|one| calls.contains(&one.call));
            assert!(!both, "a call with a condition stands without it too");
        }
        for call in [c::SYS_socket, c::SYS_connect, c::SYS_bind, c::SYS_sendto] {
            assert!(!parsing.0.contains(&call));
            assert!(!parsing.1.iter().any(|one| one.call == call));
        }
        assert!(!DEADLY.iter().any(|call| MONITOR.contains(call)));
    }
}
