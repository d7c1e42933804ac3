//! Sizes of streamed uploads, which are known only at their end.

use framelift_domain::video::State;
use framelift_domain::{Options, UserId, Video, VideoId};

use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::records::{MAX_NEW_BYTES, VideoRow};

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Records the size of a streamed upload, and the options that followed the file. Does not change a video that no
    /// longer awaits its upload. Refuses one that exceeds its owner's limit.
    pub async fn measured(
        &self,
        user: UserId,
        id: VideoId,
        size_bytes: u64,
        options: Option<&Options>,
    ) -> Result<Video> {
        let known = self.owned(user, id).await?.video;
        if !matches!(known.state, State::AwaitingUpload { .. }) {
            return Ok(known);
        }
        // Unchanged options keep their pinned plugins.
        let other = options.filter(|options| **options != known.options.unpinned());
        let options = match other {
            Some(options) => self.pin(user, options).await?,
            None => known.options,
        };
        let resized = self.store.fill_slots(user, |mut slots| {
            let changed =
                slots.resize(id, size_bytes, self.limits).map_err(|why| self.admission_error(why))?;
            Ok::<_, JobError>((slots, changed, ()))
        });
        resized.await?;
        let updated = self.store.update_video(id, |row| {
            let awaiting = matches!(row.video.state, State::AwaitingUpload { .. });
            let options = options.clone();
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
