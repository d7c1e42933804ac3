//! The operations on videos behind the calls of the API and of the workers.
//!
//! Each operation is an ordered list of idempotent steps, each of which changes one value of the store. After a crash,
//! the next call for the same user (a retry, a worker's report, the sweep) does the remaining steps. This works
//! because:
//!
//! * a video that is not terminal has an entry in its owner's slots, which is made before its record and removed after
//!   the record has become terminal;
//! * an owner with entries in the slots is in the work list, from before the first entry until after the last one;
//! * an entry is waiting or in flight only after the upload was checked. The record is changed after the entry, the
//!   message is sent after that, and `sent` is set last.

mod claim;
mod cleanup;
mod create;
mod dispatch;
mod error;
mod expire;
mod finish;
mod follow;
mod idempotency;
mod measure;
mod notices;
mod owner;
pub mod plugins;
mod read;
mod retention;
#[cfg(test)]
mod simulation;
mod sweep;
#[cfg(test)]
mod tests;
mod upload_lease;
pub mod view;

use framelift_contract::message::{JobMessage, NoticeKind};
use framelift_contract::object_key;
use framelift_domain::video::{Event, Lane, Multipart, Refused};
use framelift_domain::{CorrelationId, Limits, Options, Time, TraceParent, UserId, Video, VideoId};

use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::Store;
use crate::store::records::VideoRow;
use crate::store::update::Updated;

pub use error::JobError;
pub use follow::{AllUnfinished, Entry, Unfinished};
pub use idempotency::Idempotency;
pub use read::Page;
pub use sweep::Swept;
pub use upload_lease::{UPLOAD_LEASE_S, UploadClaim, UploadLease};

/// The result of an operation.
pub type Result<T> = std::result::Result<T, JobError>;

/// The operations, over a store, a queue, an object store, a clock and the deployment's limits.
#[derive(Debug)]
pub struct Jobs<'a, K, Q, O, A> {
    store: Store<'a, K, A>,
    queue: &'a Q,
    objects: O,
    ambient: &'a A,
    limits: &'a Limits,
}

/// The data of a new video.
#[derive(Clone, Debug)]
pub struct NewVideo {
    /// The name that the owner gave the file.
    pub file_name: String,
    /// Bytes of the upload.
    pub size_bytes: u64,
    /// The media type to store it with.
    pub content_type: Option<String>,
    /// What to extract.
    pub options: Options,
    /// The id of the request.
    pub correlation_id: CorrelationId,
    /// The trace that the request belongs to, if it named one.
    pub trace_parent: Option<TraceParent>,
}

/// A video, and its position in its owner's queue while it waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The video.
    pub video: Video,
    /// Its position from 1, only while `queued`.
    pub queue_position: Option<u32>,
}

impl<'a, K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'a, K, Q, O, A> {
    /// The operations over these ports.
    pub fn new(kv: &'a K, queue: &'a Q, objects: O, ambient: &'a A, limits: &'a Limits) -> Self {
        Self { store: Store::new(kv, ambient), queue, objects, ambient, limits }
    }

    fn now(&self) -> Time {
        self.ambient.now()
    }

    /// A new id with the current time in it.
    pub fn fresh_id(&self) -> VideoId {
        let mut random = [0; 10];
        self.ambient.fill_random(&mut random);
        VideoId::new(u64::try_from(self.now().unix_ms()).unwrap_or(0), random)
    }

    async fn row(&self, id: VideoId) -> Result<VideoRow> {
        self.store.video(id).await?.ok_or(JobError::VideoNotFound)
    }

    /// The video's record; an error if there is none or it is another user's.
    async fn owned(&self, user: UserId, id: VideoId) -> Result<VideoRow> {
        let row = self.row(id).await?;
        if row.video.owner != user {
            return Err(JobError::VideoNotOwned);
        }
        Ok(row)
    }

    /// Applies an event to a record.
    async fn apply(&self, id: VideoId, event: &Event) -> Result<Video> {
        let updated: Updated<VideoRow, ()> = self
            .store
            .update_video(id, |row: VideoRow| {
                let before = row.video.state.clone();
                let video = row.video.apply(event.clone(), self.now())?;
                let changed = video.state != before;
                Ok::<_, Refused>((VideoRow { video, ..row }, changed, ()))
            })
            .await?;
        Ok(updated.value.video)
    }

    /// Sends a message for a video.
    async fn send(&self, video: &Video, notice: Option<NoticeKind>, delay_s: u32) -> Result<()> {
        let message = JobMessage {
            version: 1,
            video_id: video.id,
            user_id: video.owner,
            correlation_id: video.correlation_id.clone(),
            traceparent: Some(video.trace()),
            notice,
        };
        // A notice is short work, even if its video was long.
        let lane = if notice.is_some() { Lane::Short } else { video.lane() };
        Ok(self.queue.send(lane, &message.into(), delay_s).await?)
    }

    /// Records the multipart upload that was begun for a video, if the video still awaits its upload. Only the first
    /// one is recorded; one that is not is aborted. Returns the current video.
    pub async fn multipart_begun(&self, user: UserId, id: VideoId, multipart: Multipart) -> Result<Video> {
        let begun = multipart.clone();
        let recorded = self.record_multipart(user, id, multipart).await;
        if !recorded.as_ref().is_ok_and(|video| video.state.multipart() == Some(&begun)) {
            self.objects.abort_multipart(&object_key::upload(user, id), &begun.upload_id).await?;
        }
        recorded
    }

    async fn record_multipart(&self, user: UserId, id: VideoId, multipart: Multipart) -> Result<Video> {
        self.owned(user, id).await?;
        match self.apply(id, &Event::MultipartBegun(multipart)).await {
            // It was queued, canceled or deleted concurrently.
            Err(JobError::Refused(_)) => Ok(self.row(id).await?.video),
            outcome => outcome,
        }
    }
}
