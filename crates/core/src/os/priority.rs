//! How much of processor and disk a thread may take.

use std::io;

/// Lets the calling thread, and the threads that it will start, have what nobody else wants.
///
/// `SCHED_IDLE` (sched(7)); without an I/O priority of its own such a thread's I/O is of the idle class too
/// (ioprio_set(2)).
///
/// # Errors
/// `EPERM` under the packaged unit, which lets the whole daemon have no more than that.
pub fn idle() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is to a value that lives through the call; 0 means the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_its_children_become_idle() {
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("/proc");
            let after = stat.rsplit(')').next().expect("fields").to_owned();
            // Field 41 of proc_pid_stat(5); field 3 is the first behind the name.
            after.split_whitespace().nth(38).map(str::to_owned)
        };
        let thread = std::thread::spawn(move || {
            idle().expect("allowed to everybody");
            let child = std::thread::spawn(policy).join().expect("no panic");
            (policy(), child)
        });
        let idle = Some(libc::SCHED_IDLE.to_string());
        assert_eq!(thread.join().expect("no panic"), (idle.clone(), idle));
        assert_eq!(policy(), Some(libc::SCHED_OTHER.to_string()));
    }
}
