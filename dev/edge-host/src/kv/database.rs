//! The rows of all key-value stores in one SQLite file. Each write gives its row a new version, and a swap is
//! one statement that compares it, so that it is atomic.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::quirks::Quirks;

/// A value and the version that it was read at; a missing key has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The value.
    pub(crate) value: Option<Vec<u8>>,
    /// The version.
    pub(crate) version: Option<i64>,
}

/// The outcome of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swap {
    /// The value was written.
    Written,
    /// Another writer was first.
    Conflict,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// Another process holds the file.
    #[error("another process uses it")]
    InUse,
    /// SQLite reports an error.
    #[error("key-value database: {0}")]
    Sqlite(rusqlite::Error),
    /// The thread could not be started.
    #[error("key-value thread: {0}")]
    Thread(String),
    /// The value was not written by `increment`.
    #[error("the value of `{0}` is not a number")]
    NotANumber(String),
    /// The number would not fit.
    #[error("the value of `{0}` would not fit 64 bits")]
    Overflow(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Self::InUse,
            _ => Self::Sqlite(error),
        }
    }
}

type Result<T> = std::result::Result<T, DatabaseError>;

/// The database. It is used by one thread.
pub(crate) struct Database {
    connection: Connection,
    next_version: i64,
    quirks: Quirks,
}

const UPSERT: &str = "INSERT INTO entries (store, key, value, version) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (store, key) DO UPDATE SET value = excluded.value, version = excluded.version";

impl Database {
    /// Opens the file, or a database in memory. The file is this process's alone.
    pub(crate) fn open(file: Option<&Path>, quirks: Quirks) -> Result<Self> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        // Another host holds the lock, and will not release it soon.
        connection.busy_timeout(Duration::ZERO)?;
        // The lock keeps a second host off the file and makes the shared-memory index needless.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Survives a killed process; a power failure may lose the last commits.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS entries (
                 store TEXT NOT NULL,
                 key TEXT NOT NULL,
                 value BLOB NOT NULL,
                 version INTEGER NOT NULL,
                 PRIMARY KEY (store, key)
             ) WITHOUT ROWID;
             COMMIT;",
        )?;
        // Handles do not outlive the process, so versions of deleted rows need not be kept.
        let last: Option<i64> =
            connection.query_row("SELECT max(version) FROM entries", [], |row| row.get(0))?;
        Ok(Self { connection, next_version: last.unwrap_or(0) + 1, quirks })
    }

    fn version(&mut self) -> i64 {
        let version = self.next_version;
        self.next_version += 1;
        version
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, store: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let value = self.snapshot(store, key)?.value;
        Ok(self.quirks.stale(store, key).unwrap_or(value))
    }

    /// The value of a key with its version; never a stale one.
    pub(crate) fn snapshot(&self, store: &str, key: &str) -> Result<Snapshot> {
        let row = self
            .connection
            .prepare_cached("SELECT value, version FROM entries WHERE store = ?1 AND key = ?2")?
            .query_row([store, key], |row| {
                Ok(Snapshot { value: Some(row.get(0)?), version: Some(row.get(1)?) })
            })
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// Whether there is a key.
    pub(crate) fn exists(&self, store: &str, key: &str) -> Result<bool> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM entries WHERE store = ?1 AND key = ?2")?;
        Ok(statement.exists([store, key])?)
    }

    /// All keys, in order.
    pub(crate) fn keys(&self, store: &str) -> Result<Vec<String>> {
        let mut statement =
            self.connection.prepare_cached("SELECT key FROM entries WHERE store = ?1 ORDER BY key")?;
        let keys = statement.query_map([store], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// The values of many keys, one for each key asked for.
    pub(crate) fn get_many(
        &mut self,
        store: &str,
        keys: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.snapshot(store, &key)?.value;
            if value.is_some() || !self.quirks.leaves_missing_rows_out() {
                rows.push((key, value));
            }
        }
        Ok(rows)
    }

    /// Writes a value.
    pub(crate) fn set(&mut self, store: &str, key: &str, value: &[u8]) -> Result<()> {
        self.remember(store, key)?;
        let version = self.version();
        self.connection.prepare_cached(UPSERT)?.execute(params![store, key, value, version])?;
        Ok(())
    }

    /// Writes many values, all or none.
    pub(crate) fn set_many(&mut self, store: &str, entries: &[(String, Vec<u8>)]) -> Result<()> {
        for (key, _) in entries {
            self.remember(store, key)?;
        }
        let first = self.next_version;
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(UPSERT)?;
            for (version, (key, value)) in (first..).zip(entries) {
                statement.execute(params![store, key, value, version])?;
                self.next_version = version + 1;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Deletes a key; one that is not there is no error.
    pub(crate) fn delete(&mut self, store: &str, key: &str) -> Result<()> {
        self.remember(store, key)?;
        self.connection
            .prepare_cached("DELETE FROM entries WHERE store = ?1 AND key = ?2")?
            .execute([store, key])?;
        Ok(())
    }

    /// Deletes many keys, all or none.
    pub(crate) fn delete_many(&mut self, store: &str, keys: &[String]) -> Result<()> {
        for key in keys {
            self.remember(store, key)?;
        }
        let transaction = self.connection.transaction()?;
        {
            let mut statement =
                transaction.prepare_cached("DELETE FROM entries WHERE store = ?1 AND key = ?2")?;
            for key in keys {
                statement.execute([store, key.as_str()])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Adds to a number, which begins at 0, and returns the sum. It is stored as in Spin: eight bytes, little
    /// endian.
    pub(crate) fn increment(&mut self, store: &str, key: &str, delta: i64) -> Result<i64> {
        let number = match self.snapshot(store, key)?.value {
            None => 0,
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => i64::from_le_bytes(bytes),
                Err(_) => return Err(DatabaseError::NotANumber(key.to_owned())),
            },
        };
        let sum = number.checked_add(delta).ok_or_else(|| DatabaseError::Overflow(key.to_owned()))?;
        // No other thread and no other process writes between the two statements.
        self.set(store, key, &sum.to_le_bytes())?;
        Ok(sum)
    }

    /// Writes a value if the key is still at the version that was read.
    pub(crate) fn swap(&mut self, store: &str, key: &str, read: Option<i64>, value: &[u8]) -> Result<Swap> {
        self.remember(store, key)?;
        let version = self.version();
        let sql = match read {
            Some(_) => {
                "UPDATE entries SET value = ?3, version = ?4
                 WHERE store = ?1 AND key = ?2 AND version = ?5"
            }
            None if self.quirks.create_overwrites() => UPSERT,
            None => {
                "INSERT INTO entries (store, key, value, version) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING"
            }
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let written = match read {
            Some(read) => statement.execute(params![store, key, value, version, read])?,
            None => statement.execute(params![store, key, value, version])?,
        };
        if written == 0 || self.quirks.reports_false_conflict() {
            Ok(Swap::Conflict)
        } else {
            Ok(Swap::Written)
        }
    }

    /// Keeps the value that is about to be replaced, if stale reads are on.
    fn remember(&mut self, store: &str, key: &str) -> Result<()> {
        if self.quirks.reads_may_be_stale() {
            let value = self.snapshot(store, key)?.value;
            self.quirks.remember(store, key, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
