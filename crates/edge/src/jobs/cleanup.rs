//! Objects that are not needed any more, for whoever has the object store to remove.

use framelift_contract::object_key;
use framelift_domain::video::{Source, State};
use framelift_domain::{Video, VideoId};

use super::{Jobs, Result};
use crate::ports::{Ambient, Kv, Queue};

/// What to remove. All of it may be gone already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// Whose objects they are.
    pub video: VideoId,
    /// Whether to say [`Jobs::purged`] once they are gone.
    pub purge: bool,
    /// The upload's key.
    pub upload: Option<String>,
    /// The key and the upload id of a multipart upload to abort.
    pub multipart: Option<(String, String)>,
    /// The prefix of the archives, and of multipart uploads of archives that were cut short.
    pub results_prefix: Option<String>,
}

impl Cleanup {
    /// Whether there is nothing to remove.
    pub const fn is_empty(&self) -> bool {
        self.upload.is_none() && self.multipart.is_none() && self.results_prefix.is_none()
    }

    /// All of a video's objects; the upload only if nobody else uses it.
    pub(super) fn all_of(video: &Video, upload_gone: bool) -> Self {
        let upload_key = object_key::upload(video.owner, video.root());
        let multipart = match (&video.source, video.state.multipart()) {
            (Source::Own { .. }, Some(multipart)) => Some((upload_key.clone(), multipart.upload_id.clone())),
            _ => None,
        };
        let attempted = video.state.attempts().made > 0;
        Self {
            video: video.id,
            purge: false,
            upload: upload_gone.then_some(upload_key),
            multipart,
            results_prefix: attempted.then(|| object_key::results_of(video.owner, video.id)),
        }
    }
}

impl<K: Kv, Q: Queue, A: Ambient> Jobs<'_, K, Q, A> {
    /// What can go as soon as a video has come to its end: an upload that is of no use to anybody,
    /// one that never arrived, and the archives of attempts that did not make it.
    pub(super) async fn after_end(&self, video: &Video) -> Result<Option<Cleanup>> {
        let useless = match &video.state {
            State::Failed { failure, .. } => failure.code.condemns_upload(),
            State::Canceled { uploaded, .. } => !uploaded,
            State::Expired { .. } | State::Deleted { .. } => true,
            _ => false,
        };
        let gone = useless && self.let_go(video).await?;
        let mut cleanup = Cleanup::all_of(video, gone);
        if matches!(video.state, State::Completed { .. }) {
            cleanup.results_prefix = None;
        }
        Ok((!cleanup.is_empty()).then_some(cleanup))
    }
}
