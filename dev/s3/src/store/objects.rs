//! Objects in the index.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::s3_error;
use serde::{Deserialize, Serialize};

use super::blobs::Pending;
use super::{Result, StoreTransaction};
use crate::checksum::{Algorithm, ObjectChecksum};

/// What a writer says about an object besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// One file of an object, in order.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) blob: String,
    pub(crate) size: u64,
}

/// An object to write.
pub(crate) struct NewObject {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
    pub(crate) attributes: Attributes,
    pub(crate) sum: Option<ObjectChecksum>,
    pub(crate) segments: Vec<Segment>,
}

/// An object as the index has it.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    id: i64,
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) modified_ms: i64,
    pub(crate) attributes: Attributes,
    pub(crate) sum: Option<ObjectChecksum>,
    pub(crate) segments: Vec<Segment>,
}

impl Object {
    /// Whether it came from a multipart upload, which the ETag shows.
    pub(crate) fn is_multipart(&self) -> bool {
        self.etag.contains('-')
    }

    pub(crate) fn blobs(&self) -> Vec<String> {
        self.segments.iter().map(|segment| segment.blob.clone()).collect()
    }
}

/// When a write may happen, decided in the transaction that writes.
#[derive(Debug, Default)]
pub(crate) struct WriteCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    fn check(&self, present: Option<&str>) -> Result<()> {
        match &self.if_none_match {
            None => {}
            Some(ETagCondition::Any) if present.is_none() => {}
            Some(ETagCondition::Any) => return Err(precondition_failed().into()),
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented: If-None-Match"
                )
                .into());
            }
        }
        match (&self.if_match, present) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(no_such_key().into()),
            (Some(ETagCondition::ETag(etag)), Some(present)) if etag_is(etag, present) => Ok(()),
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(precondition_failed().into()),
        }
    }
}

/// Strong comparison: `If-Match` must not take a weak ETag for the bytes.
pub(crate) fn etag_is(wanted: &ETag, present: &str) -> bool {
    wanted.as_strong() == Some(present)
}

pub(crate) fn no_such_key() -> s3s::S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn precondition_failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// Reads a checksum's two columns, from the one given on.
pub(crate) fn sum(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<ObjectChecksum>> {
    let algorithm: Option<String> = row.get(at)?;
    let value: Option<String> = row.get(at + 1)?;
    Ok(algorithm
        .as_deref()
        .and_then(Algorithm::from_name)
        .zip(value)
        .map(|(algorithm, value)| ObjectChecksum { algorithm, value }))
}

impl StoreTransaction<'_> {
    /// The object, or `NoSuchKey`, or `NoSuchBucket`.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Object> {
        let row = self
            .tx
            .prepare_cached(
                "SELECT id, etag, size, modified_ms, attributes, algorithm, checksum
                 FROM object WHERE bucket = ?1 AND key = ?2",
            )?
            .query_row((bucket, key.as_bytes()), |row| {
                let attributes: String = row.get(4)?;
                let object = Object {
                    id: row.get(0)?,
                    etag: row.get(1)?,
                    size: row.get(2)?,
                    modified_ms: row.get(3)?,
                    attributes: Attributes::default(),
                    sum: sum(row, 5)?,
                    segments: Vec::new(),
                };
                Ok((object, attributes))
            })
            .optional()?;
        let Some((mut object, attributes)) = row else {
            self.need_bucket(bucket)?;
            return Err(no_such_key().into());
        };
        object.attributes = serde_json::from_str(&attributes)?;
        object.segments = self.segments(object.id)?;
        Ok(object)
    }

    /// Puts the object in place of what its key names now, if the condition holds.
    /// `files` are those of its segments that the index does not know yet.
    pub(crate) fn put_object(
        &mut self,
        object: NewObject,
        condition: &WriteCondition,
        files: impl IntoIterator<Item = Pending>,
    ) -> Result<()> {
        // First of all, so that they are removed when anything below says no.
        for file in files {
            self.add_file(file);
        }
        self.need_bucket(&object.bucket)?;
        let present = self.identity(&object.bucket, &object.key)?;
        condition.check(present.as_ref().map(|(_, etag)| etag.as_str()))?;
        if let Some((id, _)) = present {
            self.remove_object(id)?;
        }

        let size: u64 = object.segments.iter().map(|segment| segment.size).sum();
        let attributes = serde_json::to_string(&object.attributes)?;
        self.tx
            .prepare_cached(
                "INSERT INTO object
                 (bucket, key, etag, size, modified_ms, attributes, algorithm, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                &object.bucket,
                object.key.as_bytes(),
                &object.etag,
                size,
                object.modified_ms,
                attributes,
                object.sum.as_ref().map(|sum| sum.algorithm.name()),
                object.sum.as_ref().map(|sum| &sum.value),
            ))?;
        let id = self.tx.last_insert_rowid();
        let mut insert = self
            .tx
            .prepare_cached("INSERT INTO segment (object, seq, blob, size) VALUES (?1, ?2, ?3, ?4)")?;
        for (seq, segment) in object.segments.iter().enumerate() {
            insert.execute((id, seq, &segment.blob, segment.size))?;
        }
        Ok(())
    }

    /// Removes the object; a missing one is no error unless a condition wants it.
    pub(crate) fn delete_object(
        &mut self,
        bucket: &str,
        key: &str,
        if_match: Option<ETagCondition>,
    ) -> Result<()> {
        self.need_bucket(bucket)?;
        let present = self.identity(bucket, key)?;
        let condition = WriteCondition { if_match, if_none_match: None };
        condition.check(present.as_ref().map(|(_, etag)| etag.as_str()))?;
        if let Some((id, _)) = present {
            self.remove_object(id)?;
        }
        Ok(())
    }

    fn identity(&self, bucket: &str, key: &str) -> Result<Option<(i64, String)>> {
        Ok(self
            .tx
            .prepare_cached("SELECT id, etag FROM object WHERE bucket = ?1 AND key = ?2")?
            .query_row((bucket, key.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?)
    }

    fn segments(&self, object: i64) -> Result<Vec<Segment>> {
        Ok(self
            .tx
            .prepare_cached("SELECT blob, size FROM segment WHERE object = ?1 ORDER BY seq")?
            .query_map([object], |row| Ok(Segment { blob: row.get(0)?, size: row.get(1)? }))?
            .collect::<rusqlite::Result<_>>()?)
    }

    fn remove_object(&mut self, id: i64) -> Result<()> {
        for segment in self.segments(id)? {
            self.drop_blob(segment.blob);
        }
        self.tx.execute("DELETE FROM object WHERE id = ?1", [id])?;
        Ok(())
    }
}
