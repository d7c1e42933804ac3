//! `GET /storage`: how many bytes the caller's videos take up, and how many they may.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::StorageResponse;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/storage");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getStorage", "videos", Auth::User, "Get the bytes used and the limit")
        .about(
            "Counts the uploads of unfinished videos by their declared size, and of finished ones the upload and \
             the result, as long as each is kept. What would exceed the limit is refused with \
             `storage-quota-exceeded`.",
        )
        .answers(
            StatusCode::OK,
            "The bytes of all the caller's videos, and the limit.",
            typed(&StorageResponse { used_bytes: 82_837_504, limit_bytes: 107_374_182_400 }),
        )
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn storage(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let used_bytes = self.jobs().used_bytes(user).await?;
        let limit_bytes = self.config.limits.max_stored_bytes_per_user;
        json(StatusCode::OK, &StorageResponse { used_bytes, limit_bytes })
    }
}
