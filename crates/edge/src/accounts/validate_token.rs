//! `POST /auth/validate`: says whether an access token is good.

use bytes::Bytes;
use framelift_contract::account::{ValidateRequest, ValidateResponse};
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use super::record::User;
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/validate");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "validateToken", "accounts", Auth::User, "Ask whether an access token is good")
        .json(typed(&ValidateRequest { token: examples::ACCESS_TOKEN.into() }))
        .answers(
            StatusCode::OK,
            "Whose it is and until when; or that it is not good.",
            typed(&ValidateResponse {
                active: true,
                sub: Some(examples::user().to_string()),
                email: Some("ada@example.com".into()),
                exp: Some(1_700_003_600),
            }),
        )
        .or(&[Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn validate_token(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.caller(incoming).await?;
        let body: ValidateRequest = incoming.json()?;
        let inactive = ValidateResponse { active: false, sub: None, email: None, exp: None };
        let answer = match self.config.verifier.verify(&body.token, self.ambient.now()) {
            Ok(claims) if matches!(self.user(claims.user).await?, Some(User::Active(_))) => {
                ValidateResponse {
                    active: true,
                    sub: Some(claims.user.to_string()),
                    email: Some(claims.email),
                    exp: Some(claims.expires_s),
                }
            }
            _ => inactive,
        };
        json(StatusCode::OK, &answer)
    }
}
