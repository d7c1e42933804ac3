//! Buckets in the index.

use rusqlite::OptionalExtension as _;
use s3s::s3_error;

use super::{Result, StoreTransaction, uploads};

/// A bucket's name and when it was made.
pub(crate) struct BucketRow {
    pub(crate) name: String,
    pub(crate) created_ms: i64,
}

impl StoreTransaction<'_> {
    /// Whether the bucket was made now; `false` when it was there.
    pub(crate) fn create_bucket(&mut self, name: &str, now_ms: i64) -> Result<bool> {
        let created = self.tx.execute(
            "INSERT INTO bucket (name, created_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (name, now_ms),
        )?;
        Ok(created == 1)
    }

    /// Answers `NoSuchBucket` when it is missing.
    pub(crate) fn need_bucket(&self, name: &str) -> Result<()> {
        let found: Option<i64> = self
            .tx
            .prepare_cached("SELECT 1 FROM bucket WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        match found {
            Some(_) => Ok(()),
            None => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist").into()),
        }
    }

    pub(crate) fn buckets(&self) -> Result<Vec<BucketRow>> {
        let rows = self
            .tx
            .prepare("SELECT name, created_ms FROM bucket ORDER BY name")?
            .query_map([], |row| Ok(BucketRow { name: row.get(0)?, created_ms: row.get(1)? }))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// Removes an empty bucket; uploads in progress go with it.
    pub(crate) fn delete_bucket(&mut self, name: &str) -> Result<()> {
        self.need_bucket(name)?;
        let used: bool =
            self.tx.query_row("SELECT EXISTS (SELECT 1 FROM object WHERE bucket = ?1)", [name], |row| {
                row.get(0)
            })?;
        if used {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty").into());
        }
        let open: Vec<String> = self
            .tx
            .prepare("SELECT id FROM upload WHERE bucket = ?1")?
            .query_map([name], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for id in open {
            uploads::remove(self, &id)?;
        }
        self.tx.execute("DELETE FROM bucket WHERE name = ?1", [name])?;
        Ok(())
    }
}
