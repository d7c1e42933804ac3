//! What the kernel lets a child use for one job.

use framelift_media::{EngineLimits, memory_budget};

use crate::kernel;

/// Address space for the program, its libraries, tables of the container and the archive's records: the
/// largest tables that are taken need about 1 GiB.
const BASE: u64 = 3 << 29;
/// Address space of each thread: its stack, an arena of the allocator, images that wait for their turn.
const FOR_A_THREAD: u64 = 192 << 20;

/// Bytes of address space for a job on a video of `size` bytes. It stops a runaway, long after the engine's own budget has
/// stopped an honest decoder.
fn address_space(limits: &EngineLimits, size: u64) -> u64 {
    let threads = 2 * limits.thread_count() as u64 + 2;
    // Twice: a picture beyond the budget is noticed when it is there, and what converts one has its own.
    BASE.saturating_add(memory_budget(limits, size).saturating_mul(2)).saturating_add(threads * FOR_A_THREAD)
}

/// Seconds of processor time for a job.
fn processor_time(limits: &EngineLimits) -> u64 {
    let threads = 2 * limits.thread_count() as u64 + 2;
    limits.max_wall.as_secs().saturating_add(1).saturating_mul(threads)
}

/// Sets the limits of the child `pid` for a job. A GPU's libraries reserve address space by the
/// terabyte: there, only the memory of the machine or of the container is a limit.
pub(crate) fn set(pid: u32, limits: &EngineLimits, size: u64, gpu: bool) -> std::io::Result<()> {
    let seconds = processor_time(limits);
    // The first limit sends a signal that says why, the second one kills.
    kernel::limit(pid, libc::RLIMIT_CPU, seconds, seconds.saturating_add(5))?;
    if !gpu {
        let bytes = address_space(limits, size);
        kernel::limit(pid, libc::RLIMIT_AS, bytes, bytes)?;
    }
    Ok(())
}
