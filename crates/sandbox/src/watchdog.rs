//! Watches how much memory a child uses, where the kernel's limit on address space cannot be set.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The resident memory of a process, and how much of it is allowed.
#[derive(Debug)]
pub(crate) struct Watchdog {
    status: PathBuf,
    max_bytes: u64,
}

impl Watchdog {
    /// Watches a process. Fails where its memory cannot be seen.
    pub(crate) fn new(pid: u32, max_bytes: u64) -> io::Result<Self> {
        let watchdog = Self { status: format!("/proc/{pid}/status").into(), max_bytes };
        let text = fs::read_to_string(&watchdog.status)?;
        resident(&text)
            .ok_or_else(|| io::Error::other("the kernel does not tell how much memory a process uses"))?;
        Ok(watchdog)
    }

    /// Whether the process uses more than it may. One that has ended uses none.
    pub(crate) fn is_exceeded(&self) -> bool {
        let text = fs::read_to_string(&self.status).unwrap_or_default();
        resident(&text).is_some_and(|bytes| bytes > self.max_bytes)
    }
}

/// The bytes of resident memory by `/proc/…/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_as_the_kernel_writes_it() {
        let status =
            "Name:\tworker VmRSS: 1 kB\nVmPeak:\t  999999 kB\nVmRSS:\t  262144 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(resident(status), Some(256 << 20));
        assert_eq!(resident("VmRSS:\t many kB\n"), None);
        assert_eq!(resident("Name:\tzombie\n"), None, "one that has ended");
    }

    #[test]
    fn a_process_is_measured_and_one_that_is_not_there_is_refused() {
        let own = std::process::id();
        assert!(Watchdog::new(own, 4096).unwrap().is_exceeded());
        assert!(!Watchdog::new(own, u64::MAX).unwrap().is_exceeded());
        assert!(Watchdog::new(u32::MAX, 1).is_err());
    }
}
