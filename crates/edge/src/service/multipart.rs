//! Begins multipart uploads of large files, sends their parts, and presigns the URLs of parts.

use bytes::Bytes;
use framelift_contract::video::UploadPart;
use framelift_domain::video::Multipart;
use framelift_domain::{Time, Video};
use futures::future::join;

use super::plan::{Plan, part_bytes};
use super::stream::{PartReader, Source};
use super::{Service, upload_key};
use crate::http::Failure;
use crate::object_store::{DEFAULT_CONTENT_TYPE, StoredPart};
use crate::ports::{Ambient, Http, Kv, Queue};

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Begins a multipart upload, or uses the one that a concurrent call began. Returns the current video, which may no
    /// longer await its upload.
    pub(crate) async fn begin(&self, video: &Video, plan: Plan) -> Result<Video, Failure> {
        let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let upload_id = self.objects().create_multipart(&upload_key(video), content_type).await?;
        let begun = Multipart { upload_id, part_size: plan.part_size, part_count: plan.part_count };
        Ok(self.jobs().multipart_begun(video.owner, video.id, begun).await?)
    }

    /// Sends the parts of a file of which two were read. While one is sent the next one is read: no more than two are
    /// in memory.
    pub(crate) async fn send_parts<S: Source>(
        &self,
        key: &str,
        upload_id: &str,
        [first, mut part]: [Bytes; 2],
        part_reader: &mut PartReader<S>,
    ) -> Result<Vec<StoredPart>, Failure> {
        let objects = self.objects();
        let mut parts = vec![objects.upload_part(key, upload_id, 1, first).await?];
        for number in 2.. {
            let stored = objects.upload_part(key, upload_id, number, part);
            let (stored, next) = join(stored, part_reader.next_part()).await;
            parts.push(stored?);
            let Some(next) = next? else { break };
            part = next;
        }
        Ok(parts)
    }

    /// Fresh URLs for parts, and when they expire.
    pub(crate) fn part_urls(
        &self,
        video: &Video,
        multipart: &Multipart,
        from: u32,
        to: u32,
    ) -> (Vec<UploadPart>, Time) {
        let (objects, key, ttl_s) = (self.objects(), upload_key(video), self.config.limits.url_ttl_s);
        let mut expires_at = self.ambient.now().plus_s(ttl_s);
        let parts = (from..=to).map(|number| {
            let size = part_bytes(multipart, number, video.size_bytes);
            let part = objects.presign_part(&key, &multipart.upload_id, number, size, ttl_s);
            expires_at = expires_at.min(part.expires_at);
            UploadPart { number, url: part.url, size }
        });
        let parts = parts.collect();
        (parts, expires_at)
    }
}
