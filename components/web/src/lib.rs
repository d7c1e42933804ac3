//! The guest of component `web`: its endpoints are in `framelift_edge::web`, the page's files in `dist`.
#![cfg(target_family = "wasm")]

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use framelift_edge::http::{Cors, Failure};
use framelift_edge::spin::{SpinAmbient, configured};
use framelift_edge::web::{Asset, Web, WebConfig, serve};
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

/// The files of the page.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, body) = request.into_parts();
    let (service, cors) = match configuration().await {
        Ok(config) => (Ok(Web::new(ASSETS, &config)), config.cors.clone()),
        Err(failure) => (Err(failure), Cors::default()),
    };
    serve(service, &cors, &SpinAmbient, parts, body).await.map(FullBody::new)
}

thread_local! {
    static CONFIG: RefCell<Option<Rc<WebConfig>>> = const { RefCell::new(None) };
}

async fn configuration() -> Result<Rc<WebConfig>, Failure> {
    configured(&CONFIG, WebConfig::VARIABLES, WebConfig::read).await
}
