//! The index: its schema, and the one thread that reads and writes it.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::blobs::{Blobs, Pending};
use super::{Result, StoreError};

/// The version of the schema below.
pub(crate) const KNOWN_VERSION: i64 = 1;

// Keys are blobs: S3 orders them by their bytes.
const SCHEMA: &str = "
CREATE TABLE bucket (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE object (
    id INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL REFERENCES bucket (name),
    key BLOB NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    algorithm TEXT,
    checksum TEXT,
    UNIQUE (bucket, key)
) STRICT;
CREATE TABLE segment (
    object INTEGER NOT NULL REFERENCES object (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (object, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_blob ON segment (blob);
CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL REFERENCES bucket (name),
    key BLOB NOT NULL,
    initiated_ms INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    algorithm TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_key ON upload (bucket, key, id);
CREATE TABLE part (
    upload TEXT NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    algorithm TEXT,
    checksum TEXT,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
";

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An answer of 200 must outlive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn migrate(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    if found == 0 {
        connection.execute_batch(&format!("BEGIN;{SCHEMA}COMMIT;"))?;
    }
    Ok(())
}

/// Every file that the index knows.
pub(super) fn referenced(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    connection
        .prepare("SELECT blob FROM segment UNION SELECT blob FROM part")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// One transaction in progress, and what happens to files when it commits.
pub(crate) struct StoreTransaction<'a> {
    pub(crate) tx: Transaction<'a>,
    pub(crate) blobs: &'a Arc<Blobs>,
    adopted: Vec<Pending>,
    dropped: Vec<String>,
}

impl StoreTransaction<'_> {
    /// The file belongs to the index once this transaction commits, else it is removed.
    pub(crate) fn add_file(&mut self, blob: Pending) {
        self.adopted.push(blob);
    }

    /// A row that named this file is gone; the file goes too when no other row names it.
    pub(crate) fn drop_blob(&mut self, id: String) {
        self.dropped.push(id);
    }

    fn commit(self) -> Result<()> {
        let mut unused = Vec::new();
        for id in self.dropped {
            let used: bool = self
                .tx
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM segment WHERE blob = ?1)
                         OR EXISTS (SELECT 1 FROM part WHERE blob = ?1)",
                )?
                .query_row([&id], |row| row.get(0))?;
            if !used {
                unused.push(id);
            }
        }
        self.tx.commit()?;
        self.adopted.into_iter().for_each(Pending::keep);
        for id in unused {
            self.blobs.remove(&id);
        }
        Ok(())
    }
}

type Job = Box<dyn FnOnce(&mut Connection, &Arc<Blobs>) + Send>;

/// The handle of the index's thread.
pub(super) struct Db {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Db {
    /// Starts the thread, which holds `lock` until it ends.
    pub(super) fn spawn(mut connection: Connection, blobs: Arc<Blobs>, lock: File) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("s3-index".to_owned()).spawn(move || {
            for job in queue {
                job(&mut connection, &blobs);
            }
            drop(connection);
            drop(lock);
        })?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection, blobs| {
            // The caller may be gone; the work is whole all the same.
            let _ = answer.send(transact(connection, blobs, job));
        });
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .ok_or(StoreError::Closed)?
            .send(job)
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the index's thread panicked");
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    blobs: &Arc<Blobs>,
    job: impl FnOnce(&mut StoreTransaction<'_>) -> Result<T>,
) -> Result<T> {
    let mut work =
        StoreTransaction { tx: connection.transaction()?, blobs, adopted: Vec::new(), dropped: Vec::new() };
    let value = job(&mut work)?;
    work.commit()?;
    Ok(value)
}
