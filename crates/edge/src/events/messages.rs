//! The messages of a stream, as the HTML standard's *server-sent events* spell them.

use std::fmt::Write as _;

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
    pub(super) fn tell(&mut self, video: &VideoResponse, id: impl FnOnce(&Self) -> String) -> Option<String> {
        let now = Self::of(video);
        if now == *self {
            return None;
        }
        let status = now.status != self.status;
        *self = now;
        let id = id(self);
        Some(if status {
            message("status", &id, video)
        } else {
            message("progress", &id, &ProgressData { id: video.id, progress: video.progress })
        })
    }
}

/// The event of a video that its owner deleted.
pub(super) fn deleted(video: VideoId, id: &str) -> String {
    message("deleted", id, &DeletedData { id: video })
}

fn message(event: &str, id: &str, data: &impl Serialize) -> String {
    // Types of the contract: writing them as JSON cannot fail.
    let data = serde_json::to_value(data).unwrap_or(Value::Null);
    let mut text = String::new();
    // JSON has no line breaks, and writing to a string does not fail.
    let _ = write!(text, "event: {event}\nid: {id}\ndata: {data}\n\n");
    text
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
        let first = told.tell(&video, Told::id).unwrap();
        let id = told.id();
        assert!(first.starts_with(&format!("event: status\nid: {id}\ndata: {{")), "{first}");
        assert!(first.ends_with("}\n\n") && first.lines().count() == 4, "{first}");
        let data = first.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        assert_eq!(serde_json::from_str::<VideoResponse>(data).unwrap(), video);
        assert_eq!(told.tell(&video, Told::id), None);
        assert_eq!(Told::parse(&id), Some(told.clone()), "who comes back knows as much");
        video.progress.percent = 41;
        let progress = told.tell(&video, Told::id).unwrap();
        assert!(
            progress.starts_with("event: progress\n") && progress.contains(r#""percent":41"#),
            "{progress}"
        );
        video.attempt += 1;
        assert!(told.tell(&video, Told::id).unwrap().starts_with("event: status\n"));
    }
}
