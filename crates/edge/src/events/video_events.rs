//! `GET /videos/{id}/events`: streams the changes of one video until it is finished.

use framelift_domain::video::State;
use framelift_domain::{Time, UserId, VideoId};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};

use super::follow::{PollResult, PollSource, follow};
use super::messages::{Message, SentState};
use super::stream_operation;
use super::stream_slot::StreamSlot;
use crate::http::{Body, Failure, Incoming, Route};
use crate::jobs::{JobError, view};
use crate::openapi::{Auth, OWN_VIDEO, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/videos/{id}/events");

/// The pause between polls while a worker processes the video, in milliseconds.
const PROCESSING_POLL_MS: u32 = 2_000;
/// The pause between polls while the video waits, in milliseconds.
const QUEUED_POLL_MS: u32 = 4_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn operation() -> Operation {
    let summary = "Follow a video: server-sent events until it is finished";
    let operation = Operation::new(ROUTE, "followVideo", "videos", Auth::User, summary).about(
        "`status` has the video as `getVideo` answers it. It is sent first, and again when anything but the progress \
         changes. `progress` has `{id, progress}`. `deleted` has `{id}`. The stream ends after a `status` with \
         `completed_at`, after `deleted`, when the access token expires, and after five minutes. A new request with \
         `Last-Event-ID` continues it: it sends what has changed since that event. While nothing changes, a comment is \
         sent about every 15 seconds.\n\n\
         In a browser, read the stream with `fetch`, because `EventSource` cannot send the token.",
    );
    stream_operation(operation).or(OWN_VIDEO)
}

/// The answer with a stream as its body.
pub(super) fn answer(body: Body<'_>) -> Response<Body<'_>> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Without it, nginx buffers the events.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The id of the last event that the reader has read.
pub(super) fn last_event_id(incoming: &Incoming) -> Option<&str> {
    incoming.headers().get(LAST_EVENT_ID)?.to_str().ok()
}

struct OneVideo<'a, K, Q, H, A> {
    service: Service<'a, K, Q, H, A>,
    user: UserId,
    slot: StreamSlot,
    id: VideoId,
    sent: SentState,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> PollSource for OneVideo<'_, K, Q, H, A> {
    async fn poll(&mut self, _: Time) -> Result<PollResult, Failure> {
        let found = match self.service.jobs().find(self.user, self.id).await {
            // The reader knows the video, by this stream or an earlier one.
            Err(JobError::VideoNotFound) if self.sent != SentState::default() => {
                let messages = Message::deleted(self.id).with_id(self.sent.id());
                return Ok(PollResult { messages, finished: true, pause_ms: 0 });
            }
            found => found?,
        };
        let video = view::video(&found);
        let event = self.sent.next_event(&video);
        let messages = event.map(|event| event.with_id(self.sent.id())).unwrap_or_default();
        let is_processing = matches!(found.video.state, State::Processing(_));
        let pause_ms = if is_processing { PROCESSING_POLL_MS } else { QUEUED_POLL_MS };
        Ok(PollResult { messages, finished: video.completed_at.is_some(), pause_ms })
    }

    async fn holds_slot(&self) -> bool {
        self.slot.is_held(&self.service.kv_store()).await
    }
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn video_events(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let caller = self.identified(incoming).await?;
        let id = incoming.video_id()?;
        // A video that is missing or another user's is a problem, even if the reader comes back with an event's id.
        self.jobs().find(caller.id, id).await?;
        let sent = last_event_id(incoming).and_then(SentState::parse).unwrap_or_default();
        let slot = StreamSlot::acquire(&self.kv_store(), caller.id).await;
        let source = OneVideo { service: *self, user: caller.id, slot, id, sent };
        let pieces = follow(self.ambient, source, caller.expires_at).await?;
        Ok(answer(Body::Pieces(pieces)))
    }
}
