//! Component `web`: what a browser or a curious client finds. The page with its files, the OpenAPI document
//! and the page to try it, and a problem document wherever there is nothing.

mod asset;
mod config;
mod docs;
mod document;
mod home;
mod page;
mod reference;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};

pub use config::WebConfig;
pub use page::Asset;
use page::INDEX;

use crate::http::{Failure, Route, Router, component};
use crate::openapi;

/// The service of this component.
#[derive(Clone, Debug)]
pub struct Web {
    assets: &'static [Asset],
    policy: String,
}

impl Web {
    /// The service of a page that is made of these files.
    pub fn new(assets: &'static [Asset], config: &WebConfig) -> Self {
        Self { assets, policy: page::policy(&config.object_store) }
    }
}

component! {
    Web where [];
    router: Router::new(&every_route());
    call: [home, asset, docs, document]
}

/// The routes of this component, and behind them those of all others: so a wrong method is told from a
/// wrong path.
fn every_route() -> Vec<Route> {
    let others = openapi::COMPONENTS.iter().filter(|component| component.name != "web");
    ROUTES.iter().chain(others.flat_map(|component| component.routes)).cloned().collect()
}

/// Of the documentation: nothing from elsewhere, no frames around the page, requests to this service alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that is one file.
fn single_file(html: &'static str) -> Result<Response<Bytes>, Failure> {
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
