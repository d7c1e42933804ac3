//! Calls of the kernel that have no safe form: the only `unsafe` of this crate.

#![expect(unsafe_code, reason = "plain system calls with numbers and structures of this function")]

use std::io;

use libc::{c_int, c_ulong};

/// A resource with a limit: one of libc's `RLIMIT_…`.
pub(crate) type Resource = libc::__rlimit_resource_t;

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn prctl(option: c_int, value: c_ulong) -> io::Result<()> {
    let none: c_ulong = 0;
    // SAFETY: the options that are used here take one number.
    check(unsafe { libc::prctl(option, value, none, none, none) })
}

/// Lets the kernel kill this process when the thread that started it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)
}

/// Keeps other processes of the same user from tracing this one and from reading its memory.
pub(crate) fn forbid_tracing() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// Closes every descriptor from this one on.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before this process has opened anything.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) } as c_int)
}

/// Gives up all capabilities, now and for every program that would be executed.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`: two words each of effective, permitted and inheritable ones.
    const VERSION: u32 = 0x2008_0522;
    // An ordinary user may not do this, and need not: it has no capabilities, and no new privileges are
    // allowed.
    for capability in 0..64 {
        let _ = prctl(libc::PR_CAPBSET_DROP, capability);
    }
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    let (header, none) = (Header { version: VERSION, pid: 0 }, [0_u32; 6]);
    // SAFETY: both structures are as the kernel reads them, and it only reads them.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const none) } as c_int)
}

/// Sets a limit of the process `pid`, or of this one where it is 0.
pub(crate) fn limit(pid: u32, resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the limit is read, and none is written back.
    check(unsafe { libc::prlimit(pid, resource, &raw const limit, std::ptr::null_mut()) })
}
