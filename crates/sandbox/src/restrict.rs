//! Irrevocably removes all rights of this process that decoding does not need.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};

use crate::{gpu, kernel, syscalls};

/// The most open descriptors.
const MAX_FILES: u64 = 16;
/// The same for a GPU's libraries.
const MAX_FILES_FOR_GPU: u64 = 256;

/// What a GPU's libraries read: their own files, kernel information about GPUs and processors.
/// It includes nothing of users or of the service.
const READ_FOR_GPU: &[&str] = &[
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/cuda",
    "/usr/local/nvidia",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/modules",
    "/proc/self",
    "/sys/devices/system",
    "/sys/bus/pci",
    "/sys/module/nvidia",
];

/// The first restrictions, while the process has one thread: it cannot be traced, ends with its parent, and
/// has no descriptors but the first three.
pub(crate) fn isolate() -> Vec<String> {
    let mut missing = Vec::new();
    for (what, result) in [
        ("the end with the parent", kernel::die_with_parent()),
        ("the protection from being traced", kernel::forbid_tracing()),
        ("the closing of descriptors", kernel::close_from(3)),
    ] {
        if let Err(problem) = result {
            missing.push(format!("{what}: {problem}"));
        }
    }
    // Makes this process the first victim when memory runs out.
    let _ = std::fs::write("/proc/self/oom_score_adj", "900");
    missing
}

/// Removes access to the file system and the network, by Landlock, but for one GPU.
pub(crate) fn landlock(gpu: Option<u32>) -> Result<(), String> {
    let rules = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            // Rights that only kernels from 5.19 on can remove. They are a second barrier: the system call
            // filters also forbid opening files and sockets.
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?
            .create()
    };
    let mut rules = rules().map_err(text)?;
    if let Some(minor) = gpu {
        let read = READ_FOR_GPU.iter().map(|path| (Path::new(path).to_owned(), AccessFs::from_read(ABI::V5)));
        let use_device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        let devices = gpu::paths(minor).map(|path| (path, use_device));
        for (path, access) in read.chain(devices) {
            let Ok(opened) = PathFd::new(&path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V5) };
            rules = rules.add_rule(PathBeneath::new(opened, access)).map_err(text)?;
        }
    }
    rules.restrict_self().map(drop).map_err(text)
}

/// Drops all capabilities, and the right to gain new ones.
pub(crate) fn drop_privileges() -> Result<(), String> {
    kernel::drop_capabilities().map_err(text)
}

/// Sets the limits that are the same for all jobs; the parent sets those of memory and time.
pub(crate) fn limit(gpu: bool) -> Result<(), String> {
    let files = if gpu { MAX_FILES_FOR_GPU } else { MAX_FILES };
    let mut limits =
        [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_FSIZE, 0), (libc::RLIMIT_NOFILE, files)].into_iter();
    limits.try_for_each(|(resource, most)| kernel::limit(0, resource, most, most)).map_err(text)
}

/// Installs the system call filters, on running threads, too.
pub(crate) fn filter_calls(gpu: bool) -> Result<(), String> {
    for filter in syscalls::filters(gpu).map_err(text)? {
        seccompiler::apply_filter_all_threads(&filter).map_err(text)?;
    }
    Ok(())
}

/// Removes the right to map code. A GPU's driver needs it and keeps it.
pub(crate) fn freeze() -> Result<(), String> {
    seccompiler::apply_filter_all_threads(&syscalls::frozen().map_err(text)?).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
