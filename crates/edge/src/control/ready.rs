//! `GET /health/ready`: whether everything that the app needs answers.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::service::{Health, HealthStatus};
use futures::future::join_all;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, configured, json};
use crate::openapi::{Auth, COMPONENTS, Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/health/ready");

pub(super) fn operation() -> Operation {
    let summary = "Whether every component can work, and the store, the queue and the object store answer";
    Operation::new(ROUTE, "getReadiness", "service", Auth::Nobody, summary)
        .answers(StatusCode::OK, "All of them answer.", typed(&Health::new(HealthStatus::Ready)))
        .or(&[Code::Unavailable])
        .without(Code::RecordDamaged)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn ready(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let others = COMPONENTS.iter().map(|component| component.name).filter(|name| *name != "control");
        let asked = join_all(others.map(|name| configured::check(self.http, name, incoming))).await;
        let problems: Vec<String> =
            asked.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        if !problems.is_empty() {
            let detail = "not every component can work; the log says which, and what is wrong";
            return Err(Failure::new(Code::Unavailable, detail).because(problems.join("; ")));
        }
        // There is no value with this key: the read only checks that the store answers.
        self.kv.get("ready").await?;
        self.queue.ready().await?;
        self.objects().ready().await?;
        json(StatusCode::OK, &Health::new(HealthStatus::Ready))
    }
}
