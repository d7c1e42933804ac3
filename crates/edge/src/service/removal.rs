//! Removing objects that nobody needs any more.

use std::fmt::Display;

use framelift_domain::CorrelationId;
use serde_json::json;

use super::Service;
use crate::http::{Level, log};
use crate::jobs::{Cleanup, JobError};
use crate::ports::{Ambient, Http, Kv, Queue, Unavailable};

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Removes all that a cleanup names; what is gone already counts as removed.
    pub(crate) async fn remove(&self, cleanup: &Cleanup) -> Result<(), Unavailable> {
        let objects = self.objects();
        if let Some((key, upload_id)) = &cleanup.multipart {
            objects.abort_multipart(key, upload_id).await?;
        }
        if let Some(key) = &cleanup.upload {
            objects.abort_all(key).await?;
            objects.delete(key).await?;
        }
        if let Some(prefix) = &cleanup.results_prefix {
            objects.abort_all(prefix).await?;
            for key in objects.list_objects(prefix).await? {
                objects.delete(&key).await?;
            }
        }
        Ok(())
    }

    /// Removes what it can: the retention pass comes back for the rest.
    pub(crate) async fn try_remove(&self, cleanup: Option<&Cleanup>, correlation_id: &CorrelationId) {
        let Some(cleanup) = cleanup else { return };
        if let Err(error) = self.remove(cleanup).await {
            log_left(cleanup, &error, correlation_id);
        }
    }

    /// Removes what a cleanup names, and notes where that is the end of a video's objects.
    pub(crate) async fn remove_for_good(&self, cleanup: &Cleanup, correlation_id: &CorrelationId) {
        if !cleanup.purge {
            return self.try_remove(Some(cleanup), correlation_id).await;
        }
        let outcome = match self.remove(cleanup).await {
            Ok(()) => self.jobs().purged(cleanup).await,
            Err(error) => Err(JobError::from(error)),
        };
        if let Err(error) = outcome {
            log_left(cleanup, &error, correlation_id);
        }
    }
}

fn log_left(cleanup: &Cleanup, error: &dyn Display, correlation_id: &CorrelationId) {
    let fields = [("video.id", json!(cleanup.video)), ("cause", json!(error.to_string()))];
    log(Level::Warn, "objects are left for a later sweep", Some(correlation_id), &fields);
}
