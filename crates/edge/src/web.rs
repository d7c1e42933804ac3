//! What a browser or a curious client finds: the landing page, the OpenAPI document and the
//! page to try it, and a problem document wherever there is nothing.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::http::{BodyError, Failure, Incoming, Route, Router, RouterOnce, answer};
use crate::openapi;
use crate::ports::Ambient;

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The landing page.
    Home,
    /// The page to try the API.
    Docs,
    /// The OpenAPI document.
    OpenApi,
    /// A path of another component, which its own routes did not lead to.
    Elsewhere,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[
    Route::new(Method::GET, "/", Call::Home),
    Route::new(Method::GET, "/docs", Call::Docs),
    Route::new(Method::GET, "/openapi.json", Call::OpenApi),
];

const HOME: &str = include_str!("web/home.html");
const DOCS: &str = include_str!("web/docs.html");

/// Nothing from elsewhere, no frames around the page, requests to this service alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The methods of every path of the product, so that a wrong method is told from a wrong path.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| {
    let own = |path: &str, method: &Method| {
        ROUTES.iter().find(|route| route.path == path && route.method == *method).map(|route| route.call)
    };
    let table: Vec<Route<Call>> = openapi::methods()
        .into_iter()
        .flat_map(|(path, methods)| methods.into_iter().map(move |method| (path, method)))
        .map(|(path, method)| {
            let call = own(path, &method).unwrap_or(Call::Elsewhere);
            Route::new(method, path, call)
        })
        .collect();
    Router::new(&table)
});

/// The document as it is sent, and its `ETag`: made once in the life of an instance.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    // The document is strings, numbers and lists: writing it as JSON cannot fail.
    let body = serde_json::to_vec(&openapi::document()).unwrap_or_default();
    let digest: String = Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    (body.into(), format!("\"{digest}\""))
});

/// Answers one request.
pub async fn serve<A: Ambient>(ambient: &A, parts: Parts, body: Result<Bytes, BodyError>) -> Response<Bytes> {
    answer(&ROUTER, ambient, parts, body, handle).await
}

async fn handle(call: Call, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
    match call {
        Call::Home => page(HOME),
        Call::Docs => page(DOCS),
        Call::OpenApi => document(incoming),
        // Only a manifest whose routes lack a component's path leads here.
        Call::Elsewhere => Err(Failure::internal("no component is routed to this path")),
    }
}

fn page(html: &'static str) -> Result<Response<Bytes>, Failure> {
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = crate::http::bytes(StatusCode::OK, media_type, html);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

fn document(incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
    let (body, tag) = &*DOCUMENT;
    let mut response = if incoming.header(&IF_NONE_MATCH)? == Some(tag.as_str()) {
        crate::http::empty(StatusCode::NOT_MODIFIED)
    } else {
        crate::http::bytes(StatusCode::OK, HeaderValue::from_static("application/json"), body.clone())
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, HeaderValue::try_from(tag).map_err(Failure::internal)?);
    Ok(response)
}

#[cfg(test)]
mod tests;
