//! The guest of component `web`: its calls are in `framelift_edge::web`.
#![cfg(target_family = "wasm")]

use bytes::Bytes;
use framelift_edge::http::{MAX_JSON_BYTES, collect};
use framelift_edge::spin::SpinAmbient;
use framelift_edge::web::serve;
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = collect(&parts.headers, body, MAX_JSON_BYTES).await;
    serve(&SpinAmbient, parts, body).await.map(FullBody::new)
}
