//! The system calls that a child may make.
//!
//! Four filters are in force together, and for each call the strictest answer counts: calls that no decoder
//! makes kill the process (`SIGSYS`; the kernel's log says which call it was); `clone3` fails with `ENOSYS`,
//! so that the C library falls back to `clone`, whose flags a filter can see; everything else that is not on
//! the list is not permitted (`EPERM`), because libraries try such calls (a file in `/sys`, a terminal's
//! width) and do without; and once the code of a job's plugins is in memory, no more code is.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Memory, threads, time, randomness, and bytes through descriptors that are open.
const ALLOWED: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// What NVIDIA's libraries need besides: their devices, and files, which Landlock limits to those
/// libraries and devices.
const ALLOWED_FOR_GPU: &[c_long] = &[
    libc::SYS_dup,
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_getdents64,
    libc::SYS_getppid,
    libc::SYS_get_mempolicy,
    libc::SYS_ioctl,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munlock,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_readlinkat,
    libc::SYS_sched_setaffinity,
    libc::SYS_statfs,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// Calls that only an attack makes: other programs and processes, the network, and powerful kernel
/// interfaces. (CUDA tries to reach its server on a socket, and does without.)
const FATAL: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_io_uring_setup,
    libc::SYS_mount,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

const FATAL_WITHOUT_GPU: &[c_long] =
    &[libc::SYS_accept4, libc::SYS_bind, libc::SYS_connect, libc::SYS_listen, libc::SYS_socket];

/// Compiles the filters of a child that waits for its job, in the order in which they are installed. It may
/// still map the code of plugins, and [freeze](frozen) itself.
pub(crate) fn filters(gpu: bool) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let thread = libc::CLONE_THREAD as u64;
    let mut fatal = always(FATAL);
    fatal.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(thread), 0)?]);

    let mut allowed = always(ALLOWED);
    allowed.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // It may signal itself, as `abort` does, but no other process.
    allowed.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, std::process::id().into())?]);
    allowed.insert(
        libc::SYS_prctl,
        vec![
            rule(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?,
            // `no_new_privs` is set already; installing the next filter sets it again.
            rule(0, SeccompCmpOp::Eq, libc::PR_SET_NO_NEW_PRIVS as u64)?,
        ],
    );
    allowed.insert(
        libc::SYS_fcntl,
        vec![
            rule(1, SeccompCmpOp::Eq, libc::F_GETFD as u64)?,
            rule(1, SeccompCmpOp::Eq, libc::F_GETFL as u64)?,
        ],
    );
    // Reading a limit is allowed, changing it is not.
    allowed.insert(libc::SYS_prlimit64, vec![rule(2, SeccompCmpOp::Eq, 0)?]);
    allowed.extend(always(&[libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_seccomp]));
    if gpu {
        allowed.extend(always(ALLOWED_FOR_GPU));
    } else {
        fatal.extend(always(FATAL_WITHOUT_GPU));
    }
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    [
        filter(always(&[libc::SYS_clone3]), SeccompAction::Allow, unknown),
        filter(fatal, SeccompAction::Allow, SeccompAction::KillProcess),
        filter(allowed, refused, SeccompAction::Allow),
    ]
    .into_iter()
    .collect()
}

/// Compiles the filter that is installed before a byte of the video is read or a plugin's code is run: from
/// then on no code can be mapped and no filter installed.
pub(crate) fn frozen() -> Result<BpfProgram, seccompiler::Error> {
    let mut refused = always(&[libc::SYS_seccomp]);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let executable = libc::PROT_EXEC as u64;
        refused.insert(call, vec![rule(2, SeccompCmpOp::MaskedEq(executable), executable)?]);
    }
    filter(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn always(calls: &[c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn filter(
    rules: Rules,
    other: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let machine = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, other, listed, machine)?.try_into()?)
}
