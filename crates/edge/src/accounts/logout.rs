//! `POST /auth/logout`: ends a login.

use bytes::Bytes;
use framelift_contract::account::RefreshRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/logout");

pub(super) fn operation() -> Operation {
    let about = "The refresh token and its successors are good no more. A token that is not good leaves nothing to do.";
    Operation::new(ROUTE, "logout", "accounts", Auth::User, "End a login")
        .about(about)
        .json(typed(&RefreshRequest { refresh_token: examples::REFRESH_TOKEN.into() }))
        .answers(StatusCode::NO_CONTENT, "The login is over.", Payload::Empty)
        .or(&[Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn logout(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        // The login of the access token may be over: the call may be repeated.
        self.owner(incoming).await?;
        let body: RefreshRequest = incoming.json()?;
        if let Some(used) = self.config.secrets.open(&body.refresh_token) {
            self.end_sessions(used.user, |session| session == used.family).await?;
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
