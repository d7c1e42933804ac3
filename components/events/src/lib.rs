//! The guest of component `events`: its endpoints are in `framelift_edge::events`.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::guest::{self, StreamedAnswer};
use spin_sdk::http::Request;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> StreamedAnswer {
    guest::events(request).await
}
