//! `GET /auth/me`: the caller's account.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::get("/auth/me");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getAccount", "accounts", Auth::User, "Read the account")
        .answers(StatusCode::OK, "The account.", typed(&examples::account(None)))
        .or(&[Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, profile) = self.caller(incoming).await?;
        json(StatusCode::OK, &profile.response(caller.id, None))
    }
}
