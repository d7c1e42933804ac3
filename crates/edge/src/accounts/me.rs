//! `GET /auth/me`: the caller's account.

use bytes::Bytes;
use framelift_contract::account::{AccountResponse, Quotas};
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use serde_json::json as value;

use super::Accounts;
use crate::http::{CORRELATION_HEADER, Failure, Incoming, Level, Route, json, log};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::get("/auth/me");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getAccount", "accounts", Auth::User, "Read the account")
        .answers(
            StatusCode::OK,
            "The account.",
            typed(&AccountResponse { quotas: Some(examples::quotas()), ..examples::account(None) }),
        )
        .or(&[Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, profile) = self.caller(incoming).await?;
        let quotas = self.quotas(caller.id, incoming).await;
        json(StatusCode::OK, &AccountResponse { quotas, ..profile.response(caller.id, None) })
    }

    /// The quotas that the user's videos and plugins use, as `control` reports them. None while `control` does not
    /// answer, so that the owner still sees the account.
    async fn quotas(&self, user: UserId, incoming: &Incoming) -> Option<Quotas> {
        let request = Request::get(format!("http://control.spin.internal/internal/users/{user}/usage"))
            .header(AUTHORIZATION, self.config.worker_token.authorization())
            .header(CORRELATION_HEADER, incoming.correlation_id().as_str());
        let answer = self.http.send(request.body(Bytes::new()).ok()?).await;
        let cause = match answer {
            Ok(answer) if answer.status().is_success() => match serde_json::from_slice(answer.body()) {
                Ok(quotas) => return Some(quotas),
                Err(error) => error.to_string(),
            },
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        let fields = [("cause", value!(cause))];
        log(Level::Warn, "the usage of an account is not known", Some(incoming.correlation_id()), &fields);
        None
    }
}
