//! `POST /internal/users/{id}/close`: ends the videos of an account that is deleted.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Operation, Payload};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/users/{id}/close");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "closeUser", "Close a deleted account's videos")
        .answers(
            StatusCode::NO_CONTENT,
            "No video of the account can be read or created any more.",
            Payload::Empty,
        )
        .or(&[Code::NotFound])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Closes an account's videos, and deletes as many of their objects as there is time for, so that their presigned
    /// URLs stop working; the sweep deletes the rest.
    pub(super) async fn close(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let not_a_user = |_| Failure::new(Code::NotFound, "there is no user with this id");
        let user: UserId = incoming.param("id").parse().map_err(not_a_user)?;
        self.jobs().close_user(user).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
