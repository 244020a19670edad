//! Memory of the process itself.

/// Gives memory that is free back to the system: after a look more of it is free than the agent needs when idle.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes no pointers and is safe from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Bytes from which on a piece of memory is mapped by itself, and goes back to the system as soon as it is free. Left to
/// itself the allocator raises it to the largest piece that was ever freed.
#[cfg(target_env = "gnu")]
const MAPPED_ALONE: libc::c_int = 128 * 1024;

/// Keeps free memory together: what one thread has freed is there for all, and large pieces go back at once. For a process
/// whose threads wait more than they allocate.
pub fn keep_together() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes no pointers; what it refuses it leaves as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_ALONE);
    }
}
