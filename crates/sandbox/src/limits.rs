//! The kernel's limits on what a child may use for one job.

use framelift_media::{EngineLimits, memory_budget};

use crate::kernel;

/// Address space for the program, its libraries, tables of the container and the archive's records: the
/// largest tables that are taken need about 1 GiB.
const BASE: u64 = 3 << 29;
/// Address space of each thread: its stack, an arena of the allocator, images that wait for their turn.
const PER_THREAD: u64 = 192 << 20;

/// Bytes of address space for a job on a video of `size` bytes. It is far above the engine's own budget, and
/// stops a decoder that ignores that.
fn address_space(limits: &EngineLimits, size: u64) -> u64 {
    let threads = 2 * limits.thread_count() as u64 + 2;
    // Twice the budget: a picture beyond it is noticed only once it is allocated, and converters have buffers
    // of their own.
    BASE.saturating_add(memory_budget(limits, size).saturating_mul(2)).saturating_add(threads * PER_THREAD)
}

/// Seconds of processor time for a job.
fn processor_time(limits: &EngineLimits) -> u64 {
    let threads = 2 * limits.thread_count() as u64 + 2;
    limits.max_wall.as_secs().saturating_add(1).saturating_mul(threads)
}

/// Address space of a plugin in addition to its code: four memories, instances, its log.
const PER_PLUGIN: u64 = 320 << 20;

/// Bytes of address space for plugins with code of these lengths, beside what the job needs itself.
pub(crate) fn plugins_space(code: impl Iterator<Item = u64>) -> u64 {
    let plugins: u64 = code.map(|bytes| PER_PLUGIN + 2 * bytes).sum();
    // The thread that counts time needs some, too.
    if plugins == 0 { 0 } else { plugins + PER_THREAD }
}

/// Sets the limits of a child that compiles a plugin.
pub(crate) fn set_compiling(pid: u32, seconds: u64, bytes: u64, gpu: bool) -> std::io::Result<()> {
    kernel::limit(pid, libc::RLIMIT_CPU, seconds, seconds.saturating_add(5))?;
    if gpu { Ok(()) } else { kernel::limit(pid, libc::RLIMIT_AS, bytes, bytes) }
}

/// Sets the limits of the child `pid` for a job, and `beside` bytes for its plugins. A GPU's libraries reserve address space by the
/// terabyte: there, only the memory of the machine or of the container is a limit.
pub(crate) fn set(
    pid: u32,
    limits: &EngineLimits,
    (size, beside): (u64, u64),
    gpu: bool,
) -> std::io::Result<()> {
    let seconds = processor_time(limits);
    // The first limit sends a signal that says why, the second one kills.
    kernel::limit(pid, libc::RLIMIT_CPU, seconds, seconds.saturating_add(5))?;
    if !gpu {
        let bytes = address_space(limits, size).saturating_add(beside);
        kernel::limit(pid, libc::RLIMIT_AS, bytes, bytes)?;
    }
    Ok(())
}
