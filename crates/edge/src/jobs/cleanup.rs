//! Deletes objects that are no longer needed.

use std::fmt::Display;

use framelift_contract::object_key;
use framelift_domain::video::{Source, State};
use framelift_domain::{CorrelationId, Video, VideoId};
use serde_json::json;

use super::{Jobs, Result};
use crate::http::{Level, log};
use crate::ports::{Ambient, Kv, Objects, Queue};

/// Objects of a video that are to be removed. All of them may be gone already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cleanup {
    pub(super) video: VideoId,
    correlation_id: CorrelationId,
    /// The upload's key.
    upload: Option<String>,
    /// The key and the upload id of a multipart upload to abort.
    multipart: Option<(String, String)>,
    /// The prefix of the archives, and of multipart uploads of archives that were cut short.
    results_prefix: Option<String>,
}

impl Cleanup {
    /// Whether there is nothing to remove.
    const fn is_empty(&self) -> bool {
        self.upload.is_none() && self.multipart.is_none() && self.results_prefix.is_none()
    }

    /// All of a video's objects. `upload_gone` says whether the upload is included, because no other video uses it.
    pub(super) fn all_of(video: &Video, upload_gone: bool) -> Self {
        let upload_key = object_key::upload(video.owner, video.root());
        let multipart = match (&video.source, video.state.multipart()) {
            (Source::Own { .. }, Some(multipart)) => Some((upload_key.clone(), multipart.upload_id.clone())),
            _ => None,
        };
        let record_attempt = video.state.attempts().made > 0;
        Self {
            video: video.id,
            correlation_id: video.correlation_id.clone(),
            upload: upload_gone.then_some(upload_key),
            multipart,
            results_prefix: record_attempt.then(|| object_key::results_of(video.owner, video.id)),
        }
    }
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// The objects that can be deleted as soon as a video has ended: an upload that no run can use or that never
    /// arrived, and archives of attempts that were not published.
    pub(super) async fn after_end(&self, video: &Video) -> Result<Option<Cleanup>> {
        let useless = match &video.state {
            State::Failed { failure, .. } => failure.code.makes_upload_useless(),
            State::Canceled { uploaded, .. } => !uploaded,
            State::Expired { .. } | State::Deleted { .. } => true,
            _ => false,
        };
        let gone = useless && self.release_upload(video).await?;
        let mut cleanup = Cleanup::all_of(video, gone);
        if matches!(video.state, State::Completed { .. }) {
            cleanup.results_prefix = None;
        }
        Ok((!cleanup.is_empty()).then_some(cleanup))
    }

    /// Deletes the objects of a cleanup.
    pub(super) async fn remove(&self, cleanup: &Cleanup) -> Result<()> {
        if let Some((key, upload_id)) = &cleanup.multipart {
            self.objects.abort_multipart(key, upload_id).await?;
        }
        if let Some(key) = &cleanup.upload {
            self.objects.remove(key).await?;
        }
        if let Some(prefix) = &cleanup.results_prefix {
            self.objects.remove_all(prefix).await?;
        }
        Ok(())
    }

    /// Deletes the objects of a cleanup. After an error, the retention pass retries.
    pub(super) async fn try_remove(&self, cleanup: Option<&Cleanup>) {
        let Some(cleanup) = cleanup else { return };
        if let Err(error) = self.remove(cleanup).await {
            log_left(cleanup, &error);
        }
    }
}

/// Logs that objects could not be deleted.
pub(super) fn log_left(cleanup: &Cleanup, error: &dyn Display) {
    let fields = [("video.id", json!(cleanup.video)), ("cause", json!(error.to_string()))];
    log(Level::Warn, "objects are left for a later sweep", Some(&cleanup.correlation_id), &fields);
}
