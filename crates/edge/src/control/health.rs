//! `GET /health`: whether the app answers, and which version of it.

use bytes::Bytes;
use framelift_contract::service::{Health, HealthStatus};
use http::{Response, StatusCode};

use crate::http::{Failure, Route, json};
use crate::openapi::{Auth, Operation, typed};

pub(super) const ROUTE: Route = Route::get("/health");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "getHealth",
        "service",
        Auth::Nobody,
        "Check that the app answers; tells its version",
    )
    .answers(StatusCode::OK, "The app answers.", typed(&Health::new(HealthStatus::Ok)))
}

pub(super) fn answer() -> Result<Response<Bytes>, Failure> {
    json(StatusCode::OK, &Health::new(HealthStatus::Ok))
}
