//! `GET /videos/{id}/frames`: the frames of a result, in the order of time, with links to them.

use framelift_contract::frame::{FrameItem, FramePage};
use framelift_contract::frame_index::Row;
use framelift_contract::rules::{CURSOR, FRAME_NUMBER, PAGE};
use framelift_domain::{Rational, Time};
use http::{Response, StatusCode};

use super::link::{LinkKeys, expiry};
use super::{RESULT, index::IndexedResult};
use crate::cursor;
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::JobError;
use crate::openapi::{Auth, OWN_VIDEO, Operation, Payload, examples, integer, schema_of, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, request};

pub(super) const ROUTE: Route = Route::get("/videos/{id}/frames");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "listFrames",
        "videos",
        Auth::User,
        "List the frames of a result, in the order of time",
    )
    .about(
        "`url` and `url_template` are paths on this service. They stay the same for a while, so that caches \
             keep what they lead to, and open without a token until `expires_at`.",
    )
    .query("limit", "Frames on the page.", integer(PAGE, Some(20)))
    .query(
        "from",
        "The number of the first frame on the page. A cursor goes before it.",
        integer(FRAME_NUMBER, Some(1)),
    )
    .query("cursor", "`next_cursor` of the page before.", schema_of(&CURSOR))
    .conditional()
    .answers_with(StatusCode::OK, "A page.", typed(&example()), &["ETag"])
    .answers_with(StatusCode::NOT_MODIFIED, "Not modified.", Payload::Empty, &["ETag"])
    .or(OWN_VIDEO)
    .or(RESULT)
}

fn example() -> FramePage {
    FramePage {
        items: vec![FrameItem {
            n: 13,
            time: "12.5".into(),
            time_seconds: 12.5,
            width: 1280,
            height: 720,
            bytes: 204_800,
            keyframe: false,
            url: "/f/018bcfe5-6800-7707-8707-070707070707.13.1700006400.JkVn3yT0Zc5o0PqsWbkm1A".into(),
        }],
        next_cursor: None,
        url_template: "/f/018bcfe5-6800-7707-8707-070707070707.{n}.1700006400.all.t7m0Xg3yT0Zc5o0PqsWbkQ"
            .into(),
        expires_at: examples::time().plus_s(6400),
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn list_frames(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let user = self.caller(incoming).await?;
        let query = incoming.query(&["limit", "from", "cursor"])?;
        let limit = query.bounded("limit", PAGE, 20)?;
        let from = query.bounded("from", FRAME_NUMBER, 1)?;
        let first = match query.get("cursor") {
            None => from.into(),
            Some(text) => cursor::parse(text).ok_or(JobError::BadCursor)?.max(1),
        };
        let result = self.result_of(self.jobs().find(user, incoming.video_id()?).await?.video)?;
        let links = &self.frames()?.links;
        let expires_at = expiry(self.ambient.now(), self.config.limits.url_ttl_s);
        let end = first.saturating_add(limit.into()).min(result.frames + 1);
        let mut items = Vec::new();
        for number in first..end {
            let row = self.row(&result, number).await?;
            items.push(item(&result, number, row, links, expires_at));
        }
        let page = FramePage {
            items,
            next_cursor: (end <= result.frames).then(|| cursor::format(end)),
            url_template: links.all(result.video.id, expires_at),
            expires_at,
        };
        Ok(request::tagged(incoming.headers(), &page)?.map(Body::from))
    }
}

fn item(result: &IndexedResult, n: u64, row: Row, links: &LinkKeys, expires_at: Time) -> FrameItem {
    // A billionth has an exact spelling, and no number of them has too large a numerator.
    let time = Rational::new(row.time_ns.into(), 1_000_000_000).unwrap_or(Rational::ZERO);
    FrameItem {
        n,
        time: time.to_string(),
        time_seconds: time.to_f64(),
        width: row.width.into(),
        height: row.height.into(),
        bytes: row.image.length.into(),
        keyframe: row.keyframe,
        url: links.one(result.video.id, n, expires_at),
    }
}
