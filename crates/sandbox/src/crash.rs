//! Describes how a child crashed.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStderr, ExitStatus};

use framelift_domain::{Failure, FailureCode};

/// The most bytes of a child's standard error that are kept.
const MAX_STDERR_BYTES: u64 = 8 << 10;

/// What ended a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signal from a fault in the decoder, or an exit without a result.
    Fault,
    /// More memory than the job may take.
    Memory,
    /// Ended by the kernel, most likely because the machine's memory ran out: perhaps by no fault of this job.
    Killed,
    /// More processor time than the job may take.
    Time,
    /// No sign of life for long, or no end in time: perhaps because the machine was busy.
    Late,
    /// A system call that no decoder makes.
    Forbidden,
    /// A message that breaks the rules.
    Protocol,
}

/// A crash of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// What ended it.
    pub kind: Kind,
    /// The message for the video's owner.
    pub reason: String,
    /// What it wrote to standard error, for the log. A hostile video may have chosen it.
    pub stderr: String,
}

impl Crash {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), stderr: String::new() }
    }

    /// The crash of a child that uses more memory than its job may take.
    pub(crate) fn too_much_memory() -> Self {
        Self::new(Kind::Memory, "the decoder needed more memory than a video may take")
    }

    /// Classifies the exit status and the standard error of a process.
    pub(crate) fn of(status: ExitStatus, stderr: String) -> Self {
        let (kind, reason) = match status.signal() {
            Some(libc::SIGSYS) => {
                (Kind::Forbidden, "the decoder made a system call that is not allowed".to_owned())
            }
            Some(libc::SIGXCPU) => (Kind::Time, "the decoder used up its processor time".to_owned()),
            Some(libc::SIGABRT) if stderr.contains("memory allocation of ") => {
                return Self { stderr, ..Self::too_much_memory() };
            }
            // Only the kernel sends it here.
            Some(libc::SIGKILL) => {
                (Kind::Killed, "the decoder was killed, most likely because memory ran out".to_owned())
            }
            Some(signal) => (Kind::Fault, format!("the decoder crashed ({})", name(signal))),
            None => {
                let code = status.code().unwrap_or(-1);
                (Kind::Fault, format!("the decoder ended without a result (exit code {code})"))
            }
        };
        Self { kind, reason, stderr }
    }

    /// Whether a retry may end otherwise.
    pub const fn may_be_chance(&self) -> bool {
        !matches!(self.kind, Kind::Time | Kind::Late)
    }

    /// The failure of the video.
    pub fn failure(&self) -> Failure {
        let code = match self.kind {
            Kind::Memory | Kind::Killed => FailureCode::LimitExceeded,
            Kind::Time | Kind::Late => FailureCode::TimedOut,
            Kind::Fault | Kind::Forbidden | Kind::Protocol => FailureCode::DecoderCrashed,
        };
        Failure::new(code, self.reason.as_str())
    }
}

fn name(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "SIGSEGV".to_owned(),
        libc::SIGABRT => "SIGABRT".to_owned(),
        libc::SIGBUS => "SIGBUS".to_owned(),
        libc::SIGILL => "SIGILL".to_owned(),
        libc::SIGFPE => "SIGFPE".to_owned(),
        other => format!("signal {other}"),
    }
}

/// Reads what an ended process wrote to its standard error.
pub(crate) fn read_stderr(stderr: &mut Option<ChildStderr>) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = stderr.take() {
        let _ = stderr.take(MAX_STDERR_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let of = |raw, stderr: &str| Crash::of(ExitStatus::from_raw(raw), stderr.to_owned());
        for (raw, stderr, kind, code) in [
            (libc::SIGSEGV, "", Kind::Fault, FailureCode::DecoderCrashed),
            (libc::SIGABRT, "", Kind::Fault, FailureCode::DecoderCrashed),
            (libc::SIGABRT, "memory allocation of 99 bytes failed", Kind::Memory, FailureCode::LimitExceeded),
            (libc::SIGKILL, "", Kind::Killed, FailureCode::LimitExceeded),
            (libc::SIGXCPU, "", Kind::Time, FailureCode::TimedOut),
            (libc::SIGSYS, "", Kind::Forbidden, FailureCode::DecoderCrashed),
            (101 << 8, "thread panicked", Kind::Fault, FailureCode::DecoderCrashed),
        ] {
            let crash = of(raw, stderr);
            assert_eq!((crash.kind, crash.failure().code), (kind, code), "{crash:?}");
        }
        assert_eq!(of(libc::SIGSEGV, "").reason, "the decoder crashed (SIGSEGV)");
    }
}
