//! Tests of the HTTP base on a small component.

use bytes::Bytes;
use framelift_domain::{Time, UserId};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::openapi::conformance::check_security_headers;
use crate::store::memory::TestAmbient;
use crate::token::{Signer, Verifier};

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// An answer as a snapshot shows it: what varies is left to the caller to redact. That it says its length, and what
/// browsers must know, is checked here, for every answer that any snapshot is taken of.
pub(crate) fn shown(response: &Response<Bytes>) -> Value {
    let length = response.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    assert_eq!(length, (!without).then(|| response.body().len().to_string()), "{response:?}");
    check_security_headers(response.headers()).unwrap();
    let mut headers = serde_json::Map::new();
    let everywhere = ["content-length", "content-security-policy", "referrer-policy"];
    for (name, value) in response.headers().iter().filter(|(name, _)| !everywhere.contains(&name.as_str())) {
        headers.insert(name.to_string(), value.to_str().unwrap().into());
    }
    let text = std::str::from_utf8(response.body()).unwrap();
    let body = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    json!({ "status": response.status().as_u16(), "headers": headers, "body": body })
}

mod bodies;
mod credentials;
mod strict;

#[derive(Clone, Copy, Debug)]
enum Call {
    Show,
    Change,
    Boom,
    Down,
    User,
    Worker,
    Page,
}

const ENDPOINTS: &[(Route, Call)] = &[
    (Route::get("/things/{id}"), Call::Show),
    (Route::patch("/things/{id}"), Call::Change),
    (Route::post("/boom"), Call::Boom),
    (Route::get("/down"), Call::Down),
    (Route::get("/user"), Call::User),
    (Route::get("/worker"), Call::Worker),
    (Route::get("/page"), Call::Page),
];

#[derive(Debug, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
    #[serde(default)]
    sizes: Vec<u8>,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Debug, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    deep: bool,
}

const SECRET: &str = "worker-secret-0123456789";

fn signer() -> Signer {
    Signer::from_seed(&[7; 32]).unwrap()
}

async fn component(call: Call, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
    match call {
        Call::Show => {
            json(StatusCode::OK, &json!({ "id": incoming.param("id"), "other": incoming.param("x") }))
        }
        Call::Change => json(StatusCode::OK, &incoming.json::<Thing>()?),
        Call::Boom => Err(Failure::internal("secret/key of the store")),
        Call::Down => Err(crate::ports::Unavailable { what: "store", detail: "secret/key".into() }.into()),
        Call::User => {
            let caller = incoming.user(&Verifier::of(&signer()), Time::from_unix_ms(1_700_000_000_000))?;
            json(StatusCode::OK, &json!({ "id": caller.id, "email": caller.email }))
        }
        Call::Worker => {
            incoming.worker(&WorkerToken::new(SECRET).unwrap()).map(|()| empty(StatusCode::NO_CONTENT))
        }
        Call::Page => {
            let query = incoming.query(&["limit", "status"])?;
            let limit = query.bounded("limit", framelift_contract::rules::PAGE, 20)?;
            json(StatusCode::OK, &json!({ "limit": limit, "status": query.get("status") }))
        }
    }
}

fn send(request: Request<Vec<u8>>) -> Response<Bytes> {
    let routes: Vec<Route> = ENDPOINTS.iter().map(|(route, _)| route.clone()).collect();
    let router = Router::new(&routes);
    let ambient = TestAmbient::new(1);
    let handler = async |endpoint: usize, incoming: &mut Incoming, body| {
        incoming.read(body).await;
        component(ENDPOINTS[endpoint].1, incoming).await
    };
    block_on(async {
        let (parts, body) = request.into_parts();
        answer(&router, &ambient, parts, Full::new(Bytes::from(body)), handler).await
    })
}

fn call(method: &str, uri: &str, headers: &[(&str, &[u8])], body: impl Into<Vec<u8>>) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(body.into()).unwrap())
}

fn code(response: &Response<Bytes>) -> String {
    let problem: framelift_contract::problem::Problem = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(problem.status, response.status().as_u16());
    assert_eq!(problem.kind, format!("urn:framelift:problem:{}", problem.code.as_str()));
    assert_eq!(problem.correlation_id, response.headers()["x-correlation-id"].to_str().unwrap());
    problem.code.as_str().to_owned()
}

#[test]
fn a_call_finds_its_handler_and_parameters() {
    let response = call("GET", "/things/7?x=1", &[("x-correlation-id", b"c.A_1-")], "");
    insta::assert_json_snapshot!(shown(&response));
}

#[test]
fn unknown_routes_and_methods_are_problems() {
    insta::assert_json_snapshot!(
        "unknown_route",
        shown(&call("GET", "/nothing", &[("x-correlation-id", b"c-1")], ""))
    );
    insta::assert_json_snapshot!(
        "wrong_method",
        shown(&call("PUT", "/things/7", &[("x-correlation-id", b"c-1")], ""))
    );
    // The route comes first, the body after it.
    assert_eq!(code(&call("POST", "/nothing", &[], vec![b' '; MAX_JSON_BYTES + 1])), "not-found");
    for path in ["/things", "/things/", "/things/7/", "//things/7", "/things/a/b", "/", "*", "/%2e%2e/boom"] {
        assert_eq!(code(&call("GET", path, &[], "")), "not-found", "{path}");
    }
    assert_eq!(code(&call("BREW", "/boom", &[], "")), "method-not-allowed");
    let options = call("OPTIONS", "/things/7", &[], "");
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert_eq!(options.headers()["allow"], "GET, HEAD, OPTIONS, PATCH");
    assert_eq!(code(&call("OPTIONS", "/nothing", &[], "")), "not-found");
}

#[test]
fn head_is_get_without_the_body() {
    let response = call("HEAD", "/things/7", &[], "");
    assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
    assert_eq!(call("HEAD", "/boom", &[], "").status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn a_correlation_id_that_is_not_well_formed_is_replaced() {
    let long = "x".repeat(65);
    for bad in [b"".as_slice(), b"a b", b"a,b", "é".as_bytes(), long.as_bytes()] {
        let response = call("GET", "/things/7", &[("x-correlation-id", bad)], "");
        let id = response.headers()["x-correlation-id"].to_str().unwrap();
        assert_eq!(id.len(), 36, "{bad:?}");
        assert_ne!(id.as_bytes(), bad);
    }
}

#[test]
fn internal_errors_do_not_reveal_their_cause() {
    for (path, method) in [("/boom", "POST"), ("/down", "GET")] {
        let response = call(method, path, &[("x-correlation-id", b"c-1")], "");
        assert!(!String::from_utf8_lossy(response.body()).contains("secret"), "{path}");
        insta::assert_json_snapshot!(format!("fault_{}", &path[1..]), shown(&response));
    }
}

#[test]
fn every_answer_tells_browsers_to_load_nothing_and_to_show_it_nowhere() {
    for (method, path) in [
        ("GET", "/things/7"),
        ("HEAD", "/things/7"),
        ("OPTIONS", "/things/7"),
        ("POST", "/boom"),
        ("GET", "/user"),
        ("GET", "/nothing"),
        ("PUT", "/things/7"),
    ] {
        let response = call(method, path, &[], "");
        check_security_headers(response.headers()).unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(header("cache-control"), "no-store", "{method} {path}");
    }
}

#[test]
fn browsers_that_came_by_https_are_told_to_come_so_again() {
    let header = |uri: &str, headers: &[(&str, &[u8])]| {
        let response = call("GET", uri, headers, "");
        response.headers().get("strict-transport-security").map(|value| value.to_str().unwrap().to_owned())
    };
    let year = Some("max-age=31536000".to_owned());
    assert_eq!(header("/things/7", &[("x-forwarded-proto", b"https")]), year);
    assert_eq!(header("https://example.com/things/7", &[]), year);
    // Not over plain http (RFC 6797, section 7.2).
    assert_eq!(header("/things/7", &[]), None);
    assert_eq!(header("http://example.com/things/7", &[("x-forwarded-proto", b"http")]), None);
    assert_eq!(header("/nothing", &[("x-forwarded-proto", b"https")]), year, "an error, too");
}

#[test]
fn invalid_routes_are_refused() {
    assert!(Router::new(&[Route::get("/a"), Route::get("/a")]).is_err());
    assert!(Router::new(&[Route::get("/a/{x}"), Route::get("/a/{y}")]).is_err());
}

proptest! {
    #[test]
    fn no_request_panics(
        method in "[A-Z]{1,8}|GET|PATCH|POST",
        path in "(/[a-z0-9%.{}*_-]{0,8}){1,4}|/things/[!-~&&[^?# ]]{1,20}",
        query in proptest::option::of("[a-z=&%0-9+]{0,40}"),
        authorization in proptest::collection::vec(32u8..=255, 0..40),
        correlation in proptest::collection::vec(32u8..=255, 0..80),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let uri = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let request = Request::builder()
            .method(method.as_str())
            .uri(uri)
            .header("authorization", authorization)
            .header("x-correlation-id", correlation)
            .body(body);
        if let Ok(request) = request {
            let response = send(request);
            prop_assert!(response.headers().contains_key("x-correlation-id"));
            if response.status().is_client_error() && !response.body().is_empty() {
                code(&response);
            }
        }
    }
}
