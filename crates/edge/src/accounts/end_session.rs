//! `DELETE /auth/me/sessions/{id}`: ends a login, of another device for example.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::delete("/auth/me/sessions/{id}");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "endSession", "accounts", Auth::User, "End a login")
        .about(
            "Its refresh token is good no more, and its access token opens nothing of the account. On videos, an \
             access token is good until it expires, an hour at most.",
        )
        .answers(StatusCode::NO_CONTENT, "The login is over.", Payload::Empty)
        .or(&[Code::NotFound, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn end_session(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, _) = self.caller(incoming).await?;
        let asked = incoming.param("id");
        if self.end_sessions(caller.id, |session| session == asked).await? {
            Ok(empty(StatusCode::NO_CONTENT))
        } else {
            Err(Failure::new(Code::NotFound, "there is no login with this id"))
        }
    }
}
