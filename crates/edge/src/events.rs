//! Component `events`: streams the changes of a user's videos as server-sent events.
//!
//! A stream polls the store and sends what has changed. Nothing is kept between two streams: the id of an event encodes
//! what its reader has read, so that the next stream continues there.

mod all_events;
mod bookmark;
mod follow;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod messages;
pub(crate) mod stream_slot;
mod video_events;

use serde_json::json;
use utoipa::openapi::ObjectBuilder;

use crate::http::{Router, component};
use crate::openapi::{Operation, object, raw_with_example, text};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    'a Service<'a, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [video_events, all_events]
}

/// Adds the parts of the documentation that both streams share.
fn stream_operation(operation: Operation) -> Operation {
    let example = json!({ "event": "deleted", "id": "412:3", "data": "{\"id\":\"018bcfe5-6800-7909-8909-090909090909\"}" });
    let events = raw_with_example("text/event-stream", event(), example);
    operation
        .header(
            "Last-Event-ID",
            "The id of the last event that was read: the stream continues after it.",
            text(),
        )
        .answers(http::StatusCode::OK, "Server-sent events.", events)
}

/// The schema of one event of a stream.
fn event() -> ObjectBuilder {
    object().property("event", text()).property("id", text()).property("data", text())
}
