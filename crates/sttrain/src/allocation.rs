//! What the allocator does with freed memory.

/// Lets the process keep the memory of freed tensors for the next ones.
///
/// glibc gives large blocks back to the system at once, and a training step frees and asks for the same ones thousands of times
/// a second: on the CPU a tenth of a step of the tiny recipe went into fresh pages. Does nothing where glibc is not the C library,
/// and leaves alone what the environment sets (`MALLOC_TOP_PAD_`).
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_TOP_PAD_").is_none() {
        // The largest threshold that glibc takes; half a heap of a thread.
        set(libc::M_MMAP_THRESHOLD, 32 << 20);
        set(libc::M_TRIM_THRESHOLD, 512 << 20);
        // A thread's heap grows by so much, and is not given back below it.
        set(libc::M_TOP_PAD, 64 << 20);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "the C library's setting has no safe interface; it takes two numbers and is called before threads start"
)]
fn set(parameter: libc::c_int, bytes: libc::c_int) {
    // SAFETY: no pointers; an unknown parameter or value is refused, which costs speed only.
    unsafe {
        libc::mallopt(parameter, bytes);
    }
}
