//! A guest that puts the store it is given through `framelift_edge::store::suite`.
//!
//! `GET /` runs all checks and answers `[{"check":…,"error":null|…}]`: 200 when all pass, 500
//! when one does not.
#![cfg(target_family = "wasm")]

use framelift_edge::spin::{SpinAmbient, SpinKv};
use framelift_edge::store::suite;
use http::Response;
use serde_json::{Value, json};
use spin_sdk::http::Request;
use spin_sdk::http_service;

/// The label of the store that is tried.
const STORE: &str = "default";

#[http_service]
async fn handle(_: Request) -> Response<String> {
    let (status, body) = match SpinKv::open(STORE).await {
        Ok(kv) => {
            let verdicts = suite::run_all(&kv, &SpinAmbient).await;
            let passed = verdicts.iter().all(|(_, outcome)| outcome.is_ok());
            let lines: Vec<Value> = verdicts
                .into_iter()
                .map(|(check, outcome)| json!({ "check": check, "error": outcome.err() }))
                .collect();
            (if passed { 200 } else { 500 }, Value::from(lines))
        }
        Err(error) => (503, json!([{ "check": "open", "error": error.to_string() }])),
    };
    let mut response = Response::new(body.to_string());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
