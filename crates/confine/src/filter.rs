//! System calls that the process may make, by seccomp(2).
//!
//! Two filters, of which the stricter answer counts: one ends the process for what only an intruder would call, the
//! other knows what the agent calls and refuses the rest with EPERM. A C library of tomorrow may call something else:
//! that is refused, told once, and kills nothing.

use crate::Phase;
use crate::calls::{self, Condition};
use crate::monitor::Monitor;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// SECCOMP_RET_ERRNO with EPERM, and SECCOMP_RET_USER_NOTIF, of <linux/seccomp.h>.
const REFUSE: u32 = 0x0005_0000 | 1;
const ASK: u32 = 0x7fc0_0000;
/// BPF_RET | BPF_K of <linux/filter.h>.
const RETURN: u16 = 0x06;
/// SECCOMP_SET_MODE_FILTER and SECCOMP_FILTER_FLAG_NEW_LISTENER.
const SET_FILTER: libc::c_uint = 1;
const NEW_LISTENER: libc::c_uint = 8;

/// Installs both filters for a phase; with a monitor it hears of what is refused.
pub(crate) fn install(
    phase: Phase,
    mapped: bool,
    monitor: Option<&Monitor>,
) -> Result<Vec<String>, String> {
    let failed = |error: String| format!("system calls: {error}");
    let deadly = deadly().map_err(failed)?;
    let (allowed, conditions) = calls::of(phase, mapped);
    let known = known(&allowed, &conditions).map_err(failed)?;
    apply(&deadly).map_err(|error| failed(error.to_string()))?;
    let listened = monitor.map(|monitor| listened(&known, monitor));
    let told = match listened {
        Some(Ok(())) => ", others are refused and told",
        Some(Err(_)) | None => {
            apply(&known).map_err(|error| failed(error.to_string()))?;
            ", others are refused"
        }
    };
    let count = allowed.len().saturating_add(conditions.len());
    Ok(vec![format!("{count} system calls{told}")])
}

/// The monitor's own filter.
pub(crate) fn install_monitor(ioctls: Condition) -> Result<(), String> {
    apply(&deadly()?).map_err(|error| error.to_string())?;
    let known = known(calls::MONITOR, &[ioctls])?;
    apply(&known).map_err(|error| error.to_string())
}

fn deadly() -> Result<BpfProgram, String> {
    let rules = calls::DEADLY.iter().map(|call| (*call, Vec::new()));
    compiled(
        rules.collect(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
    )
}

fn known(allowed: &[libc::c_long], conditions: &[Condition]) -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        allowed.iter().map(|call| (*call, Vec::new())).collect();
    for condition in conditions {
        let of = |value: &u64| {
            let compare = SeccompCmpOp::MaskedEq(condition.mask);
            let one =
                SeccompCondition::new(condition.argument, SeccompCmpArgLen::Dword, compare, *value);
            SeccompRule::new(vec![one.map_err(|error| error.to_string())?])
                .map_err(|error| error.to_string())
        };
        let each: Result<Vec<SeccompRule>, String> = condition.values.iter().map(of).collect();
        rules.insert(condition.call, each?);
    }
    compiled(
        rules,
        SeccompAction::Errno(REFUSE & 0xffff),
        SeccompAction::Allow,
    )
}

fn compiled(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, String> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|_| format!("no filter for {}", std::env::consts::ARCH))?;
    SeccompFilter::new(rules, otherwise, then, arch)
        .and_then(TryInto::try_into)
        .map_err(|error: seccompiler::BackendError| error.to_string())
}

/// The library's call is seccomp(2), which the filter of systemd 252 refuses; prctl(2) does the same.
fn apply(program: &BpfProgram) -> io::Result<()> {
    let refused = match apply_filter(program) {
        Ok(()) => return Ok(()),
        Err(seccompiler::Error::Seccomp(error)) => error,
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    let program = Program::of(program);
    // SAFETY: the program lives until the kernel has copied it.
    let answer = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::c_ulong::from(libc::SECCOMP_MODE_FILTER),
            &raw const program,
        )
    };
    if answer == 0 { Ok(()) } else { Err(refused) }
}

/// `struct sock_fprog` of <linux/filter.h>.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    filter: *const sock_filter,
}

impl Program {
    fn of(program: &BpfProgram) -> Program {
        Program {
            // The library makes no longer ones: the kernel takes 4096.
            length: libc::c_ushort::try_from(program.len()).unwrap_or(libc::c_ushort::MAX),
            filter: program.as_ptr(),
        }
    }
}

/// The same filter, but that it asks the monitor where it would refuse: that refuses, and keeps the number.
fn listened(program: &BpfProgram, monitor: &Monitor) -> io::Result<()> {
    let mut program = program.clone();
    for instruction in &mut program {
        if instruction.code == RETURN && instruction.k == REFUSE {
            instruction.k = ASK;
        }
    }
    let program = Program::of(&program);
    // SAFETY: the program lives until the kernel has copied it; the other arguments are no pointers.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_FILTER,
            NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    let listener = RawFd::try_from(listener).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, for nobody else.
    let listener = unsafe { OwnedFd::from_raw_fd(listener) };
    // Where nobody listens any more the kernel answers ENOSYS, which refuses as well.
    monitor.listen(&listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_a_filter_that_asks_at_its_end() {
        for phase in [Phase::Run { attribution: true }, Phase::Parse] {
            for mapped in [true, false] {
                let (calls, conditions) = calls::of(phase, mapped);
                let program = known(&calls, &conditions).expect("a program");
                assert!(program.len() < 4096, "{}", program.len());
                let refuses = |one: &sock_filter| one.code == RETURN && one.k == REFUSE;
                assert!(program.iter().any(refuses), "nothing to replace");
            }
        }
    }
}
