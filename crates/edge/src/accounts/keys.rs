//! `GET /.well-known/jwks.json`: the public keys of access tokens.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, bytes};
use crate::openapi::{Auth, Operation, raw_with_example};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::get("/.well-known/jwks.json");

pub(super) fn operation() -> Operation {
    let key_set = ObjectBuilder::new().schema_type(Type::Object).description(Some("A JWK Set (RFC 7517)."));
    let key = json!({ "keys": [{
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": "6Jk0Pp1zqCVl", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }] });
    Operation::new(ROUTE, "getKeys", "service", Auth::Nobody, "The public keys of access tokens")
        .answers(
            StatusCode::OK,
            "Ed25519 keys, each with its `kid`.",
            raw_with_example("application/json", key_set, key),
        )
        .or(&[Code::Unavailable])
        .without(Code::RecordDamaged)
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// The public keys, which may be cached: a new key is published before it signs.
    pub(super) async fn keys(&self, _: &Incoming) -> Result<Response<Bytes>, Failure> {
        let media_type = HeaderValue::from_static("application/json");
        let mut response = bytes(StatusCode::OK, media_type, self.config.verifier.jwks());
        let cache = HeaderValue::from_static("public, max-age=300");
        response.headers_mut().insert(CACHE_CONTROL, cache);
        Ok(response)
    }
}
