//! Reads single videos and pages of them.

use framelift_contract::account::{Quota, Quotas};
use framelift_contract::video::Status;
use framelift_domain::video::{State, StateName};
use framelift_domain::{UserId, Video, VideoId};

use super::{Found, JobError, Jobs, Result, view};
use crate::cursor;
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::index::PAGE;
use crate::store::records::VideoRow;

/// With a filter, records that are read at once at least: a page of the usual length.
const MIN_BATCH: usize = 20;
/// Maximum of records that one call reads, however few match its filter.
const MAX_READS: u64 = 500;

/// The log line about a damaged record in a list or a stream.
pub(super) const DAMAGED_LEFT_OUT: &str = "a damaged record is left out";

/// A page of videos, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The videos.
    pub items: Vec<Found>,
    /// The cursor of the next page; none at the end. With a filter, a page may be short or empty and still have a next
    /// one.
    pub next_cursor: Option<String>,
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// One video of the user.
    pub async fn find(&self, user: UserId, id: VideoId) -> Result<Found> {
        let video = self.owned(user, id).await?.video;
        let queue_position = match video.state.name() {
            StateName::Deleted => return Err(JobError::VideoNotFound),
            StateName::Queued => self.store.slots(user).await?.position(id),
            _ => None,
        };
        Ok(Found { video, queue_position })
    }

    /// The video of a link; none if it, or its owner's account, was deleted.
    pub async fn find_linked(&self, id: VideoId) -> Result<Option<Video>> {
        let Some(row) = self.store.video(id).await? else { return Ok(None) };
        if matches!(row.video.state, State::Deleted { .. }) || self.is_closed(row.video.owner).await? {
            return Ok(None);
        }
        Ok(Some(row.video))
    }

    /// Bytes of the user's videos, including unfinished ones.
    pub async fn used_bytes(&self, user: UserId) -> Result<u64> {
        Ok(self.store.slots(user).await?.used_bytes())
    }

    /// The user's quotas: limits and their use.
    pub async fn usage(&self, user: UserId) -> Result<Quotas> {
        let (slots, plugins) = (self.store.slots(user).await?, self.store.plugins(user).await?);
        let limits = self.limits;
        let quota = |used: u64, limit: u64| Quota { used, limit };
        let today = slots.on_day(self.today());
        Ok(Quotas {
            videos_in_flight: quota(slots.in_flight.len() as u64, limits.max_in_flight_per_user.into()),
            open_videos: quota(slots.len() as u64, limits.max_open_per_user.into()),
            uploads_today: quota(today.uploads.into(), limits.max_uploads_per_day.into()),
            decoded_seconds_today: quota(
                today.decoded_ms / 1000,
                u64::from(limits.max_decoded_minutes_per_day) * 60,
            ),
            stored_bytes: quota(slots.used_bytes(), limits.max_stored_bytes_per_user),
            plugins: quota(plugins.names().len() as u64, limits.max_plugins_per_user.into()),
            plugin_bytes: quota(plugins.used_bytes(), limits.max_plugin_bytes_per_user),
            requests_per_minute: limits.max_requests_per_minute,
        })
    }

    /// The user's videos, newest first.
    pub async fn list(
        &self,
        user: UserId,
        cursor: Option<&str>,
        limit: u32,
        status: Option<Status>,
    ) -> Result<Page> {
        let head = self.store.head(user).await?;
        let mut next = match cursor {
            Some(cursor) => cursor::parse(cursor).ok_or(JobError::BadCursor)?.min(head.len()),
            None => head.len(),
        };
        let last = next.saturating_sub(MAX_READS).max(head.removed);
        let mut page = Page::default();
        let mut ids: (u64, Vec<VideoId>) = (u64::MAX, Vec::new());
        while next > last && page.items.len() < limit as usize {
            let number = (next - 1) / PAGE;
            if ids.0 != number {
                ids = (number, self.store.index_page(user, &head, number).await?);
            }
            // Without a filter, nearly every record that is read is shown.
            let missing = limit as usize - page.items.len();
            let at_once = if status.is_none() { missing } else { missing.max(MIN_BATCH) };
            let first = (number * PAGE).max(next.saturating_sub(at_once as u64)).max(last);
            let (positions, wanted): (Vec<u64>, Vec<VideoId>) = (first..next)
                .rev()
                .filter_map(|position| {
                    let id = *ids.1.get(usize::try_from(position % PAGE).ok()?)?;
                    Some((position, id))
                })
                .unzip();
            for (position, row) in positions.into_iter().zip(self.store.videos(&wanted).await?) {
                if page.items.len() >= limit as usize {
                    break;
                }
                next = position;
                let row = match row {
                    Err(damaged) => {
                        damaged.log_once(DAMAGED_LEFT_OUT, Some(user), None);
                        None
                    }
                    Ok(row) => row,
                };
                if let Some(row) = row
                    && is_shown(&row, user, position, status)
                {
                    page.items.push(Found { video: row.video, queue_position: None });
                }
            }
        }
        page.next_cursor = (next > head.removed).then(|| cursor::format(next));
        if page.items.iter().any(|found| found.video.state.name() == StateName::Queued) {
            let slots = self.store.slots(user).await?;
            for found in &mut page.items {
                if found.video.state.name() == StateName::Queued {
                    found.queue_position = slots.position(found.video.id);
                }
            }
        }
        Ok(page)
    }
}

fn is_shown(row: &VideoRow, user: UserId, position: u64, status: Option<Status>) -> bool {
    let shown = view::status(&row.video.state);
    row.position == Some(position)
        && row.video.owner == user
        && shown.is_some()
        && (status.is_none() || status == shown)
}
