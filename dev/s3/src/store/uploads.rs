//! Multipart uploads in the index.

use rusqlite::OptionalExtension as _;
use s3s::s3_error;

use super::blobs::Pending;
use super::listing::{after_prefix, successor};
use super::objects::{Attributes, NewObject, Segment, WriteCondition, sum};
use super::{Result, StoreTransaction};
use crate::checksum::{Algorithm, ObjectChecksum, composite_etag};

/// S3's smallest part, except for the last: 5 MiB.
pub(crate) const MIN_PART: u64 = 5 * 1024 * 1024;

/// An upload to start.
pub(crate) struct NewUpload {
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) initiated_ms: i64,
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<Algorithm>,
}

/// An upload in a listing.
pub(crate) struct ListedUpload {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) initiated_ms: i64,
}

/// Which upload, as every call names it.
#[derive(Debug, Clone)]
pub(crate) struct UploadName {
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// A part that has been stored.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) number: i32,
    pub(crate) blob: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified_ms: i64,
    pub(crate) sum: Option<ObjectChecksum>,
}

/// A part as the completing request names it.
pub(crate) struct RequestedPart {
    pub(crate) number: i32,
    pub(crate) etag: String,
    /// Base64 of the checksum, with its algorithm.
    pub(crate) sum: Option<ObjectChecksum>,
}

struct Upload {
    attributes: Attributes,
    algorithm: Option<Algorithm>,
}

/// Removes an upload and its parts.
pub(super) fn remove(work: &mut StoreTransaction<'_>, id: &str) -> Result<()> {
    let blobs: Vec<String> = work
        .tx
        .prepare_cached("SELECT blob FROM part WHERE upload = ?1")?
        .query_map([id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for blob in blobs {
        work.drop_blob(blob);
    }
    work.tx.execute("DELETE FROM upload WHERE id = ?1", [id])?;
    Ok(())
}

impl StoreTransaction<'_> {
    pub(crate) fn create_upload(&mut self, upload: &NewUpload) -> Result<()> {
        self.need_bucket(&upload.bucket)?;
        self.tx.execute(
            "INSERT INTO upload (id, bucket, key, initiated_ms, attributes, algorithm)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                &upload.id,
                &upload.bucket,
                upload.key.as_bytes(),
                upload.initiated_ms,
                serde_json::to_string(&upload.attributes)?,
                upload.algorithm.map(Algorithm::name),
            ),
        )?;
        Ok(())
    }

    /// The checksum algorithm that the upload was started with, or `NoSuchUpload`.
    pub(crate) fn upload_algorithm(&self, name: &UploadName) -> Result<Option<Algorithm>> {
        Ok(self.upload(name)?.algorithm)
    }

    /// Stores a part in place of one with the same number.
    pub(crate) fn put_part(&mut self, name: &UploadName, part: &Part, file: Pending) -> Result<()> {
        self.add_file(file);
        self.upload(name)?;
        let before: Option<String> = self
            .tx
            .prepare_cached("SELECT blob FROM part WHERE upload = ?1 AND number = ?2")?
            .query_row((&name.id, part.number), |row| row.get(0))
            .optional()?;
        if let Some(blob) = before {
            self.drop_blob(blob);
        }
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO part
                 (upload, number, blob, size, etag, modified_ms, algorithm, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                &name.id,
                part.number,
                &part.blob,
                part.size,
                &part.etag,
                part.modified_ms,
                part.sum.as_ref().map(|sum| sum.algorithm.name()),
                part.sum.as_ref().map(|sum| &sum.value),
            ))?;
        Ok(())
    }

    /// Up to `max` parts with numbers above `marker`.
    pub(crate) fn parts(&self, name: &UploadName, marker: i32, max: usize) -> Result<Vec<Part>> {
        self.upload(name)?;
        Ok(self
            .tx
            .prepare_cached(
                "SELECT number, blob, size, etag, modified_ms, algorithm, checksum FROM part
                 WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
            )?
            .query_map((&name.id, marker, max), |row| {
                Ok(Part {
                    number: row.get(0)?,
                    blob: row.get(1)?,
                    size: row.get(2)?,
                    etag: row.get(3)?,
                    modified_ms: row.get(4)?,
                    sum: sum(row, 5)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Makes the object out of its parts, which become its segments; nothing is copied.
    pub(crate) fn complete_upload(
        &mut self,
        name: &UploadName,
        claimed: &[RequestedPart],
        expected_size: Option<u64>,
        condition: &WriteCondition,
        now_ms: i64,
    ) -> Result<(String, Option<ObjectChecksum>)> {
        let upload = self.upload(name)?;
        let stored = self.parts(name, 0, usize::from(u16::MAX))?;
        let parts = select(&stored, claimed, upload.algorithm)?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if expected_size.is_some_and(|expected| expected != size) {
            return Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header value does not match what was computed: {size}"
            )
            .into());
        }
        let etag = composite_etag(parts.iter().map(|part| part.etag.as_str()))
            .ok_or_else(|| s3_error!(InternalError, "a stored part has no MD5"))?;
        let sum = upload.algorithm.and_then(|algorithm| {
            let sums: Option<Vec<ObjectChecksum>> = parts.iter().map(|part| part.sum.clone()).collect();
            ObjectChecksum::composite(algorithm, &sums?)
        });
        let object = NewObject {
            bucket: name.bucket.clone(),
            key: name.key.clone(),
            etag: etag.clone(),
            modified_ms: now_ms,
            attributes: upload.attributes,
            sum: sum.clone(),
            segments: parts
                .into_iter()
                .map(|part| Segment { blob: part.blob.clone(), size: part.size })
                .collect(),
        };
        self.put_object(object, condition, [])?;
        // Parts that were not named go with the upload; the others have a segment by now.
        remove(self, &name.id)?;
        Ok((etag, sum))
    }

    pub(crate) fn abort_upload(&mut self, name: &UploadName) -> Result<()> {
        self.upload(name)?;
        remove(self, &name.id)
    }

    /// Up to `max` uploads in the order of their keys, then of their start; those behind the
    /// markers only.
    pub(crate) fn uploads(
        &self,
        bucket: &str,
        prefix: &str,
        key_marker: &str,
        id_marker: Option<&str>,
        max: usize,
    ) -> Result<Vec<ListedUpload>> {
        self.need_bucket(bucket)?;
        // With an id the marker's own key goes on behind that id, else behind the key.
        let (key, id) = match id_marker {
            Some(id) if !key_marker.is_empty() => (key_marker.as_bytes().to_vec(), id),
            _ if key_marker.is_empty() => (Vec::new(), ""),
            _ => (successor(key_marker.as_bytes()), ""),
        };
        Ok(self
            .tx
            .prepare_cached(
                "SELECT id, key, initiated_ms FROM upload
                 WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)
                   AND (key, id) > (?4, ?5)
                 ORDER BY key, id LIMIT ?6",
            )?
            .query_map((bucket, prefix.as_bytes(), after_prefix(prefix.as_bytes()), key, id, max), |row| {
                let key: Vec<u8> = row.get(1)?;
                Ok(ListedUpload {
                    id: row.get(0)?,
                    key: String::from_utf8_lossy(&key).into_owned(),
                    initiated_ms: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    fn upload(&self, name: &UploadName) -> Result<Upload> {
        let row: Option<(String, Option<String>)> = self
            .tx
            .prepare_cached(
                "SELECT attributes, algorithm FROM upload
                 WHERE id = ?1 AND bucket = ?2 AND key = ?3",
            )?
            .query_row((&name.id, &name.bucket, name.key.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((attributes, algorithm)) = row else {
            self.need_bucket(&name.bucket)?;
            return Err(s3_error!(
                NoSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
            )
            .into());
        };
        Ok(Upload {
            attributes: serde_json::from_str(&attributes)?,
            algorithm: algorithm.as_deref().and_then(Algorithm::from_name),
        })
    }
}

/// The stored parts that the request names, after all checks of S3.
fn select<'a>(
    stored: &'a [Part],
    claimed: &[RequestedPart],
    algorithm: Option<Algorithm>,
) -> Result<Vec<&'a Part>> {
    if claimed.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part").into());
    }
    if !claimed.is_sorted_by(|one, next| one.number < next.number) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        )
        .into());
    }
    let mut parts = Vec::with_capacity(claimed.len());
    for claim in claimed {
        let invalid = || {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
            )
        };
        let part = stored
            .binary_search_by_key(&claim.number, |part| part.number)
            .ok()
            .and_then(|at| stored.get(at))
            .filter(|part| part.etag == claim.etag)
            .ok_or_else(invalid)?;
        if algorithm.is_some() && claim.sum.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "The upload was created using a checksum. The complete request must include the checksum for each part. It was missing for part {}.",
                claim.number
            )
            .into());
        }
        if claim.sum.is_some() && part.sum.is_some() && claim.sum != part.sum {
            return Err(invalid().into());
        }
        parts.push(part);
    }
    if let Some((_, but_last)) = parts.split_last()
        && but_last.iter().any(|part| part.size < MIN_PART)
    {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        )
        .into());
    }
    Ok(parts)
}
