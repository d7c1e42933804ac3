//! What control's answers mean for a worker, with the retry decision in the type.

use std::time::Duration;

use framelift_contract::problem::{Problem, ProblemCode};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::retry::Retryable;

/// Why a claim or report was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReportError {
    /// Another worker holds the job.
    #[error("another worker holds the job")]
    LeaseHeld {
        /// When to retry.
        retry_after: Option<Duration>,
    },
    /// The job is in a terminal state.
    #[error("the job is finished")]
    JobFinished,
    /// The job was not handed to the queue yet.
    #[error("the job is not ready to be worked on")]
    NotReady {
        /// When to retry.
        retry_after: Option<Duration>,
    },
    /// Another attempt has taken over.
    #[error("another attempt has taken over")]
    StaleAttempt,
    /// No such video or user.
    #[error("control does not know it")]
    NotFound,
    /// The worker credential is not accepted.
    #[error("control refuses the worker credential")]
    Unauthorised,
    /// Control refuses the call; a retry would not help.
    #[error("control refuses the report ({status} {}): {detail}", .code.map_or("", ProblemCode::as_str))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem's code, if it is one that is known.
        code: Option<ProblemCode>,
        /// The problem's detail.
        detail: String,
    },
    /// No answer, or a server error; a retry may help.
    #[error("control does not answer: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
        /// When to retry, if it said so.
        retry_after: Option<Duration>,
    },
}

impl ReportError {
    pub(super) fn transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut detail = error.to_string();
        // The outer error says only that sending failed; the inner ones say why.
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            detail.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        Self::Unavailable { detail, retry_after: None }
    }

    /// Interprets an unsuccessful status and body.
    pub(super) fn of(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let code = problem.as_ref().map(|problem| problem.code);
        let detail = problem.map_or_else(|| format!("status {status}"), |problem| problem.detail);
        match (code, status) {
            (Some(ProblemCode::LeaseHeld), _) => Self::LeaseHeld { retry_after },
            (Some(ProblemCode::JobFinished), _) => Self::JobFinished,
            (Some(ProblemCode::JobNotReady), _) => Self::NotReady { retry_after },
            (Some(ProblemCode::StaleAttempt), _) => Self::StaleAttempt,
            (Some(ProblemCode::VideoNotFound | ProblemCode::NotFound), _) => Self::NotFound,
            (_, 401 | 403) => Self::Unauthorised,
            (_, 408 | 429 | 500..) => Self::Unavailable { detail, retry_after },
            // Not an answer of the edge: another server is at this address.
            (None, 404 | 405 | 300..=399) => Self::Unavailable { detail, retry_after },
            _ => Self::Refused { status, code, detail },
        }
    }
}

impl Retryable for ReportError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(retry_after.unwrap_or_default()),
            _ => None,
        }
    }
}

/// `Retry-After` in seconds; dates are not supported, because the edge sends none.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(900)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: ProblemCode) -> ReportError {
        let problem = Problem::new(code, "because", "c-1");
        let body = serde_json::to_vec(&problem).unwrap();
        ReportError::of(code.status(), &body, Some(Duration::from_secs(7)))
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(of(ProblemCode::LeaseHeld), ReportError::LeaseHeld { retry_after });
        assert_eq!(of(ProblemCode::JobFinished), ReportError::JobFinished);
        assert_eq!(of(ProblemCode::JobNotReady), ReportError::NotReady { retry_after });
        assert_eq!(of(ProblemCode::StaleAttempt), ReportError::StaleAttempt);
        assert_eq!(of(ProblemCode::VideoNotFound), ReportError::NotFound);
        assert_eq!(of(ProblemCode::Unauthenticated), ReportError::Unauthorised);
        assert_eq!(of(ProblemCode::Unavailable).retry_after(), retry_after);
        assert!(matches!(of(ProblemCode::ValidationFailed), ReportError::Refused { status: 422, .. }));
    }

    #[test]
    fn what_is_no_problem_document_is_judged_by_its_status() {
        let of = |status| ReportError::of(status, b"<html>", None);
        for transient in [301, 404, 429, 500, 502, 503] {
            assert_eq!(of(transient).retry_after(), Some(Duration::ZERO), "{transient}");
        }
        assert_eq!(of(401), ReportError::Unauthorised);
        assert_eq!(of(400).retry_after(), None);
    }
}
