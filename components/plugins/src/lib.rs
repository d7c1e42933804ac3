//! The guest of component `plugins`: its endpoints are in `framelift_edge::plugins`.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::guest::{self, Answer};
use spin_sdk::http::Request;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Answer {
    guest::plugins(request).await
}
