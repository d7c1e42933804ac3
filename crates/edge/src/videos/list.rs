//! `GET /videos`: the caller's videos, newest first.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::{CURSOR, PAGE};
use framelift_contract::video::{Status, VideoPage};
use http::{Response, StatusCode};
use strum::VariantNames as _;

use crate::http::{Failure, Incoming, Route};
use crate::jobs::view;
use crate::openapi::{Auth, Operation, Payload, examples, integer, one_of, schema_of, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, request};

pub(super) const ROUTE: Route = Route::get("/videos");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "listVideos", "videos", Auth::User, "List the caller's videos, newest first")
        .query("limit", "Videos on the page.", integer(PAGE, Some(20)))
        .query("cursor", "`next_cursor` of the page before.", schema_of(&CURSOR))
        .query("status", "Only videos of this status.", one_of(Status::VARIANTS))
        .conditional()
        .answers_with(
            StatusCode::OK,
            "A page.",
            typed(&VideoPage { items: vec![examples::record()], next_cursor: None }),
            &["ETag"],
        )
        .answers_with(StatusCode::NOT_MODIFIED, "Not modified.", Payload::Empty, &["ETag"])
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn list(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let query = incoming.query(&["limit", "cursor", "status"])?;
        let limit = query.bounded("limit", PAGE, 20)?;
        let status = match query.get("status") {
            None => None,
            Some(text) => Some(status(text)?),
        };
        let page = self.jobs().list(user, query.get("cursor"), limit, status).await?;
        let items = page.items.iter().map(view::video).collect();
        request::tagged(incoming.headers(), &VideoPage { items, next_cursor: page.next_cursor })
    }
}

fn status(text: &str) -> Result<Status, Failure> {
    let unknown = |_| Failure::field("?status", format!("must be one of {}", Status::VARIANTS.join(", ")));
    text.parse().map_err(unknown)
}
