//! A guest that runs `framelift_edge::store::suite` on its store.
//!
//! `GET /` answers the names of the checks. `GET /<check>` runs one: 200 when it passes, 500 with the
//! reason when it does not, 404 when there is none of that name. Each is a request of its own, because
//! an instance on Spin gets 256 compare-and-swaps in its life.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::{SpinAmbient, SpinKv};
use framelift_edge::store::suite;
use http::{Response, StatusCode};
use spin_sdk::http::Request;
use spin_sdk::http_service;

/// The label of the tested store.
const STORE: &str = "default";

#[http_service]
async fn handle(request: Request) -> Response<String> {
    let check = request.uri().path().trim_start_matches('/');
    let (status, body) =
        if check.is_empty() { (StatusCode::OK, suite::CHECKS.join("\n")) } else { run(check).await };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

async fn run(check: &str) -> (StatusCode, String) {
    let kv = match SpinKv::open(STORE).await {
        Ok(kv) => kv,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    match suite::run(check, &kv, &SpinAmbient).await {
        Some(Ok(())) => (StatusCode::OK, String::new()),
        Some(Err(reason)) => (StatusCode::INTERNAL_SERVER_ERROR, reason),
        None => (StatusCode::NOT_FOUND, format!("there is no check `{check}`")),
    }
}
