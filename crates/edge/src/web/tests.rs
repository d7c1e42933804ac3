//! The pages, the document, and problem documents everywhere else.

use std::cell::RefCell;
use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use serde_json::Value;

use super::*;
use crate::http::Cors;
use crate::http::tests::{block_on, shown};
use crate::openapi::conformance;
use crate::store::memory::TestAmbient;

/// `1`, compressed.
const ONE: &[u8] =
    &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0xff, 0x33, 0x04, 0, 0xb7, 0xef, 0xdc, 0x83, 0x01, 0, 0, 0];

/// Pages of a few files, all of the same content.
const ASSETS: &[Asset] = &[
    Asset { name: "index.html", media_type: "text/html; charset=utf-8", gzip: ONE },
    Asset { name: "docs.html", media_type: "text/html; charset=utf-8", gzip: ONE },
    Asset { name: "app-1a2b.js", media_type: "text/javascript; charset=utf-8", gzip: ONE },
];

fn web() -> Web {
    let object_store = "https://frames.s3.example.com".to_owned();
    Web::new(ASSETS, &WebConfig { cors: Cors::default(), object_store })
}

fn call(method: &str, path: &str, if_none_match: Option<&str>) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header("x-correlation-id", "c-1");
    if let Some(tag) = if_none_match {
        request = request.header("if-none-match", tag);
    }
    send(&Cors::default(), request)
}

fn send(cors: &Cors, request: http::request::Builder) -> Response<Bytes> {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let answer = block_on(serve(Ok(web()), cors, &TestAmbient::new(1), parts, Empty::<Bytes>::new()));
    conformance::check_security_headers(answer.headers()).unwrap();
    let problem = conformance::check(&method, &path, answer.status(), answer.body()).unwrap();
    PROBLEMS.with_borrow_mut(|problems| problems.extend(problem));
    answer
}

thread_local! {
    /// The problems that this test was answered.
    static PROBLEMS: RefCell<BTreeSet<conformance::Pair>> = const { RefCell::new(BTreeSet::new()) };
}

#[test]
fn every_documented_problem_is_answered() {
    for operation in operations() {
        call("GET", &operation.route().path.replace("{name}", "unknown.js"), None);
    }
    assert_eq!(PROBLEMS.take(), conformance::documented(&["web"]));
}

#[test]
fn pages_of_configured_origins_read_the_document() {
    let origin = "https://app.example.com";
    let cors = Cors::read(&[(Cors::VARIABLE, origin.to_owned())].into()).unwrap();
    for path in ["/openapi.json", "/nothing/here"] {
        let response = send(&cors, Request::get(path).header("origin", origin));
        assert_eq!(response.headers()["access-control-allow-origin"], origin, "{path}");
    }
}

#[test]
fn the_page_may_load_its_own_files_and_reach_the_object_store_alone() {
    let response = call("GET", "/", None);
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' https://frames.s3.example.com; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    );
}

#[test]
fn the_page_is_asked_for_anew_and_its_files_never_again() {
    let page = call("GET", "/", None);
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let again = call("GET", "/", page.headers()["etag"].to_str().ok());
    assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
    let file = call("GET", "/assets/app-1a2b.js", None);
    assert_eq!(file.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(file.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!((&file.body()[..], file.headers().get("content-encoding")), (&b"1"[..], None));
    let request = Request::get("/assets/app-1a2b.js").header("accept-encoding", "gzip, br");
    let compressed = send(&Cors::default(), request);
    assert_eq!(&compressed.body()[..], ONE);
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    for response in [page, file, compressed] {
        assert_eq!(response.headers()["vary"], "accept-encoding");
    }
}

#[test]
fn the_documentation_brings_everything_itself() {
    let response = call("GET", "/docs", None);
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    // No inline script or style, and no host but this one.
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!(call("GET", "/docs", Some(header("etag"))).status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn every_route_tells_browsers_what_they_may_do() {
    for route in ROUTES {
        let path = route.path.replace("{name}", "app-1a2b.js");
        for method in [route.method.as_str(), "HEAD", "OPTIONS", "DELETE"] {
            call(method, &path, None);
        }
    }
}

#[test]
fn links_of_mails_lead_to_the_page() {
    for path in ["/forgot", "/reset", "/verify"] {
        let response = call("GET", path, None);
        assert_eq!(response.headers(), call("GET", "/", None).headers(), "{path}");
        assert_eq!(&response.body()[..], b"1", "{path}");
    }
}

#[test]
fn the_document_is_served_and_revalidated() {
    let response = call("GET", "/openapi.json", None);
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let tag = response.headers()["etag"].to_str().unwrap();
    let again = call("GET", "/openapi.json", Some(tag));
    assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
    for sent in [format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        assert_eq!(call("GET", "/openapi.json", Some(&sent)).status(), StatusCode::NOT_MODIFIED, "{sent}");
    }
    assert_eq!(call("GET", "/openapi.json", Some("\"other\"")).status(), StatusCode::OK);
}

#[test]
fn everywhere_else_is_a_problem_document() {
    insta::assert_json_snapshot!("not_found", shown(&call("GET", "/nothing/here", None)));
    insta::assert_json_snapshot!("method_not_allowed", shown(&call("PUT", "/videos/x/cancel", None)));
    for path in [
        "/favicon.ico",
        "/videos/x/unknown",
        "/auth",
        "/.env",
        "/docs/",
        "/%00",
        "/assets/",
        "/assets/app.js",
        "/assets/index.html",
        "/assets/docs.html",
    ] {
        assert_eq!(call("GET", path, None).status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(call("POST", "/docs", None).headers()["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(call("PATCH", "/videos", None).headers()["allow"], "GET, HEAD, OPTIONS, POST");
}
