//! The guest of component `web`: its endpoints are in `framelift_edge::web`.
#![cfg(target_family = "wasm")]

use bytes::Bytes;
use framelift_edge::spin::SpinAmbient;
use framelift_edge::web::{Web, serve};
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, body) = request.into_parts();
    serve(Ok(Web), &SpinAmbient, parts, body).await.map(FullBody::new)
}
