//! The SQLite file, and the one thread that reads and writes it.

mod messages;
mod queues;
mod receive;

use std::{fs, path::Path, thread, time::Duration};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{ApiError, StartError},
    naming::Naming,
};

pub(crate) use messages::{Change, Handle, NewMessage};
pub(crate) use queues::Queue;
pub(crate) use receive::{ReceiveRequest, ReceivedMessage};

const SCHEMA_VERSION: i64 = 1;
/// `receive_count > 0 AND visible_ms > now` is a message in flight, `receive_count = 0 AND
/// visible_ms > now` a delayed one. `receipt` is the latest one. `group_key` is empty without
/// a group. `is_copy` marks a second delivery made on purpose.
const SCHEMA: &str = "
    CREATE TABLE queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        settings TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        modified_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        queue_id INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        trace_header TEXT,
        group_key TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        receive_count INTEGER NOT NULL DEFAULT 0,
        first_receive_ms INTEGER,
        last_receive_ms INTEGER,
        receipt TEXT,
        dead_letter_source TEXT,
        is_copy INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX messages_by_group ON messages (queue_id, group_key, seq, visible_ms, receive_count);
    CREATE INDEX messages_by_visibility ON messages (queue_id, visible_ms, receive_count, group_key);
    CREATE INDEX messages_by_age ON messages (queue_id, sent_ms);
";

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// The open file. Its methods each are one transaction.
pub(crate) struct Store {
    pub(crate) connection: Connection,
    naming: Naming,
}

/// A handle to the thread that owns the [`Store`]; the thread ends with the last handle.
#[derive(Clone)]
pub(crate) struct Db(mpsc::UnboundedSender<Job>);

impl Db {
    /// Opens the file and starts its thread. The second value joins that thread.
    pub(crate) fn open(folder: &Path, naming: Naming) -> Result<(Self, thread::JoinHandle<()>), StartError> {
        fs::create_dir_all(folder)
            .map_err(|source| StartError::Folder { path: folder.to_owned(), source })?;
        let mut store = Store::open(&folder.join("sqs.sqlite"), naming)?;
        let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
        let thread = thread::Builder::new()
            .name("sqs-store".to_owned())
            .spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    job(&mut store);
                }
            })
            .map_err(StartError::Thread)?;
        Ok((Self(sender), thread))
    }

    /// Runs `work` on the store's thread. When the caller stops waiting, the work is still
    /// done and its result dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, result) = oneshot::channel();
        self.run_unattended(move |store| {
            // Fails when nobody waits any more; the result's own drop then takes care.
            drop(answer.send(work(store)));
        });
        result.await.unwrap_or_else(|_| Err(ApiError::internal()))
    }

    /// Runs `work` on the store's thread without waiting for it.
    pub(crate) fn run_unattended(&self, work: impl FnOnce(&mut Store) + Send + 'static) {
        if self.0.send(Box::new(work)).is_err() {
            tracing::error!("the queue's store has stopped");
        }
    }
}

impl Store {
    fn open(path: &Path, naming: Naming) -> Result<Self, StartError> {
        let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StartError::InUse { path: path.to_owned() }
            }
            _ => StartError::Open { path: path.to_owned(), source },
        };
        let connection = Connection::open(path).map_err(failed)?;
        let version = prepare(&connection).map_err(failed)?;
        if version != SCHEMA_VERSION {
            return Err(StartError::Version { path: path.to_owned(), version });
        }
        Ok(Self { connection, naming })
    }
}

/// Sets the connection up, writes the schema into a new file, and says which version it has.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    // One server per file: the lock is held until the file is closed, and the system
    // releases it when the process dies.
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A message that was accepted outlives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Takes the lock even when there is nothing to write, so that a second server learns of
    // it at its start.
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != 0 {
        connection.execute_batch("COMMIT")?;
        return Ok(version);
    }
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    connection.execute_batch("COMMIT")?;
    Ok(SCHEMA_VERSION)
}

#[cfg(test)]
mod tests;
