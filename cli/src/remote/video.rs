//! The service's record of a video: the fields that commands use, and the original JSON.

use indicatif::HumanBytes;
use serde::Deserialize;
use serde_json::Value;

use crate::outcome::frames;
use crate::service::{Service, ServiceError};

/// A record of `GET /videos/{id}`. Other fields, and other statuses, may come from later versions.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Video {
    pub(crate) id: String,
    pub(crate) file_name: String,
    pub(crate) size_bytes: u64,
    pub(crate) status: String,
    pub(crate) progress: Progress,
    pub(crate) queue_position: Option<u32>,
    pub(crate) result: Option<Outcome>,
    pub(crate) failure: Option<Failure>,
    pub(crate) created_at: String,
    pub(crate) completed_at: Option<String>,
    /// The original JSON.
    #[serde(skip)]
    pub(crate) raw: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) stage: String,
    pub(crate) percent: u8,
    pub(crate) frames_done: u64,
}

/// The result to download.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) size_bytes: u64,
    pub(crate) frames: u64,
    pub(crate) sha256: String,
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Video {
    /// The video's record now.
    pub(crate) fn fetch(service: &Service, id: &str) -> Result<Self, ServiceError> {
        Self::read(service, service.get(&format!("/videos/{}", path_segment(id)?))?)
    }

    /// Reads a record from its JSON.
    pub(crate) fn read(service: &Service, raw: Value) -> Result<Self, ServiceError> {
        let video = Self::deserialize(&raw).map_err(|error| ServiceError::UnexpectedAnswer {
            server: service.server().to_owned(),
            answer: format!("a video that this version does not understand ({error})"),
        })?;
        Ok(Self { raw, ..video })
    }

    /// Whether its status is terminal.
    pub(crate) fn is_finished(&self) -> bool {
        self.completed_at.is_some()
    }

    /// Its state in a few words.
    pub(crate) fn state(&self) -> String {
        match (&*self.status, &self.result, &self.failure) {
            ("completed", Some(result), _) => {
                format!("completed, {} ({})", frames(result.frames), HumanBytes(result.size_bytes))
            }
            ("failed", _, Some(failure)) => format!("failed, {}: {}", failure.code, failure.message),
            ("queued", ..) => match self.queue_position {
                Some(position) => format!("queued, number {position} behind your other videos"),
                None => "queued".to_owned(),
            },
            ("processing", ..) => {
                let Progress { stage, percent, frames_done } = &self.progress;
                format!("processing, {stage}, {percent} %, {}", frames(*frames_done))
            }
            (status, ..) => status.replace('_', " "),
        }
    }
}

/// Checks that an id can be part of a path.
pub(crate) fn path_segment(id: &str) -> Result<&str, ServiceError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !id.is_empty() && id.bytes().all(good) {
        true => Ok(id),
        false => Err(ServiceError::Value(format!("{id:?} is no id; `framelift list` shows them"))),
    }
}
