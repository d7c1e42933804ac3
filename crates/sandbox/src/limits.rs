//! The limits on what a child may use for one job.

use std::io;

use framelift_media::{EngineLimits, memory_budget};

use crate::kernel;
use crate::plugins::CompileLimits;
use crate::watchdog::Watchdog;

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

/// How a child's memory is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The kernel refuses to map more.
    #[default]
    AddressSpace,
    /// The parent looks ten times a second how much is resident, and ends a child that uses more. For children with a
    /// GPU, whose libraries reserve address space by the terabyte.
    Resident,
}

/// What a child may use for one job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    processor_s: u64,
    memory_bytes: u64,
}

impl Limits {
    /// The limits of a job on a video of `size` bytes, with `beside` bytes for its plugins.
    pub(crate) fn of_job(limits: &EngineLimits, size: u64, beside: u64) -> Self {
        let memory_bytes = address_space(limits, size).saturating_add(beside);
        Self { processor_s: processor_time(limits), memory_bytes }
    }

    /// The limits of a child that compiles a plugin.
    pub(crate) const fn of_compiling(limits: &CompileLimits) -> Self {
        Self { processor_s: limits.processor_time.as_secs(), memory_bytes: limits.memory_bytes }
    }

    /// Sets the limits of the child `pid`. Returns what watches those that the kernel does not.
    pub(crate) fn set(self, pid: u32, memory: MemoryLimit) -> io::Result<Option<Watchdog>> {
        let (seconds, bytes) = (self.processor_s, self.memory_bytes);
        // The first limit sends a signal that says why, the second one kills.
        kernel::limit(pid, libc::RLIMIT_CPU, seconds, seconds.saturating_add(5))?;
        match memory {
            MemoryLimit::AddressSpace => kernel::limit(pid, libc::RLIMIT_AS, bytes, bytes).map(|()| None),
            MemoryLimit::Resident => Watchdog::new(pid, bytes).map(Some),
        }
    }
}
