//! How a child ended that did not end well, in words.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStderr, ExitStatus};

use framelift_domain::{Failure, FailureCode};

/// Bytes of a child's last words that are kept.
const LAST_WORDS: u64 = 8 << 10;

/// What ended a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signal that a fault in the decoder raises, or an end without a word.
    Fault,
    /// More memory than the job may take, or than there is.
    Memory,
    /// More processor time than the job may take, or no sign of life.
    Time,
    /// A system call that no decoder makes.
    Forbidden,
    /// A message that breaks the rules.
    Protocol,
}

/// A child that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// What ended it.
    pub kind: Kind,
    /// The same for the video's owner.
    pub reason: String,
    /// Its last words, for the log: a hostile video may have chosen them.
    pub last_words: String,
}

impl Crash {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), last_words: String::new() }
    }

    /// Reads what a process that has ended left.
    pub(crate) fn of(status: ExitStatus, last_words: String) -> Self {
        let (kind, reason) = match status.signal() {
            Some(libc::SIGSYS) => {
                (Kind::Forbidden, "the decoder made a system call that is not allowed".to_owned())
            }
            Some(libc::SIGXCPU) => (Kind::Time, "the decoder used up its processor time".to_owned()),
            Some(libc::SIGABRT) if last_words.contains("memory allocation of ") => {
                (Kind::Memory, "the decoder needed more memory than a video may take".to_owned())
            }
            // Nobody else sends it but the kernel.
            Some(libc::SIGKILL) => {
                (Kind::Memory, "the decoder was killed, most likely because memory ran out".to_owned())
            }
            Some(signal) => (Kind::Fault, format!("the decoder crashed ({})", name(signal))),
            None => {
                let code = status.code().unwrap_or(-1);
                (Kind::Fault, format!("the decoder ended without a result (exit code {code})"))
            }
        };
        Self { kind, reason, last_words }
    }

    /// Whether another try may end otherwise.
    pub const fn may_be_chance(&self) -> bool {
        !matches!(self.kind, Kind::Time)
    }

    /// What the video's owner is told.
    pub fn failure(&self) -> Failure {
        let code = match self.kind {
            Kind::Memory => FailureCode::LimitExceeded,
            Kind::Time => FailureCode::TimedOut,
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

/// What a process that has ended wrote to its standard error.
pub(crate) fn last_words(stderr: &mut Option<ChildStderr>) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = stderr.take() {
        let _ = stderr.take(LAST_WORDS).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let of = |raw, words: &str| Crash::of(ExitStatus::from_raw(raw), words.to_owned());
        for (raw, words, kind, code) in [
            (libc::SIGSEGV, "", Kind::Fault, FailureCode::DecoderCrashed),
            (libc::SIGABRT, "", Kind::Fault, FailureCode::DecoderCrashed),
            (libc::SIGABRT, "memory allocation of 99 bytes failed", Kind::Memory, FailureCode::LimitExceeded),
            (libc::SIGKILL, "", Kind::Memory, FailureCode::LimitExceeded),
            (libc::SIGXCPU, "", Kind::Time, FailureCode::TimedOut),
            (libc::SIGSYS, "", Kind::Forbidden, FailureCode::DecoderCrashed),
            (101 << 8, "thread panicked", Kind::Fault, FailureCode::DecoderCrashed),
        ] {
            let crash = of(raw, words);
            assert_eq!((crash.kind, crash.failure().code), (kind, code), "{crash:?}");
        }
        assert_eq!(of(libc::SIGSEGV, "").reason, "the decoder crashed (SIGSEGV)");
    }
}
