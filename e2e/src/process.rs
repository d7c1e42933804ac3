//! Processes under test: where the programs are, and signals.

use std::path::PathBuf;
use std::process::Command;

/// A program that `cargo xtask test` has built.
///
/// # Panics
/// If it is not there: the tests are run by `cargo xtask test`, which builds it first.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("FRAMELIFT_TEST_BIN_DIR").map_or_else(
        || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf(),
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built; run `cargo xtask test`", path.display());
    path
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Sends a signal (`TERM`, `KILL`, `STOP`, …).
///
/// # Panics
/// If there is no such process.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}: {status}");
}

/// Kills the process group that a process leads: some programs run in a child of what was started.
pub fn kill_group(leader: u32) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]).status();
}

/// The processes that this one has started and that still run.
pub fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.and_then(|line| line.trim().parse().ok()) == Some(parent)
    })
    .collect()
}

/// The peak resident memory of a process or one of its children, in bytes.
pub fn peak_memory_with_children(pid: u32) -> Option<u64> {
    std::iter::once(pid).chain(children(pid)).filter_map(peak_memory).max()
}

/// The peak resident memory of a process, in bytes; none once it has ended.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
