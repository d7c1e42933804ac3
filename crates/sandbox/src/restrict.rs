//! Takes everything from this process that decoding does not need, for good.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};

use crate::{kernel, syscalls};

/// Descriptors that may be open at one time.
const MAX_FILES: u64 = 16;
/// The same for a GPU's libraries.
const MAX_FILES_FOR_GPU: u64 = 256;

/// What a GPU's libraries read: themselves, what they ask the kernel of GPUs and processors, and their
/// devices. Nothing of users, nothing of the service.
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

/// NVIDIA's devices on this machine.
pub(crate) fn gpu_devices() -> Vec<std::path::PathBuf> {
    let names = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"].map(str::to_owned);
    let numbered = (0..64).map(|number| format!("nvidia{number}"));
    names
        .into_iter()
        .chain(numbered)
        .map(|name| Path::new("/dev").join(name))
        .filter(|path| path.exists())
        .collect()
}

/// What comes before anything else, while the process has one thread: it is not looked into, it does not
/// outlive its parent, and it has no descriptor but the first three.
pub(crate) fn isolate() -> Vec<String> {
    let mut missing = Vec::new();
    for (what, result) in [
        ("the end with the parent", kernel::die_with_parent()),
        ("the protection from being looked into", kernel::forbid_looking_in()),
        ("the closing of descriptors", kernel::close_from(3)),
    ] {
        if let Err(problem) = result {
            missing.push(format!("{what}: {problem}"));
        }
    }
    // The system takes this process first when memory runs out.
    let _ = std::fs::write("/proc/self/oom_score_adj", "900");
    missing
}

/// Puts the file system and the network out of reach.
pub(crate) fn landlock(gpu: bool) -> Result<(), String> {
    let rules = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            // What kernels from 5.19 on have besides. None of it is all that stands in the way: system
            // calls on files and sockets are not permitted either.
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?
            .create()
    };
    let mut rules = rules().map_err(text)?;
    if gpu {
        let read = READ_FOR_GPU.iter().map(|path| (Path::new(path).to_owned(), AccessFs::from_read(ABI::V5)));
        let use_device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        let devices = gpu_devices().into_iter().map(|path| (path, use_device));
        for (path, access) in read.chain(devices) {
            let Ok(opened) = PathFd::new(&path) else { continue };
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V5) };
            rules = rules.add_rule(PathBeneath::new(opened, access)).map_err(text)?;
        }
    }
    rules.restrict_self().map(drop).map_err(text)
}

/// Gives up every privilege, and the way to new ones.
pub(crate) fn drop_privileges() -> Result<(), String> {
    kernel::drop_capabilities().map_err(text)
}

/// Sets the limits that are the same for each job; its memory and time come with it.
pub(crate) fn limit(gpu: bool) -> Result<(), String> {
    let files = if gpu { MAX_FILES_FOR_GPU } else { MAX_FILES };
    let mut limits =
        [(libc::RLIMIT_CORE, 0), (libc::RLIMIT_FSIZE, 0), (libc::RLIMIT_NOFILE, files)].into_iter();
    limits.try_for_each(|(resource, most)| kernel::limit(0, resource, most, most)).map_err(text)
}

/// Limits system calls, also of threads that run already.
pub(crate) fn filter_calls(gpu: bool) -> Result<(), String> {
    for filter in syscalls::filters(gpu).map_err(text)? {
        seccompiler::apply_filter_all_threads(&filter).map_err(text)?;
    }
    Ok(())
}

/// Takes the right to map code as well. A GPU's driver keeps it.
pub(crate) fn freeze() -> Result<(), String> {
    seccompiler::apply_filter_all_threads(&syscalls::frozen().map_err(text)?).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
