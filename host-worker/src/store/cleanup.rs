//! Removes what earlier attempts at a job left behind.

use tokio_util::sync::CancellationToken;

use super::{ObjectStore, StoreError, retry};

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Archives and indexes.
    pub objects: u32,
    /// Multipart uploads.
    pub uploads: u32,
}

impl ObjectStore {
    /// Removes archives, indexes and multipart uploads under `prefix` that attempts before `attempt`
    /// wrote; never those of a later one, which may have taken over meanwhile.
    pub(crate) async fn remove_leftovers(&self, prefix: &str, attempt: u32) -> Result<Removed, StoreError> {
        let (mut removed, never) = (Removed::default(), CancellationToken::new());
        let uploads = retry(&never, || async {
            let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(prefix);
            request.send().await.map_err(StoreError::of)
        });
        for upload in uploads.await?.uploads() {
            if let (Some(key), Some(id)) = (upload.key(), upload.upload_id())
                && is_earlier(prefix, key, attempt)
            {
                self.abort(key, id).await?;
                removed.uploads += 1;
            }
        }
        let objects = retry(&never, || async {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
            request.send().await.map_err(StoreError::of)
        });
        for object in objects.await?.contents() {
            if let Some(key) = object.key()
                && is_earlier(prefix, key, attempt)
            {
                self.delete(key).await?;
                removed.objects += 1;
            }
        }
        Ok(removed)
    }
}

/// Whether a key is the archive or the index of an attempt before `attempt`. One page of a list holds them
/// all: a job has fewer than 500 attempts.
fn is_earlier(prefix: &str, key: &str, attempt: u32) -> bool {
    key.strip_prefix(prefix)
        .and_then(|name| name.strip_suffix(".zip").or_else(|| name.strip_suffix(".index.bin")))
        .and_then(|number| number.parse::<u32>().ok())
        .is_some_and(|number| number < attempt)
}

#[cfg(test)]
mod tests {
    use framelift_contract::object_key;
    use framelift_domain::{UserId, VideoId};

    use super::*;

    #[test]
    fn only_earlier_attempts_go() {
        let (user, video) = (UserId::new(1, [1; 10]), VideoId::new(2, [2; 10]));
        let prefix = object_key::results_of(user, video);
        let earlier = |attempt| is_earlier(&prefix, &object_key::result(user, video, attempt), 3);
        assert_eq!([earlier(1), earlier(2), earlier(3), earlier(4)], [true, true, false, false]);
        let earlier = |attempt| is_earlier(&prefix, &object_key::frame_index(user, video, attempt), 3);
        assert_eq!([earlier(1), earlier(2), earlier(3), earlier(4)], [true, true, false, false]);
        for other in ["results/x/1.zip", &format!("{prefix}1.zip.tmp"), &format!("{prefix}x/1.zip"), &prefix]
        {
            assert!(!is_earlier(&prefix, other, 3), "{other}");
        }
    }
}
