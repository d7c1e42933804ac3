//! `GET /auth/me/sessions`: the logins of the account.

use bytes::Bytes;
use framelift_contract::account::{Session, SessionList};
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::get("/auth/me/sessions");

pub(super) fn operation() -> Operation {
    let session = Session {
        id: "0011223344556677".into(),
        created_at: Some(examples::time()),
        last_used_at: examples::time(),
        current: true,
    };
    Operation::new(ROUTE, "listSessions", "accounts", Auth::User, "List the logins")
        .about("The one that was used last comes first. There are 20 at most, and each ends after 30 days without use.")
        .answers(StatusCode::OK, "The logins.", typed(&SessionList { items: vec![session] }))
        .or(&[Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn sessions(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, _) = self.caller(incoming).await?;
        let sessions = self.current_sessions(caller.id).await?.into_iter().map(|family| Session {
            current: caller.session.as_deref() == Some(family.id.as_str()),
            id: family.id,
            created_at: family.opened_at,
            last_used_at: family.rotated_at,
        });
        json(StatusCode::OK, &SessionList { items: sessions.collect() })
    }
}
