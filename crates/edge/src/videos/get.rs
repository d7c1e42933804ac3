//! `GET /videos/{id}`: one video.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route};
use crate::jobs::view;
use crate::openapi::{Auth, OWN_VIDEO, Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, request};

pub(super) const ROUTE: Route = Route::get("/videos/{id}");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getVideo", "videos", Auth::User, "Get a video")
        .conditional()
        .answers_with(StatusCode::OK, "The video.", typed(&examples::record()), &["ETag"])
        .answers_with(StatusCode::NOT_MODIFIED, "Not modified.", Payload::Empty, &["ETag"])
        .or(OWN_VIDEO)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn get(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let found = self.jobs().find(user, incoming.video_id()?).await?;
        request::tagged(incoming.headers(), &view::video(&found))
    }
}
