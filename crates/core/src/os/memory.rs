//! Memory of the process itself.

/// Gives memory that is free back to the system: after a look more of it is free than the agent needs when idle.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes no pointers and is safe from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Keeps free memory together: a thread that has come and gone leaves none behind that others cannot have.
pub fn keep_together() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes no pointers; what it refuses it leaves as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
