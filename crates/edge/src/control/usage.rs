//! `GET /internal/users/{id}/usage`: what a user's videos and plugins use of what they may.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/internal/users/{id}/usage");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "getUsage", "What a user's videos and plugins use")
        .answers(StatusCode::OK, "Each with its limit.", typed(&examples::quotas()))
        .or(&[Code::NotFound])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn usage(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let not_a_user = |_| Failure::new(Code::NotFound, "there is no user with this id");
        let user: UserId = incoming.param("id").parse().map_err(not_a_user)?;
        json(StatusCode::OK, &self.jobs().usage(user).await?)
    }
}
