//! `POST /auth/refresh`: trades a refresh token for new tokens.

use bytes::Bytes;
use framelift_contract::account::RefreshRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::record::User;
use super::secret::Refresh;
use super::session::{Rotation, Sessions};
use super::{Accounts, map_update_error, sessions_key};
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/refresh");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "refresh", "accounts", Auth::Nobody, "Trade a refresh token for new tokens")
        .about(
            "A refresh token is good for one refresh. The same refresh sent again within 30 seconds, because its \
             answer was lost, answers the same; later it revokes the whole login.",
        )
        .json(typed(&RefreshRequest { refresh_token: examples::REFRESH_TOKEN.into() }))
        .answers(StatusCode::OK, "New tokens.", examples::tokens())
        .or(&[Code::InvalidToken, Code::Unavailable])
}

fn invalid_token() -> Failure {
    Failure::new(Code::InvalidToken, "log in again")
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn refresh(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: RefreshRequest = incoming.json()?;
        let used = self.config.secrets.open(&body.refresh_token).ok_or_else(invalid_token)?;
        let Some(User::Active(profile)) = self.user(used.user).await? else { return Err(invalid_token()) };
        let now = self.ambient.now();
        let result = self
            .store()
            .update(&sessions_key(used.user), |sessions: Sessions| {
                let before = sessions.clone();
                let (sessions, rotation) = sessions.rotate(&used.family, used.generation, now);
                let changed = sessions != before;
                Ok((sessions, changed, rotation))
            })
            .await;
        match map_update_error(result, invalid_token)?.output {
            Rotation::Current(generation, since) => {
                self.tokens(&Refresh { generation, ..used }, &profile, since)
            }
            Rotation::Replayed => {
                Err(invalid_token().because("a used refresh token came back: family revoked"))
            }
            Rotation::Unknown => Err(invalid_token()),
        }
    }
}
