//! The storage: an index in SQLite over files of bytes, and the rules that keep them one.

pub(crate) mod blobs;
pub(crate) mod buckets;
mod db;
pub(crate) mod listing;
pub(crate) mod objects;
pub(crate) mod reader;
pub(crate) mod uploads;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use s3s::{S3Error, S3ErrorCode};

use crate::Error;
use blobs::Blobs;
pub(crate) use db::StoreTransaction;
use db::{Db, KNOWN_VERSION};

/// A failure below the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("index: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    #[error("attributes: {0}")]
    Attributes(#[from] serde_json::Error),
    #[error("the store has been closed")]
    Closed,
    /// Not a failure of the store: what the caller asked for cannot be.
    #[error("{0}")]
    Refused(#[from] S3Error),
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(error) => error,
            StoreError::Closed => {
                S3Error::with_message(S3ErrorCode::ServiceUnavailable, "the server is stopping")
            }
            other => {
                tracing::error!(error = %other, "storage failed");
                S3Error::with_source(S3ErrorCode::InternalError, Box::new(other))
            }
        }
    }
}

/// The open data folder; clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) blobs: Arc<Blobs>,
    db: Arc<Db>,
}

impl Store {
    /// Opens or creates the folder, takes it for this process, and removes the files that a
    /// crash left behind. Blocking.
    pub(crate) fn open(dir: &Path) -> std::result::Result<Self, Error> {
        let unusable = |source| Error::DataDir { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(unusable)?;
        // Two servers would take each other's files for orphans.
        let lock = File::create(dir.join("lock")).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse { path: dir.to_owned() },
            TryLockError::Error(source) => unusable(source),
        })?;

        let connection = db::connect(&dir.join("index.sqlite"))?;
        let found = db::version(&connection)?;
        if found > KNOWN_VERSION {
            return Err(Error::IndexVersion { path: dir.to_owned(), found, known: KNOWN_VERSION });
        }
        db::migrate(&connection, found)?;
        let referenced = db::referenced(&connection)?;
        let blobs = Arc::new(Blobs::open(dir).map_err(unusable)?);
        let removed = blobs.sweep(&referenced).map_err(unusable)?;
        if removed > 0 {
            tracing::info!(removed, "removed files that an unclean stop left behind");
        }
        let db = Db::spawn(connection, Arc::clone(&blobs), lock).map_err(unusable)?;
        Ok(Self { blobs, db: Arc::new(db) })
    }

    /// Runs `job` in one transaction on the index's own thread: all of it happens, or nothing.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.db.run(job).await
    }

    /// Ends the index's thread and gives the folder back. Blocking.
    pub(crate) fn close(&self) {
        self.db.close();
    }
}
