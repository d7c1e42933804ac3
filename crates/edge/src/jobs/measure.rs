//! Uploads whose size is known only once they are there.

use framelift_domain::video::State;
use framelift_domain::{Options, UserId, Video, VideoId};

use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Queue};
use crate::store::records::{MAX_NEW_BYTES, VideoRow};

impl<K: Kv, Q: Queue, A: Ambient> Jobs<'_, K, Q, A> {
    /// Notes the true size of an upload that came in one stream, and options that came after it.
    /// A video that is past its upload stays as it is.
    pub async fn measured(
        &self,
        user: UserId,
        id: VideoId,
        size_bytes: u64,
        options: Option<&Options>,
    ) -> Result<Video> {
        self.owned(user, id).await?;
        let updated = self.store.update_video(id, |row| {
            let awaiting = matches!(row.video.state, State::AwaitingUpload { .. });
            let options = options.unwrap_or(&row.video.options).clone();
            let changed = awaiting && (row.video.size_bytes != size_bytes || row.video.options != options);
            if !changed {
                return Ok::<_, JobError>((row, false, ()));
            }
            let video = Video { size_bytes, options, ..row.video };
            let row = VideoRow { video, ..row };
            if row.is_too_large() {
                return Err(JobError::OptionsTooLarge { limit: MAX_NEW_BYTES });
            }
            Ok((row, true, ()))
        });
        Ok(updated.await?.value.video)
    }
}
