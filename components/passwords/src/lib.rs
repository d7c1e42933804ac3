//! The guest of component `passwords`: its calls are in `framelift_edge::passwords`.
#![cfg(target_family = "wasm")]

use bytes::Bytes;
use framelift_edge::passwords::{Hashing, serve};
use framelift_edge::spin::SpinAmbient;
use http::Response;
use spin_sdk::http::{FullBody, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<FullBody<Bytes>> {
    let (parts, _) = request.into_parts();
    serve(&Hashing::default(), &SpinAmbient, parts).await.map(FullBody::new)
}
