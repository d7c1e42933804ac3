//! The pages, the document, and problem documents everywhere else.

use http::Request;
use http_body_util::Empty;
use serde_json::Value;

use super::*;
use crate::http::Cors;
use crate::http::tests::{block_on, shown};
use crate::store::memory::TestAmbient;

fn call(method: &str, path: &str, if_none_match: Option<&str>) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path).header("x-correlation-id", "c-1");
    if let Some(tag) = if_none_match {
        request = request.header("if-none-match", tag);
    }
    send(&Cors::default(), request)
}

fn send(cors: &Cors, request: http::request::Builder) -> Response<Bytes> {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    block_on(serve(Ok(Web), cors, &TestAmbient::new(1), parts, Empty::<Bytes>::new()))
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
fn pages_bring_everything_themselves() {
    for path in ["/", "/docs"] {
        let response = call("GET", path, None);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let html = std::str::from_utf8(response.body()).unwrap();
        assert!(html.starts_with("<!doctype html>"));
        for elsewhere in ["src=", "<link", "@import", "https://", "http://", "//cdn"] {
            assert!(!html.contains(elsewhere), "{path} has {elsewhere}");
        }
        // `connect-src 'self'` and no other source: the page cannot reach any other host.
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
    }
    assert!(std::str::from_utf8(call("GET", "/", None).body()).unwrap().contains("href=\"/docs\""));
}

#[test]
fn the_link_of_an_e_mail_leads_to_the_call_that_shows_the_video() {
    let home = call("GET", "/", None);
    let home = std::str::from_utf8(home.body()).unwrap();
    let docs = call("GET", "/docs", None);
    let docs = std::str::from_utf8(docs.body()).unwrap();
    for operation in ["login", "getVideo"] {
        assert!(home.contains(&format!("href=\"/docs#{operation}\"")), "{operation}");
        assert!(docs.contains(&format!("<details id=\"{operation}\"")), "{operation}");
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
    for path in ["/favicon.ico", "/videos/x/unknown", "/auth", "/.env", "/docs/", "/%00"] {
        assert_eq!(call("GET", path, None).status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(call("POST", "/docs", None).headers()["allow"], "GET, HEAD, OPTIONS");
    assert_eq!(call("PATCH", "/videos", None).headers()["allow"], "GET, HEAD, OPTIONS, POST");
}
