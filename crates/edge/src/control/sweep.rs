//! `POST /internal/sweep`: does the steps that crashed calls left undone.

use bytes::Bytes;
use framelift_contract::report::SweepAnswer;
use http::{Response, StatusCode};
use serde_json::json as value;

use crate::http::{Failure, Incoming, Level, Route, json, log};
use crate::openapi::{Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/sweep");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "sweep", "Finish what crashed calls left undone")
        .about("Each call does a bounded amount of work. Calls may run at the same time.")
        .answers(
            StatusCode::OK,
            "What the sweep did.",
            typed(&SweepAnswer { users: 3, ..SweepAnswer::default() }),
        )
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn sweep(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let swept = self.jobs().sweep().await?;
        let correlation_id = incoming.correlation_id();
        for (user, error) in &swept.user_errors {
            let fields = [("user.id", value!(user)), ("cause", value!(error.to_string()))];
            log(Level::Warn, "a user could not be looked after", Some(correlation_id), &fields);
        }
        json(StatusCode::OK, &swept.answer)
    }
}
