//! Takes Landlock from a process, as if its kernel had none.

use seccompiler::{SeccompAction, SeccompFilter};

/// From now on Landlock's system calls fail in this process, its threads and its children, as on a kernel without it.
pub(crate) fn take_away() {
    let calls =
        [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let machine = std::env::consts::ARCH.try_into().expect("a machine that seccomp knows");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, machine).expect("a filter");
    let program: seccompiler::BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("a kernel with seccomp");
}
