//! Component `web`: what a browser or a curious client finds. The landing page, the OpenAPI document and
//! the page to try it, and a problem document wherever there is nothing.

mod docs;
mod document;
mod home;
mod reference;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};

use crate::http::{Failure, Route, Router, component};
use crate::openapi;

/// The service of this component, which needs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Web;

component! {
    Web where [];
    router: Router::new(&every_route());
    call: [home, docs, document]
}

/// The routes of this component, and behind them those of all others: so a wrong method is told from a
/// wrong path.
fn every_route() -> Vec<Route> {
    let others = openapi::COMPONENTS.iter().filter(|component| component.name != "web");
    ROUTES.iter().chain(others.flat_map(|component| component.routes)).cloned().collect()
}

/// Nothing from elsewhere, no frames around the page, requests to this service alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn page(html: &'static str) -> Result<Response<Bytes>, Failure> {
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = crate::http::bytes(StatusCode::OK, media_type, html);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

#[cfg(test)]
mod tests;
