//! Component `events`: tells owners how their videos are doing while it happens, as server-sent events.
//!
//! A stream looks into the store at a bounded pace and tells what has changed. Nothing is kept between two streams:
//! the id of an event says what its reader knows, so that a stream that follows on it tells the rest.

mod all_events;
mod bookmark;
mod follow;
mod messages;
mod place;
mod video_events;

use utoipa::openapi::ObjectBuilder;

use crate::http::{Router, component};
use crate::openapi::{Operation, object, raw, text};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

component! {
    'a Service<'a, K, Q, H, A> where [K: Kv, Q: Queue, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [video_events, all_events]
}

/// What both streams have in common.
fn of_streams(operation: Operation) -> Operation {
    operation
        .header("Last-Event-ID", "The id of the last event that was read, to go on behind it.", text())
        .answers(http::StatusCode::OK, "Events, as they happen.", raw("text/event-stream", event()))
}

/// The schema of one event of a stream.
fn event() -> ObjectBuilder {
    object().property("event", text()).property("id", text()).property("data", text())
}
