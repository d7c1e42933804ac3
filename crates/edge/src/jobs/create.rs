//! Creates videos: for a new upload, and as a run over an existing one.

use framelift_domain::video::{Event, MAX_REFS, Source, SourceError, State, StateName};
use framelift_domain::{CorrelationId, Options, Time, TraceParent, UserId, Video, VideoId};

use super::{Idempotency, JobError, Jobs, NewVideo, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::records::{MAX_NEW_BYTES, VideoRow};
use crate::store::slots::AdmissionError;
use crate::store::{Expiring, keys};

/// How long the creation of a run may take, in seconds. Then its call counts as crashed, and the run
/// expires.
const RUN_TTL_S: u32 = 600;
const DAY_S: i64 = 24 * 3600;

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Creates a video that awaits its upload. With a known idempotency key, returns the video of the first
    /// request in its present state; if its owner deleted that one, creates a new one (ADR 12).
    pub async fn create(
        &self,
        user: UserId,
        new: NewVideo,
        idempotency: Option<&Idempotency>,
    ) -> Result<Video> {
        let (id, known) = self.fresh_or_known(user, idempotency).await?;
        match known {
            Some(video) if video.root() != id => return Err(JobError::IdempotencyKeyReused),
            Some(video) => return Ok(video),
            None => {}
        }
        let options = self.pin(user, &new.options).await?;
        let now = self.now();
        let expires_at = now.plus_s(self.limits.upload_ttl_s);
        let video = Video {
            id,
            owner: user,
            file_name: new.file_name,
            size_bytes: new.size_bytes,
            content_type: new.content_type,
            options,
            correlation_id: new.correlation_id,
            trace_parent: new.trace_parent,
            source: Source::own(id),
            created_at: now,
            state: State::AwaitingUpload { expires_at, multipart: None },
        };
        self.admit(video, expires_at).await
    }

    /// Creates a run over another video's upload, and queues it at once.
    pub async fn run(
        &self,
        user: UserId,
        of: VideoId,
        options: Options,
        correlation_id: CorrelationId,
        trace_parent: Option<TraceParent>,
        idempotency: Option<&Idempotency>,
    ) -> Result<Video> {
        let model = self.owned(user, of).await?.video;
        match model.state.name() {
            StateName::Deleted => return Err(JobError::VideoNotFound),
            StateName::AwaitingUpload => return Err(JobError::UploadIncomplete),
            _ if !model.state.is_uploaded() => return Err(JobError::SourceExpired),
            _ => {}
        }
        let root = model.root();
        let (id, known) = self.fresh_or_known(user, idempotency).await?;
        let video = match known {
            // An upload must have been checked before a run may use it.
            Some(video) if video.root() != root || video.id == root => {
                return Err(JobError::IdempotencyKeyReused);
            }
            Some(video) => video,
            None => {
                if self.row(root).await?.video.source.is_gone() {
                    return Err(JobError::SourceExpired);
                }
                let options = self.pin(user, &options).await?;
                let now = self.now();
                let expires_at = now.plus_s(RUN_TTL_S);
                let video = Video {
                    id,
                    options,
                    correlation_id,
                    trace_parent,
                    source: Source::Of { root },
                    created_at: now,
                    state: State::AwaitingUpload { expires_at, multipart: None },
                    ..model
                };
                self.admit(video, expires_at).await?
            }
        };
        match self.uploaded(user, video.id).await {
            // The upload was deleted meanwhile, so the run must not exist.
            Err(error @ (JobError::SourceExpired | JobError::TooManyRuns { .. })) => {
                self.store.remove_later(Expiring::Video(video.id)).await?;
                self.apply(video.id, &Event::Deleted).await?;
                self.free(user, video.id).await?;
                Err(error)
            }
            outcome => outcome,
        }
    }

    /// A new id, or that of the first request with this key, with its video if it was created.
    async fn fresh_or_known(
        &self,
        user: UserId,
        idempotency: Option<&Idempotency>,
    ) -> Result<(VideoId, Option<Video>)> {
        let fresh = self.fresh_id();
        let Some(request) = idempotency else { return Ok((fresh, None)) };
        let id = self.recall(user, fresh, request).await?;
        let known = self.store.video(id).await?.map(|row| row.video);
        if !known.as_ref().is_some_and(|video| video.state.name() == StateName::Deleted) {
            return Ok((id, known));
        }
        let id = self.rebind(user, request, id, fresh).await?;
        match self.store.video(id).await?.map(|row| row.video) {
            Some(video) if video.state.name() == StateName::Deleted => Err(JobError::VideoNotFound),
            known => Ok((id, known)),
        }
    }

    /// Creates a video in three steps: a slot, a position in the index, the record.
    async fn admit(&self, video: Video, expires_at: Time) -> Result<Video> {
        let (user, id, root) = (video.owner, video.id, video.root());
        let bytes = if id == root { video.size_bytes } else { 0 };
        let mut row = VideoRow::new(video, None);
        if row.is_too_large() {
            return Err(JobError::OptionsTooLarge { limit: MAX_NEW_BYTES });
        }
        self.store
            .fill_slots(user, |mut slots| {
                let reserved = slots.reserve(id, bytes, expires_at, self.limits);
                let changed = reserved.map_err(|why| self.admission_error(why))?;
                if changed {
                    slots
                        .check_decoded(self.today(), self.limits)
                        .map_err(|why| self.admission_error(why))?;
                }
                // A run uploads nothing.
                if changed && id == root {
                    slots.count_upload(self.today(), self.limits).map_err(|why| self.admission_error(why))?;
                }
                Ok::<_, JobError>((slots, changed, ()))
            })
            .await?;
        row.position = Some(self.store.append(user, id).await?);
        if self.store.create(&keys::video(id), &row).await? {
            return Ok(row.video);
        }
        // The same request runs concurrently, or the sweep has abandoned this creation.
        let row = self.row(id).await?;
        if row.video.state.name() == StateName::Deleted {
            return Err(JobError::VideoNotFound);
        }
        if row.video.root() != root {
            return Err(JobError::IdempotencyKeyReused);
        }
        Ok(row.video)
    }

    /// Days since 1970 (UTC).
    pub(super) fn today(&self) -> i64 {
        self.now().unix_s().div_euclid(DAY_S)
    }

    /// Seconds until the next day (UTC).
    fn rest_of_day_s(&self) -> u32 {
        let rest_s = DAY_S - self.now().unix_s().rem_euclid(DAY_S);
        u32::try_from(rest_s).unwrap_or(u32::MAX)
    }

    pub(super) fn admission_error(&self, why: AdmissionError) -> JobError {
        match why {
            AdmissionError::TooManyUploads => JobError::DailyQuotaExceeded {
                limit: self.limits.max_uploads_per_day,
                retry_after_s: self.rest_of_day_s(),
            },
            AdmissionError::TooMuchDecoded => JobError::DecodingQuotaExceeded {
                limit: self.limits.max_decoded_minutes_per_day,
                retry_after_s: self.rest_of_day_s(),
            },
            AdmissionError::TooManyUnfinished => {
                JobError::QuotaExceeded { limit: self.limits.max_open_per_user }
            }
            AdmissionError::TooManyBytes { used } => {
                JobError::StorageQuotaExceeded { used, limit: self.limits.max_stored_bytes_per_user }
            }
            AdmissionError::AccountClosed => JobError::AccountClosed,
        }
    }

    /// Adds a run to the references of its upload.
    pub(super) async fn add_upload_ref(&self, video: &Video) -> Result<()> {
        let Source::Of { root } = video.source else { return Ok(()) };
        let added = self.store.update_video(root, |row| {
            let source = row.video.source.clone().add_ref(video.id)?;
            let changed = source != row.video.source;
            let video = Video { source, ..row.video };
            Ok::<_, SourceError>((VideoRow { video, ..row }, changed, ()))
        });
        added.await?;
        Ok(())
    }

    /// Removes a video from the references of its upload. Returns whether none is left; then the upload's bytes are no
    /// longer counted.
    pub(super) async fn release_upload(&self, video: &Video) -> Result<bool> {
        let released = self.store.update_video(video.root(), |row| {
            let source = row.video.source.clone().release(video.id)?;
            let changed = source != row.video.source;
            let video = Video { source, ..row.video };
            Ok::<_, SourceError>((VideoRow { video, ..row }, changed, ()))
        });
        let root = released.await?.value;
        let gone = root.video.source.is_gone();
        if gone && root.is_miscounted() {
            self.store.recount(root.video.owner, root.video.id).await?;
        }
        Ok(gone)
    }
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Gone | SourceError::NotOwn => Self::SourceExpired,
            SourceError::Full => Self::TooManyRuns { limit: MAX_REFS },
        }
    }
}
