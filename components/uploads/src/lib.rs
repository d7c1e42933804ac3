//! The guest of component `uploads`: its endpoints are in `framelift_edge::uploads`.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::guest::{self, Answer};
use spin_sdk::http::Request;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Answer {
    guest::uploads(request).await
}
