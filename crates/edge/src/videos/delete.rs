//! `DELETE /videos/{id}`: deletes a video, its upload unless another run needs it, and its result.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, OWN_VIDEO, Operation, Payload};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::delete("/videos/{id}");

pub(super) fn operation() -> Operation {
    let summary = "Delete a video, its upload and its result";
    Operation::new(ROUTE, "deleteVideo", "videos", Auth::User, summary)
        .answers(StatusCode::NO_CONTENT, "It is gone.", Payload::Empty)
        .or(OWN_VIDEO)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn delete(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        self.jobs().delete(user, incoming.video_id()?).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
