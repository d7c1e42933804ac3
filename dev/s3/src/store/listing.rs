//! Listing keys in order, with a prefix, a delimiter and a place to go on from.

use super::{Result, StoreTransaction};

/// What to list.
pub(crate) struct Query {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// The smallest key that may come, in bytes.
    pub(crate) from: Vec<u8>,
    /// How many objects and common prefixes to answer.
    pub(crate) max: usize,
}

/// One object of a listing.
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) size: i64,
    pub(crate) modified_ms: i64,
}

/// One answer.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    pub(crate) prefixes: Vec<String>,
    /// Where the next page starts; `None` at the end.
    pub(crate) next: Option<Vec<u8>>,
}

/// Rows fetched at a time while common prefixes are skipped.
const BATCH: usize = 1000;

/// The first byte string behind `key`.
pub(crate) fn successor(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

/// The first byte string behind everything that starts with `prefix`; `None` for the empty one.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    // No byte of UTF-8 is 255, so this cannot overflow.
    let last = end.last_mut()?;
    *last = last.checked_add(1)?;
    Some(end)
}

impl StoreTransaction<'_> {
    /// One page of the bucket's keys.
    pub(crate) fn list(&self, query: &Query) -> Result<Page> {
        self.need_bucket(&query.bucket)?;
        let mut page = Page::default();
        if query.max == 0 {
            return Ok(page);
        }
        let end = after_prefix(query.prefix.as_bytes());
        let mut from = query.from.clone().max(query.prefix.clone().into_bytes());
        let mut statement = self.tx.prepare_cached(
            "SELECT key, etag, size, modified_ms FROM object
             WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3)
             ORDER BY key LIMIT ?4",
        )?;
        'batches: loop {
            let mut fetched = 0;
            let mut rows = statement.query((&query.bucket, &from, &end, BATCH))?;
            while let Some(row) = rows.next()? {
                fetched += 1;
                let key: Vec<u8> = row.get(0)?;
                if page.objects.len() + page.prefixes.len() == query.max {
                    page.next = Some(key);
                    return Ok(page);
                }
                let key = String::from_utf8_lossy(&key).into_owned();
                if let Some(common) = common_prefix(query, &key) {
                    page.prefixes.push(common.to_owned());
                    match after_prefix(common.as_bytes()) {
                        // Jumps over all that the common prefix stands for.
                        Some(next) => from = next,
                        None => return Ok(page),
                    }
                    continue 'batches;
                }
                from = successor(key.as_bytes());
                page.objects.push(Listed {
                    key,
                    etag: row.get(1)?,
                    size: row.get(2)?,
                    modified_ms: row.get(3)?,
                });
            }
            if fetched < BATCH {
                return Ok(page);
            }
        }
    }
}

fn common_prefix<'a>(query: &Query, key: &'a str) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref()?;
    let rest = key.get(query.prefix.len()..)?;
    let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}
