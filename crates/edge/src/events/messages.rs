//! The messages of a stream, in the format of server-sent events (HTML standard, section 9.2).

use std::fmt::Display;

use framelift_contract::video::{Progress, VideoResponse};
use framelift_domain::VideoId;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first message: how many milliseconds a reader waits before it opens a stream again.
pub(super) const RETRY: &str = "retry: 2000\n\n";
/// A comment without text, which keeps proxies from closing a silent stream.
pub(super) const KEEPALIVE: &str = ": \n\n";

/// Data of a `progress` event.
#[derive(Serialize)]
struct ProgressData {
    id: VideoId,
    progress: Progress,
}

/// Data of a `deleted` event.
#[derive(Serialize)]
struct DeletedData {
    id: VideoId,
}

/// The state of one video that was sent to a reader last, as digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SentState {
    /// A digest of everything but the progress.
    status: String,
    progress: String,
}

impl SentState {
    /// Parses the id of an event; none if it is malformed.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (status, progress) = id.split_once('-')?;
        Some(Self { status: status.to_owned(), progress: progress.to_owned() })
    }

    /// The id of the event that has sent this state.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.status, self.progress)
    }

    /// The state of a video that was sent whole.
    pub(super) fn of(video: &VideoResponse) -> Self {
        let without = VideoResponse { progress: Progress::default(), ..video.clone() };
        Self { status: digest(&without), progress: digest(&video.progress) }
    }

    /// The event that brings a reader up to date, which counts as sent; none if nothing has changed. If only the progress
    /// has changed, that is a `progress` event.
    pub(super) fn next_event(&mut self, video: &VideoResponse) -> Option<Message> {
        let now = Self::of(video);
        if now == *self {
            return None;
        }
        let is_status = now.status != self.status;
        *self = now;
        Some(if is_status {
            Message::new("status", video)
        } else {
            Message::new("progress", &ProgressData { id: video.id, progress: video.progress })
        })
    }
}

/// An event that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    event: &'static str,
    data: Value,
}

impl Message {
    fn new(event: &'static str, data: &impl Serialize) -> Self {
        // Types of the contract: writing them as JSON cannot fail.
        Self { event, data: serde_json::to_value(data).unwrap_or(Value::Null) }
    }

    /// The event of a video that its owner deleted.
    pub(super) fn deleted(video: VideoId) -> Self {
        Self::new("deleted", &DeletedData { id: video })
    }

    /// The message as it is sent. A reader that has read it and comes back with its id misses nothing.
    pub(super) fn with_id(&self, id: impl Display) -> String {
        let Self { event, data } = self;
        // JSON has no line breaks.
        format!("event: {event}\nid: {id}\ndata: {data}\n\n")
    }
}

/// A message that only sets the id with which a reader comes back.
pub(super) fn id_only(id: impl Display) -> String {
    format!("id: {id}\n\n")
}

fn digest(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(bytes)[..6])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::examples;

    #[test]
    fn changes_are_sent_once() {
        let mut video = examples::record();
        let mut sent = SentState::default();
        let first = sent.next_event(&video).unwrap().with_id("5-6");
        assert!(first.starts_with("event: status\nid: 5-6\ndata: {"), "{first}");
        assert!(first.ends_with("}\n\n") && first.lines().count() == 4, "{first}");
        let data = first.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        assert_eq!(serde_json::from_str::<VideoResponse>(data).unwrap(), video);
        assert_eq!(sent.next_event(&video), None);
        assert_eq!(SentState::parse(&sent.id()), Some(sent.clone()), "a reader that comes back");
        video.progress.percent = 41;
        let progress = sent.next_event(&video).unwrap().with_id("5-6");
        assert!(
            progress.starts_with("event: progress\n") && progress.contains(r#""percent":41"#),
            "{progress}"
        );
        video.attempt += 1;
        assert_eq!(sent.next_event(&video).unwrap().event, "status");
    }
}
