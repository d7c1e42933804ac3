//! The guest of component `uploads`: its calls are in `framelift_edge::videos`.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::guest::{self, Answer};
use spin_sdk::http::Request;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Answer {
    guest::uploads(request).await
}
