//! How an extraction ends without an archive, and whether running it again may help.

use std::io;

use framelift_domain::{Failure, FailureCode};

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The video or the options are at fault. The failure is shown to the owner.
    #[error("{}: {}", .0.code.as_str(), .0.message)]
    Failed(Failure),
    /// The source could not be read. Not the video's fault: another attempt may succeed.
    #[error("the video could not be read: {0}")]
    Source(#[source] io::Error),
    /// The archive could not be written. Not the video's fault: another attempt may succeed.
    #[error("the archive could not be written: {0}")]
    Sink(#[source] io::Error),
    /// The caller's [`Control`](crate::Control) cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// The engine does not support an option; the JSON pointer names it.
    #[error("the engine does not do {0} yet")]
    Unsupported(&'static str),
}

impl ExtractError {
    pub(crate) fn failed(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(code, message))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::failed(FailureCode::Internal, message)
    }
}
