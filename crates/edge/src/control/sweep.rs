//! `POST /internal/sweep`: does the steps that crashed calls left undone.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_contract::report::SweepAnswer;
use framelift_domain::{CorrelationId, UserId};
use http::{Response, StatusCode};
use serde_json::json as value;

use crate::http::{Failure, Incoming, Level, Route, json, log};
use crate::jobs::JobError;
use crate::openapi::{Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/sweep");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "sweep", "Finish what crashed calls left undone")
        .about("Each call does a bounded amount of work. Calls may run at the same time. Damaged records are skipped.")
        .answers(
            StatusCode::OK,
            "What the sweep did.",
            typed(&SweepAnswer { users: 3, ..SweepAnswer::default() }),
        )
        .without(ProblemCode::RecordDamaged)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn sweep(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let swept = self.jobs().sweep().await?;
        let correlation_id = incoming.correlation_id();
        for (user, error) in &swept.user_errors {
            log_error("the sweep failed for a user", error, Some(*user), correlation_id);
        }
        for error in &swept.page_errors {
            log_error("a part of the sweep failed", error, None, correlation_id);
        }
        json(StatusCode::OK, &swept.answer)
    }
}

/// Logs an error of the sweep. Each sweep meets a damaged record again, so that is logged once in an instance.
fn log_error(message: &str, error: &JobError, user: Option<UserId>, correlation_id: &CorrelationId) {
    if let JobError::Damaged(damaged) = error {
        return damaged.log_once(message, user, Some(correlation_id));
    }
    let mut fields = vec![("cause", value!(error.to_string()))];
    fields.extend(user.map(|user| ("user.id", value!(user))));
    log(Level::Warn, message, Some(correlation_id), &fields);
}
