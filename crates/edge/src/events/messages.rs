//! The messages of a stream, as the HTML standard's *server-sent events* spell them.

use std::fmt::Display;

use framelift_contract::video::{Progress, VideoResponse};
use framelift_domain::VideoId;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first message: how long a reader waits before it opens a stream again.
pub(super) const RETRY: &str = "retry: 2000\n\n";
/// Keeps proxies from closing a stream in which nothing happens.
pub(super) const COMMENT: &str = ": \n\n";

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

/// What a reader was told of one video.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// A digest of everything but the progress.
    status: String,
    progress: String,
}

impl Told {
    /// As an event's id says it.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (status, progress) = id.split_once('-')?;
        Some(Self { status: status.to_owned(), progress: progress.to_owned() })
    }

    /// As an event's id says it.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.status, self.progress)
    }

    /// What a reader knows who was told all of a video.
    pub(super) fn of(video: &VideoResponse) -> Self {
        let without = VideoResponse { progress: Progress::default(), ..video.clone() };
        Self { status: digest(&without), progress: digest(&video.progress) }
    }

    /// The event that tells what a reader does not know of a video; none if there is nothing. Only a video that is
    /// being processed has progress worth an event of its own.
    pub(super) fn tell(&mut self, video: &VideoResponse) -> Option<Message> {
        let now = Self::of(video);
        if now == *self {
            return None;
        }
        let status = now.status != self.status;
        *self = now;
        Some(if status {
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

    /// As it is sent; the id says what a reader knows who has read it.
    pub(super) fn with_id(&self, id: impl Display) -> String {
        let Self { event, data } = self;
        // JSON has no line breaks.
        format!("event: {event}\nid: {id}\ndata: {data}\n\n")
    }
}

/// No event, but the id from which a reader that comes back goes on.
pub(super) fn id_alone(id: impl Display) -> String {
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
    fn a_reader_is_told_what_it_does_not_know_and_nothing_twice() {
        let mut video = examples::record();
        let mut told = Told::default();
        let first = told.tell(&video).unwrap().with_id("5-6");
        assert!(first.starts_with("event: status\nid: 5-6\ndata: {"), "{first}");
        assert!(first.ends_with("}\n\n") && first.lines().count() == 4, "{first}");
        let data = first.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        assert_eq!(serde_json::from_str::<VideoResponse>(data).unwrap(), video);
        assert_eq!(told.tell(&video), None);
        assert_eq!(Told::parse(&told.id()), Some(told.clone()), "who comes back knows as much");
        video.progress.percent = 41;
        let progress = told.tell(&video).unwrap().with_id("5-6");
        assert!(
            progress.starts_with("event: progress\n") && progress.contains(r#""percent":41"#),
            "{progress}"
        );
        video.attempt += 1;
        assert_eq!(told.tell(&video).unwrap().event, "status");
    }
}
