//! What belongs to the process itself: capabilities, new privileges, dumps, memory that can be run.

use crate::{Phase, Plan};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use std::os::unix::fs::MetadataExt;

/// PR_SET_MDWE and PR_MDWE_REFUSE_EXEC_GAIN (prctl(2), Linux 6.3).
const MDWE: (libc::c_int, libc::c_ulong) = (65, 1);

/// Capabilities that a plan leaves, where the process has them.
pub(crate) fn kept(plan: &Plan) -> CapabilitySet {
    // Everything is read; the time of the last access stays (O_NOATIME), on an image above all.
    let mut kept = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER;
    let own = rustix::process::geteuid().as_raw();
    let foreign = |path: &std::path::PathBuf| {
        let about = std::fs::metadata(path);
        about.is_ok_and(|about| about.uid() != own)
    };
    if plan.writable.iter().any(foreign) {
        kept |= CapabilitySet::DAC_OVERRIDE;
    }
    if let Phase::Run { attribution } = plan.phase {
        // Rules of the firewall, and of auditd.
        kept |= CapabilitySet::NET_ADMIN | CapabilitySet::AUDIT_CONTROL;
        if attribution {
            // fanotify(7).
            kept |= CapabilitySet::SYS_ADMIN;
        }
    }
    kept
}

/// What the monitor needs: to look at processes of others.
pub(crate) const MONITOR: CapabilitySet =
    CapabilitySet::DAC_READ_SEARCH.union(CapabilitySet::SYS_PTRACE);

/// Gives up all capabilities but those, for good.
pub(crate) fn keep_capabilities(kept: &CapabilitySet) -> Result<Vec<String>, String> {
    let failed = |errno: Errno| format!("capabilities: {errno}");
    let sets = capabilities(None).map_err(failed)?;
    for capability in CapabilitySet::all().difference(*kept).iter() {
        // Older kernels do not know the latest ones, and without CAP_SETPCAP the bounding set stays: with
        // no_new_privs nothing is gained from it.
        match remove_capability_from_bounding_set(capability) {
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let left = sets.permitted & *kept;
    let names: Vec<String> = left
        .iter_names()
        .map(|(name, _)| format!("CAP_{name}"))
        .collect();
    let holds = vec![match names.is_empty() {
        true => "no capabilities".to_owned(),
        false => format!("capabilities {}", names.join(" ")),
    }];
    // The packaged unit gives no more, and does not permit the call.
    if left == sets.permitted {
        return Ok(holds);
    }
    let sets = CapabilitySets {
        effective: sets.effective & left,
        permitted: left,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(failed)?;
    Ok(holds)
}

/// No privileges from programs, no dump of the memory, nobody of the same user who looks into it.
pub(crate) fn hide() -> Result<Vec<String>, String> {
    set_no_new_privs(true).map_err(|errno| format!("no_new_privs: {errno}"))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|errno| format!("no core: {errno}"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| format!("no dump: {errno}"))?;
    Ok(vec!["no new privileges, no dump".to_owned()])
}

/// What was written to memory can never be run.
pub(crate) fn refuse_executable_memory() -> Result<Vec<String>, String> {
    // SAFETY: takes no pointers.
    let answer = unsafe { libc::prctl(MDWE.0, MDWE.1, 0, 0, 0) };
    match answer {
        0 => Ok(vec!["no executable memory".to_owned()]),
        _ => {
            let error = std::io::Error::last_os_error();
            Err(match Errno::from_io_error(&error) {
                Some(Errno::INVAL) => {
                    "memory that can be run is refused by the kernel: it needs Linux 6.3".to_owned()
                }
                _ => format!("memory that can be run is refused by the kernel: {error}"),
            })
        }
    }
}
