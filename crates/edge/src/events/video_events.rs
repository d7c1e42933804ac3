//! `GET /videos/{id}/events`: one video, until it is finished.

use framelift_domain::video::State;
use framelift_domain::{Time, UserId, VideoId};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};

use super::follow::{Followed, Seen, follow};
use super::messages::{Message, Told};
use super::of_streams;
use super::place::Place;
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::{JobError, view};
use crate::openapi::{Auth, OWN_VIDEO, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/videos/{id}/events");

/// Between two looks at a video that a worker is at.
const AT_WORK_MS: u32 = 2_000;
/// Between two looks at one that waits.
const WAITING_MS: u32 = 4_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn operation() -> Operation {
    let summary = "Follow a video: server-sent events until it is finished";
    let operation = Operation::new(ROUTE, "followVideo", "videos", Auth::User, summary).about(
        "`status` has the video as `getVideo` answers it: at first, and whenever something but its progress has \
         changed. `progress` has `{id, progress}`. `deleted` has `{id}`. The stream ends behind the status in which \
         `completed_at` is set, behind `deleted`, with the access token, and after five minutes; whoever opens it \
         again with `Last-Event-ID` is told what has changed since. A comment comes at least every 15 seconds.\n\n\
         Browsers: read it with `fetch`, because `EventSource` cannot send the token.",
    );
    of_streams(operation).or(OWN_VIDEO)
}

/// The answer whose body is a stream.
pub(super) fn answer(body: Body<'_>) -> Response<Body<'_>> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect the events.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The id of the last event that the reader knows.
pub(super) fn last_event_id(incoming: &Incoming) -> Option<&str> {
    incoming.headers().get(LAST_EVENT_ID)?.to_str().ok()
}

struct OneVideo<'a, K, Q, H, A> {
    service: Service<'a, K, Q, H, A>,
    user: UserId,
    place: Place,
    id: VideoId,
    told: Told,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Followed for OneVideo<'_, K, Q, H, A> {
    async fn look(&mut self, _: Time) -> Result<Seen, Failure> {
        let found = match self.service.jobs().find(self.user, self.id).await {
            // It was there when the stream began, or was told to be.
            Err(JobError::VideoNotFound) if self.told != Told::default() => {
                let messages = Message::deleted(self.id).with_id(self.told.id());
                return Ok(Seen { messages, finished: true, pace_ms: 0 });
            }
            found => found?,
        };
        let video = view::video(&found);
        let message = self.told.tell(&video);
        let messages = message.map(|message| message.with_id(self.told.id())).unwrap_or_default();
        let at_work = matches!(found.video.state, State::Processing(_));
        let pace_ms = if at_work { AT_WORK_MS } else { WAITING_MS };
        Ok(Seen { messages, finished: video.completed_at.is_some(), pace_ms })
    }

    async fn has_place(&self) -> bool {
        self.service.has_place(&self.place).await
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn video_events(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let caller = self.identified(incoming).await?;
        let id = incoming.video_id()?;
        // Who may not see it, or whose video is not there, is told so whatever they know.
        self.jobs().find(caller.id, id).await?;
        let told = last_event_id(incoming).and_then(Told::parse).unwrap_or_default();
        let place = self.take_place(caller.id).await;
        let followed = OneVideo { service: *self, user: caller.id, place, id, told };
        let pieces = follow(self.ambient, followed, caller.expires_at).await?;
        Ok(answer(Body::Pieces(pieces)))
    }
}
