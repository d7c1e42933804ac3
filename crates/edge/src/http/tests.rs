//! Tests of the HTTP base on a small component.

use bytes::Bytes;
use framelift_domain::{Time, UserId};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::store::memory::TestAmbient;
use crate::token::{Signer, Verifier};

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// An answer as a snapshot shows it: what varies is left to the caller to redact. That it says its
/// length is checked here, for every answer that any snapshot is taken of.
pub(crate) fn shown(response: &Response<Bytes>) -> Value {
    let length = response.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    assert_eq!(length, (!without).then(|| response.body().len().to_string()), "{response:?}");
    let mut headers = serde_json::Map::new();
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != "content-length") {
        headers.insert(name.to_string(), value.to_str().unwrap().into());
    }
    let text = std::str::from_utf8(response.body()).unwrap();
    let body = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    json!({ "status": response.status().as_u16(), "headers": headers, "body": body })
}

mod bodies;

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
fn our_own_faults_say_nothing_of_their_cause() {
    for (path, method) in [("/boom", "POST"), ("/down", "GET")] {
        let response = call(method, path, &[("x-correlation-id", b"c-1")], "");
        assert!(!String::from_utf8_lossy(response.body()).contains("secret"), "{path}");
        insta::assert_json_snapshot!(format!("fault_{}", &path[1..]), shown(&response));
    }
}

#[test]
fn bodies_are_read_strictly() {
    let change = |body: &[u8]| call("PATCH", "/things/7", &[("x-correlation-id", b"c-1")], body);
    assert_eq!(change(br#"{"name":"x","sizes":[1,2],"inner":{"deep":true}}"#).status(), StatusCode::OK);
    for malformed in [
        b"".as_slice(),
        b"  ",
        b"{",
        b"{\"name\":\"x\"",
        b"{\"name\":\"x\"} x",
        b"name=x",
        b"{'name':'x'}",
        b"\xff\xfe",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":1,}",
        b"{\"sizes\":[1,2}",
        b"\xef\xbb\xbf{}",
        b"nul",
    ] {
        assert_eq!(code(&change(malformed)), "malformed-json", "{}", String::from_utf8_lossy(malformed));
    }
    let pointers = |body: &str| -> Vec<String> {
        let response = change(body.as_bytes());
        assert_eq!(code(&response), "validation-failed", "{body}");
        let problem: framelift_contract::problem::Problem = serde_json::from_slice(response.body()).unwrap();
        problem.errors.into_iter().map(|error| error.pointer).collect()
    };
    for (body, pointer) in [
        ("{}", "/name"),
        ("null", ""),
        ("1e400", ""),
        ("\"x\"", ""),
        (r#"{"name":1}"#, "/name"),
        (r#"{"name":null}"#, "/name"),
        (r#"{"name":"x","name":"y"}"#, "/name"),
        (r#"{"name":"x","extra":1}"#, "/extra"),
        (r#"{"name":"x","a/b~c":1}"#, "/a~1b~0c"),
        (r#"{"name":"x","sizes":[1,256]}"#, "/sizes/1"),
        (r#"{"name":"x","sizes":[1,-1]}"#, "/sizes/1"),
        (r#"{"name":"x","inner":{}}"#, "/inner/deep"),
        (r#"{"name":"x","inner":{"deep":true,"deeper":1}}"#, "/inner/deeper"),
        (r#"{"name":"x","inner":{"deep":"yes"}}"#, "/inner/deep"),
        (r#"{"name":"x","inner":{"deep":true,"deep":true}}"#, "/inner/deep"),
        ("[]", ""),
        (r#"["x",[1],{"deep":true}]"#, ""),
        (r#"{"name":"x","inner":[true]}"#, "/inner"),
    ] {
        if body == "1e400" {
            // A number that no float holds is refused as JSON already.
            assert_eq!(change(body.as_bytes()).status().as_u16() / 100, 4);
            continue;
        }
        assert_eq!(pointers(body), [pointer], "{body}");
    }
    insta::assert_json_snapshot!("unknown_field", shown(&change(br#"{"name":"x","extra":1}"#)));
    // As deep as a body can be: refused, without exhausting the stack.
    assert_eq!(change("[".repeat(60_000).as_bytes()).status(), StatusCode::BAD_REQUEST);
    let deep = format!("{{\"name\":\"x\",\"inner\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(change(deep.as_bytes()).status().as_u16() / 100, 4);
}

/// One of each kind of value that a body may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Kinds {
    flag: Option<bool>,
    byte: u8,
    long: i64,
    ratio: f64,
    number: Option<serde_json::Number>,
    text: String,
    list: Vec<Inner>,
    pair: (u8, String),
    config: serde_json::Map<String, Value>,
    anything: Value,
    newtype: Option<Newtype>,
    kind: Option<framelift_contract::message::NoticeKind>,
    user: Option<UserId>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read, and looked at only as a whole")]
struct Newtype(Inner);

#[test]
fn a_wrong_value_is_described_in_words_of_json() {
    let refused = |body: &str| {
        let failure = parse_json::<Kinds>(body.as_bytes()).unwrap_err();
        let response = failure.into_response(&"c-1".parse().unwrap());
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let mut problem: framelift_contract::problem::Problem =
            serde_json::from_slice(response.body()).unwrap();
        let error = problem.errors.remove(0);
        format!("{}: {}", error.pointer, error.detail)
    };
    for (body, told) in [
        ("[]", ": expected an object"),
        ("7", ": expected an object"),
        ("null", ": expected an object"),
        (r#""{}, expected u8""#, ": expected an object"),
        (r#"{"flag":"yes"}"#, "/flag: expected true or false"),
        (r#"{"byte":"1"}"#, "/byte: expected an integer"),
        (r#"{"byte":1.5}"#, "/byte: expected an integer"),
        (r#"{"byte":256}"#, "/byte: expected an integer from 0 to 255"),
        (r#"{"byte":-1}"#, "/byte: expected an integer from 0 to 255"),
        (r#"{"long":null}"#, "/long: expected an integer"),
        (
            r#"{"long":9223372036854775808}"#,
            "/long: expected an integer from -9223372036854775808 to 9223372036854775807",
        ),
        (r#"{"ratio":"1"}"#, "/ratio: expected a number"),
        (r#"{"number":[]}"#, "/number: expected a number"),
        (r#"{"text":{"a":"secret"}}"#, "/text: expected a string"),
        (r#"{"text":[]}"#, "/text: expected a string"),
        (r#"{"list":{}}"#, "/list: expected an array"),
        (r#"{"list":[{"deep":true},[true]]}"#, "/list/1: expected an object"),
        (r#"{"list":[{"deep":1}]}"#, "/list/0/deep: expected true or false"),
        (r#"{"list":[{}]}"#, "/list/0/deep: missing field `deep`"),
        (r#"{"pair":[1]}"#, "/pair: expected an array"),
        (r#"{"pair":"1"}"#, "/pair: expected an array"),
        (r#"{"config":[]}"#, "/config: expected an object"),
        (r#"{"newtype":[true]}"#, "/newtype: expected an object"),
        (r#"{"newtype":true}"#, "/newtype: expected an object"),
        (
            r#"{"kind":"later"}"#,
            "/kind: expected one of `failed`, `completed`, `expired`, `webhook`, `password_reset`, `email_verification`",
        ),
        (r#"{"kind":{"completed":null}}"#, "/kind: expected a string"),
        (r#"{"kind":1}"#, "/kind: expected a string"),
        (r#"{"user":1}"#, "/user: expected a string"),
        (r#"{"user":"x"}"#, "/user: not a well-formed user id"),
    ] {
        assert_eq!(refused(body), told, "{body}");
    }
    let good = r#"{"flag":null,"byte":1,"long":-1,"ratio":1,"number":1.5,"text":"\u00e9","list":[{"deep":true}],
        "pair":[1,"a"],"config":{"a":[1,{}]},"anything":[[],{}],"newtype":{"deep":false},"kind":"failed",
        "user":"00000000-0000-7000-8000-000000000001"}"#;
    insta::assert_debug_snapshot!(parse_json::<Kinds>(good.as_bytes()).unwrap());
}

#[test]
fn arrays_are_no_requests() {
    use framelift_contract::{account::LoginRequest, options::OptionsBody, video::CreateVideoRequest};
    assert!(parse_json::<LoginRequest>(br#"{"email":"a@b","password":"pw"}"#).is_ok());
    assert!(parse_json::<LoginRequest>(br#"["a@b","pw"]"#).is_err());
    assert!(parse_json::<CreateVideoRequest>(br#"["a.mp4",5]"#).is_err());
    assert!(
        parse_json::<CreateVideoRequest>(br#"{"file_name":"a.mp4","size_bytes":5,"options":[]}"#).is_err()
    );
    assert!(parse_json::<OptionsBody>(br#"{"range":["0s","50%"]}"#).is_err());
    assert!(parse_json::<OptionsBody>(br#"{"range":{"start":"0s","end":"50%"}}"#).is_ok());
}

#[test]
fn an_integer_may_be_spelled_with_a_point() {
    use framelift_contract::video::CreateVideoRequest;
    let size = |size: &str| {
        let body = format!(r#"{{"file_name":"a.mp4","size_bytes":{size}}}"#);
        parse_json::<CreateVideoRequest>(body.as_bytes()).map(|request| request.size_bytes).ok()
    };
    for (spelled, read) in [("5", 5), ("5.0", 5), ("-1.0", -1), ("5e2", 500), ("9007199254740992.0", 1 << 53)]
    {
        assert_eq!(size(spelled), Some(read), "{spelled}");
    }
    for bad in ["5.5", "1e30", "-1e17", "null", "true", "\"5\"", "[5]"] {
        assert_eq!(size(bad), None, "{bad}");
    }
}

#[test]
fn only_json_is_taken() {
    let typed =
        |media_type: &[u8]| call("PATCH", "/things/7", &[("content-type", media_type)], r#"{"name":"x"}"#);
    for good in
        [b"application/json".as_slice(), b"Application/JSON; charset=utf-8", b"application/merge-patch+json"]
    {
        assert_eq!(typed(good).status(), StatusCode::OK);
    }
    for bad in [
        b"text/plain".as_slice(),
        b"application/x-www-form-urlencoded",
        b"",
        b"\xff",
        b"json",
        b"text/x+json",
    ] {
        assert_eq!(code(&typed(bad)), "unsupported-media-type");
    }
}

#[test]
fn bodies_have_a_limit() {
    let fits = format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_JSON_BYTES - 11));
    assert_eq!(fits.len(), MAX_JSON_BYTES);
    assert_eq!(call("PATCH", "/things/7", &[], fits.clone()).status(), StatusCode::OK);
    let response = call("PATCH", "/things/7", &[], format!("{fits} "));
    assert_eq!((response.status().as_u16(), code(&response).as_str()), (413, "payload-too-large"));
}

#[test]
fn queries_are_read_strictly() {
    let page = |query: &str| call("GET", &format!("/page{query}"), &[], "");
    assert_eq!(shown(&page("?limit=100&status=a%20b"))["body"], json!({ "limit": 100, "status": "a b" }));
    assert_eq!(shown(&page(""))["body"], json!({ "limit": 20, "status": null }));
    for (query, status) in [
        ("?status=%C3%A9+%2B&&", "é +"),
        // A replacement character that the client sent is as good as any other.
        ("?status=%ef%bf%bd", "\u{fffd}"),
        ("?st%61tus=a=b%", "a=b%"),
        ("?status", ""),
    ] {
        assert_eq!(shown(&page(query))["body"]["status"], status, "{query}");
    }
    for (query, pointer) in [
        ("?limit=0", "?limit"),
        ("?limit=101", "?limit"),
        ("?limit=", "?limit"),
        ("?limit=ten", "?limit"),
        ("?limit=-1", "?limit"),
        ("?limit=99999999999999999999", "?limit"),
        ("?limit=1&limit=2", "?limit"),
        ("?offset=1", "?offset"),
        ("?status=%ff.mp4", "?status"),
        ("?status=%c3%28", "?status"),
        ("?status=%ed%a0%80", "?status"),
        ("?%ff=1", "?\u{fffd}"),
    ] {
        let response = page(query);
        assert_eq!(code(&response), "validation-failed", "{query}");
        assert_eq!(shown(&response)["body"]["errors"][0]["pointer"], pointer, "{query}");
    }
}

#[test]
fn users_and_workers_are_told_apart() {
    let now = Time::from_unix_ms(1_700_000_000_000);
    let token = signer().issue(UserId::new(1, [1; 10]), "ada@example.com", "t-1", None, now).unwrap();
    let get = |path: &str, authorization: &str| {
        call("GET", path, &[("authorization", authorization.as_bytes())], "")
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(get("/user", &format!("{scheme} {token}")).status(), StatusCode::OK);
    }
    assert_eq!(get("/worker", &format!("Bearer {SECRET}")).status(), StatusCode::NO_CONTENT);
    for (path, authorization) in [
        ("/user", format!("Bearer {SECRET}")),
        ("/worker", format!("Bearer {token}")),
        ("/worker", format!("Bearer {SECRET}x")),
        ("/worker", format!("Bearer {}", &SECRET[1..])),
        ("/worker", "Bearer ".to_owned()),
        ("/worker", SECRET.to_owned()),
        ("/user", format!("Basic {token}")),
        ("/user", token.clone()),
        ("/user", "Bearer é".to_owned()),
    ] {
        let response = get(path, &authorization);
        assert_eq!(code(&response), "unauthenticated", "{path} {authorization}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"framelift\"");
    }
    assert_eq!(code(&call("GET", "/user", &[], "")), "unauthenticated");
    let twice = format!("Bearer {token}");
    let twice = [("authorization", twice.as_bytes()), ("authorization", twice.as_bytes())];
    assert_eq!(code(&call("GET", "/user", &twice, "")), "unauthenticated");
}

#[test]
fn a_worker_token_is_a_secret() {
    assert!(WorkerToken::new("short").is_err());
    let (one, other) = ("with-one-space-in-it", "and-long-enough-each");
    let both = WorkerToken::new(&format!("{one} {other}")).unwrap();
    assert!(both.matches(one) && both.matches(other) && !both.matches(&format!("{one} {other}")));
    for bad in
        [format!("{one} short"), format!("{one}  {other}"), format!("{one} {other} {one}"), String::new()]
    {
        assert!(WorkerToken::new(&bad).is_err(), "{bad}");
    }
    assert_eq!(format!("{:?}", WorkerToken::new(SECRET).unwrap()), "WorkerToken(redacted)");
}

#[test]
fn a_list_of_routes_with_a_fault_is_refused() {
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

    #[test]
    fn no_json_panics(body in "[{}\\[\\]\",:0-9a-z\\\\ .eE+-]{0,80}") {
        let _ = parse_json::<Thing>(body.as_bytes());
        let _ = parse_json::<Kinds>(body.as_bytes());
        let _ = parse_json::<framelift_contract::account::UpdateAccountRequest>(body.as_bytes());
    }
}
