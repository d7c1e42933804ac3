//! Faults on purpose, for chaos tests; nothing here runs unless a plan is set.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use http::{Method, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answers 500 `InternalError` without doing anything.
    InternalError,
    /// Answers 503 `SlowDown` without doing anything.
    SlowDown,
    /// Does the work, then breaks the connection after this many bytes of the answer's body.
    CutBody {
        /// Bytes that still arrive.
        after: u64,
    },
    /// Waits before doing the work.
    Delay(Duration),
}

/// Which requests a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The fault.
    pub fault: Fault,
    /// Every n-th matching request is hit, counted from when the plan was set.
    pub every: NonZeroU32,
    /// Only requests of this method count; `None` means all.
    pub method: Option<Method>,
}

impl Plan {
    /// Hits every n-th request of any method; 0 is taken as 1.
    pub fn every(n: u32, fault: Fault) -> Self {
        Self { fault, every: NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN), method: None }
    }

    /// The same plan for one method only.
    pub fn on(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }
}

/// A handle that switches faults of a running server; clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    seen: u32,
    injected: u64,
}

impl Faults {
    /// Starts a plan, replacing the one before.
    pub fn set(&self, plan: Plan) {
        let mut state = self.state();
        state.plan = Some(plan);
        state.seen = 0;
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.state().plan = None;
    }

    /// How many requests were hit so far.
    pub fn injected(&self) -> u64 {
        self.state().injected
    }

    /// Counts a request and says what is to go wrong with it.
    pub(crate) fn next(&self, method: &Method) -> Option<Fault> {
        let mut state = self.state();
        let plan = state.plan.clone()?;
        if plan.method.is_some_and(|only| only != *method) {
            return None;
        }
        state.seen = state.seen.wrapping_add(1);
        if !state.seen.is_multiple_of(plan.every.get()) {
            return None;
        }
        state.injected += 1;
        Some(plan.fault)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// The error answered in place of the work, for the faults that answer one.
    pub(crate) fn refusal(self) -> Option<S3Error> {
        match self {
            Self::InternalError => Some(S3Error::with_message(
                S3ErrorCode::InternalError,
                "We encountered an internal error. Please try again.",
            )),
            Self::SlowDown => {
                Some(S3Error::with_message(S3ErrorCode::SlowDown, "Please reduce your request rate."))
            }
            Self::CutBody { .. } | Self::Delay(_) => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer was cut on purpose")]
struct Cut;

/// Lets `after` bytes of the body through and then fails, which closes the connection.
pub(crate) fn cut(response: HttpResponse, after: u64) -> HttpResponse {
    let (mut parts, body) = response.into_parts();
    // The length stays announced, so that the client can tell the cut from the end.
    if let Some(length) = http_body::Body::size_hint(&body).exact()
        && parts.status != StatusCode::NO_CONTENT
    {
        parts.headers.entry(http::header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    let mut left = usize::try_from(after).unwrap_or(usize::MAX);
    let stream = StreamExt::map(body, move |chunk| {
        let mut chunk = chunk.map_err(|_| Cut)?;
        if left == 0 {
            return Err(Cut);
        }
        chunk.truncate(left);
        left -= chunk.len();
        Ok(chunk)
    })
    // A body that ends before the cut is cut at its end.
    .chain(futures::stream::once(async { Err(Cut) }));
    http::Response::from_parts(parts, Body::from(StreamingBlob::wrap(stream)))
}
